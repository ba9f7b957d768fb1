//! Push, push back, mount, all tags.

use harness::{
    Darsena, Registry, Suite,
    image::{Compression, Layer, busybox},
};
use serde_json::Value;

use crate::{at, inspect, noise, pushed_digest, skopeo};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("an_image_is_pushed_and_comes_back_by_tag_and_digest", round_trip)
        .test("an_image_that_was_pulled_keeps_its_digest", same_digest)
        .test("a_layer_is_mounted_and_not_sent_again", mount)
        .test("a_pulled_image_brings_the_steps_of_its_build", cache_from)
        .test("all_tags_go_and_come", all_tags)
        .test("a_large_layer_survives_a_registry_that_starts_anew", restarted_registry)
        .test("what_cannot_be_pushed_is_said_in_dockers_words", refusals)
}

fn round_trip(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let image = busybox().layer(Layer::new().file("mark", "pushed")).env("MARK=1");
    let name = at("some/app:1");
    docker.run_with(&["load"], &image.docker_archive(&[&name])).ok();
    let said = docker.run(&["push", &name]).ok();
    assert!(said.starts_with(&format!("The push refers to repository [{}]", at("some/app"))), "{said}");
    assert_eq!(said.matches(": Pushed").count(), 2, "{said}");
    let digest = pushed_digest(&said);
    assert!(said.contains(&format!("1: digest: {digest} size: ")), "{said}");
    assert_eq!(inspect(&docker, &name, "{{json .RepoDigests}}"), format!("[\"{}@{digest}\"]", at("some/app")));

    // What a third party sees.
    let seen = skopeo(darsena.space(), &["inspect", "--tls-verify=false", &format!("docker://{name}")]);
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["Digest"], digest);
    let config = ["inspect", "--tls-verify=false", "--config", "--raw", &format!("docker://{name}")];
    assert_eq!(harness::image::digest(skopeo(darsena.space(), &config).as_bytes()), image.id());
    let copy = format!("dir:{}", darsena.space().side().join("copy").display());
    skopeo(darsena.space(), &["copy", "--src-tls-verify=false", &format!("docker://{name}"), &copy]);

    let again = docker.run(&["push", &name]).ok();
    assert_eq!(again.matches(": Layer already exists").count(), 2, "{again}");
    assert_eq!(pushed_digest(&again), digest);

    for back in [name.clone(), format!("{}@{digest}", at("some/app"))] {
        docker.run(&["rmi", "-f", &image.id()]).ok();
        docker.run(&["inspect", "--type", "image", &name]).fails();
        let said = docker.run(&["pull", &back]).ok();
        assert!(said.contains(&format!("Digest: {digest}")), "{said}");
        assert_eq!(docker.run(&["run", "--rm", &back, "sh", "-c", "cat /mark; echo $MARK"]).ok(), "pushed1");
        assert_eq!(inspect(&docker, &back, "{{.Id}}"), image.id());
    }
    docker.run(&["rmi", "-f", &image.id()]).ok();
    drop(registry);
}

fn cache_from(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let (base, name) = (at("cached/base:1"), at("cached/app:1"));
    docker.run_with(&["load"], &busybox().docker_archive(&[&base])).ok();
    let file = format!("FROM {base}\nRUN cat /proc/sys/kernel/random/uuid >/once\nENV A=1\nRUN echo $A >/a\n");
    docker.run_with(&["build", "-t", &name, "-"], file.as_bytes()).ok();
    let id = inspect(&docker, &name, "{{.Id}}");
    docker.run(&["push", &name]).ok();
    let forget = || {
        docker.run(&["rmi", "-f", &id]).ok();
        docker.run(&["builder", "prune", "-a", "-f"]).ok();
    };
    // Pulled before, or by the build itself.
    for pull in [true, false] {
        forget();
        if pull {
            docker.run(&["pull", &name]).ok();
        }
        let said = docker.run_with(&["build", "-t", "again", "--cache-from", &name, "-"], file.as_bytes()).ok();
        assert_eq!(said.matches(" ---> Using cache").count(), 3, "{said}");
        assert_eq!(inspect(&docker, "again", "{{.Id}}"), id);
    }
    forget();
    let said = docker.run_with(&["build", "-t", "again", "-"], file.as_bytes()).ok();
    assert!(!said.contains("Using cache"), "{said}");
    docker.run(&["rmi", "-f", "again", &base]).ok();
    docker.run(&["builder", "prune", "-a", "-f"]).ok();
    drop(registry);
}

fn same_digest(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    for (tag, compression) in [("plain", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)] {
        let image = busybox().layer(Layer::new().file("kept", tag));
        let digest = registry.push("kept/one", tag, &image, compression);
        let (from, to) = (at(&format!("kept/one:{tag}")), at(&format!("kept/two:{tag}")));
        docker.run(&["pull", &from]).ok();
        docker.run(&["tag", &from, &to]).ok();
        assert_eq!(pushed_digest(&docker.run(&["push", &to]).ok()), digest, "{tag}");
        docker.run(&["rmi", &from, &to]).ok();
    }
}

