//! The build form: fields as typed, and the request they make. Values of secrets are read and never shown again.

use std::collections::BTreeMap;

use runtime::request::{BuildImage, BuildNetwork, Limits, Secret};

use super::{
    launch_form::{PairRow, Wrong, pairs},
    request::Fields,
};
use crate::{
    i18n::Texts,
    ops::builds::{View, asked::is_hidden},
};

/// Rows for secrets.
const SECRETS: usize = 3;

/// How the files come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// A Dockerfile is pasted.
    #[default]
    Paste,
    /// An archive is uploaded.
    Upload,
    /// They are at an address.
    Address,
}

impl Way {
    /// From its word; anything else is pasting.
    pub fn parse(word: &str) -> Self {
        match word {
            "upload" => Self::Upload,
            "address" => Self::Address,
            _ => Self::Paste,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Paste => "paste",
            Self::Upload => "upload",
            Self::Address => "address",
        }
    }
}

/// The form as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildForm {
    /// How the files come.
    pub way: Way,
    /// The Dockerfile itself.
    pub text: String,
    /// Of a git repository or an archive.
    pub address: String,
    /// References, with blanks between them.
    pub names: String,
    /// Path of the Dockerfile in the files.
    pub path: String,
    /// A stage.
    pub target: String,
    /// Build arguments.
    pub args: Vec<PairRow>,
    /// Labels.
    pub labels: Vec<PairRow>,
    /// Ids of secrets.
    pub secret_ids: [String; SECRETS],
    /// Do every step again.
    pub no_cache: bool,
    /// Ask for newer base images.
    pub pull: bool,
    /// `none` or anything else.
    pub network: String,
    /// A number.
    pub memory: String,
    /// `MiB` or `GiB`.
    pub memory_unit: String,
    /// A decimal number.
    pub cpus: String,
    /// The build this one is like.
    pub from: Option<i64>,
    /// Their values; no page shows them.
    pub secrets: [String; SECRETS],
}

impl BuildForm {
    /// From what was sent.
    pub fn read(fields: &Fields) -> Self {
        let rows = |name: &str| {
            let mut rows: [String; SECRETS] = Default::default();
            for (row, value) in rows.iter_mut().zip(fields.all(name)) {
                value.clone_into(row);
            }
            rows
        };
        let mut form = Self {
            way: Way::parse(&fields.text("way")),
            text: fields.get("text").unwrap_or_default().replace("\r\n", "\n"),
            address: fields.text("address"),
            names: fields.text("names"),
            path: fields.text("path"),
            target: fields.text("target"),
            args: pairs(fields, "arg_name", "arg_value"),
            labels: pairs(fields, "label_name", "label_value"),
            secret_ids: rows("secret_id").map(|id| id.trim().to_owned()),
            secrets: rows("secret_value").map(|value| value.replace("\r\n", "\n")),
            no_cache: fields.is_on("no_cache"),
            pull: fields.is_on("pull"),
            network: fields.text("network"),
            memory: fields.text("memory"),
            memory_unit: fields.text("memory_unit"),
            cpus: fields.text("cpus"),
            from: fields.text("from").parse().ok(),
        };
        match fields.get("add") {
            Some("arg") => form.args.push(PairRow::default()),
            Some("label") => form.labels.push(PairRow::default()),
            _ => {}
        }
        if let Some((what, Ok(at))) =
            fields.get("remove").and_then(|text| text.split_once(':')).map(|(what, at)| (what, at.parse::<usize>()))
        {
            match what {
                "arg" if at < form.args.len() => drop(form.args.remove(at)),
                "label" if at < form.labels.len() => drop(form.labels.remove(at)),
                _ => {}
            }
        }
        form
    }

    /// With empty rows to fill in.
    #[must_use]
    pub fn with_rows(mut self) -> Self {
        for rows in [&mut self.args, &mut self.labels] {
            if rows.is_empty() {
                rows.push(PairRow::default());
            }
        }
        self
    }

    /// The same as a build on record.
    pub fn like(view: &View) -> Self {
        let asked = &view.asked;
        let pair = |name: &str, value: &str| PairRow { name: name.to_owned(), value: value.to_owned() };
        let args = asked.build_args.iter().filter_map(|(name, value)| Some(pair(name, value.as_deref()?)));
        let args = args.chain(asked.hidden_args.iter().map(|name| pair(name, ""))).collect();
        let labels = asked.labels.iter().map(|(name, value)| pair(name, value)).collect();
        let mut secret_ids: [String; SECRETS] = Default::default();
        for (row, id) in secret_ids.iter_mut().zip(&asked.secrets) {
            row.clone_from(id);
        }
        let way = match view.row.source.as_str() {
            "upload" => Way::Upload,
            "remote" => Way::Address,
            _ => Way::Paste,
        };
        Self {
            way,
            text: view.row.dockerfile.clone().unwrap_or_default(),
            address: if way == Way::Address { view.row.origin.clone() } else { String::new() },
            names: asked.names.join(" "),
            path: asked.dockerfile.clone().unwrap_or_default(),
            target: asked.target.clone().unwrap_or_default(),
            args,
            labels,
            secret_ids,
            no_cache: asked.no_cache,
            pull: asked.pull,
            network: if asked.network == BuildNetwork::None { "none".into() } else { String::new() },
            memory: asked.limits.memory_bytes.map(|bytes| (bytes >> 20).to_string()).unwrap_or_default(),
            memory_unit: "MiB".into(),
            cpus: asked.limits.nano_cpus.map(|nano| (nano as f64 / 1e9).to_string()).unwrap_or_default(),
            from: Some(view.row.operation.id),
            ..Self::default()
        }
    }

