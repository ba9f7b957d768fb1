//! version, info, load, pull, images, inspect, rmi.

use harness::{
    Darsena, Registry, Suite,
    image::{Compression, Layer, busybox},
};

use crate::{IMAGE, inspect, remove, say};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("version_and_info_speak_of_darsena", version)
        .test("docker_archives_load", load_docker)
        .test("oci_archives_load_in_each_compression", load_oci)
        .test("broken_archives_leave_nothing", load_broken)
        .test("layers_hide_and_replace_what_is_below", layers)
        .test("images_are_listed_inspected_and_removed", list)
        .test("an_image_in_use_is_not_removed", in_use)
        .test("images_are_pulled_by_tag_and_digest", pull)
        .test("pulls_that_fail_say_why", pull_fails)
}

fn version(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let version = docker.run(&["version", "--format", "{{.Server.Version}} {{.Server.Os}} {{.Server.Arch}}"]).ok();
    assert!(version.ends_with(&format!(" linux {}", harness::image::architecture())), "{version}");
    let all = docker.run(&["version"]).ok();
    assert!(all.contains("Darsena"), "{all}");
    let info = docker.run(&["info", "--format", "{{.OSType}} {{.Driver}} {{.ContainersRunning}}"]).ok();
    assert_eq!(info.split(' ').next_back(), Some("0"), "{info}");
    assert!(info.starts_with("linux "), "{info}");
    docker.run(&["info"]).ok();
}

fn load_docker(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let image = busybox().layer(Layer::new().file("mark", "a")).env("MARK=1");
    let file = darsena.space().side().join("image.tar");
    std::fs::write(&file, image.docker_archive(&["loaded:a", "loaded:b"])).unwrap();
    let said = docker.run(&["load", "-i", file.to_str().unwrap()]).ok();
    assert!(said.contains("Loaded image: loaded:a") && said.contains("Loaded image: loaded:b"), "{said}");
    assert_eq!(inspect(&docker, "loaded:a", "{{.Id}}"), image.id());
    assert_eq!(docker.run(&["run", "--rm", "loaded:b", "sh", "-c", "cat /mark; echo $MARK"]).ok(), "a1");
    docker.run(&["rmi", "loaded:a", "loaded:b"]).ok();
    docker.run(&["inspect", "loaded:a"]).fails();
}

fn load_oci(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for (name, compression) in [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)] {
        let image = busybox().layer(Layer::new().file("mark", name));
        let said = docker.run_with(&["load"], &image.oci_archive(&format!("oci:{name}"), compression)).ok();
        assert_eq!(said, format!("Loaded image: oci:{name}"));
        assert_eq!(docker.run(&["run", "--rm", &format!("oci:{name}"), "cat", "/mark"]).ok(), name);
        docker.run(&["rmi", &format!("oci:{name}")]).ok();
    }
}

fn load_broken(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let before = docker.run(&["images", "-q", "--no-trunc"]).ok();
    let whole = busybox().layer(Layer::new().file("x", "broken")).docker_archive(&["broken:1"]);
    for (what, bytes) in [("cut", &whole[..whole.len() / 2]), ("empty", &[][..]), ("no archive", b"not a tar at all")] {
        let error = docker.run_with(&["load"], bytes).fails();
        assert!(!error.trim().is_empty(), "{what} says why");
    }
    assert_eq!(docker.run(&["images", "-q", "--no-trunc"]).ok(), before);
}

fn layers(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let below = Layer::new()
        .folder("d")
        .file("d/old", "old")
        .folder("o")
        .file("o/hidden", "x")
        .file("gone", "x")
        .file("same", "1");
    let above =
        Layer::new().without("gone").opaque("o").file("o/new", "new").file("same", "2").hardlink("link", "same");
    let special = Layer::new().program("suid", "x").mode(0o4755).file("owned", "x").owner(1000).symlink("up", "/d/old");
    let image = busybox().layer(below).layer(above).layer(special);
    docker.run_with(&["load"], &image.docker_archive(&["layers:1"])).ok();
    let line = "cat /same /d/old /up /o/new /link; ls /o; ls /gone 2>/dev/null; stat -c '%a %u' /suid /owned";
    assert_eq!(docker.run(&["run", "--rm", "layers:1", "sh", "-c", line]).ok(), "2oldoldnew2new\n4755 0\n644 1000");
    docker.run(&["rmi", "layers:1"]).ok();
}

