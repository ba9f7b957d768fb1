//! The command line as a person meets it: what it prints, where, and with which exit code.

use std::{
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Output, Stdio},
};

const DARSENA: &str = env!("CARGO_BIN_EXE_darsena");

/// A call that inherits none of the tester's own settings.
fn darsena(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    darsena(DARSENA, arguments).output().expect("it can be run")
}

fn with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = darsena(DARSENA, arguments).stdin(Stdio::piped()).spawn().expect("it can be run");
    // A program that refuses before it reads closes the pipe; its answer is what counts.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// One line on standard error that contains these words, nothing on standard output, exit code 1.
fn assert_refused(output: &Output, words: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(words), "{error:?} does not say {words:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder's name is text")
}

#[test]
fn version_is_one_line() {
    let output = run(&["version"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("darsena {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_configuration_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("darsena.toml");
    assert_refused(&run(&["--config", text(&file)]), "darsena.toml");
    std::fs::write(&file, "htpp = \"127.0.0.1:1\"\n").expect("written");
    assert_refused(&run(&["--config", text(&file)]), "htpp");
}

#[test]
fn others_than_root_are_told_so() {
    // The build's own folder may be closed to others; the program is copied to where nobody is kept out.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("opened");
    let program = folder.path().join("darsena");
    std::fs::copy(DARSENA, &program).expect("copied");
    let data = folder.path().join("data");
    let output =
        darsena(text(&program), &["--data", text(&data)]).uid(65_534).gid(65_534).output().expect("it can be run");
    assert_refused(&output, "root");
    assert!(!data.exists());
}

#[test]
fn a_taken_port_is_named_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, run_root) = (folder.path().join("data"), folder.path().join("run"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = run(&["serve", "--data", text(&data), "--run", text(&run_root), "--http", &address]);
    assert_refused(&output, &address);
    assert!(!data.exists() && !run_root.exists());
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_beats_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("darsena.toml");
    let busy = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        (listener, address)
    };
    let ((_a, in_file), (_b, in_environment), (_c, as_flag)) = (busy(), busy(), busy());
    std::fs::write(&file, format!("http = \"{in_file}\"\ndata = \"{}\"\n", folder.path().join("d").display()))
        .expect("written");
    let call = |arguments: &[&str], environment: Option<&str>| {
        let mut command = darsena(DARSENA, arguments);
        command.args(["--config", text(&file)]);
        command.envs(environment.map(|address| ("DARSENA_HTTP", address)));
        command.output().expect("it can be run")
    };
    // All three are taken, so the one that counts is the one complained of.
    assert_refused(&call(&[], None), &in_file);
    assert_refused(&call(&[], Some(&in_environment)), &in_environment);
    assert_refused(&call(&["--http", &as_flag], Some(&in_environment)), &as_flag);
}

#[test]
fn check_says_in_words_how_this_host_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(&["check", "--data", text(folder.path())]);
    let said = String::from_utf8_lossy(&output.stdout);
    for name in ["kernel", "cgroups", "overlay", "seccomp", "nftables", "mapped_users"] {
        assert!(said.lines().any(|line| line.contains(name)), "nothing of {name}: {said}");
    }
    assert_eq!(output.status.success(), !said.contains("MISSING"), "{said}");
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "looking left something behind");
}

#[test]
fn administrators_are_made_and_mended_at_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let admin = |act: &str, name: &str, password: &str| {
        with_input(&["admin", act, name, "--data", text(&data)], &format!("{password}\n"))
    };
    assert_refused(&admin("create", "ana", "short"), "10");
    let made = admin("create", "ana", "a quay for grey gulls");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(admin("create", "ana", "a quay for grey gulls").status.code(), Some(1), "the name is taken");
    let mended = admin("reset-password", "ana", "another quay for gulls");
    assert!(mended.status.success(), "{}", String::from_utf8_lossy(&mended.stderr));
    assert_eq!(admin("reset-password", "nobody", "another quay for gulls").status.code(), Some(1));
    let mode = std::fs::metadata(data.join("darsena.db")).expect("the database").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others could read the database");
}
