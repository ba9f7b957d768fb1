//! A smoke of each client library of the Docker API: Rust's bollard, JavaScript's dockerode, Python's docker (Debian's and
//! today's) and testcontainers.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod rust;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use harness::{Darsena, Suite, image};

/// The image that all use: busybox.
const IMAGE: &str = "test:1";

fn main() -> ExitCode {
    let suite = Suite::new(&["/usr/bin/python3"], |darsena| {
        darsena.docker().run_with(&["load"], &image::busybox_archive(IMAGE)).ok();
    });
    let suite = suite.test("bollard", rust::bollard).test("python_docker_of_debian", |darsena| {
        script(darsena, "/usr/bin/python3", "docker.py", None);
    });
    fetched(suite).run()
}

/// The tests of libraries that `tests/harness/fetch-sdks` has fetched.
fn fetched(suite: Suite) -> Suite {
    let folder = env::var_os("DARSENA_TESTS_SDKS").unwrap_or_else(|| "/var/tmp/darsena-tests-sdks".into());
    let folder = PathBuf::from(folder);
    if folder.as_os_str() == "none" {
        eprintln!("DARSENA_TESTS_SDKS=none: without dockerode, testcontainers and today's docker library of Python");
        return suite;
    }
    let missing = !(folder.join("node_modules/dockerode").is_dir() && folder.join("python/docker").is_dir());
    let missing = missing.then(|| format!("{0} lacks libraries: run tests/harness/fetch-sdks {0}", folder.display()));
    let (node_modules, python) = (folder.join("node_modules"), folder.join("python"));
    let also_python = python.clone();
    suite
        .and_needing(missing)
        .test("dockerode", move |darsena| script(darsena, "node", "dockerode.js", Some(&node_modules)))
        .test("python_docker", move |darsena| script(darsena, "/usr/bin/python3", "docker.py", Some(&python)))
        .test("testcontainers", move |darsena| {
            script(darsena, "/usr/bin/python3", "testcontainers.py", Some(&also_python));
        })
}

/// Runs a script in the space of the server, with libraries from there.
fn script(darsena: &Darsena, program: &str, name: &str, libraries: Option<&Path>) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdks").join(name);
    let text = std::fs::read_to_string(source).unwrap();
    let mut command = darsena.space().command(program);
    command.args([if program == "node" { "-e" } else { "-c" }, &text]);
    command.env("DOCKER_HOST", format!("unix://{}", darsena.socket().display())).env("HOME", darsena.space().side());
    if let Some(libraries) = libraries {
        command.env("NODE_PATH", libraries).env("PYTHONPATH", libraries);
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim() == "done", "{name}: {out}{err}");
    assert_eq!(darsena.docker().run(&["images", "-q", IMAGE]).ok().lines().count(), 1);
}
