//! docker build by the classic builder, the build cache, system df.

use std::{fs, path::PathBuf};

use harness::{Darsena, Docker, Suite, image::Layer, wait::eventually};

use crate::{IMAGE, inspect};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("a_dockerfile_becomes_an_image", hello)
        .test("contexts_come_as_folder_archive_and_standard_input", contexts)
        .test("arguments_targets_and_labels_are_heeded", arguments)
        .test("a_second_build_finds_its_steps_in_the_cache", cached)
        .test("a_failing_step_ends_the_build_with_its_code", failing)
        .test("a_broken_dockerfile_is_refused_before_anything_runs", broken)
        .test("quiet_builds_and_id_files_give_the_id", quiet)
        .test("steps_run_in_the_network_and_limits_asked_for", limits)
        .test("a_client_that_leaves_cancels_its_build", leaving)
        .test("the_cache_is_weighed_and_pruned", prune)
}

/// A context of these files, in a folder of its own.
fn context(darsena: &Darsena, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = darsena.space().side().join(format!("context-{name}"));
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// What a container of this image says.
fn says(docker: &Docker, image: &str, line: &str) -> String {
    docker.run(&["run", "--rm", image, "sh", "-c", line]).ok()
}

fn hello(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let file = format!("FROM {IMAGE}\nCOPY greeting /greeting\nRUN echo made >/made && echo seen && echo wrong >&2\n");
    let folder = context(darsena, "hello", &[("Dockerfile", &file), ("greeting", "hello\n")]);
    let said = docker.run(&["build", "-t", "hello", "-t", "hello:2", text(&folder)]).ok();
    for line in [
        &format!("Step 1/3 : FROM {IMAGE}") as &str,
        "Step 2/3 : COPY greeting /greeting",
        "Step 3/3 : RUN echo made",
        " ---> Running in ",
        "\nseen\n",
        "\nwrong\n",
        " ---> Removed intermediate container ",
        "Successfully built ",
        "Successfully tagged hello:latest",
        "Successfully tagged hello:2",
    ] {
        assert!(said.contains(line), "{line:?} is missing:\n{said}");
    }
    let id = inspect(&docker, "hello", "{{.Id}}");
    assert!(said.contains(&format!("Successfully built {}", &id["sha256:".len()..][..12])), "{said}");
    assert_eq!(says(&docker, "hello:2", "cat /greeting /made"), "hello\nmade");
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "", "no container of the build is left");
    docker.run(&["rmi", "hello", "hello:2"]).ok();
}

fn contexts(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let file = format!("FROM {IMAGE}\nCOPY a /a\n");
    let folder = context(
        darsena,
        "other",
        &[("sub/Other", &file), ("a", "from a folder"), ("b", "x"), (".dockerignore", "b\n")],
    );
    docker.run(&["build", "-t", "c:1", "-f", text(&folder.join("sub/Other")), text(&folder)]).ok();
    assert_eq!(says(&docker, "c:1", "cat /a"), "from a folder");

    docker.run_with(&["build", "-t", "c:2", "-"], format!("FROM {IMAGE}\nRUN echo alone >/a\n").as_bytes()).ok();
    assert_eq!(says(&docker, "c:2", "cat /a"), "alone");

    let archive = Layer::new().file("Dockerfile", &file).file("a", "from an archive").tar();
    docker.run_with(&["build", "-t", "c:3", "-"], &archive).ok();
    assert_eq!(says(&docker, "c:3", "cat /a"), "from an archive");

    let standing = format!("FROM {IMAGE}\nCOPY a /b\n");
    docker.run_with(&["build", "-t", "c:4", "-f", "-", text(&folder)], standing.as_bytes()).ok();
    assert_eq!(says(&docker, "c:4", "cat /b"), "from a folder");
    docker.run(&["rmi", "c:1", "c:2", "c:3", "c:4"]).ok();
}

