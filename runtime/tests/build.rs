//! Builds images with a real engine: what steps see and leave, what the cache knows again, what is refused.
//!
//! Needs root and a static busybox. Everything happens in a mount and a network namespace of the test's own.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use runtime::{
    Config, Engine,
    build::cache::PruneCache,
    digest::{Digest, ImageId},
    error::{ErrorKind, Result},
    request::{BuildImage, BuildNetwork, BuildSource, Secret},
    view::{BuildEvent, BuiltImage, ImageView, Stream},
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const APPLETS: &[&str] = &[
    "sh", "cat", "echo", "true", "false", "id", "ls", "sleep", "env", "pwd", "touch", "mkdir", "rm", "stat", "test",
    "chmod", "chown", "grep", "sort", "find", "dd", "ip", "ln", "wc", "mount", "tail", "date", "head", "tr", "mv",
    "cp",
];

/// An engine with one image, `base`.
struct World {
    dir: tempfile::TempDir,
    engine: Engine,
}

/// One build and what it told.
struct Outcome {
    result: Result<BuiltImage>,
    events: Vec<BuildEvent>,
}

impl Outcome {
    fn image(&self) -> &BuiltImage {
        self.result.as_ref().unwrap_or_else(|error| panic!("{}\n{}", error.chain(), self.output()))
    }

    fn error(&self) -> String {
        self.result.as_ref().map_or_else(|error| error.message().to_owned(), |_| String::new())
    }

    fn output(&self) -> String {
        let bytes = self.events.iter().filter_map(|event| match event {
            BuildEvent::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        bytes.collect()
    }

    /// Whether each step was known, by its number.
    fn cached(&self) -> Vec<bool> {
        let mut steps = BTreeMap::new();
        for event in &self.events {
            if let BuildEvent::Done { step, cached, .. } = event {
                steps.insert(*step, *cached);
            }
        }
        steps.into_values().collect()
    }
}

fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000);
        if let Some(target) = content.strip_prefix("-> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            tar.append_link(&mut header, path, target).unwrap();
        } else if path.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            header.set_mode(0o755);
            tar.append_data(&mut header, path, std::io::empty()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            header.set_mode(if content.starts_with("#!") { 0o755 } else { 0o644 });
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

fn base() -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    let folder = |layer: &mut tar::Builder<Vec<u8>>, path: &str, mode| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(mode);
        layer.append_data(&mut header, path, std::io::empty()).unwrap();
    };
    for (path, mode) in [("bin/", 0o755), ("etc/", 0o755), ("tmp/", 0o1777), ("root/", 0o700), ("home/", 0o755)] {
        folder(&mut layer, path, mode);
    }
    let mut program = tar::Header::new_gnu();
    let busybox = fs::read("/bin/busybox").unwrap();
    program.set_size(busybox.len() as u64);
    program.set_mode(0o755);
    layer.append_data(&mut program, "bin/busybox", &busybox[..]).unwrap();
    for applet in APPLETS {
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        layer.append_link(&mut link, format!("bin/{applet}"), "busybox").unwrap();
    }
    for (path, content) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/home/web:/bin/sh\n"),
        ("etc/group", "root:x:0:\nwww:x:34:\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        layer.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let layer = layer.into_inner().unwrap();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Env": ["PATH=/bin", "FROM_BASE=yes"], "Cmd": ["sh"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
        "history": [{ "created": "2024-01-01T00:00:00Z", "created_by": "base" }],
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["base:latest"], "Layers": ["layer.tar"] }]);
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in [
        ("layer.tar", layer),
        ("config.json", serde_json::to_vec(&config).unwrap()),
        ("manifest.json", serde_json::to_vec(&manifest).unwrap()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let engine = Self::open(dir.path()).await;
        let (progress, _steps) = mpsc::channel(64);
        engine.load(std::io::Cursor::new(base()), progress).await.unwrap();
        Self { dir, engine }
    }

    async fn open(dir: &Path) -> Engine {
        let program = std::env::var("DARSENA_TEST_MONITOR").unwrap_or(env!("CARGO_BIN_EXE_darsena-monitor").into());
        let config = Config {
            data_root: dir.join("data"),
            run_root: dir.join("run"),
            registry_mirrors: Vec::new(),
            insecure_registries: Vec::new(),
            private_sources: true,
            metadata: false,
            registry_certificates: Vec::new(),
            monitor: fs::read(program).unwrap().leak(),
        };
        Engine::open(config).await.unwrap()
    }

    async fn build_with(&self, request: BuildImage, source: BuildSource) -> Outcome {
        let (sender, mut receiver) = mpsc::channel(16);
        let build = self.engine.build(request, source, CancellationToken::new(), sender);
        let collect = async {
            let mut events = Vec::new();
            while let Some(event) = receiver.recv().await {
                events.push(event);
            }
            events
        };
        let (result, events) = tokio::join!(build, collect);
        Outcome { result, events }
    }

    async fn build(&self, dockerfile: &str, files: &[(&str, &str)]) -> Outcome {
        self.build_as(BuildImage::default(), dockerfile, files).await
    }

    async fn build_as(&self, request: BuildImage, dockerfile: &str, files: &[(&str, &str)]) -> Outcome {
        let mut all = vec![("Dockerfile", dockerfile)];
        all.extend(files);
        let archive = std::io::Cursor::new(tar_of(&all));
        self.build_with(request, BuildSource::Archive(Box::new(archive))).await
    }

    async fn view(&self, id: ImageId) -> ImageView {
        self.engine.image(&id.to_string()).await.unwrap()
    }

    /// The files of the layers above the base, each `path mode uid:gid content`.
    fn files(&self, id: ImageId) -> BTreeMap<String, String> {
        use std::os::unix::fs::MetadataExt as _;
        let mut found = BTreeMap::new();
        for lower in self.lowers(id).into_iter().skip(1) {
            let mut waiting = vec![lower.clone()];
            while let Some(folder) = waiting.pop() {
                for entry in fs::read_dir(&folder).unwrap() {
                    let path = entry.unwrap().path();
                    let meta = fs::symlink_metadata(&path).unwrap();
                    let name = format!("/{}", path.strip_prefix(&lower).unwrap().display());
                    let content = if meta.is_symlink() {
                        format!("-> {}", fs::read_link(&path).unwrap().display())
                    } else if meta.is_file() {
                        String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
                    } else if meta.is_dir() {
                        waiting.push(path.clone());
                        "folder".to_owned()
                    } else {
                        "gone".to_owned()
                    };
                    found.insert(name, format!("{:o} {}:{} {content}", meta.mode() & 0o7777, meta.uid(), meta.gid()));
                }
            }
        }
        found
    }

    /// Folders of its layers, lowest first.
    fn lowers(&self, id: ImageId) -> Vec<PathBuf> {
        let raw = fs::read(self.dir.path().join("data/content/sha256").join(id.hex())).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&raw).unwrap();
        let ids: Vec<_> = config["rootfs"]["diff_ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| serde_json::from_value(id.clone()).unwrap())
            .collect();
        let chains = runtime::oci::chains(&ids);
        chains.iter().map(|chain| self.dir.path().join("data/snapshots").join(chain.0.hex()).join("fs")).collect()
    }

    fn raw(&self, id: ImageId) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.dir.path().join("data/content/sha256").join(id.hex())).unwrap()).unwrap()
    }
}

