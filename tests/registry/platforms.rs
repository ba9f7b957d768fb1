//! Indexes of several platforms.

use harness::{
    Darsena, Registry, Suite,
    image::{Blob, Compression, Image, Layer, architecture, busybox},
};
use serde_json::{Value, json};

use crate::{at, inspect, skopeo};

pub fn tests(suite: Suite) -> Suite {
    suite.test("the_platform_is_chosen_from_an_index", chosen)
}

/// The blobs of an image as if it were made for another processor.
fn made_for(image: &Image, platform: (&str, &str)) -> Vec<Blob> {
    let mut blobs = image.blobs(Compression::Gzip);
    let mut config: Value = serde_json::from_slice(&blobs[1].bytes).unwrap();
    config["architecture"] = json!(platform.0);
    config["variant"] = json!(platform.1);
    blobs[1] = Blob::new(&blobs[1].media_type.clone(), config.to_string().into_bytes());
    let mut manifest: Value = serde_json::from_slice(&blobs[0].bytes).unwrap();
    manifest["config"] = blobs[1].descriptor();
    blobs[0] = Blob::new(&blobs[0].media_type.clone(), manifest.to_string().into_bytes());
    blobs
}

fn chosen(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let mut offered = Vec::new();
    for (processor, variant) in [(architecture(), ""), ("s390x", ""), ("arm", "v7")] {
        let image = busybox().layer(Layer::new().file("for", processor));
        let blobs = made_for(&image, (processor, variant));
        registry.push_blobs("multi/app", processor, &blobs);
        let mut descriptor = blobs[0].descriptor();
        descriptor["platform"] = json!({"os": "linux", "architecture": processor, "variant": variant});
        offered.push(descriptor);
    }
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": offered});
    let index = Blob::new(kind, index.to_string().into_bytes());
    registry.push_manifest("multi/app", "all", &index);
    let name = at("multi/app:all");
    let said = docker.run(&["pull", &name]).ok();
    assert!(said.contains(&format!("Digest: {}", index.digest)), "{said}");
    assert_eq!(docker.run(&["run", "--rm", &name, "cat", "/for"]).ok(), architecture());
    docker.run(&["pull", "--platform", "linux/s390x", &name]).ok();
    assert_eq!(inspect(&docker, &name, "{{.Architecture}}"), "s390x");
    docker.run(&["pull", "--platform", "linux/arm/v7", &name]).ok();
    assert_eq!(inspect(&docker, &name, "{{.Architecture}} {{.Variant}}"), "arm v7");
    let error = docker.run(&["pull", "--platform", "linux/mips64le", &name]).fails();
    assert!(error.contains("no matching manifest for linux/mips64le in the manifest list entries"), "{error}");
    let error = docker.run(&["pull", "--platform", "linux/s390x", &at("multi/app:arm")]).fails();
    assert!(error.contains("does not match the specified platform"), "{error}");

    // The one that is here goes up as the one manifest it is.
    let other = at("multi/one:1");
    docker.run(&["tag", &name, &other]).ok();
    docker.run(&["push", "--platform", "linux/arm/v7", &other]).ok();
    let seen = skopeo(
        darsena.space(),
        &["inspect", "--tls-verify=false", "--override-arch=arm", &format!("docker://{other}")],
    );
    assert_eq!(serde_json::from_str::<Value>(&seen).unwrap()["Digest"], offered[2]["digest"]);
    let listed = docker.run(&["images", "-q", "--no-trunc"]).ok();
    for id in listed.lines().collect::<std::collections::BTreeSet<_>>() {
        docker.run(&["rmi", "-f", id]).ok();
    }
}