    /// The request, or every field that needs a change.
    ///
    /// # Errors
    /// The fields.
    pub fn request(&self, t: Texts) -> Result<BuildImage, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut say =
            |field: &str, label: &str, why: String| wrong.push(Wrong { field: field.into(), label: t.get(label), why });
        if self.way == Way::Paste && self.text.trim().is_empty() {
            say("df", "build-dockerfile", t.get("build-dockerfile-missing"));
        }
        if self.way == Way::Address && !self.address.contains(':') {
            say("ad", "build-address", t.get("build-address-wrong"));
        }
        let mut build_args = BTreeMap::new();
        for (at, row) in self.args.iter().enumerate() {
            let field = format!("an{at}");
            match row.name.as_str() {
                "" if row.value.is_empty() => {}
                name if name.is_empty() || name.contains(['=', '\0']) || name.contains(char::is_whitespace) => {
                    say(&field, "build-args", t.get("launch-env-wrong"));
                }
                // A secret's value is not brought back from the record, so an empty one was forgotten.
                name if is_hidden(name) && row.value.is_empty() => {
                    say(&format!("av{at}"), "build-args", t.one("build-arg-empty", "name", name));
                }
                name => drop(build_args.insert(name.to_owned(), Some(row.value.clone()))),
            }
        }
        let mut labels = BTreeMap::new();
        for (at, row) in self.labels.iter().enumerate() {
            match (row.name.is_empty(), row.value.is_empty()) {
                (true, true) => {}
                (true, false) => say(&format!("ln{at}"), "labels", t.get("launch-env-wrong")),
                (false, _) => drop(labels.insert(row.name.clone(), row.value.clone())),
            }
        }
        let mut secrets = BTreeMap::new();
        for (at, (id, value)) in self.secret_ids.iter().zip(&self.secrets).enumerate() {
            match (id.is_empty(), value.is_empty()) {
                (true, true) => {}
                (false, false) => drop(secrets.insert(id.clone(), Secret(value.clone().into_bytes()))),
                _ => say(&format!("si{at}"), "build-secrets", t.get("build-secret-half")),
            }
        }
        let memory_bytes = match (self.memory.is_empty(), self.memory.parse::<u64>()) {
            (true, _) => None,
            (false, Ok(number)) => {
                Some(number.saturating_mul(if self.memory_unit == "GiB" { 1 << 30 } else { 1 << 20 }))
            }
            (false, Err(_)) => {
                say("me", "memory", t.get("build-number-wrong"));
                None
            }
        };
        let nano_cpus = match (self.cpus.is_empty(), self.cpus.replace(',', ".").parse::<f64>()) {
            (true, _) => None,
            (false, Ok(cpus)) if cpus > 0.0 && cpus < 1e6 => Some((cpus * 1e9) as u64),
            (false, _) => {
                say("cp", "launch-cpus", t.get("build-number-wrong"));
                None
            }
        };
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(BuildImage {
            names: self.names.split([' ', ',', '\n']).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            dockerfile: some(&self.path),
            build_args,
            labels,
            target: some(&self.target),
            no_cache: self.no_cache,
            pull: self.pull,
            network: if self.network == "none" { BuildNetwork::None } else { BuildNetwork::Default },
            limits: Limits { memory_bytes, nano_cpus, ..Limits::default() },
            secrets,
            ..BuildImage::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Language;

    const T: Texts = Texts { language: Language::English };

    #[test]
    fn a_form_becomes_a_request() {
        let fields = Fields::parse(
            b"way=paste&text=FROM+a%0D%0ARUN+b&names=app%3A1+app%3A2&arg_name=A&arg_value=1&arg_name=B&arg_value=&label_name=l&label_value=v&target=x&no_cache=on\
              &network=none&memory=64&memory_unit=MiB&cpus=1%2C5&secret_id=npm&secret_value=s3cret&secret_id=",
        );
        let form = BuildForm::read(&fields);
        assert_eq!(form.text, "FROM a\nRUN b");
        let request = form.request(T).unwrap();
        assert_eq!(request.names, ["app:1", "app:2"]);
        assert_eq!(
            request.build_args,
            [("A".to_owned(), Some("1".to_owned())), ("B".to_owned(), Some(String::new()))].into()
        );
        assert_eq!((request.network, request.no_cache, request.pull), (BuildNetwork::None, true, false));
        assert_eq!((request.limits.memory_bytes, request.limits.nano_cpus), (Some(64 << 20), Some(1_500_000_000)));
        assert_eq!(request.secrets["npm"].0, b"s3cret");
    }

    #[test]
    fn every_wrong_field_is_named() {
        let fields = Fields::parse(
            b"text=&arg_name=a+b&arg_value=1&arg_name=TOKEN&arg_value=&label_name=&label_value=x&memory=many&cpus=-1\
              &secret_id=npm&secret_value=",
        );
        let wrong = BuildForm::read(&fields).request(T).unwrap_err();
        let named: Vec<_> = wrong.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(named, ["df", "an0", "av1", "ln0", "si0", "me", "cp"]);
        let rows = Fields::parse(b"arg_name=A&arg_value=1&arg_name=B&arg_value=2&remove=arg:0&add=label");
        let form = BuildForm::read(&rows);
        assert_eq!((form.args.len(), form.args[0].name.as_str(), form.labels.len()), (1, "B", 1));
        let fields = Fields::parse(b"way=address&address=here");
        assert_eq!(BuildForm::read(&fields).request(T).unwrap_err()[0].field, "ad");
    }
}
