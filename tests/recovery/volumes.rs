//! Every step of making, filling and removing volumes, alone and with a container: the server dies there, or the step
//! fails. Afterwards a volume is there whole or not at all, and none is there whose container never came to be.

use harness::{
    Darsena, Docker, Output, Settings, Suite,
    image::{Layer, busybox},
};

use crate::{IMAGE, status};

const NAME: &str = "stepped";
const FILLED: &str = "filled:1";

pub fn tests(mut suite: Suite) -> Suite {
    for step in runtime::fault::NAMES.iter().copied().filter(|step| is_ours(step)) {
        for how in ["kill", "error"] {
            suite = suite.test(&format!("{step}_{how}"), |darsena| {
                if step.starts_with("volume.") { alone(darsena, step, how) } else { with_container(darsena, step, how) }
            });
        }
    }
    suite
        .test("volumes_go_with_a_container_whose_removal_was_cut_off", removed_with)
        .test("volumes_of_a_container_that_stays_stay", not_removed)
}

/// Tried here and not in `steps`.
pub fn is_ours(step: &str) -> bool {
    step.starts_with("volume.") || step.starts_with("mounts.")
}

fn volumes(docker: &Docker) -> Vec<String> {
    docker.run(&["volume", "ls", "-q"]).ok().lines().map(str::to_owned).collect()
}

fn cut_off(darsena: &mut Darsena, step: &str, how: &str, act: impl FnOnce(&Docker) -> Output) {
    darsena.restart_with(&Settings::failing(&format!("{step}={how}")));
    act(&darsena.docker()).fails();
    if how == "kill" {
        assert!(!darsena.wait().success(), "the server was killed at {step}");
    } else {
        assert!(darsena.runs(), "a step that fails is no end of the server");
    }
    darsena.restart();
}

fn alone(darsena: &mut Darsena, step: &str, how: &str) {
    cut_off(darsena, step, how, |docker| {
        let made = docker.run(&["volume", "create", "alone"]);
        if made.code == 0 { docker.run(&["volume", "rm", "alone"]) } else { made }
    });
    let docker = darsena.docker();
    if volumes(&docker).is_empty() {
        docker.run(&["volume", "create", "alone"]).ok();
    }
    assert_eq!(volumes(&docker), ["alone"]);
    assert_eq!(docker.run(&["run", "--rm", "-v", "alone:/v", IMAGE, "touch", "/v/x"]).ok(), "");
    docker.run(&["volume", "rm", "alone"]).ok();
}

fn create(docker: &Docker) -> Output {
    docker.run(&["create", "--name", NAME, "-v", "named:/data", "-v", "/own", FILLED, "cat", "/data/one", "/data/two"])
}

fn with_container(darsena: &mut Darsena, step: &str, how: &str) {
    let layer = Layer::new().file("data/one", "first").file("data/two", "second");
    darsena.docker().run_with(&["load"], &busybox().layer(layer).docker_archive(&[FILLED])).ok();
    // Empty, and there before: it stays, and is not left half filled.
    for before in [false, true] {
        if before {
            darsena.docker().run(&["volume", "create", "named"]).ok();
        }
        cut_off(darsena, step, how, create);
        let docker = darsena.docker();
        assert_eq!(status(&docker, NAME), None);
        assert_eq!(volumes(&docker), if before { vec!["named"] } else { vec![] });
        create(&docker).ok();
        assert_eq!(docker.run(&["start", "-a", NAME]).ok(), "firstsecond");
        docker.run(&["rm", "-v", NAME]).ok();
        docker.run(&["volume", "rm", "named"]).ok();
    }
    darsena.docker().run(&["rmi", FILLED]).ok();
}

fn removed_with(darsena: &mut Darsena) {
    for step in ["remove.released", "remove.renamed"] {
        let docker = darsena.docker();
        docker.run(&["create", "--name", NAME, "-v", "named:/data", "-v", "/own", IMAGE]).ok();
        cut_off(darsena, step, "kill", |docker| docker.run(&["rm", "-v", NAME]));
        if step == "remove.released" {
            assert_eq!(volumes(&docker).len(), 2, "nothing was removed yet");
            docker.run(&["rm", "-v", NAME]).ok();
        }
        assert_eq!(status(&docker, NAME), None);
        assert_eq!(volumes(&docker), ["named"], "{step}");
        docker.run(&["volume", "rm", "named"]).ok();
    }
}

fn not_removed(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["create", "--name", NAME, "-v", "named:/data", "-v", "/own", IMAGE]).ok();
    darsena.kill9();
    darsena.restart();
    assert_eq!(volumes(&docker).len(), 2);
    docker.run(&["volume", "rm", "named"]).fails();
    docker.run(&["rm", "-v", NAME]).ok();
    docker.run(&["volume", "rm", "named"]).ok();
}
