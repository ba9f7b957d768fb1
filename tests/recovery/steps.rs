//! Every step of create, start, stop, remove, pull, push, load and image removal: the server (or the monitor) dies there, or
//! the step fails. Afterwards the verb is done or undone, can be done again, and nothing is left.

use harness::{
    Darsena, Docker, Output, Registry, Settings, Suite,
    image::{Compression, Layer, busybox},
};

use crate::{IMAGE, inspect, networks, status};

pub const NAME: &str = "stepped";
const PULLED: &str = "127.0.0.1:5000/some/image:1";
const PUSHED: &str = "127.0.0.1:5000/pushed/image:1";
const LOADED: &str = "loaded:1";
const BUILT: &str = "built:1";
const TRAP: &str = "trap 'exit 9' TERM; echo ready; while :; do usleep 10000; done";

/// A verb and how it is tried.
pub struct Verb {
    /// The failpoints that begin with this are its steps.
    pub steps: &'static str,
    /// Makes the ground for it, on a server without failpoints.
    pub before: fn(&Darsena),
    /// Does it.
    pub act: fn(&Docker) -> Output,
    /// On a server without failpoints: it must be done or undone. Does it again and takes everything away.
    pub after: fn(&Docker),
}

const VERBS: &[Verb] = &[
    Verb { steps: "create.", before: nothing, act: create, after: created },
    Verb { steps: "start.", before: with_created, act: start, after: started },
    Verb { steps: "stop.", before: with_running, act: stop, after: stopped },
    Verb { steps: "remove.", before: with_running, act: remove, after: removed },
    Verb { steps: "pull.", before: nothing, act: pull, after: pulled },
    Verb { steps: "push.", before: with_pushable, act: push, after: pushed },
    Verb { steps: "load.", before: nothing, act: load, after: loaded },
    Verb { steps: "rmi.", before: with_loaded, act: rmi, after: image_removed },
    Verb { steps: "build.", before: nothing, act: build, after: built },
    Verb { steps: "import.", before: nothing, act: import, after: imported },
    Verb { steps: "commit.", before: with_changed, act: commit, after: committed },
    Verb { steps: "made.", before: with_changed, act: commit, after: committed },
    Verb { steps: "prune.", before: with_loaded, act: prune, after: pruned },
    Verb { steps: "exec.", before: with_running, act: exec, after: execed },
    Verb { steps: "network.", before: nothing, act: networks::make_and_remove, after: networks::made_or_removed },
    Verb { steps: "connect.", before: networks::running, act: networks::connect, after: networks::connected },
    Verb { steps: "disconnect.", before: networks::in_both, act: networks::disconnect, after: networks::disconnected },
];

pub fn tests(mut suite: Suite) -> Suite {
    for step in runtime::fault::NAMES.iter().copied() {
        if step.starts_with("step.")
            || step.starts_with("serve.")
            || crate::volumes::is_ours(step)
            || step.starts_with("replace.")
        {
            // Tried elsewhere: `volumes`, `replace`, runtime/tests/steps.rs, and the group `serve`, which has somebody who signs in.
        } else if step.starts_with("monitor.exit_") {
            suite = suite.test(&format!("{step}_killed"), |darsena| monitor_killed_at_exit(darsena, step));
        } else if step.starts_with("monitor.exec_") {
            suite = suite.test(&format!("{step}_killed"), |darsena| monitor_fails_at_exec(darsena, step, "kill"));
            suite = suite.test(&format!("{step}_failed"), |darsena| monitor_fails_at_exec(darsena, step, "error"));
        } else if step.starts_with("monitor.") {
            suite = suite.test(&format!("{step}_killed"), |darsena| monitor_fails(darsena, step, "kill"));
            suite = suite.test(&format!("{step}_failed"), |darsena| monitor_fails(darsena, step, "error"));
        } else {
            let verb = VERBS.iter().chain(crate::life::VERBS).find(|verb| step.starts_with(verb.steps));
            let verb = verb.unwrap_or_else(|| panic!("nothing is known here of the failpoint {step}"));
            suite = suite.test(&format!("{step}_killed"), |darsena| killed(darsena, verb, step));
            suite = suite.test(&format!("{step}_failed"), |darsena| failed(darsena, verb, step));
        }
    }
    suite.test("start.go_killed_and_recovery_too", killed_in_recovery)
}

