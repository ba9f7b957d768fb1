//! A new image config from an old one. Pure.
//!
//! Fields that nobody here knows are kept as they are, but for what belongs to the old image alone. The bytes are the
//! same whenever the content is: keys are sorted, nothing is formatted by chance. Setting something to nothing leaves its
//! key out.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    digest::{DiffId, Digest},
    oci::{Error, MAX_LAYERS, Platform},
};

/// What classic builders wrote about the container an image was made from, and what names the old image.
const OLD: [&str; 8] =
    ["container", "container_config", "docker_version", "id", "parent", "Size", "throwaway", RECORDED];

/// The key of the build steps an image was made by; no other program knows it, and registries keep what they don't know.
const RECORDED: &str = "darsena.build.steps";

/// A build step an image was made by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What its result is found by.
    pub key: Digest,
    /// How many of the image's layers there were after it.
    pub layers: usize,
    /// The last of them is its own.
    pub made_layer: bool,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A config that is being written.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigEditor {
    document: Map<String, Value>,
}

/// How an image says whether it is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` and its words, or `CMD-SHELL` and a line.
    pub test: Vec<String>,
    /// Between two probes.
    pub interval: Option<Duration>,
    /// For one probe.
    pub timeout: Option<Duration>,
    /// Failures do not count for so long.
    pub start_period: Option<Duration>,
    /// Between two probes while failures do not count.
    pub start_interval: Option<Duration>,
    /// Failures in a row that make it unwell.
    pub retries: Option<u32>,
}

/// A line of history to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub created_at: Option<Timestamp>,
    /// The instruction.
    pub created_by: String,
    /// Who.
    pub author: String,
    /// A remark.
    pub comment: String,
}

impl ConfigEditor {
    /// An image without anything.
    pub fn scratch(platform: &Platform) -> Self {
        let mut editor = Self { document: Map::new() };
        editor.set("architecture", &platform.architecture);
        editor.set("os", &platform.os);
        editor.set("variant", &platform.variant);
        editor.document.insert("config".to_owned(), json!({}));
        editor.document.insert("history".to_owned(), json!([]));
        editor.document.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": []}));
        editor
    }

    /// Begins with an image's config.
    pub fn of(config: &[u8]) -> Result<Self, Error> {
        let invalid = |why: &str| Error::Invalid("image config", why.to_owned());
        let mut document: Map<String, Value> =
            serde_json::from_slice(config).map_err(|source| Error::Json { what: "image config", source })?;
        document.retain(|key, value| !OLD.contains(&key.as_str()) && !value.is_null());
        for (key, empty) in [("config", json!({})), ("history", json!([])), ("rootfs", json!({}))] {
            let value = document.entry(key).or_insert_with(|| empty.clone());
            if std::mem::discriminant(value) != std::mem::discriminant(&empty) {
                return Err(invalid(&format!("{key} is of the wrong kind")));
            }
        }
        let mut editor = Self { document };
        let rootfs = editor.part("rootfs");
        rootfs.insert("type".to_owned(), "layers".into());
        if !rootfs.get("diff_ids").is_some_and(Value::is_array) {
            rootfs.insert("diff_ids".to_owned(), json!([]));
        }
        editor.run().retain(|_, value| !value.is_null());
        // Very old images wrote one text where a list belongs.
        for key in ["Cmd", "Entrypoint"] {
            if let Some(Value::String(word)) = editor.run().get(key).cloned() {
                editor.set_words(key, &[word]);
            }
        }
        Ok(editor)
    }

    fn part(&mut self, key: &str) -> &mut Map<String, Value> {
        let part = self.document.entry(key).or_insert_with(|| json!({}));
        if !part.is_object() {
            *part = json!({});
        }
        part.as_object_mut().expect("it was just made one")
    }

    fn run(&mut self) -> &mut Map<String, Value> {
        self.part("config")
    }

    fn running(&self, key: &str) -> Option<&Value> {
        self.document.get("config")?.get(key)
    }

    fn set(&mut self, key: &str, text: &str) {
        put(&mut self.document, key, text, text.is_empty());
    }

    fn set_words(&mut self, key: &str, words: &[String]) {
        put(self.run(), key, words, words.is_empty());
    }

    fn words(&self, key: &str) -> Vec<String> {
        let words = self.running(key).and_then(Value::as_array).into_iter().flatten();
        words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
    }

