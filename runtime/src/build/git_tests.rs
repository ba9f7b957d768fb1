#![allow(clippy::unwrap_used)]

use std::{io::Write as _, net::TcpListener, os::fd::AsRawFd as _, path::PathBuf, thread};

use super::*;

const LAX: Reach = Reach { private: true, most_bytes: 1 << 20, stall: Duration::from_secs(5) };
const LONG: Duration = Duration::from_secs(60);

fn git(dir: &Path, arguments: &[&str]) {
    let run = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", dir)
        .output()
        .unwrap();
    assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
}

/// Serves the files below `root` on loopback, as the plain HTTP protocol of git wants; returns `host:port`.
fn serve(root: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut read = Vec::new();
            let mut byte = [0];
            while !read.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap_or(0) == 1 {
                read.push(byte[0]);
            }
            let text = String::from_utf8_lossy(&read).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
            let head = "Connection: close\r\nContent-Length";
            let reply = match fs::read(root.join(path.trim_start_matches('/'))) {
                Ok(body) => [format!("HTTP/1.1 200 OK\r\n{head}: {}\r\n\r\n", body.len()).into_bytes(), body].concat(),
                Err(_) => format!("HTTP/1.1 404 Not Found\r\n{head}: 0\r\n\r\n").into_bytes(),
            };
            let _ = socket.write_all(&reply);
        }
    });
    host
}

/// A repository with a branch, a tag, a folder, a link out of it, and a hook; returns its commit too.
fn repository(root: &Path) -> String {
    let work = root.join("work");
    fs::create_dir_all(work.join("sub")).unwrap();
    git(&work, &["init", "--quiet"]);
    fs::write(work.join("Dockerfile"), "FROM first").unwrap();
    fs::write(work.join("sub/f"), "in sub").unwrap();
    std::os::unix::fs::symlink("/etc", work.join("out")).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "one"]);
    git(&work, &["tag", "v1"]);
    let commit = fs::read_to_string(work.join(".git/refs/heads/main")).unwrap().trim().to_owned();
    fs::write(work.join("Dockerfile"), "FROM second").unwrap();
    git(&work, &["commit", "--quiet", "-am", "two"]);
    git(root, &["clone", "--quiet", "--bare", "work", "repo.git"]);
    git(&root.join("repo.git"), &["update-server-info"]);
    commit
}

fn run(source: &str, keep: bool) -> (tempfile::TempDir, Result<Checkout, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let source = GitSource::parse(source).unwrap();
    let result = checkout(&source, dir.path(), keep, &LAX, LONG, &AtomicBool::new(false));
    (dir, result)
}

#[test]
fn sources_are_told_from_plain_addresses() {
    let parsed =
        |text: &str| GitSource::parse(text).map(|git| (git.url, git.reference.unwrap_or_default(), git.folder));
    let some =
        |url: &str, reference: &str, folder: &str| Some((url.to_owned(), reference.to_owned(), folder.to_owned()));
    assert_eq!(parsed("https://h/r.git#v1:sub/dir"), some("https://h/r.git", "v1", "sub/dir"));
    assert_eq!(parsed("https://h/r.git"), some("https://h/r.git", "", ""));
    assert_eq!(parsed("https://h/r.git#:sub"), some("https://h/r.git", "", "sub"));
    assert_eq!(parsed("git@h.example:o/r.git#main"), some("git@h.example:o/r.git", "main", ""));
    assert_eq!(parsed("ssh://git@h/r"), some("ssh://git@h/r", "", ""));
    for other in ["https://h/r.tar.gz", "https://h/r", "file:///r.git", "ext::sh -c id", "/r.git", "a:b", "x@y"] {
        assert_eq!(parsed(other), None, "{other}");
    }
    let context = GitSource::parse_context("github.com/o/r#main").unwrap();
    assert_eq!(context.url, "https://github.com/o/r.git");
    let host = |url: &str| GitSource::parse(url).unwrap().host().unwrap();
    assert_eq!(host("https://u:p@h:8443/r.git"), ("h".to_owned(), 8443));
    assert_eq!(host("http://[::1]:81/r.git"), ("[::1]".to_owned(), 81));
    assert_eq!(host("git@h:r"), ("h".to_owned(), 22));
}

#[test]
fn hostile_sources_start_no_git() {
    for source in [
        "https://h/r.git#--upload-pack=x",
        "https://h/r.git#a b",
        "https://h/r.git#a\nb",
        "ssh://-oProxyCommand=x/r",
        "https://-x/r.git",
    ] {
        let (dir, result) = run(source, false);
        assert!(matches!(result, Err(Error::Refused(_))), "{source}: {result:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    let (dir, result) = run("https://169.254.169.254/r.git", false);
    assert!(matches!(result, Err(Error::Forbidden(_))), "{result:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_repository_is_checked_out_at_what_was_asked() {
    let root = tempfile::tempdir().unwrap();
    let commit = repository(root.path());
    let host = serve(root.path().to_owned());
    let read = |checkout: &Checkout, name: &str| {
        fs::read_to_string(format!("/proc/self/fd/{}/{name}", checkout.root.as_raw_fd())).unwrap_or_default()
    };
    for (fragment, text) in
        [("", "FROM second"), ("#main", "FROM second"), ("#v1", "FROM first"), (&format!("#{commit}"), "FROM first")]
    {
        let (_dir, result) = run(&format!("http://{host}/repo.git{fragment}"), false);
        let checkout = result.unwrap();
        assert_eq!(read(&checkout, "Dockerfile"), text, "{fragment}");
        assert_eq!(checkout.commit == commit, text == "FROM first");
        assert!(!Path::new(&format!("/proc/self/fd/{}/.git", checkout.root.as_raw_fd())).exists());
    }
    let (_dir, kept) = run(&format!("http://{host}/repo.git"), true);
    assert!(read(&kept.unwrap(), ".git/HEAD").len() >= 40);
    let (_dir, sub) = run(&format!("http://{host}/repo.git#:sub"), false);
    assert_eq!(read(&sub.unwrap(), "f"), "in sub");
    for absent in ["nope", "out", "../..", "Dockerfile"] {
        let (_dir, result) = run(&format!("http://{host}/repo.git#:{absent}"), false);
        match result {
            Err(Error::NoFolder(_)) => {}
            Ok(checkout) => assert_eq!((absent, read(&checkout, "Dockerfile")), ("../..", "FROM second".to_owned())),
            other => panic!("{absent}: {other:?}"),
        }
    }
    let (_dir, result) = run(&format!("http://{host}/absent.git"), false);
    assert!(matches!(result, Err(Error::Failed { .. })), "{result:?}");
    let (_dir, result) = run(&format!("http://{host}/repo.git#nope"), false);
    assert!(matches!(result, Err(Error::Failed { .. })), "{result:?}");
}

#[test]
fn a_wish_to_stop_ends_it() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = GitSource::parse(&format!("http://{}/r.git", silent.local_addr().unwrap())).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let connection = silent.accept().unwrap();
            stop.store(true, Ordering::Relaxed);
            connection
        });
        let dir = tempfile::tempdir().unwrap();
        let result = checkout(&source, dir.path(), false, &LAX, LONG, &stop);
        assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    });
    let dir = tempfile::tempdir().unwrap();
    let result = checkout(&source, dir.path(), false, &LAX, Duration::ZERO, &AtomicBool::new(false));
    assert!(matches!(result, Err(Error::Timeout(_))), "{result:?}");
}