/// A registry where the verb needs one.
fn registry<'space>(darsena: &'space Darsena, step: &str) -> Option<Registry<'space>> {
    (step.starts_with("pull.") || step.starts_with("push.")).then(|| {
        let registry = Registry::start(darsena.space());
        registry.push("some/image", "1", &image(), Compression::Gzip);
        registry
    })
}

fn killed(darsena: &mut Darsena, verb: &Verb, step: &str) {
    let docker = darsena.docker();
    (verb.before)(darsena);
    darsena.restart_with(&Settings::failing_at(step));
    {
        let _registry = registry(darsena, step);
        (verb.act)(&docker).fails();
    }
    let status = darsena.wait();
    assert!(!status.success(), "the server was killed at {step}");
    darsena.restart();
    let _registry = registry(darsena, step);
    (verb.after)(&docker);
}

fn failed(darsena: &mut Darsena, verb: &Verb, step: &str) {
    let docker = darsena.docker();
    (verb.before)(darsena);
    darsena.restart_with(&Settings::failing(&format!("{step}=error")));
    {
        let _registry = registry(darsena, step);
        (verb.act)(&docker);
    }
    assert!(darsena.runs(), "a step that fails is no end of the server");
    darsena.restart();
    let _registry = registry(darsena, step);
    (verb.after)(&docker);
}

fn monitor_fails(darsena: &mut Darsena, step: &str, how: &str) {
    let docker = darsena.docker();
    with_created(darsena);
    darsena.restart_with(&Settings::failing(&format!("{step}={how}")));
    start(&docker).fails();
    assert!(darsena.runs(), "a monitor's death is no end of the server");
    assert_ne!(status(&docker, NAME).as_deref(), Some("running"));
    assert_ne!(inspect(&docker, NAME, "{{.State.Error}}"), "", "it says why");
    darsena.restart();
    started(&docker);
}

/// A monitor that dies takes its container along; an exec that fails does not.
fn monitor_fails_at_exec(darsena: &mut Darsena, step: &str, how: &str) {
    let docker = darsena.docker();
    darsena.restart_with(&Settings::failing(&format!("{step}={how}")));
    with_running(darsena);
    exec(&docker).fails();
    assert!(darsena.runs(), "a monitor's death is no end of the server");
    if how == "kill" {
        docker.run(&["wait", NAME]).ok();
    } else {
        exec(&docker).ok();
    }
    darsena.restart();
    started(&docker);
}

fn monitor_killed_at_exit(darsena: &mut Darsena, step: &str) {
    let docker = darsena.docker();
    darsena.restart_with(&Settings::failing_at(step));
    docker.run(&["run", "--name", NAME, IMAGE, "sh", "-c", "echo said; exit 3"]);
    assert!(darsena.runs(), "a monitor's death is no end of the server");
    darsena.restart();
    let code = inspect(&docker, NAME, "{{.State.ExitCode}}");
    assert_eq!(status(&docker, NAME).as_deref(), Some("exited"));
    if step == "monitor.exit_after_file" {
        assert_eq!(code, "3", "what was written counts");
    } else {
        assert_ne!(code, "0", "an end nobody wrote down is no success");
    }
    assert_eq!(docker.run(&["logs", NAME]).ok(), "said");
    docker.run(&["rm", NAME]).ok();
}

/// Recovery that is interrupted has the same result as one that is not.
fn killed_in_recovery(darsena: &mut Darsena) {
    let docker = darsena.docker();
    with_created(darsena);
    darsena.restart_with(&Settings::failing_at("start.go"));
    start(&docker).fails();
    darsena.wait();
    for _ in 0..3 {
        darsena.launch(&Settings::default());
        darsena.kill9();
    }
    darsena.restart();
    started(&docker);
}

