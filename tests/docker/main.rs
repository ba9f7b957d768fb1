//! The story by the real docker client: images, a container's life, its streams, its limits, its network.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod absent;
mod archives;
mod build;
mod compose;
mod copies;
mod escape;
mod exec;
mod health;
mod images;
mod ipv6;
mod isolation;
mod life;
mod limits;
mod logs;
mod mounts;
mod names;
mod network;
mod networks;
mod restarts;
mod run;
mod states;
mod streams;
mod stress;
mod volumes;

use std::process::ExitCode;

use harness::{Darsena, Docker, Suite, image};

/// The image every test can use: busybox, command `sh`.
const IMAGE: &str = "test:1";

fn main() -> ExitCode {
    let docker = Docker::program();
    let suite = Suite::new(&[&docker.to_string_lossy(), "docker-registry", "skopeo", "docker-compose"], prepare);
    let suite = images::tests(suite);
    let suite = build::tests(suite);
    let suite = archives::tests(suite);
    let suite = run::tests(suite);
    let suite = streams::tests(suite);
    let suite = logs::tests(suite);
    let suite = life::tests(suite);
    let suite = exec::tests(suite);
    let suite = health::tests(suite);
    let suite = limits::tests(suite);
    let suite = states::tests(suite);
    let suite = copies::tests(suite);
    let suite = restarts::tests(suite);
    let suite = isolation::tests(suite);
    let suite = networks::tests(suite);
    let suite = names::tests(suite);
    let suite = network::tests(suite);
    let suite = ipv6::tests(suite);
    let suite = volumes::tests(suite);
    let suite = mounts::tests(suite);
    let suite = escape::tests(suite);
    let suite = compose::tests(suite);
    let suite = absent::tests(suite);
    stress::tests(suite).run()
}

fn prepare(darsena: &mut Darsena) {
    let loaded = darsena.docker().run_with(&["load"], &image::busybox_archive(IMAGE)).ok();
    assert_eq!(loaded, "Loaded image: test:1");
}

/// Starts a container in the background that runs this shell line; gives its id.
fn start(docker: &Docker, options: &[&str], line: &str) -> String {
    let arguments: Vec<&str> = ["run", "-d"].iter().chain(options).chain(&[IMAGE, "sh", "-c", line]).copied().collect();
    let id = docker.run(&arguments).ok();
    assert!(id.len() == 64 && id.chars().all(|char| char.is_ascii_hexdigit()), "{id}");
    id
}

/// Runs a shell line in a container that is removed afterwards; gives what it said.
fn say(docker: &Docker, options: &[&str], line: &str) -> String {
    let arguments: Vec<&str> =
        ["run", "--rm"].iter().chain(options).chain(&[IMAGE, "sh", "-c", line]).copied().collect();
    docker.run(&arguments).ok()
}

/// One value of `docker inspect`.
fn inspect(docker: &Docker, name: &str, format: &str) -> String {
    docker.run(&["inspect", "-f", format, name]).ok()
}

/// Removes a container whatever it does.
fn remove(docker: &Docker, name: &str) {
    docker.run(&["rm", "-f", name]).ok();
}
