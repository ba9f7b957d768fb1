//! Verbs that die or fail at every failpoint, and a real registry. The verb runs in a child of this test program.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Cursor},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use tokio::sync::mpsc;

use super::{
    fake_registry::{Shelf, honest, serve},
    tests::{Sample, leftovers, paths, sample},
    *,
};
use crate::request::{PullImage, PushImage};

/// The layers are shared with nothing; two of them, so that a failpoint may hit between.
fn victim() -> Sample {
    sample(&[b"one", &vec![7; 100_000]])
}

fn open(root: &Path) -> Images {
    Images::open(paths(root), registry::Config::default(), &[]).unwrap()
}

async fn act_on(images: &Images, act: &str, name: &str) -> Result<()> {
    let (progress, _listener) = mpsc::channel(64);
    match act {
        "load" => images
            .load(Cursor::new(victim().oci_archive(&[("io.containerd.image.name", name)])), progress)
            .await
            .map(drop),
        "pull" => {
            images.pull(PullImage { reference: name.to_owned(), ..PullImage::default() }, progress).await.map(drop)
        }
        "push" => {
            images.push(PushImage { reference: name.to_owned(), ..PushImage::default() }, progress).await.map(drop)
        }
        "rmi" => images.remove(name, false, &[]).await.map(drop),
        other => panic!("{other} is no verb"),
    }
}

/// Not a test of its own: what the child does.
#[tokio::test]
#[ignore = "run by other tests as a child"]
async fn act() {
    let var = |name: &str| std::env::var(name).unwrap();
    let images = open(Path::new(&var("DARSENA_TEST_ROOT")));
    let result = act_on(&images, &var("DARSENA_TEST_ACT"), &var("DARSENA_TEST_NAME")).await;
    assert!(result.is_ok(), "the verb failed: {result:?}");
}

fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("engine::images::recovery_tests::{test}"), "--ignored", "--nocapture"]);
    command
}

/// What a failed verb left, but for what came of blobs, which the next pull goes on with.
fn left(root: &Path) -> Vec<String> {
    leftovers(root).into_iter().filter(|path| !path.contains("/ingest/")).collect()
}

/// Everything of the victim is here, or nothing.
fn check(root: &Path, name: &str, case: &str) -> bool {
    let images = open(root);
    match images.get(name) {
        Ok(view) => {
            assert_eq!(view.summary.id, victim().id(), "{case}");
            let lowers = images.lowers(view.summary.id).unwrap();
            assert_eq!(fs::read(lowers[0].join("file")).unwrap(), vec![7; 100_000], "{case}");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), crate::error::ErrorKind::NotFound, "{case}");
            assert!(images.list().is_empty(), "{case}: an image without its name");
            assert_eq!(left(root), Vec::<String>::new(), "{case}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_that_dies_or_fails_is_done_or_undone() {
    let (host, _) = serve(|ask| honest(&victim(), ask)).await;
    let points =
        fault::names().iter().filter(|name| ["pull.", "load.", "rmi."].iter().any(|verb| name.starts_with(verb)));
    for point in points {
        let act = point.split('.').next().unwrap();
        let name = if act == "pull" { format!("{host}/web:1") } else { "web:1".to_owned() };
        for action in ["kill", "error"] {
            let case = format!("{point}={action}");
            let folder = tempfile::tempdir().unwrap();
            if act == "rmi" {
                act_on(&open(folder.path()), "load", &name).await.unwrap();
            }
            let mut command = child("act");
            command.env("DARSENA_FAILPOINT", &case).env("DARSENA_TEST_ROOT", folder.path());
            command.env("DARSENA_TEST_ACT", act).env("DARSENA_TEST_NAME", &name);
            let ended = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            if action == "kill" {
                assert_eq!(
                    ended.status.signal(),
                    Some(9),
                    "{case} was not reached: {}",
                    String::from_utf8_lossy(&ended.stdout)
                );
            }
            let there = check(folder.path(), &name, &case);
            if action == "error" {
                assert_eq!(there, ended.status.success() == (act != "rmi"), "{case}: the answer is true");
            }
            // Whatever was left, the verb works now.
            if there == (act == "rmi") {
                let again = act_on(&open(folder.path()), act, &name).await;
                assert!(again.is_ok(), "{case}: {again:?}");
            }
            assert_eq!(check(folder.path(), &name, &case), act != "rmi", "{case}");
        }
    }
}

/// Layers without compressed blobs, so that a push makes them.
async fn load_plain(root: &Path, name: &str) {
    let (progress, _listener) = mpsc::channel(64);
    open(root).load(Cursor::new(victim().docker_archive(&[name])), progress).await.unwrap();
}

async fn died_at(case: &str, act: &str, root: &Path, name: &str) -> std::process::ExitStatus {
    let mut command = child("act");
    command.env("DARSENA_FAILPOINT", case).env("DARSENA_TEST_ROOT", root);
    command.env("DARSENA_TEST_ACT", act).env("DARSENA_TEST_NAME", name);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_dies_or_fails_loses_nothing_and_works_again() {
    let shelf = std::sync::Mutex::new(Shelf::default());
    let (host, _) = serve(move |ask| shelf.lock().unwrap().answer(ask)).await;
    for (number, point) in fault::names().iter().filter(|name| name.starts_with("push.")).enumerate() {
        for action in ["kill", "error"] {
            let case = format!("{point}={action}");
            let folder = tempfile::tempdir().unwrap();
            let name = format!("{host}/web{number}{action}:1");
            load_plain(folder.path(), &name).await;
            let ended = died_at(&case, "push", folder.path(), &name).await;
            match action {
                "kill" => assert_eq!(ended.signal(), Some(9), "{case} was not reached"),
                _ => assert!(!ended.success(), "{case}: the answer is true"),
            }
            assert!(check(folder.path(), &name, &case));
            let images = open(folder.path());
            let again = act_on(&images, "push", &name).await;
            assert!(again.is_ok(), "{case}: {again:?}");
            let digests = images.get(&name).unwrap().summary.digests;
            assert_eq!(digests.len(), 1, "{case}");
            // It can be had back, and nothing stays that is not its own.
            images.remove(&name, false, &[]).await.unwrap();
            assert_eq!(left(folder.path()), Vec::<String>::new(), "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_goes_on_where_the_engine_died() {
    let image = Arc::new(sample(&[&super::pull_tests::noise(2_000_000)]));
    let served = Arc::clone(&image);
    let (host, asked) = serve(move |ask| honest(&served, ask)).await;
    let (folder, name) = (tempfile::tempdir().unwrap(), format!("{host}/web:1"));
    // The first part is the config.
    let ended = died_at("pull.part=kill@3", "pull", folder.path(), &name).await;
    assert_eq!(ended.signal(), Some(9));
    let layer = Digest::of(&image.blobs[0]);
    let kept = fs::metadata(paths(folder.path()).ingests().join(layer.hex())).unwrap().len();
    assert!(kept > 0 && kept < image.blobs[0].len() as u64);
    asked.lock().unwrap().clear();
    act_on(&open(folder.path()), "pull", &name).await.unwrap();
    let asked = asked.lock().unwrap();
    let ranges: Vec<_> =
        asked.iter().filter(|ask| ask.path.contains(&layer.to_string())).map(|ask| ask.header("range")).collect();
    assert_eq!(ranges, [format!("bytes={kept}-")]);
}

/// Kills the registry with the test.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let config = folder.join("registry.yml");
        let storage = folder.join("registry");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:5000\n",
                storage.display()
            ),
        )
        .unwrap();
        let mut child =
            Command::new("docker-registry").arg("serve").arg(config).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the registry ended");
        }
        // It must not be blocked by a full pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self(child)
    }
}

