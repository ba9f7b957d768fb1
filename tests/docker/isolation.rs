//! What a container may be opened to, and that nothing is open unless asked.

use std::os::unix::fs::MetadataExt as _;

use harness::{Darsena, Docker, Suite};

use crate::{IMAGE, inspect, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("privileged_opens_everything_and_says_so", privileged)
        .test("a_device_can_be_used_when_it_is_given", devices)
        .test("processes_can_be_shared", processes)
        .test("ipc_can_be_shared_by_who_allows_it", ipc)
        .test("the_host_s_name_and_control_groups_can_be_shown", names)
        .test("a_seccomp_profile_of_one_s_own_decides", seccomp)
        .test("system_paths_can_be_left_alone", paths)
        .test("what_contradicts_itself_is_refused", refused)
}

fn status(docker: &Docker, options: &[&str], field: &str) -> String {
    say(docker, options, &format!("sed -n 's/^{field}:\\s*//p' /proc/self/status"))
}

fn privileged(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let all = status(&docker, &["--privileged"], "CapEff");
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap().trim().to_owned();
    assert_eq!(all, own, "what the host's root has");
    assert_eq!(status(&docker, &["--privileged"], "Seccomp"), "0");
    assert_eq!(say(&docker, &["--privileged"], "cat /proc/self/uid_map | tr -s ' ' | cut -d' ' -f 2-3"), "0 0");
    let line = "mkdir /m && mount -t tmpfs x /m && mkdir /m/a && umount /m && ls /dev/kmsg; \
                grep -c 'sysfs.* ro,' /proc/mounts; grep -c ' /proc/' /proc/mounts";
    assert_eq!(say(&docker, &["--privileged"], &format!("{line} || true")), "/dev/kmsg\n0\n0");
    let id = start(&docker, &["--privileged"], "exec sleep 1000");
    assert_eq!(inspect(&docker, &id, "{{.HostConfig.Privileged}}"), "true");
    remove(&docker, &id);
    assert_eq!(status(&docker, &[], "CapEff"), "00000000a80425fb");
    assert_eq!(status(&docker, &[], "Seccomp"), "2");
}

