//! docker volume, -v with names and without, copy-up, --volumes-from, rm -v, prune, system df, events.

use std::os::unix::fs::MetadataExt;

use harness::{
    Darsena, Docker, Suite,
    image::{Layer, busybox},
};

use crate::{IMAGE, inspect, remove, say, start};

const FILLED: &str = "filled:1";

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("volumes_are_made_listed_inspected_and_removed", life)
        .test("what_is_written_to_a_volume_stays", kept)
        .test("an_empty_volume_begins_as_what_the_image_has_there", filled)
        .test("anonymous_volumes_go_with_rm_v_and_rm_only", anonymous)
        .test("prune_takes_anonymous_volumes_and_all_when_asked", prune)
        .test("volumes_of_other_containers_are_mounted_too", from_others)
        .test("a_volume_can_be_memory_or_another_folder", options)
        .test("system_df_tells_true_sizes_and_users", disk)
        .test("events_tell_of_volumes", events)
        .test("two_hundred_volumes_are_made_and_removed_at_once", many)
}

/// Loads an image with a volume that has files of somebody, and removes it afterwards.
fn with_filled(docker: &Docker, work: impl FnOnce()) {
    let layer = Layer::new()
        .folder("data")
        .mode(0o750)
        .owner(33)
        .file("data/one", "first")
        .mode(0o640)
        .owner(33)
        .symlink("data/link", "one")
        .folder("data/deep")
        .file("data/deep/two", "second");
    let image = busybox().layer(layer).set("Volumes", serde_json::json!({ "/data": {} }));
    docker.run_with(&["load"], &image.docker_archive(&[FILLED])).ok();
    work();
    docker.run(&["rmi", FILLED]).ok();
}

fn names(docker: &Docker, filters: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> = ["volume", "ls", "-q"].iter().chain(filters).copied().collect();
    docker.run(&arguments).ok().lines().map(str::to_owned).collect()
}

fn life(darsena: &mut Darsena) {
    let docker = darsena.docker();
    assert_eq!(docker.run(&["volume", "create", "--label", "tier=db", "first"]).ok(), "first");
    assert_eq!(docker.run(&["volume", "create", "first"]).ok(), "first", "made already is no failure");
    let told = docker.run(&["volume", "inspect", "-f", "{{.Name}} {{.Driver}} {{.Scope}} {{.Labels.tier}}", "first"]);
    assert_eq!(told.ok(), "first local local db");
    let place = docker.run(&["volume", "inspect", "-f", "{{.Mountpoint}}", "first"]).ok();
    assert!(std::path::Path::new(&place).is_dir(), "{place}");
    let random = docker.run(&["volume", "create"]).ok();
    assert_eq!(random.len(), 64);
    assert_eq!(names(&docker, &["--filter", "label=tier=db"]), ["first"]);
    assert_eq!(names(&docker, &["--filter", "name=fir"]), ["first"]);
    assert_eq!(names(&docker, &["--filter", "dangling=true"]).len(), 2);
    let id = docker.run(&["create", "-v", "first:/data", IMAGE]).ok();
    assert_eq!(names(&docker, &["--filter", "dangling=false"]), ["first"]);
    assert_eq!(docker.run(&["ps", "-aq", "--no-trunc", "--filter", "volume=first"]).ok(), id);
    assert_eq!(docker.run(&["ps", "-aq", "--no-trunc", "--filter", "volume=/data"]).ok(), id);
    assert_eq!(docker.run(&["ps", "-aq", "--filter", "volume=other"]).ok(), "");
    let error = docker.run(&["volume", "rm", "first"]).fails();
    assert!(error.contains(&format!("remove first: volume is in use - [{id}]")), "{error}");
    assert!(docker.run(&["volume", "rm", "-f", "first"]).fails().contains("in use"), "force is no licence");
    remove(&docker, &id);
    docker.run(&["volume", "rm", "first", &random]).ok();
    let error = docker.run(&["volume", "inspect", "first"]).fails();
    assert!(error.contains("get first: no such volume"), "{error}");
    assert!(docker.run(&["volume", "rm", "first"]).fails().contains("get first: no such volume"));
    docker.run(&["volume", "rm", "-f", "first"]).ok();
    for (options, words) in [
        (&["x"][..], "too short"),
        (&["a/b"], "includes invalid characters for a local volume name"),
        (&["-d", "sshfs", "ab"], "plugin \"sshfs\" not found"),
        (&["-o", "colour=red", "ab"], "invalid option: \"colour\""),
        (&["-o", "type=tmpfs", "ab"], "missing required option: \"device\""),
        (&["-o", "size=1g", "ab"], "no quota support"),
    ] {
        let arguments: Vec<&str> = ["volume", "create"].iter().chain(options).copied().collect();
        let error = docker.run(&arguments).fails();
        assert!(error.contains(words), "{error}");
    }
    for name in ["create", "prune", "json"] {
        docker.run(&["volume", "create", name]).ok();
        assert_eq!(docker.run(&["volume", "inspect", "-f", "{{.Name}}", name]).ok(), name);
        docker.run(&["volume", "rm", name]).ok();
    }
}

