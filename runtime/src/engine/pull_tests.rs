//! Pulls from a registry that lies, breaks off, stalls and refuses, in this process on loopback.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc};

use super::{
    fake_registry::{Ask, Reply, honest, serve},
    tests::{Place, Sample, gzip, sample},
    *,
};
use crate::{
    error::ErrorKind,
    request::{PullImage, RegistryAuth},
    view::{LayerStep, Progress, PulledImage},
};

fn place() -> Place {
    place_with(registry::Config::default())
}

fn place_with(config: registry::Config) -> Place {
    Place::with(registry::Config { backoff: Duration::from_millis(1), ..config })
}

async fn pull_as(images: &Images, reference: &str, auth: Option<RegistryAuth>) -> Result<PulledImage> {
    let (progress, _listener) = mpsc::channel(64);
    images.pull(PullImage { reference: reference.to_owned(), platform: None, auth }, progress).await
}

async fn pull(images: &Images, reference: &str) -> Result<PulledImage> {
    pull_as(images, reference, None).await
}

/// Random-looking, so that gzip leaves it long.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[tokio::test]
async fn a_pull_brings_all_and_again_is_up_to_date() {
    let image = Arc::new(sample(&[b"one", b"two"]));
    let served = Arc::clone(&image);
    let (host, asked) = serve(move |ask| honest(&served, ask)).await;
    let place = place();
    let name = format!("{host}/web:1");
    let (progress, mut listener) = mpsc::channel(64);
    let request = PullImage { reference: name.clone(), ..PullImage::default() };
    let pulled = place.images.pull(request, progress).await.unwrap();
    let digest = Digest::of(&image.manifest);
    assert_eq!(pulled, PulledImage { id: image.id(), digest, reference: name.clone(), up_to_date: false });
    let mut complete = 0;
    assert_eq!(listener.recv().await, Some(Progress::Pulling { tag: "1".into(), repository: format!("{host}/web") }));
    while let Some(step) = listener.recv().await {
        complete += u32::from(matches!(step, Progress::Layer { step: LayerStep::Complete, .. }));
    }
    assert_eq!(complete, 2);
    let view = place.images.get(&name).unwrap();
    assert_eq!(view.summary.digests, [format!("{host}/web@{digest}")]);
    assert_eq!(view.manifest, Some(digest));

    asked.lock().unwrap().clear();
    assert!(pull(&place.images, &name).await.unwrap().up_to_date);
    assert_eq!(asked.lock().unwrap().len(), 1, "only the manifest is asked for again");
    // By digest it is the same image.
    assert!(pull(&place.images, &format!("{host}/web@{digest}")).await.unwrap().up_to_date);
    // The last tag takes the digest with it.
    place.images.remove(&name, false, &[]).await.unwrap();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn broken_connections_go_on_where_they_stopped() {
    let image = Arc::new(sample(&[&noise(300_000)]));
    let served = Arc::clone(&image);
    let layer = Digest::of(&image.blobs[0]).to_string();
    let (host, asked) = serve(move |ask| {
        let reply = honest(&served, ask);
        let cut =
            if ask.path.contains(&layer) { [Some(0), Some(1), Some(100_000), None][ask.before.min(3)] } else { None };
        Reply { cut, ..reply }
    })
    .await;
    let place = place();
    pull(&place.images, &format!("{host}/web:1")).await.unwrap();
    let log = asked.lock().unwrap();
    let ranges: Vec<_> = log.iter().filter(|ask| ask.path.contains("/blobs/")).map(|ask| ask.header("range")).collect();
    assert_eq!(ranges, ["", "", "", "bytes=1-", "bytes=100001-"], "config, then the layer's four tries");
}

#[tokio::test]
async fn what_lies_is_refused_and_nothing_stays() {
    type Lie = fn(&Sample, &Ask, Reply) -> Reply;
    let lies: [(&str, Lie); 9] = [
        ("another blob", |_, ask, mut reply| {
            if ask.path.contains("/blobs/") {
                reply.body[3] ^= 1;
            }
            reply
        }),
        ("too short, and says so", |_, ask, mut reply| {
            if ask.path.contains("/blobs/") {
                reply.body.truncate(10);
            }
            reply
        }),
        ("too long", |_, ask, mut reply| {
            if ask.path.contains("/blobs/") {
                reply.body.extend(b"more");
            }
            reply
        }),
        ("announces another digest", |_, ask, reply| {
            if ask.path.contains("/manifests/") {
                reply.with("Docker-Content-Digest", Digest::of(b"x").to_string())
            } else {
                reply
            }
        }),
        ("endless manifest", |_, ask, reply| {
            if ask.path.contains("/manifests/") { Reply::new(200, vec![b' '; 5 << 20]) } else { reply }
        }),
        ("html", |_, ask, reply| if ask.path.contains("/manifests/") { Reply::new(200, "<html>") } else { reply }),
        ("redirects for ever", |_, ask, _| Reply::new(307, "").with("Location", ask.path.clone())),
        ("layers and diff ids differ", |sample, ask, reply| {
            if !ask.path.contains("/manifests/") {
                return reply;
            }
            let mut manifest: serde_json::Value = serde_json::from_slice(&sample.manifest).unwrap();
            manifest["layers"] = json!([manifest["layers"][0], manifest["layers"][0]]);
            Reply::new(200, manifest.to_string())
        }),
        ("an index that is its own manifest", |_, ask, reply| {
            if !ask.path.contains("/manifests/") {
                return reply;
            }
            let host = oci::Platform::host();
            let descriptor = json!({"digest": Digest::of(b"x"), "size": 1, "platform": {"os": "linux", "architecture": host.architecture}});
            Reply::new(200, json!({"schemaVersion": 2, "manifests": [descriptor]}).to_string())
        }),
    ];
    for (what, lie) in lies {
        let image = sample(&[&noise(5000)]);
        let (host, _) = serve(move |ask| lie(&image, ask, honest(&image, ask))).await;
        let place = place();
        let error = pull(&place.images, &format!("{host}/web:1")).await.expect_err(what);
        assert!(matches!(error.kind(), ErrorKind::Upstream | ErrorKind::Invalid), "{what}: {error:?}");
        let blobs: Vec<_> = place.leftovers().into_iter().filter(|path| !path.contains("/ingest/")).collect();
        assert_eq!(blobs, Vec::<String>::new(), "{what}");
        assert!(place.images.list().is_empty());
    }
}

#[tokio::test]
async fn refusals_are_told_in_dockers_words() {
    let errors = |code: &str, message: &str| json!({"errors": [{"code": code, "message": message}]}).to_string();
    let denied = errors("DENIED", "requested access to the resource is denied");
    let unknown = errors("NAME_UNKNOWN", "repository name not known to registry");
    let (host, asked) = serve(move |ask| match ask.path.split('/').nth(2).unwrap() {
        "denied" => Reply::new(403, denied.clone()),
        "unknown" => Reply::new(404, unknown.clone()),
        "bad" => Reply::new(502, "<html>Bad\x07 gateway"),
        "busy" => Reply::new(429, "").with("Retry-After", "0"),
        _ => Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
    })
    .await;
    let place = place();
    for (name, kind, message) in [
        (
            "web:1",
            ErrorKind::NotFound,
            format!("manifest for {host}/web:1 not found: manifest unknown: manifest unknown"),
        ),
        (
            "denied",
            ErrorKind::NotFound,
            format!(
                "pull access denied for {host}/denied, repository does not exist or may require 'docker login': denied: \
                 requested access to the resource is denied"
            ),
        ),
        (
            "unknown",
            ErrorKind::NotFound,
            format!("repository {host}/unknown not found: name unknown: repository name not known to registry"),
        ),
        (
            "bad",
            ErrorKind::Upstream,
            format!("registry {host}: manifest: received unexpected HTTP status: 502 Bad Gateway"),
        ),
        (
            "busy",
            ErrorKind::Upstream,
            format!("registry {host}: manifest: received unexpected HTTP status: 429 Too Many Requests"),
        ),
    ] {
        let error = pull(&place.images, &format!("{host}/{name}")).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message.as_str()));
    }
    let tries = |name: &str| asked.lock().unwrap().iter().filter(|ask| ask.path.contains(name)).count();
    assert_eq!((tries("/denied/"), tries("/bad/"), tries("/busy/")), (1, 5, 5));

    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = pull(&place.images, &format!("{gone}/web:1")).await.unwrap_err();
    assert!(error.message().starts_with(&format!("registry {gone} can't be reached: ")), "{error:?}");
    assert!(error.message().contains("refused"), "{error:?}");
}

