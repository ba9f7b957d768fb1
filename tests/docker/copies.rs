//! cp: out of containers and into them, running and stopped, to and from `-`; never out of the rootfs.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use harness::{Darsena, Docker, Suite};

use crate::{IMAGE, inspect, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("files_and_folders_are_copied_out", out)
        .test("files_and_folders_are_copied_in", into)
        .test("a_container_that_does_not_run_is_copied_from_and_to", stopped)
        .test("a_container_that_does_not_run_has_its_volumes_copied_from_and_to", stopped_volumes)
        .test("archives_go_through_standard_streams", streams)
        .test("links_lead_nowhere_out_of_the_rootfs", links)
        .test("owners_are_kept_or_the_container_s", owners)
        .test("what_can_not_be_copied_is_said_as_docker_does", refused)
}

const TREE: &str = "mkdir -p /tree/sub; echo one > /tree/one; echo two > /tree/sub/two; chmod 4755 /tree/one; \
                    ln -s one /tree/link; ln /tree/one /tree/hard; mkfifo /tree/pipe; chown 7:8 /tree/sub/two; echo ready";

fn ready(docker: &Docker, id: &str) {
    docker.spawn(&["logs", "-f", id]).stdout.until("ready");
}

fn inside(docker: &Docker, id: &str, line: &str) -> String {
    // The container runs this as soon as it finds it.
    let pid = inspect(docker, id, "{{.State.Pid}}");
    let output = std::process::Command::new("nsenter")
        .args(["-t", &pid, "-m", "-U", "--preserve-credentials", "-S", "0", "-G", "0", "-r", "sh", "-c", line])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn out(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], &format!("{TREE}; exec sleep 1000"));
    ready(&docker, &id);
    let place = tempfile::tempdir().unwrap();
    let to = place.path().to_str().unwrap();
    docker.run(&["cp", &format!("{id}:/tree"), to]).ok();
    let tree = place.path().join("tree");
    assert_eq!((text(&tree.join("one")), text(&tree.join("sub/two"))), ("one\n".into(), "two\n".into()));
    assert_eq!(fs::read_link(tree.join("link")).unwrap(), Path::new("one"));
    let one = fs::metadata(tree.join("one")).unwrap();
    assert_eq!((one.mode() & 0o7777, one.ino()), (0o4755, fs::metadata(tree.join("hard")).unwrap().ino()));
    // A file under another name; a folder's content into one that is there; a file through a link.
    docker.run(&["cp", &format!("{id}:/tree/one"), &format!("{to}/other")]).ok();
    assert_eq!(text(&place.path().join("other")), "one\n");
    fs::create_dir(place.path().join("there")).unwrap();
    docker.run(&["cp", &format!("{id}:/tree/sub/."), &format!("{to}/there")]).ok();
    assert_eq!(text(&place.path().join("there/two")), "two\n");
    docker.run(&["cp", "-L", &format!("{id}:/tree/link"), &format!("{to}/followed")]).ok();
    assert_eq!(text(&place.path().join("followed")), "one\n");
    // What is mounted is seen.
    docker.run(&["cp", &format!("{id}:/etc/hostname"), &format!("{to}/hostname")]).ok();
    assert_eq!(text(&place.path().join("hostname")).trim(), &id[..12]);
    remove(&docker, &id);
}

fn into(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "mkdir /there; echo ready; exec sleep 1000");
    ready(&docker, &id);
    let place = tempfile::tempdir().unwrap();
    let from = place.path().join("in");
    fs::create_dir_all(from.join("deep")).unwrap();
    fs::write(from.join("deep/file"), "inside").unwrap();
    std::os::unix::fs::symlink("deep/file", from.join("link")).unwrap();
    let from = from.to_str().unwrap().to_owned();
    docker.run(&["cp", &from, &format!("{id}:/there")]).ok();
    docker.run(&["cp", &format!("{from}/deep/file"), &format!("{id}:/named")]).ok();
    docker.run(&["cp", &format!("{from}/."), &format!("{id}:/fresh")]).ok();
    let seen =
        inside(&docker, &id, "cat /there/in/deep/file /there/in/link /named /fresh/deep/file; stat -c %u /named");
    assert_eq!(seen, "insideinsideinsideinside0");
    // Again, over what is there.
    fs::write(format!("{from}/deep/file"), "changed").unwrap();
    docker.run(&["cp", &format!("{from}/deep/file"), &format!("{id}:/named")]).ok();
    assert_eq!(inside(&docker, &id, "cat /named"), "changed");
    docker.run(&["pause", &id]).ok();
    docker.run(&["cp", &format!("{from}/deep/file"), &format!("{id}:/while-paused")]).ok();
    docker.run(&["unpause", &id]).ok();
    assert_eq!(inside(&docker, &id, "cat /while-paused"), "changed");
    remove(&docker, &id);
}

