//! Memory, cpu, processes: what the kernel enforces, and what the client is told.

use harness::{Darsena, Suite, slate};

use crate::{IMAGE, inspect, remove, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("limits_reach_the_kernel", kernel)
        .test("too_much_memory_ends_the_process_and_is_said", memory)
        .test("too_many_processes_are_refused", processes)
        .test("limits_nobody_can_keep_are_refused", refused)
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

fn kernel(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-m", "48m", "--cpus", "0.5", "--pids-limit", "33"], "exec sleep 1000");
    assert_eq!(values(darsena, &id, &["memory.limit_in_bytes", "memory.max"]), ["50331648"]);
    assert_eq!(values(darsena, &id, &["pids.max"]), ["33"]);
    let quota = values(darsena, &id, &["cpu.cfs_quota_us", "cpu.max"]);
    assert!(quota == ["50000"] || quota == ["50000 100000"], "{quota:?}");
    let told = inspect(&docker, &id, "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}");
    assert_eq!(told, "50331648 500000000 33");
    remove(&docker, &id);
}

fn memory(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-m", "16m", "--memory-swap", "16m"], "exec tail -c 200m /dev/zero");
    assert_eq!(docker.run(&["wait", &id]).ok(), "137");
    assert_eq!(inspect(&docker, &id, "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137");
    remove(&docker, &id);
}

fn processes(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let line = "for n in 1 2 3 4 5 6 7 8 9; do sleep 100 & done; echo all";
    let output = docker.run(&["run", "--rm", "--pids-limit", "5", IMAGE, "sh", "-c", line]);
    assert!(!output.text().contains("all") && output.error().contains("fork"), "{output:?}");
}

fn refused(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for options in [["-m", "1k"], ["--cpus", "100000"], ["--cpus", "-1"]] {
        let error = docker.run(&["run", "--rm", options[0], options[1], IMAGE, "true"]).code(125).fails();
        assert!(!error.trim().is_empty());
    }
}