fn kept(darsena: &mut Darsena) {
    let docker = darsena.docker();
    say(&docker, &["-v", "kept:/data"], "echo one > /data/file; chown 33:44 /data/file; chmod 4750 /data/file");
    darsena.restart();
    // The ids inside are the ids on disk, whoever mounts it.
    for options in [&["-v", "kept:/elsewhere"][..], &["--userns", "host", "-v", "kept:/elsewhere"]] {
        let told = say(&docker, options, "cat /elsewhere/file; stat -c '%u %g %a' /elsewhere/file");
        assert_eq!(told, "one\n33 44 4750");
    }
    let meta = std::fs::metadata(darsena.space().data().join("volumes/kept/data/file")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (33, 44));
    assert_eq!(say(&docker, &["-v", "kept:/d:ro"], "touch /d/x 2>/dev/null || echo ro; cat /d/file"), "ro\none");
    // Shared: what one writes another sees.
    let writer = start(&docker, &["-v", "kept:/data"], "echo two > /data/file; exec sleep 1000");
    let id = start(&docker, &["-v", "kept:/data:ro"], "until grep -q two /data/file; do usleep 10000; done; echo seen");
    assert_eq!(docker.run(&["wait", &id]).ok(), "0");
    assert_eq!(docker.run(&["logs", &id]).ok(), "seen");
    remove(&docker, &id);
    remove(&docker, &writer);
    docker.run(&["volume", "rm", "kept"]).ok();
}

fn filled(darsena: &mut Darsena) {
    let docker = darsena.docker();
    with_filled(&docker, || {
        let look = "cd /data; stat -c '%n %u %g %a' . one; readlink link; cat one deep/two; ls | wc -l";
        let wanted = ". 33 33 750\none 33 33 640\none\nfirstsecond3";
        let run = |options: &[&str], line: &str| {
            let arguments: Vec<&str> =
                ["run", "--rm"].iter().chain(options).chain(&[FILLED, "sh", "-c", line]).copied().collect();
            docker.run(&arguments).ok()
        };
        assert_eq!(run(&["-v", "filled:/data"], look), wanted);
        assert_eq!(run(&[], look), wanted, "anonymous: the image says so");
        assert_eq!(run(&["--mount", "type=volume,source=filled2,target=/data"], look), wanted);
        assert_eq!(run(&["--userns", "host", "-v", "filled3:/data"], look), wanted);
        // What is there already stays as it is.
        run(&["-v", "filled:/data"], "rm -r /data/deep; echo mine > /data/one");
        assert_eq!(run(&["-v", "filled:/data"], "cat /data/one; ls /data | wc -l"), "mine\n2");
        assert_eq!(run(&["-v", "bare:/data:nocopy"], "ls /data | wc -l"), "0");
        assert_eq!(run(&["--mount", "source=bare,target=/data,volume-nocopy"], "ls /data | wc -l"), "0");
        assert_eq!(names(&docker, &[]), ["bare", "filled", "filled2", "filled3"]);
        let sub = ["--mount", "type=volume,source=filled2,target=/sub,volume-subpath=deep"];
        assert_eq!(run(&sub, "ls /sub; cat /sub/two"), "two\nsecond");
        let error = docker
            .run(&[
                "run",
                "--rm",
                "--mount",
                "type=volume,source=filled2,target=/sub,volume-subpath=none",
                FILLED,
                "true",
            ])
            .fails();
        assert!(error.contains("/sub"), "{error}");
        assert!(!error.contains(&*darsena.space().data().to_string_lossy()), "no path of the engine's: {error}");
        // A link in the volume leads nowhere outside it.
        run(&["-v", "filled2:/data"], "ln -s /etc /data/out; ln -s ../../../../../etc /data/up");
        for way in ["out", "up"] {
            let mount = format!("type=volume,source=filled2,target=/sub,volume-subpath={way}/passwd");
            docker.run(&["run", "--rm", "--mount", &mount, FILLED, "true"]).fails();
        }
        docker.run(&["volume", "rm", "bare", "filled", "filled2", "filled3"]).ok();
    });
}

