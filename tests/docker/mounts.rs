//! Host folders and files in containers, --mount in its forms, what is mounted inside what, and what is refused.

use std::fs;

use harness::{Darsena, Docker, Suite};
use serde_json::Value;

use crate::{IMAGE, inspect, remove, say};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("host_folders_and_files_are_mounted", binds)
        .test("mounts_are_told_as_docker_tells_them", told)
        .test("what_is_mounted_inside_another_mount_is_seen", nested)
        .test("memory_has_a_size_and_a_mode", memory)
        .test("wrong_mounts_are_refused_in_dockers_words", refused)
        .test("targets_never_leave_the_root", targets)
        .test("mounts_of_the_host_below_a_folder_come_along_or_not", recursive)
}

fn folder(darsena: &Darsena, name: &str) -> String {
    let folder = darsena.space().side().join(name);
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("file"), "host\n").unwrap();
    fs::write(folder.join("sub/inner"), "inner\n").unwrap();
    folder.to_string_lossy().into_owned()
}

fn binds(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let host = folder(darsena, "binds");
    let bind = |rest: &str| format!("{host}{rest}");
    assert_eq!(say(&docker, &["-v", &bind(":/in")], "cat /in/file /in/sub/inner; echo new > /in/made"), "host\ninner");
    assert_eq!(fs::read_to_string(format!("{host}/made")).unwrap(), "new\n");
    assert_eq!(say(&docker, &["-v", &bind(":/in:ro")], "touch /in/x 2>/dev/null || echo ro"), "ro");
    assert_eq!(say(&docker, &["-v", &bind("/file:/etc/one:ro,z")], "cat /etc/one"), "host");
    let mount = format!("type=bind,source={host},target=/in,readonly");
    assert_eq!(say(&docker, &["--mount", &mount], "cat /in/file; touch /in/x 2>/dev/null || echo ro"), "host\nro");
    // Ids inside are ids on disk, with mapped users too.
    say(&docker, &["-v", &bind(":/in")], "touch /in/owned; chown 7:8 /in/owned");
    let owned = fs::metadata(format!("{host}/owned")).unwrap();
    let ids = (std::os::unix::fs::MetadataExt::uid(&owned), std::os::unix::fs::MetadataExt::gid(&owned));
    assert_eq!(ids, (7, 8));
    // With -v a folder is made where there is none; again at the next start.
    let id = docker.run(&["create", "-v", &bind("/missing/deep:/in"), IMAGE, "ls", "/in"]).ok();
    assert!(fs::metadata(bind("/missing/deep")).unwrap().is_dir());
    fs::remove_dir(bind("/missing/deep")).unwrap();
    docker.run(&["start", "-a", &id]).ok();
    remove(&docker, &id);
    // What a program there could do with devices and set-id programs is the container's own business only.
    assert_eq!(
        say(&docker, &["-v", &bind(":/etc/hosts.d"), "-v", &bind("/file:/etc/hosts")], "cat /etc/hosts"),
        "host"
    );
    assert!(!darsena.space().mounts().contains("/binds"), "nothing of it is mounted on the host");
}

fn told(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let host = folder(darsena, "told");
    let bind = format!("{host}:/bind:ro,rslave");
    let options =
        ["create", "-v", &bind, "-v", "named:/named", "--mount", "type=tmpfs,target=/memory,tmpfs-size=1m", IMAGE];
    let id = docker.run(&options).ok();
    let mounts: Value = serde_json::from_str(&inspect(&docker, &id, "{{json .Mounts}}")).unwrap();
    let at = |target: &str| {
        mounts.as_array().unwrap().iter().find(|mount| mount["Destination"] == target).cloned().unwrap_or_default()
    };
    assert_eq!(
        at("/bind"),
        serde_json::json!({ "Type": "bind", "Source": host, "Destination": "/bind", "Mode": "ro,rslave", "RW": false,
            "Propagation": "rslave" })
    );
    let source = darsena.space().data().join("volumes/named/data");
    assert_eq!(
        at("/named"),
        serde_json::json!({ "Type": "volume", "Name": "named", "Source": source, "Destination": "/named",
            "Driver": "local", "Mode": "z", "RW": true, "Propagation": "" })
    );
    assert_eq!(at("/memory")["Type"], "tmpfs");
    let binds = inspect(&docker, &id, "{{json .HostConfig.Binds}}");
    let mut binds: Vec<String> = serde_json::from_str(&binds).unwrap();
    binds.sort();
    assert_eq!(binds, [bind.as_str(), "named:/named"]);
    let mounts: Value = serde_json::from_str(&inspect(&docker, &id, "{{json .HostConfig.Mounts}}")).unwrap();
    let memory = serde_json::json!({ "SizeBytes": 1 << 20 });
    assert_eq!(mounts, serde_json::json!([{ "Type": "tmpfs", "Target": "/memory", "TmpfsOptions": memory }]));
    let line = docker.run(&["ps", "-a", "--no-trunc", "--format", "{{.Mounts}}"]).ok();
    assert!(line.contains("named") && line.contains(&host), "{line}");
    remove(&docker, &id);
    docker.run(&["volume", "rm", "named"]).ok();
}

