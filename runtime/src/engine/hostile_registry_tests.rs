//! What a registry may try on a puller: floods, bombs, drips, astray credentials. Each gets a clear error, leaves nothing
//! and no lease, and is not listened to for longer than the limits say.
#![allow(clippy::unwrap_used)]

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use super::{
    fake_registry::{Reply, honest, serve},
    pull_tests::noise,
    tests::{Place, Sample, gzip, paths, sample},
    *,
};
use crate::{
    digest::DiffId,
    error::ErrorKind,
    request::{PullImage, RegistryAuth},
    view::PulledImage,
};

fn place() -> Place {
    let (backoff, stall) = (Duration::from_millis(1), Duration::from_millis(300));
    Place::with(registry::Config { backoff, stall, ..registry::Config::default() })
}

async fn pull_as(images: &Images, reference: &str, auth: Option<RegistryAuth>) -> Result<PulledImage> {
    images.pull(PullImage { reference: reference.to_owned(), platform: None, auth }, mpsc::channel(64).0).await
}

/// Refused for this reason; nothing is here but beginnings of blobs, and nothing is held.
async fn refused(place: &Place, reference: &str, auth: Option<RegistryAuth>, kind: ErrorKind, words: &str) {
    let error = pull_as(&place.images, reference, auth).await.expect_err(words);
    assert!(error.kind() == kind && error.message().contains(words), "{words}: {error:?}");
    let left: Vec<_> = place.leftovers().into_iter().filter(|path| !path.contains("/ingest/")).collect();
    assert_eq!(left, Vec::<String>::new(), "{words}");
    assert!(place.images.list().is_empty() && place.images.0.leases.is_empty(), "{words}");
}

/// Answers every request with this head, then the same bytes for as long as they are taken; counts them.
async fn flood(head: &'static str, of: &'static [u8], pause: Option<Duration>) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                let n = socket.read(&mut asked).await.unwrap_or(0);
                if asked[..n].first() == Some(&0x16) {
                    return;
                }
                let mut taken = socket.write_all(head.as_bytes()).await;
                while taken.is_ok() {
                    taken = socket.write_all(of).await;
                    count.fetch_add(of.len() as u64, Ordering::Relaxed);
                    if let Some(pause) = pause {
                        tokio::time::sleep(pause).await;
                    }
                }
            });
        }
    });
    (host, sent)
}

