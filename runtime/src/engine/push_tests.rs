//! Pushes to a registry in this process that lets things fail.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    fake_registry::{Ask, Reply, Shelf, serve, serve_cut},
    pull_tests::noise,
    tests::{Place, Sample, sample, sample_of},
    *,
};
use crate::{
    error::ErrorKind,
    request::{PushImage, RegistryAuth},
    view::{Progress, PushStep, Pushed},
};

fn place(chunk: Option<u64>) -> Place {
    Place::with(registry::Config { backoff: Duration::from_millis(1), chunk, ..registry::Config::default() })
}

async fn push_as(images: &Images, reference: &str, auth: Option<RegistryAuth>) -> Result<(Vec<Pushed>, Vec<Progress>)> {
    let (progress, mut listener) = mpsc::channel(256);
    let request = PushImage { reference: reference.to_owned(), auth, ..PushImage::default() };
    let pushed = images.push(request, progress).await?;
    let mut steps = Vec::new();
    while let Some(step) = listener.recv().await {
        steps.push(step);
    }
    Ok((pushed, steps))
}

async fn push(images: &Images, reference: &str) -> Result<(Vec<Pushed>, Vec<Progress>)> {
    push_as(images, reference, None).await
}

/// How each layer ended, topmost first.
fn ends(steps: &[Progress]) -> Vec<PushStep> {
    let ended = steps.iter().filter_map(|step| match step {
        Progress::Push { step, .. } if !matches!(step, PushStep::Preparing | PushStep::Uploading { .. }) => {
            Some(step.clone())
        }
        _ => None,
    });
    ended.collect()
}

type SharedShelf = Arc<Mutex<Shelf>>;

async fn shelf() -> (String, SharedShelf, super::fake_registry::Asked) {
    let shelf = SharedShelf::default();
    let own = Arc::clone(&shelf);
    let (host, asked) = serve(move |ask| own.lock().unwrap().answer(ask)).await;
    (host, shelf, asked)
}

async fn loaded(place: &Place, image: &Sample, name: &str, with_manifest: bool) {
    let archive = if with_manifest {
        image.oci_archive(&[("io.containerd.image.name", name)])
    } else {
        image.docker_archive(&[name])
    };
    place.load(&archive).await.unwrap();
}

fn manifest_of(shelf: &SharedShelf, repository: &str, tag: &str) -> (String, Vec<u8>) {
    shelf.lock().unwrap().manifests[&(repository.to_owned(), tag.to_owned())].clone()
}

#[tokio::test]
async fn an_image_goes_up_with_the_manifest_it_came_with_and_again_needs_nothing() {
    let (host, shelf, asked) = shelf().await;
    let (place, image) = (place(None), sample(&[b"one", b"two"]));
    let name = format!("{host}/team/web:1");
    loaded(&place, &image, &name, true).await;
    let (pushed, steps) = push(&place.images, &name).await.unwrap();
    let digest = Digest::of(&image.manifest);
    let size = image.manifest.len() as u64;
    let told = Pushed { id: image.id(), reference: name.clone(), tag: "1".into(), digest, size };
    assert_eq!(pushed, std::slice::from_ref(&told));
    assert_eq!(steps[0], Progress::PushingTo(format!("{host}/team/web")));
    assert_eq!(steps.last(), Some(&Progress::Pushed(told)));
    assert_eq!(ends(&steps), [PushStep::Done, PushStep::Done]);
    let (kind, bytes) = manifest_of(&shelf, "team/web", "1");
    assert_eq!((kind.as_str(), &bytes), ("application/vnd.oci.image.manifest.v1+json", &image.manifest));
    for blob in image.blobs.iter().chain([&image.config]) {
        assert_eq!(shelf.lock().unwrap().blobs[&("team/web".into(), Digest::of(blob).to_string())], *blob);
    }
    // It is known here by the digest it has there.
    assert_eq!(place.images.get(&format!("{host}/team/web@{digest}")).unwrap().summary.id, image.id());

    asked.lock().unwrap().clear();
    let (_, steps) = push(&place.images, &name).await.unwrap();
    assert_eq!(ends(&steps), [PushStep::Exists, PushStep::Exists]);
    assert!(asked.lock().unwrap().iter().all(|ask| ask.method == "HEAD" || ask.path.contains("/manifests/")));
    // And it all goes as one.
    place.images.remove(&name, false, &[]).await.unwrap();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn plain_layers_are_compressed_once_and_the_same_each_time() {
    let image = sample(&[b"one", &noise(50_000), b"one"]);
    let mut manifests = Vec::new();
    for _ in 0..2 {
        let (host, shelf, _) = shelf().await;
        let place = place(None);
        let name = format!("{host}/web:1");
        loaded(&place, &image, &name, false).await;
        let (pushed, _) = push(&place.images, &name).await.unwrap();
        let (kind, bytes) = manifest_of(&shelf, "web", "1");
        assert_eq!(kind, "application/vnd.docker.distribution.manifest.v2+json");
        assert_eq!((pushed[0].digest, pushed[0].size), (Digest::of(&bytes), bytes.len() as u64));
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(manifest["config"]["digest"], json!(image.id()));
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
        for (layer, plain) in manifest["layers"].as_array().unwrap().iter().zip(&image.plain) {
            assert_eq!(layer["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");
            let digest = layer["digest"].as_str().unwrap();
            let blob = shelf.lock().unwrap().blobs[&("web".into(), digest.to_owned())].clone();
            assert_eq!(layer["size"], json!(blob.len()));
            let mut inflated = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&blob[..]), &mut inflated).unwrap();
            assert_eq!(&inflated, plain);
        }
        // The compressed layers took the place of the plain ones: config, manifest and two layers.
        let blobs = || place.leftovers().into_iter().filter(|path| path.contains("/sha256/")).count();
        assert_eq!(blobs(), 4);
        // After a restart too nothing is compressed again.
        let images = Images::open(super::tests::paths(place.folder.path()), registry::Config::default(), &[]).unwrap();
        let (again, steps) = push(&images, &name).await.unwrap();
        assert_eq!(again, pushed);
        assert_eq!(ends(&steps), vec![PushStep::Exists; 3]);
        assert_eq!(blobs(), 4);
        manifests.push(bytes);
    }
    assert_eq!(manifests[0], manifests[1], "the same image is the same manifest");
}

