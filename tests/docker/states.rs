//! pause, unpause, rename, restart, update, prune: what changes a container that is there.

use harness::{Darsena, Docker, Suite, slate, wait::eventually};

use crate::{IMAGE, inspect, remove, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("a_paused_container_stands_still_and_goes_on", pause)
        .test("what_a_paused_container_is_asked_is_answered_as_docker_does", asked)
        .test("a_pause_outlives_the_server", outlives)
        .test("a_container_is_renamed", rename)
        .test("a_restart_takes_timeout_and_signal", restart)
        .test("limits_change_while_it_runs", update)
        .test("what_contradicts_itself_is_not_updated", contradictions)
        .test("prune_takes_what_does_not_run", prune)
        .test("events_are_remembered", events)
        .test("create_says_what_the_host_cannot_limit", limits)
}

const COUNT: &str = "n=0; while :; do n=$((n+1)); echo $n > /count; usleep 5000; done";

fn state(docker: &Docker, name: &str) -> String {
    inspect(docker, name, "{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.Restarting}}")
}

/// How far it has counted, read from outside.
fn count(docker: &Docker, name: &str) -> String {
    docker.run(&["diff", name]).ok();
    let pid = inspect(docker, name, "{{.State.Pid}}");
    std::fs::read_to_string(format!("/proc/{pid}/root/count")).unwrap_or_default()
}

fn pause(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "still"], COUNT);
    eventually("it counts", || (!count(&docker, "still").is_empty()).then_some(()));
    assert_eq!(docker.run(&["pause", "still"]).ok(), "still");
    assert_eq!(state(&docker, &id), "paused true true false");
    let line = docker.run(&["ps", "--format", "{{.Names}} {{.Status}}", "-f", "status=paused"]).ok();
    assert!(line.starts_with("still Up ") && line.ends_with(" (Paused)"), "{line}");
    let before = count(&docker, "still");
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(count(&docker, "still"), before, "nothing happens inside");
    let error = docker.run(&["pause", "still"]).fails();
    assert!(error.contains(&format!("Container {id} is already paused")), "{error}");
    // A commit of what is paused leaves it so.
    docker.run(&["commit", "still", "of-paused:1"]).ok();
    assert_eq!(state(&docker, &id), "paused true true false");
    docker.run(&["rmi", "of-paused:1"]).ok();
    assert_eq!(docker.run(&["unpause", "still"]).ok(), "still");
    assert_eq!(state(&docker, &id), "running true false false");
    eventually("it goes on", || (count(&docker, "still") != before).then_some(()));
    let error = docker.run(&["unpause", "still"]).fails();
    assert!(error.contains(&format!("Container {id} is not paused")), "{error}");
    docker.run(&["stop", "-t", "0", "still"]).ok();
    let error = docker.run(&["pause", "still"]).fails();
    assert!(error.contains("is not running"), "{error}");
    remove(&docker, "still");
}

fn asked(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "asked"], "trap 'exit 9' TERM; echo ready; while :; do usleep 10000; done");
    let ready = || docker.spawn(&["logs", "-f", "--since", "1s", "asked"]).stdout.until("ready");
    ready();
    docker.run(&["pause", "asked"]).ok();
    let error = docker.run(&["start", "asked"]).fails();
    assert!(error.contains("cannot start a paused container, try unpause instead"), "{error}");
    let error = docker.run(&["rm", "asked"]).fails();
    assert!(error.contains("container is paused and must be unpaused first"), "{error}");
    let error = docker.run(&["attach", "asked"]).fails();
    assert!(error.contains("unpause the container before attach") || error.contains("paused container"), "{error}");
    // A signal that ends it wakes it.
    docker.run(&["stop", "asked"]).ok();
    assert_eq!(inspect(&docker, &id, "{{.State.Status}} {{.State.ExitCode}}"), "exited 9");
    docker.run(&["start", "asked"]).ok();
    docker.run(&["pause", "asked"]).ok();
    docker.run(&["kill", "asked"]).ok();
    assert_eq!(inspect(&docker, &id, "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
    docker.run(&["start", "asked"]).ok();
    docker.run(&["pause", "asked"]).ok();
    docker.run(&["rm", "-f", "asked"]).ok();
}

fn outlives(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "patient"], COUNT);
    docker.run(&["pause", "patient"]).ok();
    darsena.kill9();
    darsena.restart();
    assert_eq!(state(&docker, &id), "paused true true false");
    let before = count(&docker, "patient");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(count(&docker, "patient"), before);
    docker.run(&["unpause", "patient"]).ok();
    eventually("it goes on", || (count(&docker, "patient") != before).then_some(()));
    remove(&docker, "patient");
}

