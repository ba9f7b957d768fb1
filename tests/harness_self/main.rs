//! The harness proves itself: what the groups stand on works without the program under test.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

use std::{path::Path, process::ExitCode};

use harness::{
    Browser, Look, Registry, Space, Suite,
    image::{Compression, Layer, busybox, digest},
    slate,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

fn main() -> ExitCode {
    Suite::without_server(&["docker-registry", "chromium", "chromedriver", "skopeo"])
        .alone("a_space_has_a_network_and_a_neighbour_of_its_own", space)
        .alone("the_clean_slate_check_names_leftovers", leftovers)
        .alone("what_is_left_in_a_space_is_swept", sweep)
        .alone("archives_are_what_other_tools_read", archives)
        .alone("a_registry_gives_what_was_pushed", registry)
        .alone("the_browser_shows_sizes_looks_and_complaints", browser)
        .run()
}

fn space() {
    let space = Space::new();
    let links = space.output("ip", &["-o", "link"]);
    assert_eq!(links.lines().count(), 2, "{links}");
    space.output("ping", &["-c", "1", "-W", "5", "192.0.2.2"]);
    space.neighbour_output("ping", &["-c", "1", "-W", "5", "192.0.2.1"]);
    let refused = space.inside(|| async { tokio::net::TcpStream::connect("127.0.0.1:22").await.is_err() });
    assert!(refused, "a fresh namespace has no listener");
}

fn leftovers() {
    let space = Space::new();
    assert_eq!(slate::leftovers(&space), Vec::<String>::new());
    let container = space.data().join("containers/x");
    std::fs::create_dir_all(&container).unwrap();
    let log = container.join("log");
    std::fs::write(&log, "").unwrap();
    let (container, text) = (container.to_str().unwrap(), log.to_str().unwrap().to_owned());
    space.output("mount", &["-t", "tmpfs", "none", container]);
    space.output("ip", &["link", "add", "veth1", "type", "veth", "peer", "name", "veth2"]);
    space.output("nft", &["add table inet t; add set inet t s { type inet_service; }; add element inet t s { 80 }"]);
    let mut holder = space
        .command("sh")
        .args(["-c", "exec 3<\"$0\"; echo; read x", "/dev/null"])
        .arg(container)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut byte).unwrap();
    let found = slate::leftovers(&space).join("\n");
    holder.kill().unwrap();
    holder.wait().unwrap();
    for word in ["process ", "mount ", "interface veth1", "firewall ", "file "] {
        assert!(found.contains(word), "{word} is not in\n{found}\n({text})");
    }
}

fn sweep() {
    let space = Space::new();
    let mut left = space.command("sleep").arg("1000").spawn().unwrap();
    drop(space);
    let status = left.wait().unwrap();
    assert!(!status.success(), "the sweep kills it");
}

fn archives() {
    let image = busybox()
        .layer(Layer::new().file("gone", "1").folder("full").file("full/x", "x"))
        .layer(Layer::new().without("gone").opaque("full").hardlink("bin/sh2", "bin/busybox"))
        .env("A=1");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.tar");
    let path = file.to_str().unwrap();
    std::fs::write(&file, image.docker_archive(&["test:1"])).unwrap();
    let read = inspect(&["--config", &format!("docker-archive:{path}:test:1")]);
    assert_eq!(read["config"]["Env"], json!(["PATH=/bin:/usr/bin", "A=1"]));
    let diff_ids: Vec<String> = image.layer_tars().iter().map(|tar| digest(tar)).collect();
    assert_eq!(read["rootfs"]["diff_ids"], json!(diff_ids));
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        std::fs::write(&file, image.oci_archive("test:1", compression)).unwrap();
        assert_eq!(inspect(&["--config", &format!("oci-archive:{path}")]), read, "{compression:?}");
    }
}

fn inspect(arguments: &[&str]) -> Value {
    let output = std::process::Command::new("skopeo").arg("inspect").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn registry() {
    let space = Space::new();
    let registry = Registry::start(&space);
    let image = busybox();
    for compression in [Compression::Gzip, Compression::Zstd] {
        let digest = registry.push("some/where", "1", &image, compression);
        let read = space.output("skopeo", &["inspect", "--tls-verify=false", "docker://127.0.0.1:5000/some/where:1"]);
        let read: Value = serde_json::from_str(&read).unwrap();
        assert_eq!(read["Digest"], json!(digest));
    }
    assert!(registry.log().contains("/v2/some/where/manifests/1"));
}

const PAGE: &str = "<!doctype html><link rel=icon href='data:,'><meta name=viewport content='width=device-width'>
<style>:root{color-scheme:light dark} body{background:light-dark(white,black)}</style>
<form><input id=name><button type=button id=go>Go</button></form><p id=said></p>
<script>document.querySelector('#go').onclick = () =>
  document.querySelector('#said').textContent = 'Hello ' + document.querySelector('#name').value</script>";
const BROKEN: &str = "<!doctype html><link rel=icon href='data:,'><img src=/missing.png><img src=http://127.0.0.1:9/><div style='width:2000px'>wide</div>
<script>console.error('broken on purpose')</script>";

fn browser() {
    let space = Space::new();
    let shots = space.side().join("shots");
    let listener = space.inside(|| async { std::net::TcpListener::bind("127.0.0.1:8080").unwrap() });
    listener.set_nonblocking(true).unwrap();
    space.relay(8080);
    space.inside_neighbour(|| async {
        tokio::spawn(serve(TcpListener::from_std(listener).unwrap()));
        let browser = Browser::start(&space, "en").await;
        browser.open("http://127.0.0.1:8080/").await;
        browser.fill("#name", "Ada").await;
        browser.click("#go").await;
        browser.until("#said", "Hello Ada").await;
        for (look, background) in [(Look::Light, "rgb(255, 255, 255)"), (Look::Dark, "rgb(0, 0, 0)")] {
            for width in [1440, 390, 360] {
                browser.present(width, 800, look).await;
                let script = "return [getComputedStyle(document.body).backgroundColor, innerWidth]";
                let seen = browser.driver().execute(script, Vec::new()).await.unwrap();
                assert_eq!(seen, json!([background, width]));
                browser.assert_fits().await;
                browser.shoot(&shots, &format!("{width}-{look:?}")).await;
            }
        }
        browser.assert_quiet(&[]).await;

        browser.scripting(false).await;
        browser.open("http://127.0.0.1:8080/").await;
        browser.click("#go").await;
        browser.until("#go", "Go").await;
        assert!(!browser.shows("#said", "Hello").await, "pages run no script");
        browser.scripting(true).await;

        browser.open("http://127.0.0.1:8080/broken").await;
        let complaints = browser.complaints().await.join("\n");
        assert!(
            complaints.contains("broken on purpose") && complaints.contains("404 ") && complaints.contains(":9/"),
            "{complaints}"
        );
        let wide =
            browser.driver().execute("return document.documentElement.scrollWidth > innerWidth", Vec::new()).await;
        assert_eq!(wide.unwrap(), json!(true));
        browser.close().await;
    });
    assert_picture(&shots.join("390-Dark.png"), 390);
}

/// A PNG's width is in bytes 16 to 19.
fn assert_picture(path: &Path, width: u32) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[1..4], b"PNG");
    assert_eq!(bytes[16..20], width.to_be_bytes());
}

async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut head = [0; 4096];
            let count = stream.read(&mut head).await.unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..count]).into_owned();
            let (status, body) = match head.split(' ').nth(1) {
                Some("/") => ("200 OK", PAGE),
                Some("/broken") => ("200 OK", BROKEN),
                _ => ("404 Not Found", ""),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}
