//! kill -9 of the server and of monitors: what runs goes on, what was half done is done or undone, nothing is left.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod killed;
mod life;
mod networks;
mod replace;
mod steps;
mod volumes;
mod weight;

use std::process::ExitCode;

use harness::{Darsena, Docker, Suite, image};

/// The image every test can use: busybox, command `sh`.
const IMAGE: &str = "test:1";

fn main() -> ExitCode {
    let docker = Docker::program();
    let suite = Suite::new(&[&docker.to_string_lossy(), "docker-registry"], prepare);
    let suite = steps::tests(killed::tests(suite));
    let suite = replace::tests(networks::tests(volumes::tests(suite)));
    weight::tests(suite).run()
}

fn prepare(darsena: &mut Darsena) {
    darsena.docker().run_with(&["load"], &image::busybox_archive(IMAGE)).ok();
}

fn inspect(docker: &Docker, name: &str, format: &str) -> String {
    docker.run(&["inspect", "-f", format, name]).ok()
}

fn status(docker: &Docker, name: &str) -> Option<String> {
    let output = docker.run(&["inspect", "-f", "{{.State.Status}}", name]);
    (output.code == 0).then(|| output.text())
}
