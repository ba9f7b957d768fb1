//! The real docker client and skopeo.

use harness::{
    Darsena, Registry, Suite,
    image::{Blob, Compression, Layer, busybox},
};
use serde_json::{Value, json};

use crate::{
    HOST, assert_empty,
    person::{PASSWORD, Person, USER},
    skopeo,
};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("docker_logs_in_pushes_pulls_and_runs", docker)
        .test("an_image_named_after_the_registry_is_pulled_by_skopeo", offered)
        .test("skopeo_copies_in_inspects_copies_out_and_removes", copies)
        .test("skopeo_carries_images_between_registries", between)
        .test("an_index_of_many_platforms_is_kept_whole", index)
}

fn docker(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let name = format!("{HOST}/team/app:1");
    let image = busybox().layer(Layer::new().file("pushed", "by docker"));
    docker.run_with(&["load"], &image.docker_archive(&["app:1"])).ok();
    docker.run(&["tag", "app:1", &name]).ok();
    let error = docker.run(&["push", &name]).fails();
    assert!(error.contains("unauthorized") || error.contains("no basic auth"), "{error}");
    let login = |password: &str| docker.run_with(&["login", "-u", USER, "--password-stdin", HOST], password.as_bytes());
    login("wrong").fails();
    assert!(login(PASSWORD).ok().contains("Login Succeeded"));
    let said = docker.run(&["push", &name]).ok();
    let digest = said.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap_or_else(|| panic!("{said}"));
    // It goes from here and comes back from the registry it is in.
    docker.run(&["rmi", &name, "app:1"]).ok();
    docker.run(&["inspect", &name]).fails();
    let pulled = docker.run(&["pull", &name]).ok();
    assert!(pulled.contains(digest), "{pulled}");
    assert_eq!(docker.run(&["run", "--rm", &name, "cat", "/pushed"]).ok(), "by docker");
    let by_digest = format!("{HOST}/team/app@{digest}");
    assert_eq!(docker.run(&["run", "--rm", &by_digest, "cat", "/pushed"]).ok(), "by docker");
    docker.run(&["push", &name]).ok();
    let digest = digest.to_owned();
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        person.sign_in().await;
        let page = person.page("/registry/team/app").await;
        assert!(page.contains(">1</a>") && page.contains(&digest["sha256:".len()..][..12]), "{page}");
        assert!(person.page("/registry").await.contains("/registry/team/app"));
        let audit = person.page("/audit").await;
        assert!(audit.contains("registry.push") && audit.contains("registry.pull"), "{audit}");
        // Removed from the page: the tag, its manifest, its image.
        let csrf = person.form_token("/registry/team/app?remove=1").await;
        let done = person.post("/registry/team/app", &[("csrf", &csrf), ("reference", "1")]).await;
        assert_eq!(done.headers()["location"], "/registry");
    });
    docker.run(&["inspect", &name]).fails();
    docker.run(&["logout", HOST]).ok();
    assert_empty(darsena);
}

fn offered(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let image = busybox().layer(Layer::new().file("offered", "yes"));
    docker.run_with(&["load"], &image.docker_archive(&["offered:1"])).ok();
    docker.run(&["tag", "offered:1", &format!("{HOST}/team/offered:1")]).ok();
    let tags = skopeo(darsena.space(), &["list-tags", &format!("docker://{HOST}/team/offered")]);
    assert_eq!(serde_json::from_str::<Value>(&tags).unwrap()["Tags"], json!(["1"]));
    let archive = darsena.space().side().join("offered.tar");
    let target = format!("docker-archive:{}:back:1", archive.display());
    skopeo(darsena.space(), &["copy", &format!("docker://{HOST}/team/offered:1"), &target]);
    docker.run(&["rmi", &format!("{HOST}/team/offered:1"), "offered:1"]).ok();
    docker.run(&["load", "-i", archive.to_str().unwrap()]).ok();
    assert_eq!(docker.run(&["inspect", "-f", "{{.Id}}", "back:1"]).ok(), image.id());
    assert_eq!(docker.run(&["run", "--rm", "back:1", "cat", "/offered"]).ok(), "yes");
    docker.run(&["rmi", "back:1"]).ok();
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        let gone = person.refused(person.ask(reqwest::Method::GET, "/v2/team/offered/manifests/1")).await;
        assert_eq!(gone, (404, "MANIFEST_UNKNOWN".to_owned()), "the name is gone, and the offer with it");
    });
    assert_empty(darsena);
}

