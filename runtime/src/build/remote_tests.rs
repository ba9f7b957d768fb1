#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::MetadataExt as _};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

const LAX: Reach = Reach { private: true, most_bytes: 1 << 20, stall: Duration::from_secs(5) };

/// A server on loopback: its `host:port`. It answers each path as `answer` says.
async fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                match socket.read_u8().await {
                    Ok(byte) => read.push(byte),
                    Err(_) => break,
                }
            }
            let text = String::from_utf8_lossy(&read).into_owned();
            let reply = answer(text.split(' ').nth(1).unwrap_or_default());
            let _ = socket.write_all(reply.as_bytes()).await;
        }
    });
    host
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[test]
fn a_file_is_fetched_with_name_time_and_mode() {
    run(async {
        let host = serve(|path| match path {
            "/go" => reply("302 Found", "Location: /a/some%20file.txt?x=1\r\n", ""),
            _ => reply("200 OK", "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "hello"),
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let right = Digest::of(b"hello");
        let fetched =
            fetch(&format!("http://{host}/a/some%20file.txt?x=1"), dir.path(), true, Some(right), &LAX).await.unwrap();
        assert_eq!((fetched.name.as_str(), fetched.digest, fetched.size_bytes), ("some file.txt", right, 5));
        let meta = fs::metadata(dir.path().join("some file.txt")).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o600, 1_445_412_480));
        assert_eq!(fs::read(&fetched.path).unwrap(), b"hello");
        assert_eq!(fetch(&format!("http://{host}/go"), dir.path(), true, None, &LAX).await.unwrap().name, "go");
        let other = tempfile::tempdir().unwrap();
        let nameless = format!("http://{host}/");
        assert!(matches!(fetch(&nameless, other.path(), true, None, &LAX).await, Err(Error::NoName(_))));
        assert_eq!(fetch(&nameless, other.path(), false, None, &LAX).await.unwrap().name, NAMELESS);
        let wrong = fetch(&format!("http://{host}/b"), other.path(), true, Some(Digest::of(b"x")), &LAX).await;
        assert!(matches!(wrong, Err(Error::Checksum { found, .. }) if found == right));
        assert!(!other.path().join("b").exists());
    });
}

#[test]
fn servers_that_misbehave_leave_nothing() {
    run(async {
        let host = serve(|path| match path {
            "/cut" => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nshort".to_owned(),
            "/loop" => reply("302 Found", "Location: /loop\r\n", ""),
            "/nowhere" => reply("302 Found", "", ""),
            "/file" => reply("302 Found", "Location: file:///etc/passwd\r\n", ""),
            "/large" => format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(2 << 20)),
            "/said" => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n".to_owned(),
            _ => reply("404 Not Found", "", "no"),
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let get = async |path: &str| {
            fetch(&format!("http://u:secret@{host}{path}"), dir.path(), true, None, &LAX).await.unwrap_err()
        };
        assert!(matches!(get("/cut").await, Error::Unreachable { .. }));
        assert!(matches!(get("/loop").await, Error::Redirect { how: "too often", .. }));
        assert!(matches!(get("/nowhere").await, Error::Redirect { how: "to nowhere", .. }));
        assert!(matches!(get("/file").await, Error::Redirect { .. }));
        assert!(matches!(get("/large").await, Error::TooLarge { .. }));
        assert!(matches!(get("/said").await, Error::TooLarge { .. }));
        let gone = get("/gone").await.to_string();
        assert_eq!(gone, format!("failed to GET http://{host}/gone with status 404 Not Found"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(matches!(fetch("ftp://x/y", dir.path(), true, None, &LAX).await, Err(Error::Address(_))));
    });
}

#[test]
fn builds_reach_only_what_they_may() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let host = serve(|path| match path {
            "/metadata" => reply("302 Found", "Location: http://169.254.169.254/latest\r\n", ""),
            "/mapped" => reply("302 Found", "Location: http://[::ffff:a9fe:a9fe]/latest\r\n", ""),
            _ => reply("200 OK", "", "inside"),
        })
        .await;
        let port = host.rsplit(':').next().unwrap();
        let strict = Reach { private: false, ..LAX };
        for name in ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "localhost", "[::1]", "[::ffff:7f00:1]"] {
            let refused = fetch(&format!("http://{name}:{port}/x"), dir.path(), true, None, &strict).await;
            assert!(matches!(refused, Err(Error::Forbidden(_))), "{name}: {refused:?}");
        }
        for path in ["metadata", "mapped"] {
            let refused = fetch(&format!("http://{host}/{path}"), dir.path(), true, None, &LAX).await;
            assert!(matches!(refused, Err(Error::Forbidden(_))), "{path}: {refused:?}");
        }
        assert!(fetch(&format!("http://localhost:{port}/x"), dir.path(), true, None, &LAX).await.is_ok());
    });
}

#[test]
fn names_never_lead_out() {
    let name = |address: &str| file_name(&Url::parse(address).unwrap());
    assert_eq!(name("http://h/a/b.tar.gz?q#f"), Some("b.tar.gz".to_owned()));
    assert_eq!(name("http://h/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), Some("passwd".to_owned()));
    assert_eq!(name("http://h/100%"), Some("100%".to_owned()));
    for nameless in ["http://h", "http://h/a/", "http://h/a%2f", "http://h/a%2f..", "http://h/x%00", "http://h/%ff"] {
        assert_eq!(name(nameless), None, "{nameless}");
    }
}
