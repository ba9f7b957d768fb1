//! Darsena as a registry: docker and skopeo push to it and pull from it; the protocol by hand; who may what; a push that
//! dies at every step.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod access;
mod clients;
mod killed;
mod person;
mod protocol;
mod teams;

use std::process::ExitCode;

use harness::{Darsena, Docker, Space, Suite, image};

/// Where the registry is, in its space.
const HOST: &str = "127.0.0.1:8080";

fn main() -> ExitCode {
    let docker = Docker::program();
    let suite = Suite::new(&[&docker.to_string_lossy(), "docker-registry", "skopeo"], prepare);
    let suite = clients::tests(suite);
    let suite = protocol::tests(suite);
    let suite = access::tests(suite);
    let suite = teams::tests(suite);
    killed::tests(suite).run()
}

fn prepare(darsena: &mut Darsena) {
    darsena.space().inside(|| async { person::Person::set_up(darsena).await });
    darsena.docker().run_with(&["load"], &image::busybox_archive("test:1")).ok();
}

/// Runs skopeo inside, with the administrator's password for both sides; gives what it said.
fn skopeo(space: &Space, arguments: &[&str]) -> String {
    space.output("skopeo", &with_witness(arguments).iter().map(String::as_str).collect::<Vec<_>>())
}

/// Skopeo's arguments with what each command wants for this registry.
fn with_witness(arguments: &[&str]) -> Vec<String> {
    let witness = format!("{}:{}", person::USER, person::PASSWORD);
    let mut all: Vec<String> = vec!["--insecure-policy".into(), arguments[0].into()];
    if arguments[0] == "copy" {
        for side in ["src", "dest"] {
            let here = format!("docker://{HOST}/");
            let own = if side == "src" { arguments[arguments.len() - 2] } else { arguments[arguments.len() - 1] };
            if own.starts_with(&here) {
                all.extend([format!("--{side}-tls-verify=false"), format!("--{side}-creds={witness}")]);
            }
        }
    } else {
        all.extend(["--tls-verify=false".into(), format!("--creds={witness}")]);
    }
    all.extend(arguments[1..].iter().map(|&word| word.to_owned()));
    all
}

/// Nothing of repositories, blobs or uploads is left.
fn assert_empty(darsena: &Darsena) {
    let data = darsena.space().data();
    for folder in ["registry/repositories", "registry/loose", "content/uploads"] {
        let left: Vec<_> = std::fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}