fn nothing(_: &Darsena) {}

fn with_created(darsena: &Darsena) {
    darsena.docker().run(&["create", "--name", NAME, "-p", "8081:80", "-m", "64m", IMAGE, "sh", "-c", TRAP]).ok();
}

fn with_running(darsena: &Darsena) {
    with_created(darsena);
    let docker = darsena.docker();
    docker.run(&["start", NAME]).ok();
    docker.spawn(&["logs", "-f", NAME]).stdout.until("ready");
}

fn image() -> harness::image::Image {
    busybox().layer(Layer::new().file("mark", "marked")).layer(Layer::new().file("more", vec![7; 300_000]))
}

fn with_loaded(darsena: &Darsena) {
    load(&darsena.docker()).ok();
}

fn create(docker: &Docker) -> Output {
    docker.run(&["create", "--name", NAME, IMAGE, "sh", "-c", TRAP])
}

fn start(docker: &Docker) -> Output {
    docker.run(&["start", NAME])
}

fn stop(docker: &Docker) -> Output {
    docker.run(&["stop", NAME])
}

fn remove(docker: &Docker) -> Output {
    docker.run(&["rm", "-f", NAME])
}

fn pull(docker: &Docker) -> Output {
    docker.run(&["pull", PULLED])
}

/// Its layers are kept as plain archives, so that a push has to compress them.
fn with_pushable(darsena: &Darsena) {
    darsena.docker().run_with(&["load"], &image().docker_archive(&[PUSHED])).ok();
}

fn push(docker: &Docker) -> Output {
    docker.run(&["push", PUSHED])
}

fn pushed(docker: &Docker) {
    push(docker).ok();
    image_is_whole(docker, PUSHED);
    docker.run(&["pull", PUSHED]).ok();
    image_is_whole(docker, PUSHED);
}

fn load(docker: &Docker) -> Output {
    docker.run_with(&["load"], &image().docker_archive(&[LOADED]))
}

fn build(docker: &Docker) -> Output {
    let dockerfile = format!("FROM {IMAGE}\nRUN echo there > /written\nLABEL built=yes\n");
    docker.run_with(&["build", "-t", BUILT, "-"], dockerfile.as_bytes())
}

/// What a build left half done is in nobody's way, and what it had finished is used or done again.
fn built(docker: &Docker) {
    build(docker).ok();
    assert_eq!(docker.run(&["run", "--rm", BUILT, "cat", "/written"]).ok(), "there");
    docker.run(&["rmi", BUILT]).ok();
    docker.run(&["builder", "prune", "-a", "-f"]).ok();
    assert!(!docker.run(&["system", "df", "-v"]).ok().contains("echo there"));
}

fn rmi(docker: &Docker) -> Output {
    docker.run(&["rmi", LOADED])
}

fn created(docker: &Docker) {
    if status(docker, NAME).is_none() {
        create(docker).ok();
    }
    assert_eq!(status(docker, NAME).as_deref(), Some("created"));
    started(docker);
}

fn started(docker: &Docker) {
    let before = status(docker, NAME);
    assert!(matches!(before.as_deref(), Some("created" | "running" | "exited")), "{before:?}");
    start(docker).ok();
    assert_eq!(status(docker, NAME).as_deref(), Some("running"));
    assert_ne!(inspect(docker, NAME, "{{.NetworkSettings.Networks.bridge.IPAddress}}"), "", "its address is known");
    docker.spawn(&["logs", "-f", NAME]).stdout.until("ready");
    let ports = inspect(docker, NAME, "{{len .HostConfig.PortBindings}} {{len .NetworkSettings.Ports}}");
    assert!(matches!(ports.as_str(), "0 0" | "1 1"), "asked and published: {ports}");
    stop(docker).ok();
    ended(docker);
}

/// It ended as it wanted to, and every run's whole output is in its log.
fn ended(docker: &Docker) {
    assert_eq!(inspect(docker, NAME, "{{.State.Status}} {{.State.ExitCode}}"), "exited 9");
    let logs = docker.run(&["logs", NAME]).ok();
    assert!(!logs.is_empty() && logs.lines().all(|line| line == "ready"), "{logs}");
    remove(docker).ok();
}