#[tokio::test]
async fn a_layer_whose_bytes_are_not_kept_is_packed_again_or_said_to_be_unpushable() {
    let (host, shelf, _) = shelf().await;
    let place = place(None);
    let name = format!("{host}/web:1");
    // A layer as the engine itself packs it.
    loaded(&place, &sample(&[b"one"]), "other:1", false).await;
    let foreign = place.images.0.store.get("other:1").unwrap();
    let mut packed = Vec::new();
    place.images.0.snapshots.write_tar(foreign.chains[0], &mut packed).unwrap();
    let own = sample_of(vec![packed.clone()]);
    loaded(&place, &own, &name, false).await;
    for blob in [&foreign, &place.images.0.store.get(&name).unwrap()].iter().flat_map(|image| &image.record.layers) {
        place.images.0.content.remove(blob.blob.unwrap()).unwrap();
    }
    let (pushed, steps) = push(&place.images, &name).await.unwrap();
    assert_eq!((pushed[0].id, ends(&steps)), (own.id(), vec![PushStep::Done]));
    let (_, bytes) = manifest_of(&shelf, "web", "1");
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    let blob = shelf.lock().unwrap().blobs[&("web".into(), digest)].clone();
    let mut inflated = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&blob[..]), &mut inflated).unwrap();
    assert_eq!(inflated, packed);
    // What another program packed can't be packed again as it was; nothing wrong is pushed.
    if Digest::of(&packed) != foreign.record.layers[0].diff_id.0 {
        place.images.tag("other:1", &format!("{host}/other:1")).await.unwrap();
        let error = push(&place.images, &format!("{host}/other:1")).await.unwrap_err();
        assert!(error.message().contains("its archive is not kept"), "{error:?}");
    }
}

#[tokio::test]
async fn a_blob_is_mounted_from_a_neighbour_also_after_a_restart() {
    let (host, _, asked) = shelf().await;
    let (place, image) = (place(None), sample(&[b"one"]));
    loaded(&place, &image, &format!("{host}/a:1"), true).await;
    push(&place.images, &format!("{host}/a:1")).await.unwrap();
    let images = Images::open(super::tests::paths(place.folder.path()), registry::Config::default(), &[]).unwrap();
    images.tag(&format!("{host}/a:1"), &format!("{host}/b:1")).await.unwrap();
    asked.lock().unwrap().clear();
    let (_, steps) = push(&images, &format!("{host}/b:1")).await.unwrap();
    assert_eq!(ends(&steps), [PushStep::Mounted("a".into())]);
    let layer = Digest::of(&image.blobs[0]).to_string();
    let asked = asked.lock().unwrap();
    assert!(asked.iter().any(|ask| ask.path == format!("/v2/b/blobs/uploads/?mount={layer}&from=a")));
    let uploads = asked.iter().filter(|ask| ask.method == "PUT" && ask.path.contains("/uploads/")).count();
    assert_eq!(uploads, 1, "the config alone");
}

