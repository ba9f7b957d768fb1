//! Images that a third party carries: out of our archives into a registry, out of a registry into archives for us.

use harness::{
    Darsena, Registry, Suite,
    image::{Compression, Layer, busybox, digest},
};
use serde_json::Value;

use crate::{at, inspect, pushed_digest, skopeo};

pub fn tests(suite: Suite) -> Suite {
    suite.test("skopeo_carries_saved_images_to_a_registry", out).test("skopeo_carries_pushed_images_to_archives", back)
}

fn out(darsena: &mut Darsena) {
    let (docker, space) = (darsena.docker(), darsena.space());
    let _registry = Registry::start(space);
    let image = busybox().layer(Layer::new().file("carried", "out")).env("CARRIED=1");
    docker.run_with(&["load"], &image.docker_archive(&["carried:1"])).ok();
    let archive = space.side().join("carried.tar");
    docker.run(&["save", "-o", archive.to_str().unwrap(), "carried:1"]).ok();
    docker.run(&["rmi", "carried:1"]).ok();
    let name = at("carried/out:1");
    let to = format!("docker://{name}");
    skopeo(
        space,
        &["copy", "--dest-tls-verify=false", &format!("docker-archive:{}:carried:1", archive.display()), &to],
    );
    let config = skopeo(space, &["inspect", "--tls-verify=false", "--config", "--raw", &to]);
    assert_eq!(digest(config.as_bytes()), image.id(), "it is the image that was saved");
    docker.run(&["pull", &name]).ok();
    assert_eq!(inspect(&docker, &name, "{{.Id}}"), image.id());
    assert_eq!(docker.run(&["run", "--rm", &name, "sh", "-c", "cat /carried; echo $CARRIED"]).ok(), "out1");
    // As it was carried it is pushed: with skopeo's manifest.
    let seen: Value = serde_json::from_str(&skopeo(space, &["inspect", "--tls-verify=false", &to])).unwrap();
    let again = at("carried/again:1");
    docker.run(&["tag", &name, &again]).ok();
    assert_eq!(seen["Digest"], pushed_digest(&docker.run(&["push", &again]).ok()));
    docker.run(&["rmi", &name, &again]).ok();
}

fn back(darsena: &mut Darsena) {
    let (docker, space) = (darsena.docker(), darsena.space());
    let registry = Registry::start(space);
    let (ours, other) = (at("carried/ours:1"), at("carried/other:1"));
    let image = busybox().layer(Layer::new().file("carried", "back"));
    docker.run_with(&["load"], &image.docker_archive(&[&ours])).ok();
    let pushed = pushed_digest(&docker.run(&["push", &ours]).ok());
    docker.run(&["rmi", &ours]).ok();
    // Within the registry nothing of it changes.
    let [from, to] = [&ours, &other].map(|name| format!("docker://{name}"));
    skopeo(space, &["copy", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to]);
    assert!(docker.run(&["pull", &other]).ok().contains(&pushed));
    docker.run(&["rmi", &other]).ok();
    let zstd =
        registry.push("carried/zstd", "1", &busybox().layer(Layer::new().file("carried", "zstd")), Compression::Zstd);
    for (from, kind, said) in [
        (&ours, "docker-archive", "back"),
        (&ours, "oci-archive", "back"),
        (&at(&format!("carried/zstd@{zstd}")), "oci-archive", "zstd"),
    ] {
        let file = space.side().join(format!("{kind}-{said}.tar"));
        let target = format!("{kind}:{}:came/back:1", file.display());
        skopeo(space, &["copy", "--src-tls-verify=false", &format!("docker://{from}"), &target]);
        docker.run(&["load", "-i", file.to_str().unwrap()]).ok();
        assert_eq!(docker.run(&["run", "--rm", "came/back:1", "cat", "/carried"]).ok(), said, "{kind}");
        // Elsewhere the config is written anew.
        if kind == "docker-archive" {
            assert_eq!(inspect(&docker, "came/back:1", "{{.Id}}"), image.id(), "{kind}");
        }
        docker.run(&["rmi", "came/back:1"]).ok();
    }
}