async fn files_are_copied_and_config_is_kept(world: &World) {
    let dockerfile = "FROM base\nENV A=1 B=two\nLABEL x=y\nWORKDIR /srv/app\nCOPY a.txt dir ./\nCOPY --chown=web:www --chmod=600 a.txt /etc/secret\nADD a.txt b/\nEXPOSE 80 53/udp\nUSER web\nENTRYPOINT [\"/bin/sh\"]\nCMD [\"-c\", \"true\"]\nVOLUME /data\n";
    let files = [("a.txt", "hello"), ("dir/", ""), ("dir/in.txt", "in"), ("dir/link", "-> in.txt")];
    let request = BuildImage { names: vec!["app:1".to_owned()], ..BuildImage::default() };
    let outcome = world.build_as(request, dockerfile, &files).await;
    let id = outcome.image().id;
    assert_eq!(outcome.image().names, ["app:1"]);
    let found = world.files(id);
    assert_eq!(found["/srv/app/a.txt"], "644 0:0 hello");
    assert_eq!(found["/srv/app/in.txt"], "644 0:0 in");
    assert_eq!(found["/srv/app/link"], "777 0:0 -> in.txt");
    assert_eq!(found["/srv/app/b/a.txt"], "644 0:0 hello");
    assert_eq!(found["/etc/secret"], "600 33:34 hello");
    let config = world.raw(id);
    let run = &config["config"];
    assert_eq!(run["Env"], json!(["PATH=/bin", "FROM_BASE=yes", "A=1", "B=two"]));
    assert_eq!((&run["WorkingDir"], &run["User"]), (&json!("/srv/app"), &json!("web")));
    assert_eq!((&run["Entrypoint"], &run["Cmd"]), (&json!(["/bin/sh"]), &json!(["-c", "true"])));
    assert_eq!(run["ExposedPorts"], json!({ "53/udp": {}, "80/tcp": {} }));
    assert_eq!(run["Volumes"], json!({ "/data": {} }));
    assert_eq!(run["Labels"], json!({ "x": "y" }));
    // WORKDIR, two COPY and ADD made layers; nothing else did.
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 1 + 4);
    assert_eq!(config["history"].as_array().unwrap().len(), 1 + 11);
    assert_eq!(world.view(id).await.summary.id, id);

    let again = world.build(dockerfile, &files).await;
    assert_eq!(again.image().id, id, "a build whose steps are all known makes the same image");
    assert!(again.cached()[1..].iter().all(|cached| *cached), "{:?}", again.cached());
    let other = world.build(dockerfile, &[("a.txt", "other"), files[1], files[2], files[3]]).await;
    assert_eq!(&other.cached()[1..5], [true, true, true, false]);
}