fn list(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let image = busybox().layer(Layer::new().file("listed", "1")).set("Labels", serde_json::json!({"a": "b"}));
    docker.run_with(&["load"], &image.docker_archive(&["list/ed:2"])).ok();
    let lines = docker.run(&["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]).ok();
    assert!(lines.lines().any(|line| line == format!("list/ed:2 {}", image.id())), "{lines}");
    let short = docker.run(&["images", "-q", "list/ed"]).ok();
    assert_eq!(short, image.id()["sha256:".len()..][..12]);
    let seen = inspect(
        &docker,
        &short,
        "{{.Os}} {{.Architecture}} {{json .Config.Cmd}} {{.Config.Labels.a}} {{len .RootFS.Layers}}",
    );
    assert_eq!(seen, format!("linux {} [\"sh\"] b 2", harness::image::architecture()));
    docker.run(&["tag", "list/ed:2", "other:3"]).ok();
    let untagged = docker.run(&["rmi", "other:3"]).ok();
    assert_eq!(untagged, "Untagged: other:3");
    let removed = docker.run(&["rmi", "list/ed:2"]).ok();
    assert!(
        removed.contains("Untagged: list/ed:2") && removed.contains(&format!("Deleted: {}", image.id())),
        "{removed}"
    );
    let error = docker.run(&["rmi", "list/ed:2"]).fails();
    assert!(error.contains("No such image"), "{error}");
    assert!(say(&docker, &[], "echo still").contains("still"), "shared layers stay");
}

fn in_use(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = docker.run(&["create", IMAGE]).ok();
    let error = docker.run(&["rmi", IMAGE]).fails();
    assert!(error.contains("conflict"), "{error}");
    remove(&docker, &id);
}

fn pull(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let registry = Registry::start(darsena.space());
    for (tag, compression) in [("gzip", Compression::Gzip), ("zstd", Compression::Zstd)] {
        let image = busybox().layer(Layer::new().file("pulled", tag));
        let digest = registry.push("some/image", tag, &image, compression);
        let name = format!("127.0.0.1:5000/some/image:{tag}");
        let said = docker.run(&["pull", &name]).ok();
        assert!(
            said.contains(&format!("Digest: {digest}")) && said.contains("Status: Downloaded newer image"),
            "{said}"
        );
        assert_eq!(docker.run(&["run", "--rm", &name, "cat", "/pulled"]).ok(), tag);
        let again = docker.run(&["pull", &name]).ok();
        assert!(again.contains("Status: Image is up to date"), "{again}");
        docker.run(&["rmi", &name]).ok();
        let by_digest = format!("127.0.0.1:5000/some/image@{digest}");
        assert_eq!(docker.run(&["run", "--rm", &by_digest, "cat", "/pulled"]).ok(), tag, "run pulls what is missing");
        docker.run(&["rmi", &by_digest]).ok();
    }
}

fn pull_fails(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let error = docker.run(&["pull", "127.0.0.1:5000/some/image:1"]).fails();
    assert!(error.contains("refused"), "{error}");
    let registry = Registry::start(darsena.space());
    registry.push("some/image", "1", &busybox(), Compression::Gzip);
    for missing in ["127.0.0.1:5000/some/image:2", "127.0.0.1:5000/other:1"] {
        let error = docker.run(&["pull", missing]).fails();
        assert!(error.contains("not found") || error.contains("unknown"), "{error}");
    }
    let error = docker.run(&["pull", "127.0.0.1:5000/Upper:1"]).fails();
    assert!(error.contains("lowercase") || error.contains("invalid reference"), "{error}");
}