fn stopped(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = docker.run(&["create", IMAGE, "sh", "-c", "cat /etc/given; ls -ln /etc/given"]).ok();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("given");
    fs::write(&file, "for you\n").unwrap();
    docker.run(&["cp", file.to_str().unwrap(), &format!("{id}:/etc/given")]).ok();
    let said = docker.run(&["start", "-a", &id]).ok();
    assert!(said.starts_with("for you\n") && said.contains(" 0 "), "{said}");
    let back = place.path().join("back");
    docker.run(&["cp", &format!("{id}:/etc/given"), back.to_str().unwrap()]).ok();
    assert_eq!(text(&back), "for you\n");
    // What the image has is there too, and a change of it is the container's own.
    docker.run(&["cp", file.to_str().unwrap(), &format!("{id}:/etc/group")]).ok();
    assert!(docker.run(&["diff", &id]).ok().contains("C /etc/group"));
    docker.run(&["start", "-a", &id]).ok();
    remove(&docker, &id);
}

/// What a stopped container has in its volumes and host folders is what `cp` sees and writes.
fn stopped_volumes(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let place = tempfile::tempdir().unwrap();
    let (host, file, back) = (place.path().join("host"), place.path().join("given"), place.path().join("back"));
    fs::create_dir(&host).unwrap();
    fs::write(host.join("there"), "of the host\n").unwrap();
    fs::write(&file, "for you\n").unwrap();
    let (given, got) = (file.to_str().unwrap(), back.to_str().unwrap());
    let bind = format!("{}:/data/host", host.display());
    let read_only = format!("{}:/ro:ro", host.display());
    let options = ["-v", "copied:/data", "-v", &bind, "-v", &read_only, "--tmpfs", "/tmp", "--read-only"];
    let create: Vec<&str> =
        ["create"].iter().chain(&options).chain(&[IMAGE, "cat", "/data/given", "/data/host/mine"]).copied().collect();
    let id = docker.run(&create).ok();
    // Written into the volume before it ever ran, by its own root, and not into what the volume covers.
    docker.run(&["cp", given, &format!("{id}:/data/given")]).ok();
    docker.run(&["cp", given, &format!("{id}:/data/host/mine")]).ok();
    assert_eq!(text(&host.join("mine")), "for you\n");
    docker.run(&["cp", &format!("{id}:/data/host/there"), got]).ok();
    assert_eq!(text(&back), "of the host\n");
    docker.run(&["cp", &format!("{id}:/ro/there"), got]).ok();
    assert!(docker.run(&["cp", given, &format!("{id}:/ro/no")]).fails().contains("mounted volume is marked read-only"));
    assert!(docker.run(&["cp", given, &format!("{id}:/no")]).fails().contains("container rootfs is marked read-only"));
    assert_eq!(docker.run(&["start", "-a", &id]).ok(), "for you\nfor you");
    docker.run(&["cp", &format!("{id}:/data/given"), got]).ok();
    assert_eq!(text(&back), "for you\n");
    assert_eq!(say(&docker, &["-v", "copied:/v"], "stat -c %u:%g /v/given"), "0:0");
    remove(&docker, &id);
    // With driver options it is mounted for the while; a subpath is all that is seen.
    docker
        .run(&[
            "volume",
            "create",
            "-o",
            "type=none",
            "-o",
            "o=bind",
            "-o",
            &format!("device={}", host.display()),
            "opt",
        ])
        .ok();
    fs::create_dir(host.join("sub")).unwrap();
    let mounts = ["--mount", "type=volume,src=opt,dst=/o,volume-subpath=sub"];
    let id = docker.run(&["create", mounts[0], mounts[1], IMAGE, "true"]).ok();
    docker.run(&["cp", given, &format!("{id}:/o/below")]).ok();
    assert_eq!(text(&host.join("sub/below")), "for you\n");
    let mounted = darsena.space().mounts();
    assert!(!mounted.contains("volumes/opt"), "{mounted}");
    remove(&docker, &id);
    docker.run(&["volume", "rm", "copied", "opt"]).ok();
}

