//! save, load, export, import, commit, diff, prune, search.

use harness::{
    Darsena, Docker, Suite,
    image::{Compression, Layer, busybox},
};

use crate::{IMAGE, inspect, remove, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("saved_images_load_again_with_their_ids", save)
        .test("skopeo_reads_what_is_saved", save_for_skopeo)
        .test("a_container_s_changes_are_listed", diff)
        .test("commits_take_the_changes_and_the_image_s_config", commit)
        .test("file_systems_go_out_and_come_in", export)
        .test("unused_images_are_pruned", prune)
        .test("a_search_says_why_it_finds_nothing", search)
}

fn save(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let (a, b) = (busybox().layer(Layer::new().file("a", "a")), busybox().layer(Layer::new().file("b", "b")));
    docker.run_with(&["load"], &a.oci_archive("sa/ved:a", Compression::Gzip)).ok();
    docker.run_with(&["load"], &b.docker_archive(&["sa/ved:b", "other:b"])).ok();
    let file = darsena.space().side().join("saved.tar");
    let file = file.to_str().unwrap();
    docker.run(&["save", "-o", file, "sa/ved", "other:b"]).ok();
    docker.run(&["rmi", "sa/ved:a", "sa/ved:b", "other:b"]).ok();
    let said = docker.run(&["load", "-i", file]).ok();
    for name in ["sa/ved:a", "sa/ved:b", "other:b"] {
        assert!(said.contains(&format!("Loaded image: {name}")), "{said}");
    }
    assert_eq!(inspect(&docker, "sa/ved:a", "{{.Id}}"), a.id());
    assert_eq!(inspect(&docker, "other:b", "{{.Id}}"), b.id());
    assert_eq!(docker.run(&["run", "--rm", "sa/ved:a", "cat", "/a"]).ok(), "a");
    let error = docker.run(&["save", "-o", file, "sa/ved:a", "absent:1"]).fails();
    assert!(error.contains("No such image: absent:1"), "{error}");
    docker.run(&["rmi", "sa/ved:a", "sa/ved:b", "other:b"]).ok();
}

fn save_for_skopeo(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let side = darsena.space().side();
    let at = |name: &str| side.join(name).to_str().unwrap().to_owned();
    let id = start(&docker, &[], "echo made > /made");
    docker.run(&["wait", &id]).ok();
    let made = docker.run(&["commit", &id, "made:1"]).ok();
    docker.run(&["save", "-o", &at("made.tar"), "made:1"]).ok();
    docker.run(&["rmi", "made:1"]).ok();
    let copied = std::process::Command::new("skopeo")
        .args(["--insecure-policy", "copy", &format!("docker-archive:{}:made:1", at("made.tar"))])
        .arg(format!("docker-archive:{}:again:1", at("again.tar")))
        .output()
        .unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    docker.run(&["load", "-i", &at("again.tar")]).ok();
    assert_eq!(inspect(&docker, "again:1", "{{.Id}}"), made);
    assert_eq!(docker.run(&["run", "--rm", "again:1", "cat", "/made"]).ok(), "made");
    docker.run(&["rmi", "again:1"]).ok();
    remove(&docker, &id);
}

fn diff(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    assert_eq!(docker.run(&["diff", &id]).ok(), "", "what the engine put there is no change");
    remove(&docker, &id);
    let id = start(&docker, &[], "mkdir -p /new/deep; echo x > /etc/mine; rm /bin/seq; echo ready; exec sleep 1000");
    docker.spawn(&["logs", "-f", &id]).stdout.until("ready");
    let told = docker.run(&["diff", &id]).ok();
    let lines: Vec<&str> = told.lines().collect();
    for line in ["A /new", "A /new/deep", "D /bin/seq", "C /bin"] {
        assert!(lines.contains(&line), "{line}: {told}");
    }
    assert!(lines.iter().any(|line| line.ends_with(" /etc/mine")), "{told}");
    assert!(!told.contains("/etc/hosts") && !told.contains("/proc"), "{told}");
    let error = docker.run(&["diff", "absent"]).fails();
    assert!(error.contains("No such container: absent"), "{error}");
    remove(&docker, &id);
}

fn commit(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let line = "echo changed > /mark; rm /bin/seq; echo ready; n=0; while :; do n=$((n+1)); done";
    let id = start(&docker, &["-e", "ONLY=here", "-w", "/tmp"], line);
    docker.spawn(&["logs", "-f", &id]).stdout.until("ready");
    let made = docker
        .run(&[
            "commit",
            "-a",
            "me <me@example.org>",
            "-m",
            "a remark",
            "-c",
            "ENV A=1 B=$A",
            "-c",
            "LABEL x=y",
            "-c",
            "EXPOSE 80",
            &id,
            "com/mitted:1",
        ])
        .ok();
    assert_eq!(inspect(&docker, "com/mitted:1", "{{.Id}}"), made);
    assert_eq!(inspect(&docker, &id, "{{.State.Running}}"), "true", "it goes on");
    let seen = inspect(
        &docker,
        "com/mitted:1",
        "{{.Author}}|{{.Comment}}|{{json .Config.Cmd}}|{{index .Config.Labels \"x\"}}|{{json .Config.ExposedPorts}}",
    );
    assert_eq!(seen, "me <me@example.org>|a remark|[\"sh\"]|y|{\"80/tcp\":{}}", "config of the image and of -c");
    let env = inspect(&docker, "com/mitted:1", "{{json .Config.Env}}");
    assert!(env.contains("A=1") && !env.contains("ONLY"), "{env}");
    let base = inspect(&docker, IMAGE, "{{json .RootFS.Layers}}");
    let layers = inspect(&docker, "com/mitted:1", "{{json .RootFS.Layers}}");
    assert!(layers.starts_with(base.trim_end_matches(']')), "the layers below are shared: {layers}");
    let history = docker.run(&["history", "--no-trunc", "--format", "{{.Comment}}", "com/mitted:1"]).ok();
    assert_eq!(history.lines().next(), Some("a remark"));
    let line = "cat /mark; echo $A; [ -e /bin/seq ] || echo gone";
    assert_eq!(docker.run(&["run", "--rm", "com/mitted:1", "sh", "-c", line]).ok(), "changed\n1\ngone");

    // Without standing still; and the wrong ways.
    docker.run(&["commit", "--pause=false", &id, "com/mitted:2"]).ok();
    assert_eq!(docker.run(&["run", "--rm", "com/mitted:2", "cat", "/mark"]).ok(), "changed");
    let error = docker.run(&["commit", "-c", "RUN x", &id, "com/mitted:3"]).fails();
    assert!(error.contains("RUN is not a valid change command"), "{error}");
    docker.run(&["commit", &id, "UPPER"]).fails();
    docker.run(&["rm", "-f", &id]).ok();
    assert_eq!(docker.run(&["run", "--rm", "com/mitted:1", "cat", "/mark"]).ok(), "changed", "it needs no container");
    docker.run(&["rmi", "com/mitted:1", "com/mitted:2"]).ok();
}