async fn commands_run_and_leave_what_they_wrote(world: &World) {
    let dockerfile = "FROM base\nARG WHO=nobody\nENV GREETING=hello\nWORKDIR /work\nRUN echo $GREETING $WHO $FROM_BASE > said && id -u && echo err >&2\nUSER web\nRUN [\"/bin/sh\", \"-c\", \"id -u; id -g; pwd; touch /tmp/mine\"]\nRUN <<EOF\nset -e\necho one\necho two > /tmp/two\nEOF\n";
    let args = BTreeMap::from([("WHO".to_owned(), Some("you".to_owned()))]);
    let request = BuildImage { build_args: args, ..BuildImage::default() };
    let outcome = world.build_as(request.clone(), dockerfile, &[]).await;
    let id = outcome.image().id;
    let found = world.files(id);
    assert_eq!(found["/work/said"], "644 0:0 hello you yes\n");
    assert_eq!(found["/tmp/mine"], "644 33:34 ");
    assert_eq!(found["/tmp/two"], "644 33:34 two\n");
    // Nothing of what a container gets from the engine.
    for path in ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/dev", "/proc", "/sys"] {
        assert!(!found.contains_key(path), "{path} is in a layer: {found:?}");
    }
    assert_eq!(
        outcome.output().lines().filter(|line| *line != "err").collect::<Vec<_>>(),
        ["0", "33", "34", "/work", "one"]
    );
    let errors = outcome.events.iter().any(
        |event| matches!(event, BuildEvent::Output { stream: Stream::Stderr, bytes, .. } if &bytes[..] == b"err\n"),
    );
    assert!(errors);
    let again = world.build_as(request, dockerfile, &[]).await;
    assert_eq!((again.image().id, again.output().as_str()), (id, ""));
    let other = world.build(dockerfile, &[]).await;
    assert_eq!(world.files(other.image().id)["/work/said"], "644 0:0 hello nobody yes\n");
}

async fn a_failing_command_is_told_and_what_went_before_is_known(world: &World) {
    let dockerfile = "FROM base\nRUN echo first > /first\nRUN echo doomed; exit 7\n";
    let outcome = world.build(dockerfile, &[]).await;
    assert_eq!(outcome.error(), "The command '/bin/sh -c echo doomed; exit 7' returned a non-zero code: 7");
    let failed = outcome.events.iter().find_map(|event| match event {
        BuildEvent::Failed { step, exit_code, .. } => Some((*step, *exit_code)),
        _ => None,
    });
    assert_eq!(failed, Some((2, Some(7))));
    let again = world.build("FROM base\nRUN echo first > /first\n", &[]).await;
    assert_eq!(again.cached(), [false, true]);
}

async fn stages_are_built_side_by_side_and_only_where_needed(world: &World) {
    let dockerfile = "FROM base AS one\nRUN echo 1 > /one\nFROM base AS unused\nRUN exit 1\nFROM base AS two\nRUN echo 2 > /two\nFROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\nCOPY --from=base /etc/group /groups\n";
    let outcome = world.build(dockerfile, &[]).await;
    let config = world.raw(outcome.image().id);
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 3);
    let lowers = world.lowers(outcome.image().id);
    assert_eq!(fs::read_to_string(lowers[1].join("two")).unwrap(), "2\n");
    let request = BuildImage { target: Some("two".to_owned()), ..BuildImage::default() };
    let target = world.build_as(request, dockerfile, &[]).await;
    assert_eq!(target.cached(), [false, true]);
    let request = BuildImage { target: Some("three".to_owned()), ..BuildImage::default() };
    let missing = world.build_as(request, dockerfile, &[]).await;
    assert!(missing.error().contains("target stage \"three\" could not be found"), "{}", missing.error());
}