fn anonymous(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = docker.run(&["create", "-v", "/data", "-v", "named:/named", IMAGE]).ok();
    let name = inspect(&docker, &id, "{{range .Mounts}}{{if eq .Destination \"/data\"}}{{.Name}}{{end}}{{end}}");
    assert_eq!(name.len(), 64);
    let label = docker.run(&["volume", "inspect", "-f", "{{json .Labels}}", &name]).ok();
    assert_eq!(label, r#"{"com.docker.volume.anonymous":""}"#);
    docker.run(&["rm", &id]).ok();
    assert_eq!(names(&docker, &[]).len(), 2, "without -v it stays");
    docker.run(&["volume", "rm", &name]).ok();
    let id = docker.run(&["create", "-v", "/data", "-v", "named:/named", IMAGE]).ok();
    docker.run(&["rm", "-v", &id]).ok();
    assert_eq!(names(&docker, &[]), ["named"]);
    say(&docker, &["-v", "/data", "-v", "named:/named"], "touch /data/x");
    harness::wait::eventually("the volume goes with the container", || {
        (names(&docker, &[]) == ["named"]).then_some(())
    });
    docker.run(&["volume", "rm", "named"]).ok();
}

fn prune(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for arguments in [&["volume", "create", "named"][..], &["volume", "create", "--label", "keep=1", "labelled"]] {
        docker.run(arguments).ok();
    }
    let random = docker.run(&["volume", "create"]).ok();
    let used = docker.run(&["create", "-v", "/data", "-v", "used:/used", IMAGE]).ok();
    let told = docker.run(&["volume", "prune", "-f"]).ok();
    assert!(told.contains(&random) && !told.contains("named"), "{told}");
    assert_eq!(names(&docker, &["--filter", "dangling=true"]), ["labelled", "named"]);
    let told = docker.run(&["volume", "prune", "-af", "--filter", "label!=keep=1"]).ok();
    assert!(told.contains("named") && told.contains("Total reclaimed space"), "{told}");
    docker.run(&["volume", "prune", "-af"]).ok();
    assert_eq!(names(&docker, &["--filter", "dangling=false"]).len(), 2, "what a container names stays");
    docker.run(&["rm", "-v", &used]).ok();
    docker.run(&["volume", "rm", "used"]).ok();
}

fn from_others(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["create", "-v", "shared:/data", "-v", "/own", "--name", "first", IMAGE]).ok();
    say(&docker, &["--volumes-from", "first"], "echo there > /data/file; echo own > /own/file");
    let told =
        say(&docker, &["--volumes-from", "first:ro"], "cat /data/file /own/file; touch /own/x 2>/dev/null || echo ro");
    assert_eq!(told, "there\nown\nro");
    let told = say(&docker, &["--volumes-from", "first", "-v", "other:/own"], "ls /own | wc -l; cat /data/file");
    assert_eq!(told, "0\nthere", "what is said for the new one counts");
    let second = docker.run(&["create", "--volumes-from", "first", IMAGE]).ok();
    assert_eq!(inspect(&docker, &second, "{{.HostConfig.VolumesFrom}}"), "[first]");
    docker.run(&["rm", "-v", "first"]).ok();
    assert_eq!(docker.run(&["start", "-a", &second]).code, 0, "its volumes are still there");
    let error = docker.run(&["create", "--volumes-from", "nobody", IMAGE]).fails();
    assert!(error.contains("No such container: nobody"), "{error}");
    docker.run(&["rm", "-v", &second]).ok();
    assert_eq!(names(&docker, &[]), ["other", "shared"]);
    docker.run(&["volume", "rm", "other", "shared"]).ok();
}