/// Socket buffers on both sides take some bytes that nobody reads.
const BUFFERED: u64 = 16 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_without_end_is_not_read_to_its_end() {
    static SPACES: [u8; 64 << 10] = [b' '; 64 << 10];
    let place = place();
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n";
    for head in [announced, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"] {
        let (host, sent) = flood(head, &SPACES, None).await;
        refused(&place, &format!("{host}/web:1"), None, ErrorKind::Upstream, "a manifest is larger than").await;
        assert!(sent.load(Ordering::Relaxed) < oci::MAX_MANIFEST_BYTES + BUFFERED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dripping_registry_is_given_up() {
    let (host, _) =
        flood("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ", Some(Duration::from_millis(20))).await;
    refused(&place(), &format!("{host}/web:1"), None, ErrorKind::Upstream, "less than 1 KiB/s").await;
}

#[tokio::test]
async fn a_dripping_blob_is_given_up() {
    let image = Arc::new(sample(&[&noise(100_000)]));
    let served = Arc::clone(&image);
    // The head of each blob comes, and one byte of it.
    let (host, asked) = serve(move |ask| {
        let reply = honest(&served, ask);
        if ask.path.contains("/blobs/") { Reply { cut: Some(1), hang: true, ..reply } } else { reply }
    })
    .await;
    refused(&place(), &format!("{host}/web:1"), None, ErrorKind::Upstream, "less than 1 KiB/s").await;
    assert!(asked.lock().unwrap().len() < 10, "a bounded number of tries");
}

#[tokio::test]
async fn token_realms_are_not_trusted_either() {
    let realm = |ask: &super::fake_registry::Ask| {
        let bearer = format!("Bearer realm=\"http://{}/token\",service=\"s\"", ask.header("host"));
        Reply::new(401, "").with("WWW-Authenticate", bearer)
    };
    let place = place();
    let (host, _) =
        serve(
            move |ask| if ask.path.starts_with("/token") { Reply::new(200, vec![b' '; 5 << 20]) } else { realm(ask) },
        )
        .await;
    refused(&place, &format!("{host}/web:1"), None, ErrorKind::Upstream, "token is larger than 1048576 bytes").await;
    let (host, _) =
        serve(
            move |ask| {
                if ask.path.starts_with("/token") { Reply::new(200, "{\"token\":\"a\\nb\"}") } else { realm(ask) }
            },
        )
        .await;
    refused(&place, &format!("{host}/web:1"), None, ErrorKind::Upstream, "its token realm sent no token").await;
    let (host, asked) = serve(move |ask| {
        if ask.path.starts_with("/token") { Reply::new(302, "").with("Location", "/token?again") } else { realm(ask) }
    })
    .await;
    refused(&place, &format!("{host}/web:1"), None, ErrorKind::Upstream, "302").await;
    assert_eq!(asked.lock().unwrap().iter().filter(|ask| ask.path.starts_with("/token")).count(), 1);
}

#[tokio::test]
async fn a_password_is_shown_to_no_other_host() {
    let (elsewhere, seen) = serve(|_| Reply::new(200, r#"{"token":"t"}"#)).await;
    // Another name of this host is another host.
    let realm = elsewhere.replace("127.0.0.1", "localhost");
    let (host, _) = serve(move |ask| {
        if ask.header("authorization") == "Bearer t" {
            return Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#);
        }
        Reply::new(401, "").with("WWW-Authenticate", format!("Bearer realm=\"http://{realm}/token\""))
    })
    .await;
    let auth = RegistryAuth { username: "u".into(), password: "canary".into(), ..RegistryAuth::default() };
    refused(&place(), &format!("{host}/web:1"), Some(auth), ErrorKind::NotFound, "not found").await;
    let identity = RegistryAuth { identity_token: "canary".into(), ..RegistryAuth::default() };
    refused(&place(), &format!("{host}/web:1"), Some(identity), ErrorKind::NotFound, "not found").await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|ask| ask.header("authorization").is_empty() && !format!("{ask:?}").contains("canary")));
}

#[tokio::test]
async fn basic_credentials_stay_at_home_when_a_blob_is_elsewhere() {
    let image = Arc::new(sample(&[b"one"]));
    let (elsewhere, seen) = {
        let image = Arc::clone(&image);
        serve(move |ask| honest(&image, ask)).await
    };
    let (host, _) = serve(move |ask| {
        if ask.header("authorization") != "Basic dTpw" {
            return Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\"");
        }
        if ask.path.contains("/blobs/") {
            return Reply::new(302, "").with("Location", format!("http://{elsewhere}{}", ask.path));
        }
        honest(&image, ask)
    })
    .await;
    let auth = RegistryAuth { username: "u".into(), password: "p".into(), ..RegistryAuth::default() };
    let place = place();
    pull_as(&place.images, &format!("{host}/web:1"), Some(auth)).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.len() == 2 && seen.iter().all(|ask| ask.header("authorization").is_empty()));
}

/// An image whose one layer is this blob, however wrong.
fn with_layer(blob: Vec<u8>, diff_id: Digest) -> Sample {
    let mut image = sample(&[b"one"]);
    let mut config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    config["rootfs"]["diff_ids"] = json!([DiffId(diff_id)]);
    image.config = config.to_string().into_bytes();
    let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["config"]["digest"] = json!(Digest::of(&image.config));
    manifest["config"]["size"] = json!(image.config.len());
    manifest["layers"][0]["digest"] = json!(Digest::of(&blob));
    manifest["layers"][0]["size"] = json!(blob.len());
    image.manifest = manifest.to_string().into_bytes();
    image.blobs = vec![blob];
    image
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_that_break_off_or_swell_are_refused() {
    let whole = gzip(&tests::tar(&[("file", &noise(200_000))]));
    let truncated = with_layer(whole[..whole.len() - 9].to_vec(), Digest::of(b"x"));
    let wrong = with_layer(whole.clone(), Digest::of(b"x"));
    let trailing = with_layer([&whole[..], b"garbage"].concat(), Digest::of(b"x"));
    // A file that claims to be 8 TiB of zeros, most of which would have to be inflated: it must end at a limit, not at
    // the disk's end. What is sent is small.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = ::tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(8 << 40);
    header.set_mode(0o644);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    for _ in 0..64 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = with_layer(bomb.finish().unwrap(), Digest::of(b"x"));
    for (what, image) in [("truncated", truncated), ("wrong diff id", wrong), ("trailing", trailing), ("bomb", bomb)] {
        let (host, _) = serve(move |ask| honest(&image, ask)).await;
        let place = place();
        let error = pull_as(&place.images, &format!("{host}/web:1"), None).await.expect_err(what);
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Exhausted), "{what}: {error:?}");
        assert!(error.message().starts_with("failed to register layer: "), "{what}: {error:?}");
        assert_eq!(place.leftovers(), Vec::<String>::new(), "{what}");
        assert!(place.images.0.leases.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn what_was_kept_of_a_blob_is_gone_on_with_after_a_restart_and_thrown_away_when_it_is_wrong() {
    let image = Arc::new(sample(&[&noise(300_000)]));
    let layer = Digest::of(&image.blobs[0]);
    let served = Arc::clone(&image);
    let (host, asked) = serve(move |ask| honest(&served, ask)).await;
    for (kept, ranges) in [
        (image.blobs[0][..100_000].to_vec(), vec!["bytes=100000-"]),
        // As much as there should be, but other bytes: fetched again from the start.
        (vec![7; image.blobs[0].len()], vec![""]),
        (vec![7; 100], vec!["bytes=100-", ""]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(folder.path());
        std::fs::create_dir_all(paths.ingests()).unwrap();
        std::fs::write(paths.ingests().join(layer.hex()), kept).unwrap();
        let images = Images::open(paths, registry::Config::default(), &[]).unwrap();
        asked.lock().unwrap().clear();
        pull_as(&images, &format!("{host}/web:1"), None).await.unwrap();
        let asked = asked.lock().unwrap();
        let found: Vec<_> =
            asked.iter().filter(|ask| ask.path.contains(&layer.to_string())).map(|ask| ask.header("range")).collect();
        assert_eq!(found, ranges);
    }
}

#[tokio::test]
async fn all_tags_come_page_by_page_and_pages_have_an_end() {
    let image = Arc::new(sample(&[b"one"]));
    let served = Arc::clone(&image);
    let (host, asked) = serve(move |ask| {
        let page = |tags: &[&str], next: Option<&str>| {
            let reply = Reply::new(200, json!({"name": "web", "tags": tags}).to_string());
            next.map_or(reply.clone(), |next| reply.with("Link", format!("<{next}>; rel=\"next\"")))
        };
        match ask.path.as_str() {
            "/v2/web/tags/list?n=1000" => page(&["1"], Some("/v2/web/tags/list?n=1000&last=1")),
            "/v2/web/tags/list?n=1000&last=1" => page(&["2"], None),
            // Each page leads to itself, to another host, or to nowhere new.
            "/v2/loop/tags/list?n=1000" => page(&["1"], Some("/v2/loop/tags/list?n=1000")),
            "/v2/away/tags/list?n=1000" => page(&["1"], Some("http://elsewhere.example/v2/")),
            "/v2/evil/tags/list?n=1000" => page(&["../../x"], None),
            path if path.ends_with("/2") => Reply::new(200, served.manifest.clone()),
            _ => honest(&served, ask),
        }
    })
    .await;
    let place = place();
    let all = |name: &str| PullImage { reference: format!("{host}/{name}"), ..PullImage::default() };
    let pulled = place.images.pull_all(all("web"), mpsc::channel(64).0).await.unwrap();
    let names: Vec<_> = pulled.iter().map(|one| one.reference.clone()).collect();
    assert_eq!(names, [format!("{host}/web:1"), format!("{host}/web:2")]);
    for name in ["loop", "away"] {
        assert_eq!(place.images.pull_all(all(name), mpsc::channel(64).0).await.unwrap().len(), 1);
    }
    let error = place.images.pull_all(all("evil"), mpsc::channel(64).0).await.unwrap_err();
    assert_eq!(error.message(), "invalid reference format");
    let error = place.images.pull_all(all("web:1"), mpsc::channel(64).0).await.unwrap_err();
    assert_eq!(error.message(), "tag can't be used with --all-tags/-a");
    assert!(asked.lock().unwrap().iter().all(|ask| !ask.header("host").contains("elsewhere")));
}

#[tokio::test]
async fn logging_in_is_answered_by_the_registry() {
    let (host, _) = serve(|ask| {
        if ask.path.starts_with("/token?") {
            assert!(ask.path.contains("offline_token=true") && !ask.path.contains("scope="), "{}", ask.path);
            return match ask.header("authorization") {
                "Basic dTpw" => Reply::new(200, r#"{"token":"t","refresh_token":"r"}"#),
                _ => Reply::new(401, ""),
            };
        }
        match ask.header("authorization") {
            "Bearer t" => Reply::new(200, "{}"),
            _ => Reply::new(401, "")
                .with("WWW-Authenticate", format!("Bearer realm=\"http://{}/token\"", ask.header("host"))),
        }
    })
    .await;
    let (basic, _) = serve(|ask| match ask.header("authorization") {
        "Basic dTpw" => Reply::new(200, "{}"),
        _ => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
    })
    .await;
    let place = place();
    let auth =
        |password: &str| RegistryAuth { username: "u".into(), password: password.into(), ..RegistryAuth::default() };
    assert_eq!(place.images.log_in(&host, &auth("p")).await.unwrap(), Some("r".to_owned()));
    assert_eq!(place.images.log_in(&basic, &auth("p")).await.unwrap(), None);
    let wrong = |host: String| {
        let images = place.images.clone();
        async move { images.log_in(&host, &auth("no")).await.unwrap_err() }
    };
    assert_eq!(wrong(host.clone()).await.message(), "unauthorized: incorrect username or password");
    let error = wrong(basic.clone()).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.message(), format!("login attempt to http://{basic}/v2/ failed with status: 401 Unauthorized"));
    // Right once is not right for ever.
    assert!(place.images.log_in(&host, &auth("p")).await.is_ok());
    assert_eq!(wrong(host).await.kind(), ErrorKind::Unauthorized);
}