fn rename(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "old-name"], "sleep 1000");
    let other = start(&docker, &["--name", "other-name"], "sleep 1000");
    docker.run(&["rename", "old-name", "new-name"]).ok();
    assert_eq!(inspect(&docker, "new-name", "{{.Id}} {{.Name}}"), format!("{id} /new-name"));
    docker.run(&["inspect", "old-name"]).fails();
    let error = docker.run(&["rename", "new-name", "other-name"]).fails();
    let wanted = format!(
        "Error when allocating new name: Conflict. The container name \"/other-name\" is already in use by container \
         \"{other}\". You have to remove (or rename) that container to be able to reuse that name."
    );
    assert!(error.contains(&wanted), "{error}");
    let error = docker.run(&["rename", "new-name", "new-name"]).fails();
    assert!(error.contains("Renaming a container with the same name as its current name"), "{error}");
    let error = docker.run(&["rename", "new-name", "no/good"]).fails();
    assert!(error.contains("Invalid container name"), "{error}");
    darsena.restart();
    assert_eq!(inspect(&docker, "new-name", "{{.Id}} {{.State.Status}}"), format!("{id} running"));
    // The old name is free.
    let second = start(&docker, &["--name", "old-name"], "sleep 1000");
    docker.run(&["rm", "-f", &second, &other, "new-name"]).ok();
}

fn restart(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let line =
        "trap 'echo term; exit 1' TERM; trap 'echo usr; exit 2' USR1; echo ready; while :; do usleep 10000; done";
    let id = start(&docker, &["--name", "again-and-again"], line);
    let follow = docker.spawn(&["logs", "-f", &id]);
    follow.stdout.until("ready");
    let before = inspect(&docker, &id, "{{.State.Pid}}");
    docker.run(&["restart", "-s", "USR1", &id]).ok();
    assert_ne!(inspect(&docker, &id, "{{.State.Pid}}"), before);
    assert_eq!(state(&docker, &id), "running true false false");
    let said = docker.run(&["logs", &id]).ok();
    assert!(said.starts_with("ready\nusr"), "{said}");
    docker.run(&["stop", "-t", "0", &id]).ok();
    docker.run(&["restart", "-t", "1", &id]).ok();
    assert_eq!(state(&docker, &id), "running true false false");
    remove(&docker, &id);
}

/// Values of a limit in all hierarchies: v1 and v2 have names of their own.
fn values(darsena: &Darsena, id: &str, names: &[&str]) -> Vec<String> {
    let folders = slate::cgroup_folders(darsena.space());
    let ours = folders
        .iter()
        .filter(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().contains(&id[..12])));
    let files = ours.flat_map(|folder| names.iter().map(|name| folder.join(name)));
    files.filter_map(|file| std::fs::read_to_string(file).ok()).map(|text| text.trim().to_owned()).collect()
}

fn update(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-m", "32m", "--pids-limit", "20"], "sleep 1000");
    let error = docker.run(&["update", "-m", "128m", &id]).fails();
    assert!(error.contains("Memory limit should be smaller than already set memoryswap limit"), "{error}");
    docker.run(&["update", "-m", "128m", "--memory-swap", "-1", "--cpus", "0.5", "--cpu-shares", "512", &id]).ok();
    assert_eq!(values(darsena, &id, &["memory.limit_in_bytes", "memory.max"]), ["134217728"]);
    let quota = values(darsena, &id, &["cpu.cfs_quota_us", "cpu.max"]);
    assert!(quota == ["50000"] || quota == ["50000 100000"], "{quota:?}");
    docker.run(&["update", "--pids-limit", "-1", "--cpuset-cpus", "0", &id]).ok();
    assert_eq!(values(darsena, &id, &["pids.max"]), ["max"]);
    assert_eq!(values(darsena, &id, &["cpuset.cpus"]), ["0"]);
    let pid = inspect(&docker, &id, "{{.State.Pid}}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
    let shown = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpusetCpus}}";
    assert_eq!(inspect(&docker, &id, shown), "134217728 -1 500000000 0");
    darsena.restart();
    assert_eq!(inspect(&docker, &id, shown), "134217728 -1 500000000 0");
    assert_eq!(values(darsena, &id, &["memory.limit_in_bytes", "memory.max"]), ["134217728"]);
    // What is updated while it doesn't run counts for the next start.
    docker.run(&["stop", "-t", "0", &id]).ok();
    docker.run(&["update", "-m", "64m", "--restart", "on-failure:3", &id]).ok();
    docker.run(&["start", &id]).ok();
    assert_eq!(values(darsena, &id, &["memory.limit_in_bytes", "memory.max"]), ["67108864"]);
    let policy = "{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}";
    assert_eq!(inspect(&docker, &id, policy), "on-failure:3");
    remove(&docker, &id);
}