    fn text(&self, key: &str) -> &str {
        self.running(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// ENV: `NAME=value`, in order.
    pub fn env(&self) -> Vec<String> {
        self.words("Env")
    }

    /// Sets one variable; it keeps its place when it was set before.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let mut env = self.env();
        let line = format!("{name}={value}");
        let same = |line: &&mut String| line.split_once('=').map_or(line.as_str(), |(name, _)| name) == name;
        match env.iter_mut().find(same) {
            Some(old) => *old = line,
            None => env.push(line),
        }
        self.set_words("Env", &env);
    }

    /// CMD.
    pub fn cmd(&self) -> Vec<String> {
        self.words("Cmd")
    }

    /// Sets CMD; none when empty.
    pub fn set_cmd(&mut self, cmd: &[String]) {
        self.run().remove("ArgsEscaped");
        self.set_words("Cmd", cmd);
    }

    /// ENTRYPOINT.
    pub fn entrypoint(&self) -> Vec<String> {
        self.words("Entrypoint")
    }

    /// Sets ENTRYPOINT; none when empty. That an inherited CMD goes with it is for the caller to do.
    pub fn set_entrypoint(&mut self, entrypoint: &[String]) {
        self.set_words("Entrypoint", entrypoint);
    }

    /// SHELL, Docker's default where nothing is said.
    pub fn shell(&self) -> Vec<String> {
        let shell = self.words("Shell");
        if shell.is_empty() { vec!["/bin/sh".to_owned(), "-c".to_owned()] } else { shell }
    }

    /// Sets SHELL.
    pub fn set_shell(&mut self, shell: &[String]) {
        self.set_words("Shell", shell);
    }

    /// A command line for the shell, as arguments.
    pub fn in_shell(&self, line: &str) -> Vec<String> {
        let mut words = self.shell();
        words.push(line.to_owned());
        words
    }

    /// USER.
    pub fn user(&self) -> &str {
        self.text("User")
    }

    /// Sets USER.
    pub fn set_user(&mut self, user: &str) {
        put(self.run(), "User", user, user.is_empty());
    }

    /// WORKDIR; `/` where nothing is said.
    pub fn working_dir(&self) -> &str {
        let dir = self.text("WorkingDir");
        if dir.is_empty() { "/" } else { dir }
    }

    /// Sets WORKDIR: a relative one is below the present one.
    pub fn set_working_dir(&mut self, dir: &str) {
        let mut parts = PathBuf::from("/");
        for part in format!("{}/{dir}", if dir.starts_with('/') { "" } else { self.working_dir() }).split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let dir = parts.to_string_lossy().into_owned();
        put(self.run(), "WorkingDir", dir, false);
    }

    /// LABEL.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.running("Labels").and_then(Value::as_object).into_iter().flatten();
        labels.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// Sets one label.
    pub fn add_label(&mut self, name: &str, value: &str) {
        self.entry("Labels", name, value.into());
    }

    /// EXPOSE: one port with its protocol, as in `80/tcp`.
    pub fn expose(&mut self, port: &str) {
        self.entry("ExposedPorts", port, json!({}));
    }

    /// VOLUME: one path.
    pub fn add_volume(&mut self, path: &str) {
        self.entry("Volumes", path, json!({}));
    }

    /// The paths of VOLUME, sorted.
    pub fn volumes(&self) -> Vec<String> {
        let volumes = self.running("Volumes").and_then(Value::as_object).into_iter().flatten();
        volumes.map(|(path, _)| path.clone()).collect()
    }

    fn entry(&mut self, key: &str, name: &str, value: Value) {
        let run = self.run();
        let entries = run.entry(key).or_insert_with(|| json!({}));
        if !entries.is_object() {
            *entries = json!({});
        }
        entries.as_object_mut().expect("it was just made one").insert(name.to_owned(), value);
    }

    /// Sets STOPSIGNAL.
    pub fn set_stop_signal(&mut self, signal: &str) {
        put(self.run(), "StopSignal", signal, signal.is_empty());
    }

    /// Sets HEALTHCHECK.
    pub fn set_healthcheck(&mut self, check: &Healthcheck) {
        let nanos = |time: Option<Duration>| time.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let mut value = Map::new();
        value.insert("Test".to_owned(), json!(check.test));
        for (key, number) in [
            ("Interval", nanos(check.interval)),
            ("Timeout", nanos(check.timeout)),
            ("StartPeriod", nanos(check.start_period)),
            ("StartInterval", nanos(check.start_interval)),
            ("Retries", check.retries.unwrap_or(0).into()),
        ] {
            put(&mut value, key, number, number == 0);
        }
        put(self.run(), "Healthcheck", value, false);
    }

    /// ONBUILD: instructions for who builds on this image.
    pub fn onbuild(&self) -> Vec<String> {
        self.words("OnBuild")
    }

    /// Adds one.
    pub fn add_onbuild(&mut self, instruction: &str) {
        let mut all = self.onbuild();
        all.push(instruction.to_owned());
        self.set_words("OnBuild", &all);
    }

    /// Takes all: they were done.
    pub fn take_onbuild(&mut self) -> Vec<String> {
        let all = self.onbuild();
        self.set_words("OnBuild", &[]);
        all
    }

    /// Who made it.
    pub fn author(&self) -> &str {
        self.document.get("author").and_then(Value::as_str).unwrap_or_default()
    }

    /// Sets who made it.
    pub fn set_author(&mut self, author: &str) {
        self.set("author", author);
    }

    /// When it was made.
    pub fn set_created(&mut self, at: Timestamp) {
        self.set("created", &at.to_string());
    }

    /// Sets what it runs on.
    pub fn set_platform(&mut self, platform: &Platform) {
        self.set("architecture", &platform.architecture);
        self.set("os", &platform.os);
        self.set("variant", &platform.variant);
    }

    /// Its layers, lowest first.
    pub fn layers(&self) -> Vec<DiffId> {
        let ids = self.document.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids"));
        let ids = ids.and_then(Value::as_array).into_iter().flatten();
        ids.filter_map(|id| id.as_str()?.parse().ok().map(DiffId)).collect()
    }

    /// Puts a layer on top, with the step that made it.
    pub fn add_layer(&mut self, layer: DiffId, step: &Step) -> Result<(), Error> {
        let ids = self.part("rootfs").get_mut("diff_ids").and_then(Value::as_array_mut);
        let ids = ids.ok_or_else(|| Error::Invalid("image config", "it has no list of layers".to_owned()))?;
        if ids.len() >= MAX_LAYERS {
            return Err(Error::Invalid("image config", "max depth exceeded".to_owned()));
        }
        ids.push(layer.0.to_string().into());
        self.push(step, false);
        Ok(())
    }

    /// A step that made no layer.
    pub fn add_history(&mut self, step: &Step) {
        self.push(step, true);
    }

    fn push(&mut self, step: &Step, empty: bool) {
        let mut line = Map::new();
        let created = step.created_at.map(|at| at.to_string()).unwrap_or_default();
        for (key, text) in [
            ("created", &created),
            ("created_by", &step.created_by),
            ("author", &step.author),
            ("comment", &step.comment),
        ] {
            put(&mut line, key, text.as_str(), text.is_empty());
        }
        put(&mut line, "empty_layer", true, !empty);
        if let Some(history) = self.document.entry("history").or_insert_with(|| json!([])).as_array_mut() {
            history.push(line.into());
        }
    }

    /// Notes a build step, once its layer is there.
    pub fn record(&mut self, key: Digest, made_layer: bool, made_at: Timestamp) {
        let step = Recorded { key, layers: self.layers().len(), made_layer, made_at };
        let recorded = self.document.entry(RECORDED).or_insert_with(|| json!([]));
        if let (Some(recorded), Ok(step)) = (recorded.as_array_mut(), serde_json::to_value(step)) {
            recorded.push(step);
        }
    }

    /// The config, to be stored; its digest is the image's id.
    pub fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.document.clone()).to_string().into_bytes()
    }
}