#[tokio::test]
async fn an_upload_goes_on_where_the_connection_broke() {
    let shelf = SharedShelf::default();
    let own = Arc::clone(&shelf);
    let big = |ask: &Ask| ask.method == "PATCH";
    // The first part breaks twice, at different places.
    let cuts = Mutex::new(vec![1_000_000, 0]);
    let (host, asked) = serve_cut(
        move |ask| if big(ask) { cuts.lock().unwrap().pop() } else { None },
        move |ask| own.lock().unwrap().answer(ask),
    )
    .await;
    let (place, image) = (place(Some(3 << 20)), sample(&[&noise(6 << 20)]));
    let name = format!("{host}/web:1");
    loaded(&place, &image, &name, true).await;
    push(&place.images, &name).await.unwrap();
    let layer = &image.blobs[0];
    assert_eq!(&shelf.lock().unwrap().blobs[&("web".into(), Digest::of(layer).to_string())], layer);
    let asked = asked.lock().unwrap();
    let ranges: Vec<_> =
        asked.iter().filter(|ask| ask.method == "PATCH").map(|ask| ask.header("content-range")).collect();
    let chunk = 3 << 20;
    let size = layer.len();
    let expected = [
        format!("0-{}", chunk - 1),
        format!("0-{}", chunk - 1),
        format!("1000000-{}", 1_000_000 + chunk - 1),
        format!("{}-{}", 1_000_000 + chunk, size - 1),
    ];
    assert_eq!(ranges, expected);
    let begun = asked.iter().filter(|ask| ask.method == "POST").count();
    assert_eq!(begun, 2, "one upload for the layer, one for the config");
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_and_a_lost_upload_begun_again() {
    let shelf = SharedShelf::default();
    let own = Arc::clone(&shelf);
    let (host, asked) = serve(move |ask| {
        let first = ask.before == 0;
        match ask.method.as_str() {
            "HEAD" if first => Reply::new(503, "").with("Retry-After", "0"),
            "POST" if first => Reply::new(429, "").with("Retry-After", "0"),
            // It has forgotten the upload that it began at first.
            _ if ask.path.contains("/uploads/0") => Reply::new(if ask.method == "GET" { 404 } else { 502 }, ""),
            "PUT" if first && ask.path.contains("/manifests/") => Reply::new(500, ""),
            _ => own.lock().unwrap().answer(ask),
        }
    })
    .await;
    let (place, image) = (place(None), sample(&[b"one"]));
    let name = format!("{host}/web:1");
    loaded(&place, &image, &name, true).await;
    push(&place.images, &name).await.unwrap();
    assert_eq!(manifest_of(&shelf, "web", "1").1, image.manifest);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|ask| ask.path.contains("/manifests/")).count(), 2);
}

#[tokio::test]
async fn refusals_of_a_push_are_told_in_dockers_words() {
    let (host, asked) = serve(|ask| {
        let path = ask.path.as_str();
        if path.starts_with("/v2/basic/") {
            return match ask.header("authorization") {
                "" => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
                _ => Reply::new(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#)
                    .with("WWW-Authenticate", "Basic realm=\"x\""),
            };
        }
        match path.split('/').nth(2).unwrap() {
            "denied" => Reply::new(403, ""),
            "redirecting" | "downgrading" if ask.method == "HEAD" => Reply::new(404, ""),
            "redirecting" => Reply::new(307, "").with("Location", "http://elsewhere.example/"),
            "downgrading" => Reply::new(202, "").with("Location", "ftp://elsewhere.example/"),
            _ => Reply::new(500, ""),
        }
    })
    .await;
    let (place, image) = (place(None), sample(&[b"one"]));
    let auth = Some(RegistryAuth { username: "u".into(), password: "p".into(), ..RegistryAuth::default() });
    for (name, auth, kind, message) in [
        ("basic", None, ErrorKind::Unauthorized, "no basic auth credentials".to_owned()),
        ("basic", auth, ErrorKind::Unauthorized, "denied: requested access to the resource is denied".to_owned()),
        ("denied", None, ErrorKind::Unauthorized, "denied: requested access to the resource is denied".to_owned()),
        ("redirecting", None, ErrorKind::Upstream, format!("registry {host}: it redirects an upload")),
        (
            "downgrading",
            None,
            ErrorKind::Upstream,
            format!("registry {host}: it redirects to something less safe than https"),
        ),
        (
            "broken",
            None,
            ErrorKind::Upstream,
            format!("registry {host}: blob: received unexpected HTTP status: 500 Internal Server Error"),
        ),
    ] {
        let name = format!("{host}/{name}:1");
        loaded(&place, &image, &name, true).await;
        let error = push_as(&place.images, &name, auth).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message.as_str()), "{name}");
    }
    let tries = asked.lock().unwrap().iter().filter(|ask| ask.path.contains("/denied/")).count();
    assert_eq!(tries, 1, "a refusal is not asked again");
    let error = push(&place.images, &format!("{host}/nothing:1")).await.unwrap_err();
    assert_eq!(error.message(), format!("An image does not exist locally with the tag: {host}/nothing"));
    let error = push(&place.images, &format!("{host}/denied:2")).await.unwrap_err();
    assert_eq!(error.message(), format!("tag does not exist: {host}/denied:2"));
    let error = push(&place.images, &format!("{host}/denied@{}", Digest::of(b"x"))).await.unwrap_err();
    assert_eq!(error.message(), "cannot push a digest reference");
    let request = PushImage {
        reference: format!("{host}/denied:1"),
        platform: Some("linux/s390x".into()),
        ..PushImage::default()
    };
    let error = place.images.push(request, mpsc::channel(64).0).await.unwrap_err();
    assert!(error.message().ends_with("does not provide the specified platform (linux/s390x)"), "{error:?}");
}