fn contradictions(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--cpu-quota", "50000", "--rm"], "sleep 1000");
    for (options, words) in [
        (&["--cpus", "1"][..], "Nano CPUs cannot be updated as CPU Quota has already been set"),
        (&["--restart", "always"], "Restart policy cannot be updated because AutoRemove is enabled for the container"),
        (&["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (&["--cpuset-cpus", "99"], "Requested CPUs are not available"),
        (&["--memory-swap", "64m"], "You should always set the Memory limit when using Memoryswap limit"),
    ] {
        let arguments: Vec<&str> = ["update"].iter().chain(options).copied().chain([id.as_str()]).collect();
        let error = docker.run(&arguments).fails();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(inspect(&docker, &id, "{{.HostConfig.CpuQuota}} {{.HostConfig.Memory}}"), "50000 0");
    remove(&docker, &id);
}

fn prune(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let up = start(&docker, &["--name", "pruned-not"], "sleep 1000");
    docker.run(&["create", "--name", "pruned-created", "-l", "keep=no", IMAGE, "true"]).ok();
    docker.run(&["run", "--name", "pruned-ended", IMAGE, "sh", "-c", "head -c 300000 /dev/zero > /file"]).ok();
    let names = || docker.run(&["ps", "-a", "--format", "{{.Names}}", "-f", "name=pruned"]).ok();
    docker.run(&["container", "prune", "-f", "--filter", "until=24h"]).ok();
    assert_eq!(names().lines().count(), 3);
    docker.run(&["container", "prune", "-f", "--filter", "label=keep=no"]).ok();
    assert_eq!(names(), "pruned-ended\npruned-not");
    let said = docker.run(&["container", "prune", "-f"]).ok();
    assert!(said.contains("Deleted Containers:") && said.contains("Total reclaimed space: 3"), "{said}");
    assert_eq!(names(), "pruned-not");
    remove(&docker, &up);
}

fn events(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "eventful", "-l", "mark=it"], "sleep 1000");
    docker.run(&["pause", "eventful"]).ok();
    docker.run(&["unpause", "eventful"]).ok();
    docker.run(&["rename", "eventful", "uneventful"]).ok();
    docker.run(&["update", "--pids-limit", "9", "uneventful"]).ok();
    remove(&docker, "uneventful");
    let seen = |filters: &[&str]| {
        let mut arguments = vec!["events", "--since", "10m", "--until=-1s", "--format", "{{.Action}}"];
        for filter in filters {
            arguments.extend(["-f", filter]);
        }
        docker.run(&arguments).ok().lines().collect::<Vec<_>>().join(" ")
    };
    let all = seen(&[&format!("container={id}")]);
    assert_eq!(all, "create start pause unpause rename update kill die destroy");
    assert_eq!(seen(&["label=mark=it", "event=pause", "event=rename"]), "pause rename");
    assert_eq!(seen(&["label=mark=it", "type=image"]), "");
}

fn limits(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let options = ["--memory-swappiness", "20", "--cpuset-mems", "0", "--cpu-period", "50000", "--cpu-quota", "25000"];
    let id = start(&docker, &options, "sleep 1000");
    assert_eq!(values(darsena, &id, &["cpuset.mems"]), ["0"]);
    let quota = values(darsena, &id, &["cpu.cfs_quota_us", "cpu.max"]);
    assert!(quota == ["25000"] || quota == ["25000 50000"], "{quota:?}");
    let swappiness = values(darsena, &id, &["memory.swappiness"]);
    assert!(swappiness.is_empty() || swappiness == ["20"], "{swappiness:?}");
    remove(&docker, &id);
    let made = docker.run(&["create", "--oom-kill-disable", "--blkio-weight", "300", IMAGE, "true"]);
    assert!(made.error().contains("OomKillDisable") || made.error().contains("OOM killer is disabled"), "{made:?}");
    let folder = std::path::Path::new("/sys/fs/cgroup/blkio");
    if folder.exists() && !made.error().contains("Weight discarded") {
        docker.run(&["start", &made.ok()]).ok();
    }
    remove(&docker, &made.ok());
    for (options, words) in [
        (["--cpuset-mems", "x"], "Invalid value x for cpuset mems"),
        (["--blkio-weight", "5"], "Range of blkio weight is from 10 to 1000"),
        (["--cpu-period", "10"], "CPU cfs period can not be less than 1ms"),
        (["--device-read-bps", "/dev/null:1mb"], "not a block device"),
    ] {
        let output = docker.run(&["run", "--rm", options[0], options[1], IMAGE, "true"]);
        assert!(output.fails().contains(words), "{output:?}");
    }
}