fn options(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let place = darsena.space().side().join("elsewhere");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("file"), "host").unwrap();
    let device = format!("device={}", place.display());
    docker.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "bound"]).ok();
    assert_eq!(say(&docker, &["-v", "bound:/data"], "cat /data/file; echo > /data/new"), "host");
    assert!(place.join("new").exists());
    docker
        .run(&["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,mode=700", "memory"])
        .ok();
    // One memory for all who run.
    let holder = start(&docker, &["-v", "memory:/m"], "echo held > /m/file; exec sleep 1000");
    docker.run(&["volume", "rm", "memory"]).fails();
    let told = "until test -s /m/file; do usleep 10000; done; cat /m/file; df -k /m | tail -1 | awk '{print $2}'";
    assert_eq!(say(&docker, &["-v", "memory:/m"], told), "held\n1024");
    darsena.restart();
    assert_eq!(say(&docker, &["-v", "memory:/m"], "cat /m/file"), "held");
    remove(&docker, &holder);
    assert_eq!(say(&docker, &["-v", "memory:/m"], "ls /m | wc -l"), "0");
    docker.run(&["volume", "create", "-o", "type=nosuchfs", "-o", "device=none", "broken"]).ok();
    let error = docker.run(&["run", "--rm", "-v", "broken:/x", IMAGE, "true"]).fails();
    assert!(error.contains("failed to mount local volume") && error.contains("nosuchfs"), "{error}");
    docker.run(&["volume", "rm", "bound", "memory", "broken"]).ok();
    assert!(place.join("file").exists(), "what was bound is not the volume's to remove");
}

fn disk(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = docker.run(&["create", "-v", "big:/data", IMAGE]).ok();
    say(&docker, &["-v", "big:/data"], "head -c 5000000 /dev/zero > /data/zeros; sync");
    let text = docker.run(&["system", "df", "-v", "--format", "{{json .Volumes}}"]).ok();
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&told[0]["Name"], &told[0]["Links"]), (&"big".into(), &"1".into()));
    assert_eq!(told[0]["Size"], "5.005MB", "the file and its folder");
    remove(&docker, &id);
    docker.run(&["volume", "rm", "big"]).ok();
}

fn events(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let format = ["events", "--filter", "type=volume", "--format", "{{.Action}} {{.Actor.ID}}"];
    let listener = docker.spawn(&format);
    // It listens when it tells of something.
    harness::wait::eventually("events are told", || {
        docker.run(&["volume", "create", "probe"]).ok();
        docker.run(&["volume", "rm", "probe"]).ok();
        listener.stdout.text().contains("destroy probe").then_some(())
    });
    say(&docker, &["-v", "told:/data"], "true");
    docker.run(&["volume", "rm", "told"]).ok();
    listener.stdout.until("destroy told");
    let text = listener.stdout.text();
    let of_it: Vec<_> = text.lines().filter(|line| line.ends_with(" told")).collect();
    assert_eq!(of_it, ["create told", "mount told", "unmount told", "destroy told"]);
}

fn many(darsena: &mut Darsena) {
    let docker = darsena.docker();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let docker = &docker;
            scope.spawn(move || {
                let names: Vec<_> = (0..50).map(|number| format!("many-{thread}-{number}")).collect();
                let add =
                    |verb| ["volume", verb].into_iter().chain(names.iter().map(String::as_str)).collect::<Vec<_>>();
                for name in &names {
                    docker.run(&["volume", "create", name]).ok();
                }
                docker.run(&add("rm")).ok();
            });
        }
    });
    assert!(names(&docker, &[]).is_empty());
}
