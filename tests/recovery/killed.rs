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
        .test("a_reboot_ends_all_and_frees_all", reboot)
        .test("a_stop_of_the_server_stops_no_container", stop)
        .test("a_killed_monitor_takes_its_container_along", monitor)
        .test("a_hung_monitor_blocks_nobody", hung)
        .test("a_killed_cgroup_is_an_exit_like_any_other", all_killed)
        .test("what_goes_with_its_end_goes_after_a_kill_too", goes_with_its_end)
        .test("one_data_root_has_one_server", one_owner)
        .test("a_damaged_record_does_not_stop_the_others", damaged)
}

fn run(darsena: &Darsena, name: &str, line: &str) -> Pid {
    let docker = darsena.docker();
    docker.run(&["run", "-d", "-i", "--name", name, IMAGE, "sh", "-c", line]).ok();
    Pid::from_raw(inspect(&docker, name, "{{.State.Pid}}").parse().unwrap())
}

pub fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum()
}

fn outlive(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let names = ["first", "second", "third"];
    let count = "n=0; while :; do echo $n; n=$((n+1)); usleep 1000; done";
    let pids = names.map(|name| run(darsena, name, count));
    let logs = names.map(|name| {
        docker.spawn(&["logs", "-f", name]).stdout.until("\n100\n");
        darsena.space().data().join("containers").join(inspect(&docker, name, "{{.Id}}")).join("log")
    });
    for _ in 0..3 {
        darsena.kill9();
        for log in &logs {
            let before = size(log);
            eventually("lines are written though no server runs", || (size(log) > before + 1000).then_some(()));
        }
        darsena.restart();
        for (name, pid) in names.iter().zip(pids) {
            assert_eq!(inspect(&docker, name, "{{.State.Status}} {{.State.Pid}}"), format!("running {pid}"));
        }
    }
    for name in names {
        docker.run(&["kill", name]).ok();
        let lines = docker.run(&["logs", name]).ok();
        for (expected, line) in lines.lines().enumerate() {
            assert_eq!(line, expected.to_string(), "{name}");
        }
        assert!(lines.lines().count() > 400, "{} lines", lines.lines().count());
        docker.run(&["rm", name]).ok();
    }
}

pub fn gone(pid: Pid) -> Option<()> {
    (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())
}

fn unseen_end(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let codes = [0, 6, 255];
    let pids = codes.map(|code| {
        let line = format!("trap 'echo bye; exit {code}' TERM; echo ready; while :; do usleep 10000; done");
        run(darsena, &format!("ends{code}"), &line)
    });
    for code in codes {
        docker.spawn(&["logs", "-f", &format!("ends{code}")]).stdout.until("ready");
    }
    darsena.kill9();
    for pid in pids {
        kill(pid, Signal::SIGTERM).unwrap();
        eventually("the container ends", || gone(pid));
    }
    darsena.restart();
    for code in codes {
        let name = format!("ends{code}");
        assert_eq!(inspect(&docker, &name, "{{.State.Status}} {{.State.ExitCode}}"), format!("exited {code}"));
        assert_eq!(docker.run(&["wait", &name]).ok(), code.to_string());
        assert_eq!(docker.run(&["logs", &name]).ok(), "ready\nbye");
        docker.run(&["start", &name]).ok();
        docker.run(&["rm", "-f", &name]).ok();
    }
}

/// What a reboot leaves: the data root, and nothing that lived.
fn reboot(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let names = ["one", "two", "three"];
    let pids = names.map(|name| run(darsena, name, "echo up; exec sleep 1000"));
    for name in names {
        docker.spawn(&["logs", "-f", name]).stdout.until("up");
    }
    darsena.kill9();
    for monitor in pids.map(parent) {
        kill(monitor, Signal::SIGKILL).unwrap();
    }
    for pid in pids {
        eventually("the container ends with its monitor", || gone(pid));
    }
    fs::remove_dir_all(darsena.space().run()).unwrap();
    for folder in harness::slate::cgroup_folders(darsena.space()) {
        eventually("the groups are empty", || fs::remove_dir(&folder).is_ok().then_some(()));
    }
    darsena.restart();
    for name in names {
        assert_eq!(inspect(&docker, name, "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
        assert_ne!(inspect(&docker, name, "{{.State.Error}}"), "", "it says why");
        assert_eq!(inspect(&docker, name, "{{.NetworkSettings.Networks.bridge.IPAddress}}"), "", "its address is free");
        docker.run(&["start", name]).ok();
        docker.run(&["kill", name]).ok();
        let logs = docker.run(&["logs", name]).ok();
        assert!(logs.starts_with("up") && logs.lines().all(|line| line == "up"), "{logs}");
        docker.run(&["rm", name]).ok();
    }
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
pub fn parent(pid: Pid) -> Pid {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    Pid::from_raw(parent.trim().parse().unwrap())
}

fn monitor(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let pid = run(darsena, "orphan", "sleep 1000");
    kill(parent(pid), Signal::SIGKILL).unwrap();
    eventually("the server notices", || (status(&docker, "orphan").as_deref() == Some("exited")).then_some(()));
    eventually("the process is gone", || gone(pid));
    assert_eq!(inspect(&docker, "orphan", "{{.State.ExitCode}}"), "137", "an end nobody saw is no success");
    assert_ne!(inspect(&docker, "orphan", "{{.State.Error}}"), "", "it says why");
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

/// A monitor that is stopped: its container can be stopped and removed, and the next server starts.
fn hung(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let hang = |name: &str| {
        let pid = run(darsena, name, "sleep 1000");
        kill(parent(pid), Signal::SIGSTOP).unwrap();
        pid
    };
    for verb in [&["stop"][..], &["kill"], &["rm", "-f"]] {
        let pid = hang("hung");
        let arguments: Vec<&str> = verb.iter().copied().chain(["hung"]).collect();
        docker.run(&arguments).ok();
        eventually("the process is gone", || gone(pid));
        docker.run(&["rm", "-f", "hung"]);
    }
    hang("hung");
    darsena.restart();
    assert_eq!(inspect(&docker, "hung", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
    docker.run(&["start", "hung"]).ok();
    assert_eq!(status(&docker, "hung").as_deref(), Some("running"));
    docker.run(&["rm", "-f", "hung"]).ok();
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

/// `--rm`: ended while no server ran, ended after, and never started.
fn goes_with_its_end(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let start = |name: &str| {
        docker.run(&["run", "-d", "-i", "--rm", "--name", name, IMAGE, "sh", "-c", "read x"]).ok();
        Pid::from_raw(inspect(&docker, name, "{{.State.Pid}}").parse().unwrap())
    };
    let (before, after) = (start("before"), start("after"));
    docker.run(&["create", "--rm", "--name", "never", IMAGE]).ok();
    darsena.kill9();
    kill(before, Signal::SIGKILL).unwrap();
    eventually("the container ends", || gone(before));
    darsena.restart();
    assert_eq!(inspect(&docker, "after", "{{.State.Status}} {{.State.Pid}}"), format!("running {after}"));
    eventually("what had ended is removed", || status(&docker, "before").is_none().then_some(()));
    let mut attached = docker.spawn(&["attach", "after"]);
    attached.write("go\n");
    attached.finish();
    eventually("what ends is removed", || status(&docker, "after").is_none().then_some(()));
    eventually("what never ran is removed", || status(&docker, "never").is_none().then_some(()));
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