fn mount(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    let image = busybox().layer(Layer::new().file("mounted", vec![7; 100_000]));
    let (one, two) = (at("mount/one:1"), at("mount/two:1"));
    docker.run_with(&["load"], &image.docker_archive(&[&one])).ok();
    docker.run(&["push", &one]).ok();
    // What is known of the layers outlives the server.
    drop(registry);
    darsena.restart();
    let registry = Registry::start(darsena.space());
    docker.run(&["tag", &one, &two]).ok();
    let said = docker.run(&["push", &two]).ok();
    assert_eq!(said.matches(": Mounted from mount/one").count(), 2, "{said}");
    harness::wait::eventually("the registry logs one blob, the configuration, and the manifest", || {
        let log = registry.log();
        let put = |what: &str| {
            let path = format!("/v2/mount/two/{what}");
            log.lines().filter(|line| line.contains("PUT") && line.contains(&path) && line.contains("201")).count()
        };
        (put("manifests/") > 0 && put("blobs/uploads/") == put("manifests/")).then_some(())
    });
    docker.run(&["rmi", &one, &two]).ok();
    docker.run(&["pull", &two]).ok();
    assert_eq!(docker.run(&["run", "--rm", &two, "sh", "-c", "wc -c < /mounted"]).ok(), "100000");
    docker.run(&["rmi", &two]).ok();
}

fn all_tags(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let _registry = Registry::start(darsena.space());
    let tags = ["a", "b", "c"];
    for tag in tags {
        let image = busybox().layer(Layer::new().file("tag", tag));
        docker.run_with(&["load"], &image.docker_archive(&[&at(&format!("many/tags:{tag}"))])).ok();
    }
    docker.run(&["tag", &at("many/tags:a"), &at("many/others:z")]).ok();
    let said = docker.run(&["push", "-a", &at("many/tags")]).ok();
    for tag in tags {
        assert!(said.contains(&format!("{tag}: digest: sha256:")), "{said}");
        docker.run(&["rmi", &at(&format!("many/tags:{tag}"))]).ok();
    }
    docker.run(&["rmi", &at("many/others:z")]).ok();
    let said = docker.run(&["pull", "-a", &at("many/tags")]).ok();
    for tag in tags {
        assert!(said.contains(&format!("{tag}: Pulling from many/tags")), "{said}");
        assert_eq!(docker.run(&["run", "--rm", &at(&format!("many/tags:{tag}")), "cat", "/tag"]).ok(), tag);
    }
    assert!(said.contains(&format!("Status: Downloaded newer image for {}", at("many/tags"))), "{said}");
    let again = docker.run(&["pull", "-a", &at("many/tags")]).ok();
    assert!(again.contains(&format!("Status: Image is up to date for {}", at("many/tags"))), "{again}");
    for tag in tags {
        docker.run(&["rmi", &at(&format!("many/tags:{tag}"))]).ok();
    }
    let error = docker.run(&["pull", &at("many/others:z")]).fails();
    assert!(error.contains("not found") || error.contains("unknown"), "only the one repository went: {error}");
}

fn restarted_registry(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let name = at("large/app:1");
    let image = busybox().layer(Layer::new().file("noise", noise(48 << 20)));
    docker.run_with(&["load"], &image.docker_archive(&[&name])).ok();
    let registry = Registry::start(darsena.space());
    let mut push = docker.spawn(&["push", &name]);
    push.close_input();
    harness::wait::eventually("the upload begins", || registry.log().contains("POST").then_some(()));
    drop(registry);
    let registry = Registry::start(darsena.space());
    let said = push.finish().ok();
    let digest = pushed_digest(&said);
    docker.run(&["rmi", &name]).ok();
    assert!(docker.run(&["pull", &name]).ok().contains(&digest));
    assert_eq!(docker.run(&["run", "--rm", &name, "sh", "-c", "wc -c < /noise"]).ok(), (48 << 20).to_string());
    docker.run(&["rmi", &name]).ok();
    drop(registry);
}

fn refusals(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let error = docker.run(&["push", &at("nothing/here:1")]).fails();
    assert!(
        error.contains(&format!("An image does not exist locally with the tag: {}", at("nothing/here"))),
        "{error}"
    );
    let image = busybox().layer(Layer::new().file("refused", "x"));
    let name = at("some/refused:1");
    docker.run_with(&["load"], &image.docker_archive(&[&name])).ok();
    let error = docker.run(&["push", &at("some/refused:2")]).fails();
    assert!(error.contains(&format!("tag does not exist: {}", at("some/refused:2"))), "{error}");
    let error = docker.run(&["push", &name]).fails();
    assert!(error.contains("refused"), "nobody listens: {error}");
    let _registry = Registry::start(darsena.space());
    let error = docker.run(&["push", "--platform", "linux/s390x", &name]).fails();
    assert!(error.contains("does not provide the specified platform"), "{error}");
    docker.run(&["rmi", &name]).ok();
}
