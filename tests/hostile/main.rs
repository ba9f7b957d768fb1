//! Hostile input through every door: archives that reach out, claim too much or swell; Dockerfiles and ignore files that
//! are made to cost. Each is refused with words or confined; nothing beside the layer is touched, nothing stays.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod cost;
mod dockerfiles;
mod doors;
mod trees;

use std::process::ExitCode;

use harness::{Darsena, Docker, Suite, image, slate::stored, wait::eventually};

/// The image every test can use: busybox, command `sh`.
const IMAGE: &str = "test:1";

fn main() -> ExitCode {
    let docker = Docker::program();
    let suite = Suite::new(&[&docker.to_string_lossy(), "docker-registry"], prepare);
    let suite = trees::tests(suite);
    let suite = cost::tests(suite);
    dockerfiles::tests(suite).run()
}

fn prepare(darsena: &mut Darsena) {
    darsena.docker().run_with(&["load"], &image::busybox_archive(IMAGE)).ok();
}

/// Runs a test, removes what it made, and finds nothing else.
fn leaves_nothing(darsena: &Darsena, test: impl FnOnce(&Docker)) {
    let (docker, before) = (darsena.docker(), stored(darsena.space()));
    test(&docker);
    let images = docker.run(&["images", "-aq", "--no-trunc"]).ok();
    let kept = docker.run(&["inspect", "-f", "{{.Id}}", IMAGE]).ok();
    let others: Vec<&str> = images.lines().filter(|id| *id != kept).collect();
    if !others.is_empty() {
        docker.run(&[&["rmi", "-f"], &others[..]].concat());
    }
    if stored(darsena.space()) != before {
        docker.run(&["builder", "prune", "-af"]).ok();
    }
    eventually("nothing is left of hostile input", || {
        let new = stored(darsena.space()).difference(&before).count();
        (new == 0).then_some(())
    });
}
