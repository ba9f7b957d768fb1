//! The served registry without HTTP: pushes, pulls, offers, removals; and a push that dies at every step.
#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::Command,
};

use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use super::{
    tests::{Place, Sample, leftovers, paths, sample},
    *,
};
use crate::engine::serving::{Landed, PutManifest, Refusal, ServedAs, Serving, is_repository, is_tag};

const HOST: &str = "127.0.0.1:8080";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn served() -> ServedAs {
    ServedAs { host: HOST.to_owned(), others: vec!["localhost:8080".to_owned(), HOST.to_owned()] }
}

fn serving(images: &Images) -> Serving {
    Serving(images.clone())
}

fn body(parts: &[&[u8]]) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + Unpin + use<> {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    stream::iter(parts)
}

async fn upload(serving: &Serving, repository: &str, blob: &[u8]) -> Result<()> {
    let id = serving.begin_upload(repository).await?;
    let (first, last) = blob.split_at(blob.len() / 2);
    assert_eq!(serving.append(repository, &id, Some(0), body(&[first])).await?, first.len() as u64);
    serving.finish_upload(repository, &id, None, Digest::of(blob), body(&[last])).await
}

async fn put(serving: &Serving, repository: &str, reference: &str, bytes: &[u8]) -> Result<Landed> {
    let put = PutManifest {
        repository: repository.to_owned(),
        reference: reference.to_owned(),
        media_type: String::new(),
        bytes: bytes.to_vec(),
        by: "ana".to_owned(),
    };
    serving.put_manifest(&served(), put).await
}

async fn push(serving: &Serving, repository: &str, tag: &str, sample: &Sample) -> Result<Landed> {
    for blob in sample.blobs.iter().chain([&sample.config]) {
        if serving.blob(repository, Digest::of(blob)).await.is_err() {
            upload(serving, repository, blob).await?;
        }
    }
    put(serving, repository, tag, &sample.manifest).await
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Refusal {
    let error = result.unwrap_err();
    Refusal::of(&error).cloned().unwrap_or_else(|| panic!("{error:?} is no refusal"))
}

async fn manifest(serving: &Serving, repository: &str, reference: &str) -> Result<Vec<u8>> {
    Ok(serving.manifest(&served(), repository, reference).await?.bytes)
}

async fn blob(serving: &Serving, repository: &str, digest: Digest) -> Vec<u8> {
    let mut found = serving.blob(repository, digest).await.unwrap();
    let mut bytes = Vec::new();
    found.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, found.size);
    bytes
}

/// The same image for a processor this host is not.
fn foreign(sample: &Sample) -> Sample {
    let mut config: Value = serde_json::from_slice(&sample.config).unwrap();
    config["architecture"] = "s390x".into();
    let config = serde_json::to_vec(&config).unwrap();
    let mut manifest: Value = serde_json::from_slice(&sample.manifest).unwrap();
    manifest["config"]["digest"] = Digest::of(&config).to_string().into();
    manifest["config"]["size"] = config.len().into();
    let manifest = serde_json::to_vec(&manifest).unwrap();
    Sample { config, manifest, blobs: sample.blobs.clone(), plain: sample.plain.clone() }
}

fn entry(bytes: &[u8], architecture: &str) -> Value {
    json!({"mediaType": OCI_MANIFEST, "digest": Digest::of(bytes), "size": bytes.len(),
           "platform": {"os": "linux", "architecture": architecture}})
}