fn arguments(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let file = format!(
        "ARG BASE={IMAGE}\nFROM $BASE AS one\nARG WORD=none\nRUN echo $WORD >/word\nLABEL from=file\n\
         FROM one AS two\nRUN echo two >/two\n"
    );
    let folder = context(darsena, "args", &[("Dockerfile", &file)]);
    let options = ["build", "-t", "args", "--build-arg", "WORD=given", "--target", "one", "--label", "by=hand"];
    docker.run(&[&options[..], &[text(&folder)]].concat()).ok();
    assert_eq!(says(&docker, "args", "cat /word; ls /two 2>/dev/null || echo none"), "given\nnone");
    assert_eq!(inspect(&docker, "args", "{{.Config.Labels.from}} {{.Config.Labels.by}}"), "file hand");
    docker.run(&["rmi", "args"]).ok();
}

fn cached(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let file = format!("FROM {IMAGE}\nCOPY a /a\nRUN cat /proc/sys/kernel/random/uuid >/once\n");
    let folder = context(darsena, "cached", &[("Dockerfile", &file), ("a", "1")]);
    let build = |options: &[&str]| docker.run(&[&["build", "-t", "cached"], options, &[text(&folder)]].concat()).ok();
    let once = || says(&docker, "cached", "cat /once");
    build(&[]);
    let first = once();
    let said = build(&[]);
    assert_eq!(said.matches(" ---> Using cache").count(), 2, "{said}");
    assert_eq!(once(), first);
    let said = build(&["--no-cache"]);
    assert!(!said.contains("Using cache"), "{said}");
    let second = once();
    assert_ne!(second, first);
    fs::write(folder.join("a"), "2").unwrap();
    let said = build(&[]);
    assert!(!said.contains("Using cache"), "what is copied has changed: {said}");
    assert_ne!(once(), second);
    docker.run(&["rmi", "cached"]).ok();
}

fn failing(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let file = format!("FROM {IMAGE}\nRUN echo kept >/kept\nRUN echo why; exit 7\nRUN echo never\n");
    let folder = context(darsena, "failing", &[("Dockerfile", &file)]);
    let output = docker.run(&["build", "-t", "failing", text(&folder)]);
    output.code(7);
    assert!(output.text().contains("why") && !output.text().contains("Step 4/4"), "{}", output.text());
    let error = output.error();
    assert!(error.contains("The command '/bin/sh -c echo why; exit 7' returned a non-zero code: 7"), "{error}");
    docker.run(&["inspect", "failing"]).fails();
    let again = docker.run(&["build", text(&folder)]);
    assert!(again.text().contains(" ---> Using cache"), "what succeeded is kept: {}", again.text());
    let quiet = docker.run(&["build", "-q", text(&folder)]);
    assert!(quiet.code(7).error().contains("why"), "{}", quiet.error());
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "");
}

fn broken(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for (name, file, words) in [
        ("unknown", format!("FROM {IMAGE}\nFOO bar\n"), "dockerfile parse error on line 2: unknown instruction: FOO"),
        ("early", format!("RUN true\nFROM {IMAGE}\n"), "dockerfile parse error on line 1: no build stage"),
        ("empty", "# nothing\n".to_owned(), "no instructions"),
    ] {
        let error = docker.run_with(&["build", "-"], file.as_bytes()).fails();
        assert!(error.to_lowercase().contains(words) || error.contains(words), "{name}: {error}");
    }
    let folder = context(darsena, "none", &[("a", "x")]);
    docker.run(&["build", text(&folder)]).fails();
    let file = format!("FROM {IMAGE}\nCOPY missing /\n");
    let folder = context(darsena, "missing", &[("Dockerfile", &file)]);
    let error = docker.run(&["build", text(&folder)]).fails();
    assert!(error.contains("missing"), "{error}");
    let refused = docker.run(&["build", "--squash", text(&folder)]).fails();
    assert!(!refused.is_empty());
}

