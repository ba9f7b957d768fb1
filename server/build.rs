//! Builds the two small programs that are embedded in `darsena`: the container monitor and the welcome server.
//!
//! A cargo of its own builds them, static and without relocations (so that monitors share nearly all their pages), into
//! this build's output folder. It uses the same lock file and never more network than the outer build. Their paths go to
//! the compiler as `DARSENA_MONITOR_BIN` and `DARSENA_WELCOME_BIN`, for `include_bytes!`. It watches the migrations as well,
//! which the compiler reads by itself but doesn't notice when only they change.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const PROGRAMS: [(&str, &str); 2] =
    [("darsena-monitor", "DARSENA_MONITOR_BIN"), ("darsena-welcome", "DARSENA_WELCOME_BIN")];

/// What the programs are made of; other parts of the engine don't concern them.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "runtime/Cargo.toml",
    "runtime/src/bin",
    "runtime/src/spec.rs",
    "runtime/src/fault.rs",
    "runtime/src/id.rs",
    "runtime/src/init",
    "runtime/src/lib.rs",
    "runtime/src/logs",
    "runtime/src/monitor",
    "runtime/src/sys",
];

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

fn main() {
    let workspace = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..");
    for source in SOURCES.iter().chain(&["migrations"]) {
        println!("cargo:rerun-if-changed={}", workspace.join(source).display());
    }
    let target = variable("TARGET");
    let folder = PathBuf::from(variable("OUT_DIR")).join("embedded");
    let debug = variable("PROFILE") == "debug";
    build(&workspace, &target, &folder, debug);
    for (program, name) in PROGRAMS {
        let path = folder.join(&target).join("embedded").join(program);
        assert!(fs::metadata(&path).is_ok_and(|file| file.len() > 0), "{} was not built", path.display());
        println!("cargo:rustc-env={name}={}", path.display());
    }
}

fn build(workspace: &Path, target: &str, folder: &Path, debug: bool) {
    let mut cargo = Command::new(variable("CARGO"));
    // What the outer cargo says of itself must not steer the inner one.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let kept = ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_TERM_COLOR"].contains(&&*text);
        let own = ["CARGO_", "DEP_", "RUSTC", "RUSTFLAGS", "RUSTDOCFLAGS"].iter().any(|start| text.starts_with(start));
        let script = ["TARGET", "HOST", "OUT_DIR", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS"].contains(&&*text);
        if (own && !kept) || script {
            cargo.env_remove(&name);
        }
    }
    cargo
        .current_dir(workspace)
        .args(["build", "--package", "runtime", "--no-default-features", "--profile", "embedded", "--locked"])
        .args(PROGRAMS.iter().flat_map(|(program, _)| ["--bin", program]))
        .args(["--target", target, "--target-dir"])
        .arg(folder)
        // With a target given these reach the programs, not build scripts and macros.
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static");
    if debug {
        cargo.args(["--features", "failpoints"]);
    }
    // All that is needed was fetched for the outer build: the same lock file, fewer packages.
    cargo.env("CARGO_NET_OFFLINE", "true");
    let status = cargo.status().expect("cargo runs, since it runs this");
    assert!(status.success(), "the embedded programs could not be built");
}