fn nested(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let host = folder(darsena, "nested");
    let deep = format!("{host}/file:/a/b/c/file");
    // Said in the wrong order.
    let told = say(
        &docker,
        &["-v", &deep, "-v", "inner:/a/b/c", "--tmpfs", "/a/b", "-v", &format!("{host}:/a")],
        "cat /a/file /a/b/c/file; touch /a/b/c/kept; grep -c ' /a' /proc/self/mounts",
    );
    assert_eq!(told, "host\nhost\n4");
    assert_eq!(say(&docker, &["-v", "inner:/v"], "ls /v"), "file\nkept");
    docker.run(&["volume", "rm", "inner"]).ok();
}

fn memory(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let options = ["--mount", "type=tmpfs,target=/m,tmpfs-size=1m,tmpfs-mode=0710"];
    assert_eq!(say(&docker, &options, "stat -c %a /m; df -k /m | tail -1 | awk '{print $2}'"), "710\n1024");
    let flags = "grep ' /m ' /proc/self/mounts | grep -o 'nosuid,nodev,noexec'; touch /m/x || echo ro";
    assert_eq!(say(&docker, &["--mount", "type=tmpfs,target=/m"], flags), "nosuid,nodev,noexec");
    let told = say(&docker, &["--mount", "type=tmpfs,target=/m,readonly"], "touch /m/x 2>/dev/null || echo ro");
    assert_eq!(told, "ro");
    assert_eq!(
        say(
            &docker,
            &["--read-only", "--tmpfs", "/m:size=64k", "-v", "/v"],
            "touch /m/x /v/x; touch /x 2>&1 | grep -o 'Read-only'"
        ),
        "Read-only"
    );
}

fn fails(docker: &Docker, options: &[&str]) -> String {
    let arguments: Vec<&str> = ["run", "--rm"].iter().chain(options).chain(&[IMAGE, "true"]).copied().collect();
    docker.run(&arguments).fails()
}

fn refused(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for (options, words) in [
        (&["--mount", "type=bind,source=/no/such,target=/x"][..], "bind source path does not exist: /no/such"),
        (&["-v", "/tmp:/x", "-v", "data:/x"], "Duplicate mount point: /x"),
        (&["-v", "/tmp:/x", "--tmpfs", "/x"], "Duplicate mount point: /x"),
        (&["-v", "/tmp:/"], "destination can't be '/'"),
        (&["-v", "a:x"], "mount path must be absolute"),
        (&["-v", "/tmp:/x:loud"], "invalid mode: loud"),
        (&["-v", "a*b:/x"], "includes invalid characters for a local volume name"),
        (&["-v", "/tmp:/x:shared"], "shared propagation"),
        (&["--mount", "type=volume,source=v1,target=/x,volume-driver=sshfs"], "plugin \"sshfs\" not found"),
        (&["--mount", "type=volume,source=v1,target=/x,volume-subpath=../x"], "subpath"),
        (&["-v", "/tmp:/proc/fs"], "inside /proc or /sys"),
        (&["-v", "/tmp:/sys/kernel"], "inside /proc or /sys"),
        (&["-v", "/etc/hostname:/etc"], "a file can't be mounted on a folder"),
    ] {
        let error = fails(&docker, options);
        assert!(error.contains(words), "{options:?}: {error}");
    }
    assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "", "what came to nothing leaves no volume");
}

fn targets(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let host = folder(darsena, "canary");
    let image = harness::image::busybox()
        .layer(harness::image::Layer::new().symlink("out", &host).symlink("up", "../../../../../../tmp"));
    docker.run_with(&["load"], &image.docker_archive(&["hostile:1"])).ok();
    for target in ["/out/new", "/up/new", "/out/file"] {
        let mount = format!("{host}/sub:{target}");
        let output = docker.run(&["run", "--rm", "-v", &mount, "hostile:1", "sh", "-c", "true"]);
        assert!(output.code == 0 || !output.error().is_empty());
    }
    let mut left: Vec<_> =
        fs::read_dir(&host).unwrap().flatten().map(|one| one.file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["file", "sub"], "nothing was made on the host");
    docker.run(&["rmi", "hostile:1"]).ok();
}

fn recursive(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let host = folder(darsena, "recursive");
    let space = darsena.space();
    space.output("mount", &["-t", "tmpfs", "-o", "mode=755", "none", &format!("{host}/sub")]);
    space.output("sh", &["-c", &format!("echo below > {host}/sub/below")]);
    let whole = format!("type=bind,source={host},target=/in,readonly");
    let told = say(&docker, &["--mount", &whole], "cat /in/sub/below; touch /in/sub/x 2>/dev/null || echo ro");
    assert_eq!(told, "below\nro", "read-only reaches what is mounted below");
    let alone = format!("type=bind,source={host},target=/in,bind-recursive=disabled");
    assert_eq!(say(&docker, &["--mount", &alone], "ls /in/sub"), "inner");
    space.output("umount", &[&format!("{host}/sub")]);
}