/// The build steps an image says it was made by.
pub fn recorded(config: &[u8]) -> Vec<Recorded> {
    let document: Map<String, Value> = serde_json::from_slice(config).unwrap_or_default();
    let steps = document.get(RECORDED).and_then(Value::as_array).into_iter().flatten();
    steps.filter_map(|step| Recorded::deserialize(step).ok()).collect()
}

fn put(into: &mut Map<String, Value>, key: &str, value: impl Into<Value>, nothing: bool) {
    if nothing {
        into.remove(key);
    } else {
        into.insert(key.to_owned(), value.into());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::oci::Config;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn an_image_is_written_from_nothing() {
        let platform = Platform { os: "linux".into(), architecture: "arm64".into(), variant: "v8".into() };
        let mut editor = ConfigEditor::scratch(&platform);
        assert_eq!((editor.working_dir(), editor.shell()), ("/", words(&["/bin/sh", "-c"])));
        let layer = DiffId(Digest::of(b"layer"));
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        let step = Step { created_at: Some(at), created_by: "COPY".into(), ..Step::default() };
        editor.add_layer(layer, &step).unwrap();
        editor.set_env("PATH", "/bin");
        editor.set_env("A", "1=2");
        editor.set_env("PATH", "/usr/bin");
        editor.add_label("b", "2");
        editor.add_label("a", "1");
        editor.expose("80/tcp");
        editor.add_volume("/data");
        editor.set_working_dir("srv");
        editor.set_working_dir("../a/./b/");
        editor.set_cmd(&editor.in_shell("x y"));
        editor.set_user("7:8");
        editor.set_stop_signal("SIGINT");
        editor.add_onbuild("RUN x");
        editor.add_onbuild("RUN y");
        let interval = Some(Duration::from_secs(1));
        editor.set_healthcheck(&Healthcheck { test: words(&["CMD", "x"]), interval, ..Healthcheck::default() });
        editor.set_author("me");
        editor.set_created(at);
        editor.add_history(&Step { created_by: "CMD".into(), comment: "c".into(), ..Step::default() });
        let text = String::from_utf8(editor.to_bytes()).unwrap();
        let expected = concat!(
            r#"{"architecture":"arm64","author":"me","config":{"Cmd":["/bin/sh","-c","x y"],"#,
            r#""Env":["PATH=/usr/bin","A=1=2"],"ExposedPorts":{"80/tcp":{}},"#,
            r#""Healthcheck":{"Interval":1000000000,"Test":["CMD","x"]},"Labels":{"a":"1","b":"2"},"#,
            r#""OnBuild":["RUN x","RUN y"],"StopSignal":"SIGINT","User":"7:8","Volumes":{"/data":{}},"#,
            r#""WorkingDir":"/a/b"},"created":"2026-01-02T03:04:05Z","history":[{"created":"2026-01-02T03:04:05Z","#,
            r#""created_by":"COPY"},{"comment":"c","created_by":"CMD","empty_layer":true}],"os":"linux","#,
            r#""rootfs":{"diff_ids":["LAYER"],"type":"layers"},"variant":"v8"}"#,
        );
        assert_eq!(text, expected.replace("LAYER", &layer.0.to_string()));
        let mut built = editor.clone();
        built.record(layer.0, true, at);
        let with_steps = built.to_bytes();
        assert_eq!(recorded(&with_steps), [Recorded { key: layer.0, layers: 1, made_layer: true, made_at: at }]);
        assert_eq!(ConfigEditor::of(&with_steps).unwrap().to_bytes(), text.as_bytes(), "a child has its own steps");
        assert!(recorded(br#"{"darsena.build.steps":[1,{"key":"x"}]}"#).is_empty() && recorded(b"{").is_empty());
        let config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!((config.diff_ids(), config.platform()), (&[layer][..], platform));
        assert_eq!(ConfigEditor::of(text.as_bytes()).unwrap(), editor);
        assert_eq!(editor.take_onbuild(), words(&["RUN x", "RUN y"]));
        editor.set_cmd(&[]);
        let text = String::from_utf8(editor.to_bytes()).unwrap();
        assert!(!text.contains("OnBuild") && !text.contains("Cmd"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_kept_and_what_is_past_goes() {
        let old = r#"{"os":"linux","os.features":["x"],"container":"abc","container_config":{"Cmd":["old"]},
            "parent":"sha256:00","config":{"Hostname":"h","Cmd":"one","Env":null,"Labels":null,"ArgsEscaped":true}}"#;
        let mut editor = ConfigEditor::of(old.as_bytes()).unwrap();
        assert_eq!((editor.cmd(), editor.env(), editor.layers()), (words(&["one"]), vec![], vec![]));
        editor.set_cmd(&words(&["two"]));
        editor.add_label("a", "b");
        assert_eq!(
            String::from_utf8(editor.to_bytes()).unwrap(),
            r#"{"config":{"Cmd":["two"],"Hostname":"h","Labels":{"a":"b"}},"history":[],"os":"linux","os.features":["x"],"rootfs":{"diff_ids":[],"type":"layers"}}"#
        );
        assert_eq!(editor.labels().collect::<Vec<_>>(), [("a", "b")]);
    }

    #[test]
    fn odd_documents_are_refused_or_made_sound() {
        for wrong in ["", "[]", "1", r#"{"config":[]}"#, r#"{"history":{}}"#, r#"{"rootfs":"x"}"#] {
            assert!(ConfigEditor::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let mut editor = ConfigEditor::of(br#"{"config":{"Labels":7,"Env":"x"},"rootfs":{"diff_ids":3}}"#).unwrap();
        editor.add_label("a", "b");
        editor.set_env("A", "b");
        for n in 0..MAX_LAYERS {
            editor.add_layer(DiffId(Digest::of(n.to_string().as_bytes())), &Step::default()).unwrap();
        }
        assert!(editor.add_layer(DiffId(Digest::of(b"x")), &Step::default()).is_err());
        assert_eq!(editor.layers().len(), MAX_LAYERS);
        assert_eq!(Config::parse(&editor.to_bytes()).unwrap().diff_ids(), editor.layers());
    }
}