fn copies(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let space = darsena.space();
    let image = busybox().layer(Layer::new().file("copied", "by skopeo"));
    let archive = space.side().join("copied.tar");
    std::fs::write(&archive, image.docker_archive(&["copied:1"])).unwrap();
    let here = |name: &str| format!("docker://{HOST}/{name}");
    skopeo(space, &["copy", &format!("docker-archive:{}", archive.display()), &here("shop/copied:1")]);
    assert_eq!(docker.run(&["run", "--rm", &format!("{HOST}/shop/copied:1"), "cat", "/copied"]).ok(), "by skopeo");
    assert_eq!(docker.run(&["inspect", "-f", "{{.Id}}", &format!("{HOST}/shop/copied:1")]).ok(), image.id());
    let seen: Value = serde_json::from_str(&skopeo(space, &["inspect", &here("shop/copied:1")])).unwrap();
    assert_eq!((seen["Os"].as_str(), seen["RepoTags"].clone()), (Some("linux"), json!(["1"])));
    // Within the registry: the blobs are mounted, not sent.
    skopeo(space, &["copy", &here("shop/copied:1"), &here("other/copied:2")]);
    let layout = space.side().join("layout");
    skopeo(space, &["copy", &here("other/copied:2"), &format!("oci:{}:2", layout.display())]);
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest = index["manifests"][0]["digest"].as_str().unwrap();
    let manifest = std::fs::read(layout.join("blobs/sha256").join(&manifest["sha256:".len()..])).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["config"]["digest"].as_str().unwrap().len(), image.id().len());
    for name in ["shop/copied:1", "other/copied:2"] {
        skopeo(space, &["delete", &here(name)]);
    }
    docker.run(&["inspect", &format!("{HOST}/shop/copied:1")]).fails();
    assert_empty(darsena);
}

/// From another registry to this one and back: what comes back is what went.
fn between(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let space = darsena.space();
    let registry = Registry::start(space);
    for (tag, compression) in [("plain", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)] {
        let image = busybox().layer(Layer::new().file("carried", tag));
        let digest = registry.push("far/app", tag, &image, compression);
        let far = |name: &str| format!("docker://{}/{name}:{tag}", Registry::ADDRESS);
        let here = format!("{HOST}/near/app:{tag}");
        let near = format!("docker://{here}");
        skopeo(space, &["copy", "--src-tls-verify=false", "--preserve-digests", &far("far/app"), &near]);
        assert_eq!(docker.run(&["run", "--rm", &here, "cat", "/carried"]).ok(), tag);
        skopeo(space, &["copy", "--dest-tls-verify=false", "--preserve-digests", &near, &far("far/back")]);
        let back = docker.run(&["pull", far("far/back").trim_start_matches("docker://")]).ok();
        assert!(back.contains(&digest), "{tag}: {back}");
        docker.run(&["rmi", far("far/back").trim_start_matches("docker://")]).ok();
        skopeo(space, &["delete", &near]);
    }
    assert_empty(darsena);
}

fn index(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let image = busybox().layer(Layer::new().file("platform", "this"));
    let own = image.blobs(Compression::Gzip);
    let mut config: Value = serde_json::from_slice(&own[1].bytes).unwrap();
    config["architecture"] = "s390x".into();
    let config = Blob::new(&own[1].media_type, serde_json::to_vec(&config).unwrap());
    let mut manifest: Value = serde_json::from_slice(&own[0].bytes).unwrap();
    manifest["config"] = config.descriptor();
    let manifest = Blob::new(&own[0].media_type, serde_json::to_vec(&manifest).unwrap());
    let entry = |blob: &Blob, architecture: &str| {
        let mut entry = blob.descriptor();
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(&manifest, "s390x"), entry(&own[0], harness::image::architecture())]});
    let index = Blob::new("application/vnd.oci.image.index.v1+json", serde_json::to_vec(&index).unwrap());

    let layout = darsena.space().side().join("many");
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let top = json!({"schemaVersion": 2, "manifests": [index.descriptor()]});
    std::fs::write(layout.join("index.json"), serde_json::to_vec(&top).unwrap()).unwrap();
    for blob in own.iter().chain([&config, &manifest, &index]) {
        std::fs::write(layout.join("blobs/sha256").join(&blob.digest["sha256:".len()..]), &blob.bytes).unwrap();
    }
    let name = format!("{HOST}/many/app:1");
    let from = format!("oci:{}", layout.display());
    skopeo(darsena.space(), &["copy", "--all", &from, &format!("docker://{name}")]);
    let raw = skopeo(darsena.space(), &["inspect", "--raw", &format!("docker://{name}")]);
    assert_eq!(raw.as_bytes(), index.bytes, "as it came");
    assert_eq!(docker.run(&["run", "--rm", &name, "cat", "/platform"]).ok(), "this");
    let back = darsena.space().side().join("back");
    let target = format!("oci:{}:1", back.display());
    skopeo(darsena.space(), &["copy", "--all", &format!("docker://{name}"), &target]);
    let foreign = back.join("blobs/sha256").join(&manifest.digest["sha256:".len()..]);
    assert_eq!(std::fs::read(foreign).unwrap(), manifest.bytes);
    let other = docker.run(&["pull", "--platform", "linux/s390x", &name]);
    other.fails();
    docker.run(&["rmi", &name]).ok();
    darsena.space().inside(|| async {
        let person = Person::new(darsena);
        person.sign_in().await;
        let csrf = person.form_token("/registry/many/app?remove=1").await;
        person.post("/registry/many/app", &[("csrf", &csrf), ("reference", "1")]).await;
    });
    assert_empty(darsena);
}