fn skopeo(args: &[&str]) {
    let done = Command::new("skopeo").arg("--insecure-policy").args(args).output().unwrap();
    assert!(done.status.success(), "skopeo {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Not a test of its own: runs in a network namespace whose loopback is up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test in a network namespace"]
async fn with_registry() {
    let folder = tempfile::tempdir().unwrap();
    let _registry = Registry::start(folder.path());
    let file = |name: &str| -> (PathBuf, String) {
        let path = folder.path().join(name);
        (path.clone(), path.display().to_string())
    };
    let image = Arc::new(victim());
    let (archive, archive_name) = file("image.tar");
    fs::write(archive, image.oci_archive(&[("org.opencontainers.image.ref.name", "web:1")])).unwrap();
    let name = "127.0.0.1:5000/team/web:1";
    skopeo(&["copy", "--dest-tls-verify=false", &format!("oci-archive:{archive_name}"), &format!("docker://{name}")]);
    let images = open(folder.path());
    act_on(&images, "pull", name).await.unwrap();
    assert_eq!(images.get(name).unwrap().summary.id, image.id());
    let error = act_on(&images, "pull", "127.0.0.1:5000/team/web:2").await.unwrap_err();
    assert_eq!(error.message(), "manifest for 127.0.0.1:5000/team/web:2 not found: manifest unknown: manifest unknown");
    let error = act_on(&images, "pull", "127.0.0.1:5000/nobody/web").await.unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::NotFound);
    images.remove(name, false, &[]).await.unwrap();
    // What skopeo writes as an archive of either kind loads, with the same id.
    for kind in ["docker-archive", "oci-archive"] {
        let (path, path_name) = file(kind);
        skopeo(&["copy", "--src-tls-verify=false", &format!("docker://{name}"), &format!("{kind}:{path_name}:web:1")]);
        let (progress, _listener) = mpsc::channel(64);
        let loaded = images.load(fs::File::open(path).unwrap(), progress).await.unwrap();
        assert_eq!((loaded[0].id, &loaded[0].tags[..]), (image.id(), &["web:1".to_owned()][..]), "{kind}");
        images.remove("web:1", false, &[]).await.unwrap();
    }
    assert_eq!(leftovers(folder.path()), Vec::<String>::new());
}

#[test]
fn a_real_registry_and_skopeo_agree_with_us() {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    let inner = child("with_registry");
    command.arg(inner.get_program()).args(inner.get_args());
    let done = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{out}\n{err}");
}
