//! What is not there, and what was asked wrongly: said in words that clients know, and never as a fault of the server.

use harness::{Darsena, Suite};

use crate::{IMAGE, remove, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("swarm_and_plugins_are_answered_as_by_an_engine_without_them", swarm)
        .test("who_asks_wrongly_is_not_told_of_a_fault_of_the_server", asked_wrongly)
        .test("containers_are_found_by_the_host_port_they_publish", published)
}

fn swarm(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for what in [["node", "ls"], ["service", "ls"], ["secret", "ls"], ["config", "ls"]] {
        let said = docker.run(&what).fails();
        assert!(said.contains("This node is not a swarm manager. Use \"docker swarm init\""), "{said}");
    }
    assert!(docker.run(&["swarm", "init"]).fails().contains("joins no swarm"));
    assert!(docker.run(&["swarm", "leave"]).fails().contains("This node is not part of a swarm"));
    assert_eq!(docker.run(&["plugin", "ls", "-q"]).ok(), "");
    let drivers = docker.run(&["info", "--format", "{{.Plugins.Network}} {{.Swarm.LocalNodeState}}"]).ok();
    assert!(drivers.contains("bridge host") && drivers.ends_with("inactive"), "{drivers}");
}

fn asked_wrongly(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for (options, text) in [
        (["--user", "nouser"], "unable to find user nouser: no matching entries in passwd file"),
        (["--group-add", "nogroup9"], "unable to find group nogroup9: no matching entries in group file"),
        (["--sysctl", "net.foo.bar=1"], "sysctl net.foo.bar"),
        (["--runtime", "kata"], "--runtime"),
    ] {
        let run = docker.run(&["run", "--rm", options[0], options[1], IMAGE, "true"]);
        let said = run.fails();
        assert!(run.code == 125 && said.contains(text) && !said.contains("(request"), "{said}");
    }
    assert_eq!(docker.run(&["run", "--rm", "--runtime", "runc", IMAGE, "echo", "as ever"]).ok(), "as ever");
    let id = start(&docker, &[], "exec sleep 1000");
    let exec = docker.run(&["exec", "-u", "nouser", &id, "true"]);
    let said = exec.text();
    assert!(exec.code == 126 && said.contains("unable to find user nouser") && !said.contains("(request"), "{said}");
    remove(&docker, &id);
}

fn published(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-p", "18080:80", "-p", "18053:53/udp"], "exec sleep 1000");
    let found = |filter: &str| docker.run(&["ps", "-q", "--no-trunc", "--filter", filter]).ok();
    for filter in ["publish=18080", "publish=18000-18090/tcp", "publish=18053/udp", "expose=80", "expose=53/udp"] {
        assert_eq!(found(filter), id, "{filter}");
    }
    for filter in ["publish=80", "publish=18080/udp", "expose=18080"] {
        assert_eq!(found(filter), "", "{filter}");
    }
    remove(&docker, &id);
}