#[tokio::test]
async fn tokens_are_fetched_once_and_credentials_go_nowhere_else() {
    let image = Arc::new(sample(&[b"one", b"two"]));
    let (elsewhere, asked_elsewhere) = {
        let image = Arc::clone(&image);
        serve(move |ask| honest(&image, ask)).await
    };
    let target = elsewhere.clone();
    let (host, asked) = serve(move |ask| {
        if ask.path.starts_with("/token?") {
            return match ask.header("authorization") {
                "Basic dTpw" => Reply::new(200, r#"{"token":"t0k","expires_in":300}"#),
                _ => Reply::new(401, ""),
            };
        }
        if ask.header("authorization") != "Bearer t0k" {
            let realm = format!("Bearer realm=\"http://{}/token\",service=\"s\"", ask.header("host"));
            return Reply::new(401, "").with("WWW-Authenticate", realm);
        }
        if ask.path.contains("/blobs/") {
            return Reply::new(307, "").with("Location", format!("http://{target}{}", ask.path));
        }
        honest(&image, ask)
    })
    .await;
    let auth = |password: &str| {
        Some(RegistryAuth { username: "u".into(), password: password.into(), ..RegistryAuth::default() })
    };
    let place = place();
    let name = format!("{host}/team/web:1");
    let error = pull_as(&place.images, &name, auth("wrong")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unauthorized, "unauthorized: incorrect username or password")
    );
    asked.lock().unwrap().clear();
    pull_as(&place.images, &name, auth("p")).await.unwrap();
    let asked = asked.lock().unwrap();
    let tokens: Vec<_> = asked.iter().filter(|ask| ask.path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].path, "/token?service=s&scope=repository%3Ateam%2Fweb%3Apull&account=u");
    let elsewhere = asked_elsewhere.lock().unwrap();
    assert_eq!(elsewhere.len(), 3, "config and two layers");
    assert!(elsewhere.iter().all(|ask| ask.header("authorization").is_empty()));
}