fn devices(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let told = std::fs::metadata("/dev/kmsg").unwrap();
    assert!(told.rdev() > 0);
    let line = "head -c 1 /dev/given >/dev/null 2>&1; echo $?";
    // Reading the kernel's log takes a right over it as well, so a node that needs none is asked.
    let with = say(&docker, &["--device", "/dev/zero:/dev/given"], line);
    assert_eq!(with, "0");
    let only_write = say(&docker, &["--device", "/dev/loop-control:/dev/given:w"], "cat /dev/given 2>&1 | head -n 1");
    assert!(only_write.contains("not permitted"), "{only_write}");
    let rule = "mknod /dev/made c 10 237 && cat /dev/made 2>&1 | head -n 1";
    let without = docker.run(&["run", "--rm", "--userns", "host", IMAGE, "sh", "-c", rule]).text();
    assert!(without.contains("not permitted"), "{without}");
    let options = ["--userns", "host", "--device-cgroup-rule", "c 10:237 rm"];
    let allowed = say(&docker, &options, rule);
    assert!(!allowed.contains("not permitted"), "{allowed}");
    let error = docker.run(&["run", "--rm", "--device", "/dev/no-such", IMAGE, "true"]).fails();
    assert!(error.contains("error gathering device information"), "{error}");
    let id = start(&docker, &["--device", "/dev/zero:/dev/given:r"], "exec sleep 1000");
    let told = inspect(&docker, &id, "{{json .HostConfig.Devices}}");
    assert_eq!(told, r#"[{"PathOnHost":"/dev/zero","PathInContainer":"/dev/given","CgroupPermissions":"r"}]"#);
    remove(&docker, &id);
}

fn processes(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let host = say(&docker, &["--pid", "host"], "ls -d /proc/[0-9]* | wc -l");
    assert!(host.parse::<u32>().unwrap() > 10, "{host}");
    let own = say(&docker, &[], "ls -d /proc/[0-9]* | wc -l");
    assert!(own.parse::<u32>().unwrap() < 6, "{own}");
    let init = say(&docker, &["--pid", "host"], "cat /proc/1/environ 2>&1 | head -n 1");
    assert!(init.contains("denied") || init.contains("not permitted"), "the host's secrets stay its own: {init}");

    let id = start(&docker, &["--name", "shares"], "sleep 4711 & exec sleep 1000");
    let other = ["--pid", "container:shares"];
    let seen = say(&docker, &other, "ps -o args | grep -c '[s]leep 4711'");
    assert_eq!(seen, "1");
    // Root of the one is root of the other.
    assert_eq!(
        say(&docker, &other, "kill $(ps -o pid,args | sed -n 's/^ *\\([0-9]*\\) sleep 4711$/\\1/p') && echo killed"),
        "killed"
    );
    assert_eq!(inspect(&docker, &id, "{{.State.Running}}"), "true");
    // What is left behind in a shared namespace ends with its container.
    let left = start(&docker, &other, "sleep 4712 & exec sleep 0.2");
    docker.run(&["wait", &left]).ok();
    harness::wait::eventually("what it left is killed", || {
        let rest = say(&docker, &other, "ps -o args | grep -c '[s]leep 4712' || true");
        (rest == "0").then_some(())
    });
    remove(&docker, &left);
    let joined = start(&docker, &other, "exec sleep 1000");
    docker.run(&["rm", "-f", "shares"]).ok();
    assert_eq!(docker.run(&["wait", &joined]).ok(), "137", "the namespace's first process took it along");
    remove(&docker, &joined);
    let error = docker.run(&["run", "--rm", "--pid", "container:shares", IMAGE, "true"]).fails();
    assert!(error.contains("No such container: shares"), "{error}");
}

fn ipc(darsena: &mut Darsena) {
    let docker = darsena.docker();
    start(&docker, &["--name", "donor", "--ipc", "shareable"], "echo hello >/dev/shm/note; exec sleep 1000");
    start(&docker, &["--name", "closed"], "exec sleep 1000");
    let joined = ["--ipc", "container:donor"];
    harness::wait::eventually("the note is written", || {
        (say(&docker, &joined, "cat /dev/shm/note 2>/dev/null || true") == "hello").then_some(())
    });
    say(&docker, &joined, "echo back >/dev/shm/answer");
    assert_eq!(say(&docker, &joined, "cat /dev/shm/answer"), "back");
    let error = docker.run(&["run", "--rm", "--ipc", "container:closed", IMAGE, "true"]).fails();
    assert!(error.contains("non-shareable IPC (hint: use IpcMode:shareable for the donor container)"), "{error}");
    docker.run(&["stop", "-t", "0", "donor"]).ok();
    let error = docker.run(&["run", "--rm", "--ipc", "container:donor", IMAGE, "true"]).fails();
    assert!(error.contains("cannot join IPC of a non running container"), "{error}");
    assert_eq!(say(&docker, &["--ipc", "none"], "grep -c /dev/shm /proc/mounts || true"), "0");
    assert_eq!(say(&docker, &["--ipc", "host"], "grep -c /dev/shm /proc/mounts"), "1");
    for name in ["donor", "closed"] {
        remove(&docker, name);
    }
}

fn names(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(say(&docker, &["--uts", "host"], "hostname"), host.trim());
    let error = docker.run(&["run", "--rm", "--uts", "host", "--hostname", "x", IMAGE, "true"]).fails();
    assert!(error.contains("conflicting options: hostname and the UTS mode"), "{error}");
    let own = say(&docker, &[], "cut -d: -f 3 /proc/self/cgroup | sort -u");
    assert_eq!(own, "/");
    let shown = say(&docker, &["--cgroupns", "host"], "cut -d: -f 3 /proc/self/cgroup | sort -u");
    assert!(shown.lines().any(|path| path.len() > 1), "{shown}");
    let write =
        say(&docker, &["--cgroupns", "host"], "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/pids/x 2>&1 | sort -u | wc -l");
    assert!(write.parse::<u32>().unwrap() > 0, "it can only be looked at");
}

fn seccomp(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let profile = darsena.space().side().join("profile.json");
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}"#;
    std::fs::write(&profile, text).unwrap();
    let option = format!("seccomp={}", profile.display());
    let said = say(&docker, &["--security-opt", &option], "mkdir /x 2>&1 || true; touch /y && echo touched");
    assert!(said.contains("not supported") && said.contains("touched"), "{said}");
    std::fs::write(&profile, r#"{"defaultAction": "SCMP_ACT_SING"}"#).unwrap();
    let error = docker.run(&["run", "--rm", "--security-opt", &option, IMAGE, "true"]).code(125).fails();
    assert!(error.contains("SCMP_ACT_SING"), "{error}");
}

fn paths(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let line = "cat /proc/timer_list >/dev/null 2>&1; grep -c ' /proc/' /proc/mounts || true";
    assert_eq!(say(&docker, &["--security-opt", "systempaths=unconfined"], line), "0");
    assert_ne!(say(&docker, &[], line), "0");
}

fn refused(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for (options, words) in [
        (["--pid", "mine"], "PID"),
        (["--ipc", "mine"], "IPC"),
        (["--device", "/dev/zero:/etc/zero"], "below /dev"),
        (["--device-cgroup-rule", "c 1 r"], "device"),
    ] {
        let error = docker.run(&["run", "--rm", options[0], options[1], IMAGE, "true"]).fails();
        assert!(error.to_lowercase().contains(&words.to_lowercase()), "{options:?}: {error}");
    }
}
