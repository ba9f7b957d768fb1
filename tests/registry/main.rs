//! Pushing and pulling by the real docker client, with Debian's docker-registry at the other end and skopeo as witness.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod carried;
mod faults;
mod login;
mod platforms;
mod push;
mod tls;

use std::process::ExitCode;

use harness::{Docker, Registry, Space, Suite};

fn main() -> ExitCode {
    let docker = Docker::program();
    let suite = Suite::new(&[&docker.to_string_lossy(), "docker-registry", "skopeo", "openssl"], |_| {});
    let suite = push::tests(suite);
    let suite = login::tests(suite);
    let suite = platforms::tests(suite);
    let suite = carried::tests(suite);
    let suite = faults::tests(suite);
    tls::tests(suite).run()
}

/// A name at the registry.
fn at(name: &str) -> String {
    format!("{}/{name}", Registry::ADDRESS)
}

/// Runs skopeo inside and gives what it said; panics unless it ends with 0.
fn skopeo(space: &Space, arguments: &[&str]) -> String {
    let arguments: Vec<&str> = ["--insecure-policy"].iter().chain(arguments).copied().collect();
    space.output("skopeo", &arguments)
}

/// Random-looking, so that compression leaves it long.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// One value of `docker inspect`.
fn inspect(docker: &Docker, name: &str, format: &str) -> String {
    docker.run(&["inspect", "--type", "image", "-f", format, name]).ok()
}

/// `sha256:…` of what a push said last.
fn pushed_digest(said: &str) -> String {
    let line = said.lines().find(|line| line.contains(": digest: sha256:")).unwrap_or_else(|| panic!("{said}"));
    line.split(' ').find(|word| word.starts_with("sha256:")).unwrap().to_owned()
}