#[tokio::test]
async fn a_registry_that_never_lets_anybody_in_is_asked_twice() {
    let (host, asked) = serve(|ask| {
        if ask.path.starts_with("/token") {
            return Reply::new(200, r#"{"access_token":"x"}"#);
        }
        Reply::new(401, "").with("WWW-Authenticate", format!("Bearer realm=\"http://{}/token\"", ask.header("host")))
    })
    .await;
    let place = place();
    let error = pull(&place.images, &format!("{host}/web:1")).await.unwrap_err();
    assert!(error.message().starts_with(&format!("pull access denied for {host}/web")), "{error:?}");
    assert_eq!(asked.lock().unwrap().len(), 3, "once without, the token, once with");
}

#[tokio::test]
async fn a_silent_registry_is_given_up() {
    let (host, asked) = serve(|_| Reply { cut: Some(0), hang: true, ..Reply::new(200, "never comes") }).await;
    let place = place_with(registry::Config { stall: Duration::from_millis(50), ..registry::Config::default() });
    let error = pull(&place.images, &format!("{host}/web:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert!(error.message().contains("less than 1 KiB/s"), "{error:?}");
    assert_eq!(asked.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn many_pulls_of_one_layer_share_one_fetch() {
    let image = Arc::new(sample(&[&noise(200_000), b"two"]));
    let served = Arc::clone(&image);
    let (host, asked) = serve(move |ask| honest(&served, ask)).await;
    let place = place();
    let pulls = (0..8).map(|n| {
        let (images, name) = (place.images.clone(), format!("{host}/web{n}:1"));
        tokio::spawn(async move { pull(&images, &name).await })
    });
    for pull in pulls.collect::<Vec<_>>() {
        pull.await.unwrap().unwrap();
    }
    let log = asked.lock().unwrap();
    assert_eq!(log.iter().filter(|ask| ask.path.contains("/blobs/")).count(), 3, "config and two layers");
    assert_eq!(place.images.list()[0].tags.len(), 8);
}

#[tokio::test]
async fn a_pull_goes_on_when_its_caller_leaves() {
    let image = Arc::new(sample(&[b"one"]));
    let served = Arc::clone(&image);
    let (reached, mut at_blob) = mpsc::unbounded_channel();
    let (host, _) = serve(move |ask| {
        let _ = reached.send(());
        honest(&served, ask)
    })
    .await;
    let place = place();
    let name = format!("{host}/web:1");
    let (progress, mut listener) = mpsc::channel(64);
    let request = PullImage { reference: name.clone(), ..PullImage::default() };
    let images = place.images.clone();
    let caller = tokio::spawn(async move { images.pull(request, progress).await });
    at_blob.recv().await.unwrap();
    caller.abort();
    // The channel closes when the pull has ended.
    while listener.recv().await.is_some() {}
    assert_eq!(place.images.get(&name).unwrap().summary.id, image.id());
}

#[tokio::test]
async fn the_platform_is_chosen_from_an_index() {
    let image = Arc::new(sample(&[b"one"]));
    let host_platform = oci::Platform::host();
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"digest": Digest::of(b"other"), "size": 1, "platform": {"os": "linux", "architecture": "s390x"}},
        {"digest": Digest::of(&image.manifest), "size": image.manifest.len(),
         "platform": {"os": "linux", "architecture": host_platform.architecture}},
    ]})
    .to_string();
    let (served, indexed) = (Arc::clone(&image), index.clone());
    let (host, _) =
        serve(
            move |ask| {
                if ask.path.ends_with("/multi") { Reply::new(200, indexed.clone()) } else { honest(&served, ask) }
            },
        )
        .await;
    let place = place();
    let name = format!("{host}/web:multi");
    let pulled = pull(&place.images, &name).await.unwrap();
    assert_eq!((pulled.id, pulled.digest), (image.id(), Digest::of(index.as_bytes())));
    assert_eq!(place.images.get(&name).unwrap().manifest, Some(Digest::of(&image.manifest)));
    let wanted = |reference: &str, platform: &str| PullImage {
        reference: reference.to_owned(),
        platform: Some(platform.to_owned()),
        auth: None,
    };
    let (progress, _listener) = mpsc::channel(64);
    let error = place.images.pull(wanted(&name, "linux/mips64le"), progress.clone()).await.unwrap_err();
    assert_eq!(error.message(), "no matching manifest for linux/mips64le in the manifest list entries");
    let error = place.images.pull(wanted(&format!("{host}/web:1"), "linux/mips64le"), progress).await.unwrap_err();
    assert!(error.message().contains("does not match the specified platform: wanted linux/mips64le"), "{error:?}");
}

#[tokio::test]
async fn a_mirror_is_asked_before_the_hub_without_credentials() {
    let image = Arc::new(sample(&[b"one"]));
    let served = Arc::clone(&image);
    let (host, asked) = serve(move |ask| honest(&served, ask)).await;
    // The first mirror is down, the second has the image.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mirrors = vec![format!("http://{gone}"), format!("http://{host}")];
    let place = place_with(registry::Config { mirrors, ..registry::Config::default() });
    let auth = RegistryAuth { username: "u".into(), password: "p".into(), ..RegistryAuth::default() };
    let pulled = pull_as(&place.images, "web:1", Some(auth)).await.unwrap();
    assert_eq!(pulled.reference, "web:1");
    let asked = asked.lock().unwrap();
    assert!(asked[0].path.starts_with("/v2/library/web/manifests/1"));
    assert!(asked.iter().all(|ask| ask.header("authorization").is_empty()));
}

#[tokio::test]
async fn a_layer_that_is_no_tar_fails_cleanly() {
    let mut image = sample(&[b"one"]);
    let garbage = gzip(b"this is no tar archive at all, not even a little one");
    image.manifest = {
        let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
        manifest["layers"][0]["digest"] = json!(Digest::of(&garbage));
        manifest["layers"][0]["size"] = json!(garbage.len());
        manifest.to_string().into_bytes()
    };
    image.blobs = vec![garbage];
    let (host, _) = serve(move |ask| honest(&image, ask)).await;
    let place = place();
    let error = pull(&place.images, &format!("{host}/web:1")).await.unwrap_err();
    assert!(error.message().starts_with("failed to register layer: "), "{error:?}");
    assert_eq!(place.leftovers(), Vec::<String>::new());
}