fn quiet(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let folder = context(darsena, "quiet", &[("Dockerfile", &format!("FROM {IMAGE}\nRUN echo loud\n"))]);
    let said = docker.run(&["build", "-q", "-t", "quiet", text(&folder)]).ok();
    let id = inspect(&docker, "quiet", "{{.Id}}");
    assert_eq!(said, id);
    let file = darsena.space().side().join("iid");
    docker.run(&["build", "--iidfile", text(&file), text(&folder)]).ok();
    assert_eq!(fs::read_to_string(&file).unwrap(), id);
    docker.run(&["rmi", "quiet"]).ok();
}

fn limits(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let file = format!(
        "FROM {IMAGE}\nRUN ls /sys/class/net >/net\nRUN cat /sys/fs/cgroup/memory.max \
         /sys/fs/cgroup/memory/memory.limit_in_bytes >/memory 2>/dev/null; true\nRUN grep marker /etc/hosts >/hosts; \
         ulimit -n >/files; df -k /dev/shm | tail -n 1 >/shm\n"
    );
    let folder = context(darsena, "limits", &[("Dockerfile", &file)]);
    let options = ["build", "-t", "limits", "--network", "none", "--memory", "64m", "--add-host", "marker:10.1.2.3"];
    let more = ["--ulimit", "nofile=77:99", "--shm-size", "8m", text(&folder)];
    docker.run(&[&options[..], &more[..]].concat()).ok();
    assert_eq!(says(&docker, "limits", "cat /net"), "lo");
    assert_eq!(says(&docker, "limits", "cat /files; cut -f1 /hosts"), "77\n10.1.2.3");
    assert!(says(&docker, "limits", "cat /shm").contains(" 8192 "));
    let memory = says(&docker, "limits", "cat /memory");
    assert!(memory.is_empty() || memory.contains("67108864"), "{memory}");
    docker.run(&["rmi", "limits"]).ok();
}

fn leaving(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let folder = context(darsena, "leaving", &[("Dockerfile", &format!("FROM {IMAGE}\nRUN echo here; sleep 73913\n"))]);
    let mut client = docker.spawn(&["build", "-t", "leaving", text(&folder)]);
    client.stdout.until("here");
    client.kill();
    drop(client);
    let space = darsena.space();
    eventually("the build's process is gone", || {
        let processes = space.output("ps", &["-ww", "-eo", "args"]);
        (!processes.lines().any(|line| line.trim() == "sleep 73913")).then_some(())
    });
    docker.run(&["inspect", "leaving"]).fails();
}

fn prune(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let file = format!("FROM {IMAGE}\nRUN dd if=/dev/urandom of=/big bs=1024 count=2048 2>/dev/null\n");
    let folder = context(darsena, "prune", &[("Dockerfile", &file)]);
    docker.run(&["build", "-t", "prune", text(&folder)]).ok();
    let df = docker.run(&["system", "df"]).ok();
    for kind in ["Images", "Containers", "Local Volumes", "Build Cache"] {
        assert!(df.contains(kind), "{df}");
    }
    let long = docker.run(&["system", "df", "-v"]).ok();
    assert!(long.contains("prune") && long.contains("Build cache usage"), "{long}");
    docker.run(&["rmi", "prune"]).ok();
    let said = docker.run(&["builder", "prune", "-f"]).ok();
    assert!(said.contains("Total reclaimed space: ") && !said.contains("Total reclaimed space: 0B"), "{said}");
    let said = docker.run(&["build", text(&folder)]).ok();
    assert!(!said.contains("Using cache"), "{said}");
    docker.run(&["builder", "prune", "-a", "-f", "--filter", "until=24h"]).ok();
    let said = docker.run(&["build", text(&folder)]).ok();
    assert!(said.contains("Using cache"), "what is young stays: {said}");
    docker.run(&["builder", "prune", "-a", "-f"]).ok();
    docker.run(&["image", "ls"]).ok();
}