fn streams(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = docker.run(&["run", "-d", IMAGE, "sh", "-c", &format!("{TREE}; exec sleep 1000")]).ok();
    ready(&docker, &id);
    let archive = docker.run(&["cp", &format!("{id}:/tree"), "-"]);
    assert_eq!(archive.code, 0, "{}", archive.error());
    let mut tar = tar::Archive::new(&archive.stdout[..]);
    let mut entries: Vec<_> = tar
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let owner = (entry.header().uid().unwrap(), entry.header().gid().unwrap());
            (entry.path().unwrap().display().to_string(), owner)
        })
        .collect();
    entries.sort();
    let two = entries.iter().find(|(path, _)| path == "tree/sub/two").unwrap();
    assert_eq!(two.1, (7, 8), "ids are the container's");
    let paths: Vec<_> = entries.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["tree/", "tree/hard", "tree/link", "tree/one", "tree/pipe", "tree/sub/", "tree/sub/two"]);
    docker.run_with(&["cp", "-", &format!("{id}:/tmp")], &archive.stdout).ok();
    let seen =
        inside(&docker, &id, "cat /tmp/tree/sub/two; stat -c '%u:%g' /tmp/tree/sub/two; stat -c %a /tmp/tree/one");
    assert_eq!(seen, "two\n7:8\n4755");
    remove(&docker, &id);
}

fn links(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let place = tempfile::tempdir().unwrap();
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "host").unwrap();
    let target = outside.to_str().unwrap();
    let line = format!(
        "ln -s {target} /abs; ln -s ../../../../../../../../../../{target} /rel; ln -s {target}/secret /file; \
         ln -s /proc/self/root /jump; echo ready; exec sleep 1000"
    );
    for running in [true, false] {
        let id = start(&docker, &[], &line);
        ready(&docker, &id);
        if !running {
            docker.run(&["stop", "-t", "0", &id]).ok();
        }
        let new = place.path().join("new");
        fs::write(&new, "from outside").unwrap();
        let new = new.to_str().unwrap();
        for path in ["/abs/secret", "/rel/secret", "/jump/etc/passwd"] {
            let error = docker.run(&["cp", &format!("{id}:{path}"), "-"]).fails();
            assert!(error.contains("Could not find the file") || error.contains("can't be opened"), "{path}: {error}");
        }
        for path in ["/abs/", "/rel/", "/abs/new", "/rel/new"] {
            docker.run(&["cp", new, &format!("{id}:{path}")]);
        }
        let evil = evil(target);
        docker.run_with(&["cp", "-", &format!("{id}:/tmp")], &evil);
        let names: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "running: {running}");
        assert_eq!(text(&outside.join("secret")), "host");
        remove(&docker, &id);
    }
}

/// A link out, and then a file through it.
fn evil(target: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "door", target).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    tar.append_data(&mut header, "door/planted", &b"bad"[..]).unwrap();
    tar.into_inner().unwrap()
}

fn owners(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-u", "web"], "echo ready; exec sleep 1000");
    ready(&docker, &id);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    std::os::unix::fs::chown(&file, Some(1234), Some(77)).unwrap();
    let file = file.to_str().unwrap();
    docker.run(&["cp", file, &format!("{id}:/kept")]).ok();
    docker.run(&["cp", "-a", file, &format!("{id}:/users")]).ok();
    assert_eq!(inside(&docker, &id, "stat -c '%u:%g' /kept; stat -c %u /users"), "1234:77\n1000");
    remove(&docker, &id);
}

fn refused(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "picky"], "mkdir /folder; echo x > /file; echo ready; exec sleep 1000");
    ready(&docker, &id);
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("folder"), "a file").unwrap();
    fs::create_dir_all(place.path().join("file")).unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let error = docker.run(&["cp", "picky:/nowhere", "-"]).fails();
    assert!(error.contains("Could not find the file /nowhere in container picky"), "{error}");
    let error = docker.run(&["cp", &at("folder"), "picky:/nowhere/at/all"]).fails();
    assert!(error.contains("Could not find the file") || error.contains("no such directory"), "{error}");
    let error = docker.run(&["cp", &at("folder"), "picky:/"]).fails();
    assert!(error.contains("cannot overwrite directory \"folder\" with non-directory"), "{error}");
    let error = docker.run(&["cp", &at("file"), "picky:/"]).fails();
    assert!(error.contains("cannot overwrite non-directory \"file\" with directory"), "{error}");
    // What the kernel makes up is neither read nor written as the host's root.
    docker.run(&["cp", &at("folder"), "picky:/proc/"]).fails();
    docker.run(&["cp", &at("folder"), "picky:/sys/fs/cgroup/x"]).fails();
    docker.run(&["cp", "picky:/proc/version", "-"]).fails();
    docker.run_with(&["cp", "-", "picky:/"], b"this is no archive, whatever it is thought to be").fails();
    let closed = start(&docker, &["--read-only", "--tmpfs", "/free"], "echo ready; exec sleep 1000");
    ready(&docker, &closed);
    let error = docker.run(&["cp", &at("folder"), &format!("{closed}:/etc")]).fails();
    assert!(error.contains("container rootfs is marked read-only"), "{error}");
    docker.run(&["cp", &at("folder"), &format!("{closed}:/free")]).ok();
    remove(&docker, &closed);
    remove(&docker, &id);
}