async fn mounts_are_seen_and_stay_out_of_layers(world: &World) {
    let dockerfile = "FROM base AS other\nRUN echo other > /from-other\nFROM base\n\
        RUN --mount=type=bind,target=/ctx cat /ctx/a.txt && (echo x > /ctx/no 2>/dev/null; true)\n\
        RUN --mount=type=bind,from=other,source=/from-other,target=/seen cat /seen\n\
        RUN --mount=type=tmpfs,target=/scratch echo t > /scratch/t && ls /scratch\n\
        RUN --mount=type=secret,id=key,uid=33 cat /run/secrets/key && stat -c '%u %a' /run/secrets/key\n\
        RUN --mount=type=secret,id=key,env=KEY echo env $KEY\n\
        RUN --mount=type=cache,target=/cache echo again >> /cache/n && wc -l < /cache/n\n";
    let secrets = BTreeMap::from([("key".to_owned(), Secret(b"s3cret\n".to_vec()))]);
    let request = BuildImage { secrets, no_cache: true, ..BuildImage::default() };
    let files = [("a.txt", "from the context\n")];
    let outcome = world.build_as(request.clone(), dockerfile, &files).await;
    let id = outcome.image().id;
    let output = outcome.output();
    for line in ["from the context", "other", "t", "s3cret", "33 400", "env s3cret", "1"] {
        assert!(output.lines().any(|other| other == line), "{line}: {output}");
    }
    assert_eq!(world.files(id), BTreeMap::new(), "no step wrote anything that stays");
    let again = world.build_as(request, dockerfile, &files).await;
    assert!(again.output().lines().any(|line| line == "2"), "the cache mount is kept: {}", again.output());
    let mut whole = Vec::new();
    for entry in fs::read_dir(world.dir.path().join("data/builds/cache")).unwrap() {
        whole.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(!String::from_utf8_lossy(&whole).contains("s3cret"));
    let required = world.build("FROM base\nRUN --mount=type=secret,id=nope,required=true true\n", &[]).await;
    assert_eq!(required.error(), "secret nope: not found");
}

async fn networks_are_as_asked(world: &World) {
    let dockerfile = "FROM base\nRUN ip -o link | wc -l\nRUN --network=none ip -o link | wc -l\n";
    let outcome = world.build(dockerfile, &[]).await;
    outcome.image();
    assert_eq!(outcome.output().split_whitespace().collect::<Vec<_>>(), ["2", "1"]);
    let request = BuildImage { network: BuildNetwork::None, no_cache: true, ..BuildImage::default() };
    let none = world.build_as(request, dockerfile, &[]).await;
    none.image();
    assert_eq!(none.output().split_whitespace().collect::<Vec<_>>(), ["1", "1"]);
}

async fn what_cannot_be_built_is_refused_before_anything_runs(world: &World) {
    for (dockerfile, text) in [
        ("FROM base\nFOO bar\n", "unknown instruction: FOO"),
        ("FROM base AS a\nCOPY --from=b /x /\nFROM a AS b\n", "circular dependency detected on stage"),
        ("", "file with no instructions"),
        (
            "FROM base\nCOPY missing /\n",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat missing: file does not exist",
        ),
        ("FROM 127.0.0.1:1/none\n", "127.0.0.1:1"),
        ("FROM scratch\nRUN true\n", "nothing to run"),
        ("FROM base\nRUN --security=insecure true\n", "not allowed"),
    ] {
        let outcome = world.build(dockerfile, &[]).await;
        assert!(outcome.error().contains(text), "{dockerfile:?}: {:?}", outcome.error());
    }
    let wrong = BuildImage { names: vec!["UPPER".to_owned()], ..BuildImage::default() };
    assert!(world.build_as(wrong, "FROM base\n", &[]).await.error().contains("invalid tag"));
}

async fn a_cancelled_build_ends_and_leaves_nothing(world: &World) {
    let (sender, mut receiver) = mpsc::channel(16);
    let cancel = CancellationToken::new();
    let archive = std::io::Cursor::new(tar_of(&[("Dockerfile", "FROM base\nRUN echo up; sleep 1000\n")]));
    let build =
        world.engine.build(BuildImage::default(), BuildSource::Archive(Box::new(archive)), cancel.clone(), sender);
    let watch = async {
        while let Some(event) = receiver.recv().await {
            if matches!(event, BuildEvent::Output { .. }) {
                cancel.cancel();
            }
        }
    };
    let (result, ()) = tokio::join!(build, watch);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(world.engine.containers().is_empty());
}

async fn times_are_clamped_and_images_reproduced(world: &World) {
    let dockerfile = "FROM base\nARG SOURCE_DATE_EPOCH\nRUN touch /a && mkdir -p /d/e && echo x > /d/e/f\nCOPY c /c\n";
    let args = BTreeMap::from([("SOURCE_DATE_EPOCH".to_owned(), Some("1600000000".to_owned()))]);
    let request = BuildImage { build_args: args, no_cache: true, ..BuildImage::default() };
    let first = world.build_as(request.clone(), dockerfile, &[("c", "c")]).await.image().id;
    let second = world.build_as(request, dockerfile, &[("c", "c")]).await.image().id;
    let config = world.raw(first);
    assert_eq!(first, second, "{config:#}\n{:#}", world.raw(second));
    assert!(config["created"].as_str().unwrap().starts_with("2020-09-13T12:26:40"), "{}", config["created"]);
}

async fn the_cache_is_pruned(world: &World) {
    let outcome = world.build("FROM base\nRUN dd if=/dev/zero of=/big bs=1024 count=1024 2>/dev/null\n", &[]).await;
    let id = outcome.image().id;
    let kept = world.engine.build_cache().await.unwrap();
    assert!(kept.iter().any(|one| one.in_use && one.size_bytes >= 1 << 20));
    let image = world.engine.remove_image(&id.to_string(), true).await.unwrap();
    assert!(!image.steps.is_empty());
    assert!(world.engine.build_cache().await.unwrap().iter().any(|one| !one.in_use && one.size_bytes >= 1 << 20));
    let pruned = world.engine.prune_build_cache(PruneCache { all: true, ..PruneCache::default() }).await.unwrap();
    assert!(pruned.reclaimed_bytes >= 1 << 20, "{pruned:?}");
    assert!(world.engine.build_cache().await.unwrap().is_empty());
    let again = world.build("FROM base\nRUN true\n", &[]).await;
    again.image();
}

/// No process, mount, control group or folder of a build is left.
fn nothing_is_left(world: &World) {
    let data = world.dir.path().join("data");
    let left: Vec<_> = fs::read_dir(data.join("builds/work")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
    let containers: Vec<_> =
        fs::read_dir(data.join("containers")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(containers, Vec::<PathBuf>::new());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = world.dir.path().to_str().unwrap();
    assert!(!mounts.contains(ours), "{mounts}");
}

macro_rules! run_all {
    ($world:expr, $wanted:expr; $($name:ident),* $(,)?) => {
        $(if $wanted.is_empty() || $wanted.iter().any(|part: &String| stringify!($name).contains(part.as_str())) {
            println!("{} …", stringify!($name));
            tokio::time::timeout(Duration::from_mins(2), $name($world)).await.unwrap();
        })*
    };
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if std::env::args().any(|arg| arg == "--list") {
        println!("build: test");
        return;
    }
    if !nix::unistd::geteuid().is_root() || !Path::new("/bin/busybox").exists() {
        let lacking = "needs root and /bin/busybox";
        assert!(std::env::var_os("DARSENA_TESTS_REQUIRED").is_none(), "{lacking}");
        println!("skipped: {lacking}");
        return;
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    executor.block_on(async {
        let world = World::new().await;
        run_all!(
            &world, wanted;
            files_are_copied_and_config_is_kept,
            commands_run_and_leave_what_they_wrote,
            a_failing_command_is_told_and_what_went_before_is_known,
            stages_are_built_side_by_side_and_only_where_needed,
            mounts_are_seen_and_stay_out_of_layers,
            networks_are_as_asked,
            what_cannot_be_built_is_refused_before_anything_runs,
            a_cancelled_build_ends_and_leaves_nothing,
            times_are_clamped_and_images_reproduced,
            the_cache_is_pruned,
        );
        nothing_is_left(&world);
        world.engine.close();
    });
    println!("ok");
}