fn stopped(docker: &Docker) {
    stop(docker).ok();
    ended(docker);
}

fn exec(docker: &Docker) -> Output {
    docker.run(&["exec", NAME, "sh", "-c", "echo here"])
}

/// The container goes on, nothing of the exec is left running, and it can be done again.
fn execed(docker: &Docker) {
    assert_eq!(exec(docker).ok(), "here");
    assert_eq!(inspect(docker, NAME, "{{.ExecIDs}}"), "[]");
    stopped(docker);
}

fn removed(docker: &Docker) {
    // Marked is as good as removed; a removal that was never written down has not begun.
    if status(docker, NAME).is_some() {
        remove(docker).ok();
    }
    assert_eq!(status(docker, NAME), None);
    create(docker).ok();
    remove(docker).ok();
}

fn image_is_whole(docker: &Docker, name: &str) {
    assert_eq!(docker.run(&["run", "--rm", name, "sh", "-c", "cat /mark; wc -c < /more"]).ok(), "marked300000");
    docker.run(&["rmi", name]).ok();
    docker.run(&["inspect", "--type", "image", name]).fails();
}

fn pulled(docker: &Docker) {
    if docker.run(&["inspect", "--type", "image", PULLED]).code == 0 {
        image_is_whole(docker, PULLED);
    }
    pull(docker).ok();
    image_is_whole(docker, PULLED);
}

fn loaded(docker: &Docker) {
    if docker.run(&["inspect", "--type", "image", LOADED]).code == 0 {
        image_is_whole(docker, LOADED);
    }
    load(docker).ok();
    image_is_whole(docker, LOADED);
}

fn image_removed(docker: &Docker) {
    if docker.run(&["inspect", "--type", "image", LOADED]).code == 0 {
        rmi(docker).ok();
    }
    loaded(docker);
}

const MADE: &str = "made:1";

fn import(docker: &Docker) -> Output {
    docker.run_with(&["import", "-c", "CMD true", "-", MADE], &Layer::new().file("mark", "marked").tar())
}

fn imported(docker: &Docker) {
    import(docker).ok();
    assert_eq!(inspect(docker, MADE, "{{len .RootFS.Layers}} {{json .Config.Cmd}}"), "1 [\"/bin/sh\",\"-c\",\"true\"]");
    docker.run(&["rmi", MADE]).ok();
}

fn with_changed(darsena: &Darsena) {
    let docker = darsena.docker();
    let line = "echo changed > /mark; trap 'exit 9' TERM; echo ready; while :; do usleep 10000; done";
    docker.run(&["run", "-d", "--name", NAME, IMAGE, "sh", "-c", line]).ok();
    docker.spawn(&["logs", "-f", NAME]).stdout.until("ready");
}

fn commit(docker: &Docker) -> Output {
    docker.run(&["commit", NAME, MADE])
}

fn committed(docker: &Docker) {
    // Whatever happened while it stood still, it goes on.
    docker.run(&["stop", NAME]).ok();
    assert_eq!(inspect(docker, NAME, "{{.State.Status}} {{.State.ExitCode}}"), "exited 9");
    docker.run(&["start", NAME]).ok();
    commit(docker).ok();
    assert_eq!(docker.run(&["run", "--rm", MADE, "cat", "/mark"]).ok(), "changed");
    docker.run(&["rm", "-f", NAME]).ok();
    docker.run(&["rmi", MADE]).ok();
}

fn prune(docker: &Docker) -> Output {
    docker.run(&["image", "prune", "-af"])
}

fn pruned(docker: &Docker) {
    if docker.run(&["inspect", "--type", "image", LOADED]).code == 0 {
        image_is_whole(docker, LOADED);
    }
    // It took the image of all other tests along.
    docker.run_with(&["load"], &harness::image::busybox_archive(IMAGE)).ok();
    loaded(docker);
}
