//! The steps of pause, unpause, rename, update, prune and of a restart by policy.

use harness::{Darsena, Docker, Output, wait::eventually};

use crate::{
    IMAGE, inspect, status,
    steps::{NAME, Verb},
};

const OTHER: &str = "renamed";

pub const VERBS: &[Verb] = &[
    Verb { steps: "pause.", before: running, act: pause, after: paused_or_not },
    Verb { steps: "unpause.", before: paused, act: unpause, after: paused_or_not },
    Verb { steps: "rename.", before: running, act: rename, after: has_one_name },
    Verb { steps: "update.", before: running, act: update, after: one_limit },
    Verb { steps: "prune_containers.", before: ended, act: prune, after: pruned },
    Verb { steps: "copy.", before: ended, act: copy, after: copied },
    Verb { steps: "again.", before: nothing, act: fail_once, after: settled },
];

fn nothing(_: &Darsena) {}

fn running(darsena: &Darsena) {
    darsena.docker().run(&["run", "-d", "--name", NAME, "--pids-limit", "50", IMAGE, "sleep", "1000"]).ok();
}

fn paused(darsena: &Darsena) {
    running(darsena);
    pause(&darsena.docker()).ok();
}

fn ended(darsena: &Darsena) {
    darsena.docker().run(&["run", "--name", NAME, IMAGE, "true"]).ok();
}

fn pause(docker: &Docker) -> Output {
    docker.run(&["pause", NAME])
}

fn unpause(docker: &Docker) -> Output {
    docker.run(&["unpause", NAME])
}

/// Its status is true: what is said to run does, what is said to stand still can be let go.
fn paused_or_not(docker: &Docker) {
    if status(docker, NAME).as_deref() == Some("paused") {
        unpause(docker).ok();
    }
    assert_eq!(status(docker, NAME).as_deref(), Some("running"));
    let before = frozen(docker);
    assert!(!before, "it runs");
    pause(docker).ok();
    assert_eq!(status(docker, NAME).as_deref(), Some("paused"));
    assert!(frozen(docker), "it stands still");
    unpause(docker).ok();
    docker.run(&["rm", "-f", NAME]).ok();
}

/// A process of a frozen group waits in the kernel's refrigerator (v1) or its signal trap (v2).
fn frozen(docker: &Docker) -> bool {
    let pid = inspect(docker, NAME, "{{.State.Pid}}");
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    groups.lines().any(|line| {
        let path = line.rsplit(':').next().unwrap_or_default();
        let v1 = std::fs::read_to_string(format!("/sys/fs/cgroup/freezer{path}/freezer.state"));
        let v2 = std::fs::read_to_string(format!("/sys/fs/cgroup{path}/cgroup.freeze"));
        v1.is_ok_and(|state| line.contains("freezer") && state.trim() == "FROZEN")
            || v2.is_ok_and(|state| state.trim() == "1")
    })
}

fn rename(docker: &Docker) -> Output {
    docker.run(&["rename", NAME, OTHER])
}

fn has_one_name(docker: &Docker) {
    let names: Vec<_> = [NAME, OTHER].into_iter().filter(|name| status(docker, name).is_some()).collect();
    let [name] = names[..] else { panic!("it has one name: {names:?}") };
    if name == NAME {
        rename(docker).ok();
    }
    // The old name is free again.
    docker.run(&["create", "--name", NAME, IMAGE, "true"]).ok();
    docker.run(&["rm", "-f", NAME, OTHER]).ok();
}

fn update(docker: &Docker) -> Output {
    docker.run(&["update", "--pids-limit", "70", NAME])
}

/// What is shown is what the kernel holds it to.
fn one_limit(docker: &Docker) {
    let shown = inspect(docker, NAME, "{{.HostConfig.PidsLimit}}");
    assert!(shown == "50" || shown == "70", "{shown}");
    assert_eq!(kernel_limit(docker), shown);
    update(docker).ok();
    assert_eq!((inspect(docker, NAME, "{{.HostConfig.PidsLimit}}"), kernel_limit(docker)), ("70".into(), "70".into()));
    docker.run(&["rm", "-f", NAME]).ok();
}

fn kernel_limit(docker: &Docker) -> String {
    docker.run(&["stats", "--no-stream", NAME]).ok();
    let pid = inspect(docker, NAME, "{{.State.Pid}}");
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut files = groups.lines().flat_map(|line| {
        let path = line.rsplit(':').next().unwrap_or_default().to_owned();
        let v1 = line.contains(":pids:").then(|| format!("/sys/fs/cgroup/pids{path}/pids.max"));
        [v1, Some(format!("/sys/fs/cgroup{path}/pids.max"))].into_iter().flatten()
    });
    let limit = files.find_map(|file| std::fs::read_to_string(file).ok());
    limit.unwrap_or_default().trim().to_owned()
}

fn prune(docker: &Docker) -> Output {
    docker.run(&["container", "prune", "-f"])
}

fn pruned(docker: &Docker) {
    prune(docker).ok();
    assert_eq!(status(docker, NAME), None);
}

/// Into a container that does not run: its file system is mounted for it.
fn copy(docker: &Docker) -> Output {
    docker.run(&["cp", "/etc/passwd", &format!("{NAME}:/copied")])
}

fn copied(docker: &Docker) {
    copy(docker).ok();
    docker.run(&["start", "-a", NAME]).ok();
    let back = docker.run(&["cp", &format!("{NAME}:/copied"), "-"]);
    assert!(back.code == 0 && back.stdout.windows(5).any(|bytes| bytes == b"root:"));
    docker.run(&["rm", NAME]).ok();
}

/// The server dies, or the start fails, when its next turn comes.
fn fail_once(docker: &Docker) -> Output {
    docker.run(&["run", "-d", "--restart", "on-failure:1", "--name", NAME, IMAGE, "sh", "-c", "echo ran; exit 4"]);
    eventually("its turn is over", || {
        let output = docker.run(&["inspect", "-f", "{{.State.Status}}", NAME]);
        (output.code != 0 || output.text() == "exited").then_some(output)
    })
}

fn settled(docker: &Docker) {
    eventually("it is over", || (status(docker, NAME).as_deref() == Some("exited")).then_some(()));
    assert_eq!(inspect(docker, NAME, "{{.State.ExitCode}} {{.RestartCount}}"), "4 1");
    docker.run(&["rm", NAME]).ok();
}