#[tokio::test]
async fn a_registry_that_says_it_stored_something_else_is_not_believed() {
    let shelf = SharedShelf::default();
    let (host, _) = serve(move |ask| {
        let mut reply = shelf.lock().unwrap().answer(ask);
        if ask.path.contains("/manifests/") {
            reply.headers = vec![("Docker-Content-Digest".into(), Digest::of(b"x").to_string())];
        }
        reply
    })
    .await;
    let (place, image) = (place(None), sample(&[b"one"]));
    let name = format!("{host}/web:1");
    loaded(&place, &image, &name, true).await;
    let error = push(&place.images, &name).await.unwrap_err();
    assert!(error.message().contains(" stored "), "{error:?}");
    assert!(place.images.get(&name).unwrap().summary.digests.is_empty());
}

#[tokio::test]
async fn tokens_for_a_push_are_renewed_and_cover_the_neighbour() {
    let shelf = SharedShelf::default();
    let own = Arc::clone(&shelf);
    let issued = Arc::new(Mutex::new(0_usize));
    let counter = Arc::clone(&issued);
    let (host, asked) = serve(move |ask| {
        if ask.path.starts_with("/token?") {
            let mut issued = counter.lock().unwrap();
            *issued += 1;
            return Reply::new(200, json!({"token": format!("t{issued}"), "expires_in": 300}).to_string());
        }
        // Each token is good until the blob is put.
        let good = format!("Bearer t{}", counter.lock().unwrap());
        if ask.header("authorization") != good {
            let realm = format!("Bearer realm=\"http://{}/token\",service=\"s\"", ask.header("host"));
            return Reply::new(401, "").with("WWW-Authenticate", realm);
        }
        if ask.method == "PUT" && ask.path.contains("/uploads/") {
            *counter.lock().unwrap() += 100;
        }
        own.lock().unwrap().answer(ask)
    })
    .await;
    let (place, image) = (place(None), sample(&[b"one"]));
    loaded(&place, &image, &format!("{host}/a:1"), true).await;
    push(&place.images, &format!("{host}/a:1")).await.unwrap();
    place.images.tag(&format!("{host}/a:1"), &format!("{host}/b:1")).await.unwrap();
    let (_, steps) = push(&place.images, &format!("{host}/b:1")).await.unwrap();
    assert_eq!(ends(&steps), [PushStep::Mounted("a".into())]);
    let asked = asked.lock().unwrap();
    let scopes: Vec<_> =
        asked.iter().filter(|ask| ask.path.starts_with("/token")).map(|ask| ask.path.clone()).collect();
    let own = "/token?service=s&scope=repository%3Aa%3Apull%2Cpush";
    assert_eq!(scopes[0], own);
    assert!(scopes.iter().filter(|scope| *scope == own).count() > 1, "renewed after the first blob: {scopes:?}");
    let both = "/token?service=s&scope=repository%3Ab%3Apull%2Cpush&scope=repository%3Aa%3Apull";
    assert!(scopes.iter().any(|scope| scope == both), "{scopes:?}");
}

#[tokio::test]
async fn all_tags_of_a_repository_go_up() {
    let (host, shelf, _) = shelf().await;
    let place = place(None);
    for (n, tag) in ["1", "2"].iter().enumerate() {
        loaded(&place, &sample(&[&[n as u8]]), &format!("{host}/web:{tag}"), true).await;
    }
    loaded(&place, &sample(&[b"other"]), &format!("{host}/other:1"), true).await;
    let request = PushImage { reference: format!("{host}/web"), all_tags: true, ..PushImage::default() };
    let pushed = place.images.push(request, mpsc::channel(256).0).await.unwrap();
    let tags: Vec<_> = pushed.iter().map(|one| one.tag.as_str()).collect();
    assert_eq!(tags, ["1", "2"]);
    assert_eq!(shelf.lock().unwrap().manifests.len(), 2);
}