#[tokio::test]
async fn a_push_lands_as_an_image_and_can_be_pulled_and_removed() {
    let place = Place::new();
    let serving = serving(&place.images);
    let sample = sample(&[b"one", b"two"]);
    let landed = push(&serving, "team/app", "1", &sample).await.unwrap();
    let name = format!("{HOST}/team/app:1");
    assert_eq!((landed.image, &landed.name), (Some(sample.id()), &name));
    let image = place.images.get(&name).unwrap();
    assert_eq!((image.summary.id, image.manifest), (sample.id(), Some(landed.digest)));
    assert_eq!(std::fs::read(place.images.lowers(sample.id()).unwrap()[0].join("file")).unwrap(), b"two");
    for reference in ["1", &landed.digest.to_string()] {
        assert_eq!(manifest(&serving, "team/app", reference).await.unwrap(), sample.manifest);
    }
    assert_eq!(blob(&serving, "team/app", Digest::of(&sample.blobs[0])).await, sample.blobs[0]);
    assert_eq!(serving.repositories(&served()), ["team/app"]);
    let view = serving.repository(&served(), "team/app").unwrap();
    assert_eq!((view.tags[0].tag.as_str(), view.tags[0].pushed_by.as_str()), ("1", "ana"));
    assert_eq!(view.tags[0].digest, Some(landed.digest));
    // Again, and under another tag.
    push(&serving, "team/app", "1", &sample).await.unwrap();
    push(&serving, "team/app", "2", &sample).await.unwrap();
    assert_eq!(serving.tags(&served(), "team/app").unwrap(), ["1", "2"]);
    // The image goes, what was pushed stays.
    place.images.remove(&name, false, &[]).await.unwrap();
    assert_eq!(manifest(&serving, "team/app", "1").await.unwrap(), sample.manifest);
    serving.remove(&served(), "team/app", "1", true, Vec::new()).await.unwrap();
    assert!(matches!(refusal(manifest(&serving, "team/app", "1").await), Refusal::ManifestUnknown(_)));
    assert!(matches!(
        refusal(serving.remove(&served(), "team/app", "1", true, Vec::new()).await),
        Refusal::ManifestUnknown(_)
    ));
    assert_eq!(manifest(&serving, "team/app", "2").await.unwrap(), sample.manifest);
    let removed = serving.remove(&served(), "team/app", &landed.digest.to_string(), false, Vec::new()).await.unwrap();
    assert_eq!(removed.tags, ["2"]);
    assert!(matches!(refusal(serving.tags(&served(), "team/app")), Refusal::NameUnknown(_)));
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn uploads_that_do_not_fit_are_refused_and_knowing_a_digest_opens_nothing() {
    let place = Place::new();
    let serving = serving(&place.images);
    let sample = sample(&[b"one"]);
    let digest = Digest::of(&sample.blobs[0]);
    let id = serving.begin_upload("a").await.unwrap();
    serving.append("a", &id, None, body(&[b"12", b"34"])).await.unwrap();
    assert_eq!(refusal(serving.append("a", &id, Some(3), body(&[b"x"])).await), Refusal::Range { have: 4 });
    let cut = stream::iter([Ok(Bytes::from_static(b"56")), Err(io::Error::other("cut"))]);
    assert!(serving.append("a", &id, Some(4), cut).await.is_err());
    assert_eq!(serving.upload_size("a", &id).await.unwrap(), 6, "what came is kept");
    assert!(matches!(refusal(serving.upload_size("b", &id).await), Refusal::UploadUnknown));
    let wrong = serving.finish_upload("a", &id, None, digest, body(&[])).await;
    assert!(matches!(refusal(wrong), Refusal::DigestInvalid(_)));
    assert!(matches!(refusal(serving.upload_size("a", &id).await), Refusal::UploadUnknown));

    assert_eq!(refusal(put(&serving, "a", "1", &sample.manifest).await), Refusal::ManifestBlobUnknown(sample.id()));
    upload(&serving, "secret", &sample.config).await.unwrap();
    assert_eq!(refusal(serving.blob("a", sample.id()).await), Refusal::BlobUnknown(sample.id()));
    assert_eq!(refusal(put(&serving, "a", "1", &sample.manifest).await), Refusal::ManifestBlobUnknown(sample.id()));
    assert!(!serving.mount("a", digest, "secret").await.unwrap());
    assert!(serving.mount("a", sample.id(), "secret").await.unwrap());
    assert_eq!(blob(&serving, "a", sample.id()).await, sample.config);
    upload(&serving, "a", &sample.blobs[0]).await.unwrap();
    let other = Digest::of(b"other").to_string();
    assert!(matches!(refusal(put(&serving, "a", &other, &sample.manifest).await), Refusal::DigestInvalid(_)));
    let mut lies: Value = serde_json::from_slice(&sample.manifest).unwrap();
    lies["layers"][0]["size"] = 1.into();
    let lies = serde_json::to_vec(&lies).unwrap();
    assert!(matches!(refusal(put(&serving, "a", "1", &lies).await), Refusal::ManifestInvalid(_)));
    for (repository, tag) in [("a", "no tag"), ("a", "1@x"), ("a", ".."), ("A", "1"), ("a//b", "1"), ("a:1/b", "1")] {
        let refused = refusal(put(&serving, repository, tag, &sample.manifest).await);
        assert!(matches!(refused, Refusal::NameInvalid(_)), "{repository} {tag}: {refused}");
    }
    assert!(matches!(refusal(serving.begin_upload("../../etc").await), Refusal::NameInvalid(_)));
    assert!(place.images.list().is_empty());
    serving.remove_blob("secret", sample.id()).await.unwrap();
    assert_eq!(blob(&serving, "a", sample.id()).await, sample.config, "the other repository has it still");
    put(&serving, "a", "1", &sample.manifest).await.unwrap();
    assert!(matches!(refusal(serving.remove_blob("a", digest).await), Refusal::Needed(_)));
    assert!(is_repository("team/app") && !is_repository("") && is_tag("v1.0-rc") && !is_tag("-x"));
}

#[tokio::test]
async fn a_layer_that_lies_is_refused_with_its_image() {
    let place = Place::new();
    let serving = serving(&place.images);
    let mut sample = sample(&[b"one"]);
    sample.blobs[0] = b"no archive".to_vec();
    let mut manifest: Value = serde_json::from_slice(&sample.manifest).unwrap();
    manifest["layers"][0]["digest"] = Digest::of(b"no archive").to_string().into();
    manifest["layers"][0]["size"] = 10.into();
    sample.manifest = serde_json::to_vec(&manifest).unwrap();
    assert!(matches!(refusal(push(&serving, "a", "1", &sample).await), Refusal::ManifestInvalid(_)));
    assert!(place.images.list().is_empty() && serving.repositories(&served()).is_empty());
}

#[tokio::test]
async fn an_index_is_kept_whole_and_what_can_run_here_is_an_image() {
    let place = Place::new();
    let serving = serving(&place.images);
    let own = sample(&[b"one"]);
    let other = foreign(&own);
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        entry(&other.manifest, "s390x"), entry(&own.manifest, &oci::Platform::host().architecture)]});
    let index = serde_json::to_vec(&index).unwrap();
    let unknown = refusal(put(&serving, "m", "1", &index).await);
    assert_eq!(unknown, Refusal::ManifestBlobUnknown(Digest::of(&other.manifest)));
    for sample in [&other, &own] {
        let digest = Digest::of(&sample.manifest).to_string();
        let landed = push(&serving, "m", &digest, sample).await.unwrap();
        assert_eq!(landed.image.is_some(), sample.id() == own.id(), "only what can run here");
    }
    let landed = put(&serving, "m", "1", &index).await.unwrap();
    assert_eq!(landed.image, Some(own.id()));
    assert_eq!(place.images.get(&format!("{HOST}/m:1")).unwrap().summary.id, own.id());
    assert_eq!(manifest(&serving, "m", "1").await.unwrap(), index);
    assert_eq!(serving.repository(&served(), "m").unwrap().tags[0].manifests, 2);
    let inner = Digest::of(&other.manifest).to_string();
    let refused = serving.remove(&served(), "m", &inner, false, Vec::new()).await;
    assert!(matches!(refusal(refused), Refusal::Needed(_)));
    // The same tag comes to mean something else: no image has its name any more.
    push(&serving, "m", "1", &other).await.unwrap();
    assert!(place.images.get(&format!("{HOST}/m:1")).is_err());
    assert_eq!(manifest(&serving, "m", "1").await.unwrap(), other.manifest);
    serving.remove(&served(), "m", &Digest::of(&index).to_string(), true, Vec::new()).await.unwrap();
    serving.remove(&served(), "m", "1", true, Vec::new()).await.unwrap();
    assert!(serving.repositories(&served()).is_empty());
    place.images.remove(&own.id().to_string(), true, &[]).await.unwrap();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn artifacts_are_kept_and_found_by_what_they_are_about() {
    let place = Place::new();
    let serving = serving(&place.images);
    let sample = sample(&[b"one"]);
    let subject = push(&serving, "a", "1", &sample).await.unwrap().digest;
    upload(&serving, "a", b"{}").await.unwrap();
    let mut digests = Vec::new();
    for kind in ["application/vnd.example.sbom", "application/vnd.example.signature"] {
        let descriptor =
            |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()});
        let artifact = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "layers": [],
            "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            "subject": descriptor(OCI_MANIFEST, &sample.manifest), "annotations": {"kind": kind}});
        let artifact = serde_json::to_vec(&artifact).unwrap();
        let landed = put(&serving, "a", &Digest::of(&artifact).to_string(), &artifact).await.unwrap();
        assert_eq!((landed.subject, landed.image), (Some(subject), None));
        digests.push(landed.digest);
    }
    assert_eq!(serving.referrers("a", subject, None).len(), 2);
    let found = serving.referrers("a", subject, Some("application/vnd.example.sbom"));
    assert_eq!(
        (found.len(), found[0].digest, found[0].annotations["kind"].as_str()),
        (1, digests[0], "application/vnd.example.sbom")
    );
    assert!(serving.referrers("b", subject, None).is_empty());
    assert_eq!(place.images.list().len(), 1);
    serving.remove(&served(), "a", "1", true, Vec::new()).await.unwrap();
    assert!(serving.repositories(&served()).is_empty(), "what is about it went with it");
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn an_image_named_after_the_registry_can_be_pulled_from_it() {
    let place = Place::new();
    let serving = serving(&place.images);
    let (one, two) = (sample(&[b"one"]), sample(&[b"two"]));
    place.load(&one.docker_archive(&["web:1"])).await.unwrap();
    place.load(&two.oci_archive(&[("io.containerd.image.name", "web:2")])).await.unwrap();
    place.images.tag("web:1", "localhost:8080/team/web:1").await.unwrap();
    place.images.tag("web:2", &format!("{HOST}/team/web:2")).await.unwrap();
    assert_eq!(serving.tags(&served(), "team/web").unwrap(), ["1", "2"]);
    assert_eq!(manifest(&serving, "team/web", "2").await.unwrap(), two.manifest, "as it came");
    let made = manifest(&serving, "team/web", "1").await.unwrap();
    assert_eq!(made, manifest(&serving, "team/web", "1").await.unwrap(), "made once");
    let made: Value = serde_json::from_slice(&made).unwrap();
    assert_eq!(made["config"]["digest"], one.id().to_string());
    let layer: Digest = made["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&blob(&serving, "team/web", layer).await[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, one.plain[0]);
    // What is offered is pushed.
    push(&serving, "team/web", "2", &two).await.unwrap();
    assert_eq!(manifest(&serving, "team/web", "2").await.unwrap(), two.manifest);
    serving.remove(&served(), "team/web", "2", true, Vec::new()).await.unwrap();
    assert!(matches!(refusal(manifest(&serving, "team/web", "2").await), Refusal::ManifestUnknown(_)));
    place.images.tag("web:2", &format!("{HOST}/team/web:2")).await.unwrap();
    // The name comes to mean another image, then nothing.
    place.images.tag("web:2", "localhost:8080/team/web:1").await.unwrap();
    assert_eq!(manifest(&serving, "team/web", "1").await.unwrap(), two.manifest);
    for name in ["localhost:8080/team/web:1", &format!("{HOST}/team/web:2")] {
        place.images.remove(name, false, &[]).await.unwrap();
    }
    assert!(matches!(refusal(serving.tags(&served(), "nobody")), Refusal::NameUnknown(_)));
    for tag in ["1", "2"] {
        assert!(matches!(refusal(manifest(&serving, "team/web", tag).await), Refusal::ManifestUnknown(_)));
    }
    for name in ["web:1", "web:2"] {
        place.images.remove(name, false, &[]).await.unwrap();
    }
    assert!(serving.repositories(&served()).is_empty());
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_given_since_the_push_counts_and_a_push_renames_all() {
    let place = Place::new();
    let serving = serving(&place.images);
    let (one, two) = (sample(&[b"one"]), sample(&[b"two"]));
    push(&serving, "web", "1", &one).await.unwrap();
    place.images.tag(&format!("{HOST}/web:1"), "localhost:8080/web:1").await.unwrap();
    push(&serving, "web", "1", &two).await.unwrap();
    for host in [HOST, "localhost:8080"] {
        assert_eq!(place.images.get(&format!("{host}/web:1")).unwrap().summary.id, two.id());
    }
    place.images.tag(&one.id().to_string(), &format!("{HOST}/web:1")).await.unwrap();
    assert_eq!(manifest(&serving, "web", "1").await.unwrap(), one.manifest);
    place.images.tag(&two.id().to_string(), &format!("{HOST}/web:1")).await.unwrap();
    place.images.remove("localhost:8080/web:1", false, &[]).await.unwrap();
    assert_eq!(manifest(&serving, "web", "1").await.unwrap(), two.manifest, "what was pushed is there again");
    place.images.tag(&one.id().to_string(), &format!("{HOST}/web:1")).await.unwrap();
    let user = ImageUser { container: "c".into(), image: one.id(), running: true };
    serving.remove(&served(), "web", "1", true, vec![user]).await.unwrap();
    assert!(place.images.get(&format!("{HOST}/web:1")).is_err());
    assert!(place.images.lowers(one.id()).is_ok(), "a container still runs from it");
}

async fn act_on(images: &Images, act: &str) -> Result<()> {
    let serving = serving(images);
    match act {
        "push" => push(&serving, "team/app", "1", &victim()).await.map(drop),
        "remove" => serving.remove(&served(), "team/app", "1", true, Vec::new()).await.map(drop),
        other => panic!("{other} is no verb"),
    }
}

fn victim() -> Sample {
    sample(&[b"one", &vec![7; 100_000]])
}

fn open(root: &Path) -> Images {
    Images::open(paths(root), registry::Config::default(), &[]).unwrap()
}

/// Not a test of its own: what the child does.
#[tokio::test]
#[ignore = "run by another test as a child"]
async fn act() {
    let var = |name: &str| std::env::var(name).unwrap();
    let result = act_on(&open(Path::new(&var("DARSENA_TEST_ROOT"))), &var("DARSENA_TEST_ACT")).await;
    assert!(result.is_ok(), "the verb failed: {result:?}");
}

/// The tag is there whole, or not at all.
async fn check(root: &Path, case: &str) -> bool {
    let images = open(root);
    let serving = serving(&images);
    for image in images.list() {
        assert_eq!(images.lowers(image.id).unwrap().len(), 2, "{case}: an image is whole");
    }
    match manifest(&serving, "team/app", "1").await {
        Ok(bytes) => {
            assert_eq!(bytes, victim().manifest, "{case}");
            for part in victim().blobs.iter().chain([&victim().config]) {
                assert_eq!(blob(&serving, "team/app", Digest::of(part)).await, *part, "{case}");
            }
            true
        }
        Err(error) => {
            assert!(matches!(Refusal::of(&error), Some(Refusal::ManifestUnknown(_))), "{case}: {error:?}");
            assert!(images.get(&format!("{HOST}/team/app:1")).is_err(), "{case}: a name without a tag");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_or_removal_that_dies_or_fails_is_done_or_undone() {
    let removal = ["serve.unnamed", "serve.removed"];
    let points = fault::names().iter().filter(|name| name.starts_with("serve.") || **name == "pull.layer");
    for point in points {
        let act = if removal.contains(point) { "remove" } else { "push" };
        for case in ["kill", "error", "kill@2"].map(|action| format!("{point}={action}")) {
            let folder = tempfile::tempdir().unwrap();
            if act == "remove" {
                act_on(&open(folder.path()), "push").await.unwrap();
            }
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "engine::images::serving_tests::act", "--ignored", "--nocapture"]);
            command.env("DARSENA_FAILPOINT", &case).env("DARSENA_TEST_ROOT", folder.path());
            command.env("DARSENA_TEST_ACT", act);
            let ended = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            if case.ends_with("kill") {
                let said = String::from_utf8_lossy(&ended.stdout);
                assert_eq!(ended.status.signal(), Some(9), "{case} was not reached: {said}");
            }
            let there = check(folder.path(), &case).await;
            if case.ends_with("error") && act == "push" {
                assert_eq!(there, point == &"serve.image" || point == &"serve.documents", "{case}: {there}");
            }
            if there == (act == "remove") {
                let again = act_on(&open(folder.path()), act).await;
                assert!(again.is_ok(), "{case}: {again:?}");
            }
            assert_eq!(check(folder.path(), &case).await, act == "push", "{case}");
            if act == "push" {
                act_on(&open(folder.path()), "remove").await.unwrap();
            }
            drop(open(folder.path()));
            assert_eq!(leftovers(folder.path()), Vec::<String>::new(), "{case}");
        }
    }
}
