//! The server is killed while containers run.

use std::{fs, path::Path};

use harness::{Darsena, Settings, Suite, wait::eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{IMAGE, inspect, status};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("containers_outlive_the_server_and_lose_no_line", outlive)
        .test("an_end_nobody_saw_is_known_afterwards", unseen_end)
        .test("a_stop_of_the_server_stops_no_container", stop)
        .test("a_killed_monitor_takes_its_container_along", monitor)
        .test("a_killed_cgroup_is_an_exit_like_any_other", all_killed)
        .test("one_data_root_has_one_server", one_owner)
        .test("a_damaged_record_does_not_stop_the_others", damaged)
}

fn run(darsena: &Darsena, name: &str, line: &str) -> Pid {
    let docker = darsena.docker();
    docker.run(&["run", "-d", "-i", "--name", name, IMAGE, "sh", "-c", line]).ok();
    Pid::from_raw(inspect(&docker, name, "{{.State.Pid}}").parse().unwrap())
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum()
}

fn outlive(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let pid = run(darsena, "counts", "n=0; while :; do echo $n; n=$((n+1)); usleep 500; done");
    let id = inspect(&docker, "counts", "{{.Id}}");
    docker.spawn(&["logs", "-f", "counts"]).stdout.until("\n100\n");
    let log = darsena.space().data().join("containers").join(&id).join("log");
    for _ in 0..3 {
        darsena.kill9();
        let before = size(&log);
        eventually("lines are written though no server runs", || (size(&log) > before + 1000).then_some(()));
        darsena.restart();
        assert_eq!(status(&docker, "counts").as_deref(), Some("running"));
        assert_eq!(inspect(&docker, "counts", "{{.State.Pid}}"), pid.to_string());
    }
    docker.run(&["kill", "counts"]).ok();
    docker.run(&["wait", "counts"]).ok();
    let lines = docker.run(&["logs", "counts"]).ok();
    for (expected, line) in lines.lines().enumerate() {
        assert_eq!(line, expected.to_string());
    }
    assert!(lines.lines().count() > 400, "{} lines", lines.lines().count());
    docker.run(&["rm", "counts"]).ok();
}

fn unseen_end(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let pid = run(darsena, "ends", "trap 'echo bye; exit 6' TERM; echo ready; while :; do usleep 10000; done");
    docker.spawn(&["logs", "-f", "ends"]).stdout.until("ready");
    darsena.kill9();
    kill(pid, Signal::SIGTERM).unwrap();
    eventually("the container ends", || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    darsena.restart();
    assert_eq!(inspect(&docker, "ends", "{{.State.Status}} {{.State.ExitCode}}"), "exited 6");
    assert_eq!(docker.run(&["wait", "ends"]).ok(), "6");
    assert_eq!(docker.run(&["logs", "ends"]).ok(), "ready\nbye");
    docker.run(&["start", "ends"]).ok();
    docker.run(&["rm", "-f", "ends"]).ok();
}

fn stop(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let pid = run(darsena, "stays", "read x; exit 5");
    darsena.stop();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    darsena.restart();
    let mut attached = docker.spawn(&["attach", "stays"]);
    attached.write("go\n");
    attached.finish().code(5).text();
    docker.run(&["rm", "stays"]).ok();
}

/// Parent of a process.
fn parent(pid: Pid) -> Pid {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    Pid::from_raw(parent.trim().parse().unwrap())
}

fn monitor(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let pid = run(darsena, "orphan", "sleep 1000");
    kill(parent(pid), Signal::SIGKILL).unwrap();
    eventually("the server notices", || (status(&docker, "orphan").as_deref() == Some("exited")).then_some(()));
    eventually("the process is gone", || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    assert_ne!(inspect(&docker, "orphan", "{{.State.ExitCode}}"), "0", "an end nobody saw is no success");
    docker.run(&["start", "orphan"]).ok();
    assert_eq!(status(&docker, "orphan").as_deref(), Some("running"));
    docker.run(&["rm", "-f", "orphan"]).ok();
    // The same while no server runs.
    let pid = run(darsena, "orphan", "sleep 1000");
    darsena.kill9();
    kill(parent(pid), Signal::SIGKILL).unwrap();
    darsena.restart();
    eventually("the server notices", || (status(&docker, "orphan").as_deref() == Some("exited")).then_some(()));
    docker.run(&["rm", "orphan"]).ok();
}

fn all_killed(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let pid = run(darsena, "both", "sleep 1000");
    darsena.kill9();
    kill(pid, Signal::SIGKILL).unwrap();
    darsena.restart();
    eventually("the server notices", || (status(&docker, "both").as_deref() == Some("exited")).then_some(()));
    assert_eq!(inspect(&docker, "both", "{{.State.ExitCode}}"), "137");
    docker.run(&["rm", "both"]).ok();
}

fn one_owner(darsena: &mut Darsena) {
    let space = darsena.space();
    let program = Darsena::program().unwrap();
    let mut second = space.command(program);
    second.arg("serve").arg("--data").arg(space.data()).arg("--run").arg(space.run());
    second.args(["--http", "127.0.0.1:9999"]).arg("--docker-socket").arg(space.side().join("second.sock"));
    let output = second.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.trim().lines().count() == 1 && said.contains(&*space.data().to_string_lossy()),
        "one clear line: {said}"
    );
    darsena.docker().run(&["ps"]).ok();
}

fn damaged(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["create", "--name", "whole", IMAGE]).ok();
    let id = docker.run(&["create", "--name", "hurt", IMAGE]).ok();
    darsena.kill9();
    let folder = darsena.space().data().join("containers").join(&id);
    fs::write(folder.join("record.json"), b"{\"version\":").unwrap();
    darsena.restart_with(&Settings::default());
    assert_eq!(status(&docker, "whole").as_deref(), Some("created"));
    docker.run(&["rm", "whole"]).ok();
    // Nobody but a person may decide about a container whose record can't be read.
    darsena.kill9();
    let _ = fs::remove_dir_all(folder);
    darsena.restart();
}
