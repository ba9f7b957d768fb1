//! The corpus of builds: each file of `cases/<topic>/` is a Dockerfile with its context and what must come of it, by the
//! public Dockerfile reference. A test is a topic; all its cases that fail are told together. See [`case`] for how a case
//! is written. `DARSENA_TESTS_CASE` picks cases by a part of their name.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod api;
mod case;
mod check;
mod context;
mod image;
mod served;

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    thread,
};

use harness::{Darsena, Settings, Suite, image::busybox_archive};

use crate::{api::Api, image::Tree, served::Served};

/// Cases of a topic that run at once.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/cases");
    let topics = listed(&cases);
    assert!(!topics.is_empty(), "{} has no cases", cases.display());
    topics
        .into_iter()
        .fold(Suite::new(&["bzip2", "xz"], prepare), |suite, topic| {
            let name = topic.file_name().unwrap().to_string_lossy().into_owned();
            if name == "remote" {
                return suite.alone(&name, move || remote(&topic));
            }
            suite.test(&name, move |darsena| run(darsena, &topic))
        })
        .run()
}

fn prepare(darsena: &mut Darsena) {
    Api::new(darsena).load(&busybox_archive("base:latest"));
}

/// Cases that fetch: their server may fetch from its own loopback.
fn remote(topic: &Path) {
    let arguments = vec!["--build-private-sources".to_owned()];
    let mut darsena = Darsena::start_with(&Settings { arguments, ..Settings::default() });
    prepare(&mut darsena);
    let served = Served::start(darsena.space());
    run(&darsena, topic);
    drop(served);
    darsena.assert_clean();
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn run(darsena: &Darsena, topic: &Path) {
    let wanted = std::env::var("DARSENA_TESTS_CASE").unwrap_or_default();
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let waiting: VecDeque<PathBuf> = listed(topic).into_iter().filter(|path| name(path).contains(&wanted)).collect();
    let count = waiting.len();
    let (waiting, failures) = (Mutex::new(waiting), Mutex::new(Vec::new()));
    let api = Api::new(darsena);
    let base = Tree::of(&harness::image::busybox().layer_tars());
    let next = || waiting.lock().unwrap().pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(|| {
                while let Some(path) = next() {
                    let text = fs::read_to_string(&path).unwrap();
                    let done = case::Case::parse(&name(&path), &text).and_then(|case| check::check(&api, &base, &case));
                    if let Err(why) = done {
                        failures.lock().unwrap().push(format!("== {} ==\n{why}", path.display()));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(failures.is_empty(), "{} of {count} cases failed:\n\n{}", failures.len(), failures.join("\n"));
}