/// A container's file system as `docker export` gives it.
fn exported(docker: &Docker, darsena: &Darsena, id: &str) -> std::path::PathBuf {
    let file = darsena.space().side().join("exported.tar");
    docker.run(&["export", "-o", file.to_str().unwrap(), id]).ok();
    file
}

fn export(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let line = "echo kept > /kept; chown 1000:7 /kept; chmod 4755 /kept; rm /bin/seq; echo ready; exec sleep 1000";
    let id = start(&docker, &[], line);
    docker.spawn(&["logs", "-f", &id]).stdout.until("ready");
    let running = exported(&docker, darsena, &id);
    let bytes = std::fs::read(&running).unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if name == "kept" {
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap()), (1000, 7, 0o4755));
        }
        names.push(name);
    }
    assert!(names.contains(&"kept".to_owned()) && !names.contains(&"bin/seq".to_owned()), "{names:?}");
    docker.run(&["rm", "-f", &id]).ok();

    let file = running.to_str().unwrap();
    let said = docker.run(&["import", "-m", "brought", "-c", "CMD [\"cat\", \"/kept\"]", file, "im/ported:1"]).ok();
    assert_eq!(inspect(&docker, "im/ported:1", "{{.Id}}|{{.Comment}}"), format!("{said}|brought"));
    assert_eq!(docker.run(&["run", "--rm", "im/ported:1"]).ok(), "kept");
    let zipped = zstd::encode_all(&bytes[..], 1).unwrap();
    docker.run_with(&["import", "-", "im/ported:2"], &zipped).ok();
    let layers = |name: &str| inspect(&docker, name, "{{json .RootFS.Layers}}");
    assert_eq!(layers("im/ported:1"), layers("im/ported:2"), "the same tree is the same layer");
    assert_eq!(inspect(&docker, "im/ported:2", "{{.Comment}}"), "Imported from -");
    let before = docker.run(&["images", "-aq"]).ok();
    docker.run_with(&["import", "-", "bro/ken:1"], &bytes[..bytes.len() / 2]).fails();
    docker.run(&["import", "http://127.0.0.1:9/nothing.tar", "bro/ken:1"]).fails();
    assert_eq!(docker.run(&["images", "-aq"]).ok(), before, "what breaks off leaves nothing");
    docker.run(&["rmi", "im/ported:1", "im/ported:2"]).ok();
}

fn prune(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let holder = start(&docker, &[], "exec sleep 1000");
    // All other tests share the server: only what bears this label is to go.
    let label = serde_json::json!({"prune": "me"});
    let image = |content: &str| {
        busybox().layer(Layer::new().file("pruned", content.repeat(100_000))).set("Labels", label.clone())
    };
    docker.run_with(&["load"], &image("a").docker_archive(&["prune:1"])).ok();
    docker.run_with(&["load"], &image("b").docker_archive(&["prune:1"])).ok();
    let dangling = image("a").id();
    let said = docker.run(&["image", "prune", "-f", "--filter", "label=prune"]).ok();
    assert!(said.contains(&format!("deleted: {dangling}")) || said.contains(&format!("Deleted: {dangling}")), "{said}");
    assert!(!said.contains("reclaimed space: 0B"), "{said}");
    assert_eq!(inspect(&docker, "prune:1", "{{.Id}}"), image("b").id(), "what has a name stays");
    let kept = docker.run(&["image", "prune", "-af", "--filter", "label=absent"]).ok();
    assert!(kept.contains("reclaimed space: 0B"), "{kept}");
    let of_used = ["image", "prune", "-af", "--filter", "label!=prune=me", "--filter", "until=2000-01-01T00:00:00Z"];
    assert!(docker.run(&of_used).ok().contains("reclaimed space: 0B"));
    let said = docker.run(&["image", "prune", "-af", "--filter", "label=prune=me"]).ok();
    assert!(said.contains("untagged: prune:1") || said.contains("Untagged: prune:1"), "{said}");
    docker.run(&["inspect", "--type", "image", "prune:1"]).fails();
    assert!(!inspect(&docker, IMAGE, "{{.Id}}").is_empty(), "what a container uses stays");
    remove(&docker, &holder);
}

fn search(darsena: &mut Darsena) {
    let error = darsena.docker().run(&["search", "busybox"]).fails();
    assert!(error.contains("no index of images can be reached"), "{error}");
}
