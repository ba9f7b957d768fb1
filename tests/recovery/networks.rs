//! Networks whose making, removing, connecting or disconnecting was cut off; and what of them outlives server and host.

use std::fs;

use harness::{Darsena, Docker, Output, Settings, Suite};

use crate::{IMAGE, inspect};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("networks_outlive_the_server", outlive)
        .test("networks_come_back_after_a_reboot", reboot)
        .test("a_macvlan_that_is_cut_off_leaves_its_interface", macvlan)
}

/// Its bridge has a name of its own: it can be made again only when nothing of it is left.
const MAKE: [&str; 8] = [
    "network",
    "create",
    "--ipv6",
    "-o",
    "com.docker.network.bridge.name=cut0",
    "--subnet=10.90.0.0/24",
    "--subnet=fd90::/64",
    "cut",
];

pub fn make_and_remove(docker: &Docker) -> Output {
    let made = docker.run(&MAKE);
    if made.code == 0 { docker.run(&["network", "rm", "cut"]) } else { made }
}

pub fn made_or_removed(docker: &Docker) {
    if names(docker).contains("cut") {
        docker.run(&["network", "rm", "cut"]).ok();
    }
    docker.run(&MAKE).ok();
    docker.run(&["run", "--rm", "--network", "cut", IMAGE, "ping", "-c", "1", "-W", "5", "10.90.0.1"]).ok();
    docker.run(&["run", "--rm", "--network", "cut", IMAGE, "ping", "-c", "1", "-W", "5", "fd90::1"]).ok();
    docker.run(&["network", "rm", "cut"]).ok();
}

fn names(docker: &Docker) -> String {
    docker.run(&["network", "ls", "--format", "{{.Name}}"]).ok()
}

pub fn running(darsena: &Darsena) {
    let docker = darsena.docker();
    docker.run(&["network", "create", "--subnet=10.91.0.0/24", "side"]).ok();
    docker.run(&["run", "-d", "--name", "it", IMAGE, "sleep", "1000"]).ok();
}

pub fn connect(docker: &Docker) -> Output {
    docker.run(&["network", "connect", "side", "it"])
}

pub fn connected(docker: &Docker) {
    if !places(docker).contains("side=10.91.0.") {
        docker.run(&["network", "connect", "side", "it"]).ok();
    }
    assert!(places(docker).contains("side=10.91.0."), "{}", places(docker));
    docker.run(&["network", "disconnect", "side", "it"]).ok();
    gone(docker);
}

pub fn in_both(darsena: &Darsena) {
    running(darsena);
    connect(&darsena.docker()).ok();
}

pub fn disconnect(docker: &Docker) -> Output {
    docker.run(&["network", "disconnect", "side", "it"])
}

pub fn disconnected(docker: &Docker) {
    if places(docker).contains("side") {
        docker.run(&["network", "disconnect", "side", "it"]).ok();
    }
    gone(docker);
}

fn gone(docker: &Docker) {
    assert!(!places(docker).contains("side"), "{}", places(docker));
    docker.run(&["restart", "-t", "0", "it"]).ok();
    assert!(!places(docker).contains("side"), "{}", places(docker));
    docker.run(&["rm", "-f", "it"]).ok();
    docker.run(&["network", "rm", "side"]).ok();
}

fn places(docker: &Docker) -> String {
    inspect(docker, "it", "{{range $name, $one := .NetworkSettings.Networks}}{{$name}}={{$one.IPAddress}},{{end}}")
}

fn pings(darsena: &Darsena, name: &str, address: &str) -> bool {
    let pid = inspect(&darsena.docker(), name, "{{.State.Pid}}");
    let mut nsenter = darsena.space().command("nsenter");
    nsenter.args(["-t", &pid, "-n", "busybox", "ping", "-c", "1", "-W", "3", address]);
    nsenter.output().unwrap().status.success()
}

fn outlive(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["network", "create", "--subnet=10.92.0.0/24", "--label", "kept=yes", "kept"]).ok();
    docker.run(&["run", "-d", "--name", "one", "--network", "kept", IMAGE, "sleep", "1000"]).ok();
    docker.run(&["run", "-d", "--name", "two", IMAGE, "sleep", "1000"]).ok();
    docker.run(&["network", "connect", "--ip", "10.92.0.77", "kept", "two"]).ok();
    let before = docker.run(&["network", "inspect", "kept"]).ok();
    darsena.kill9();
    darsena.restart();
    assert_eq!(docker.run(&["network", "inspect", "kept"]).ok(), before);
    assert!(pings(darsena, "one", "10.92.0.77") && pings(darsena, "two", "10.92.0.2"));
    let links = darsena.space().output("ip", &["-o", "link", "show", "type", "veth"]);
    assert_eq!(links.lines().filter(|line| line.contains(": dv")).count(), 3, "{links}");
    for name in ["one", "two"] {
        docker.run(&["rm", "-f", name]).ok();
    }
    docker.run(&["network", "rm", "kept"]).ok();
}

fn reboot(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let subnets = ["--ipv6", "--subnet=10.93.0.0/24", "--subnet=fd93::/64"];
    let id = docker.run(&[&["network", "create"][..], &subnets, &["kept"]].concat()).ok();
    let lan = ["-d", "macvlan", "-o", "parent=wan0", "--subnet=192.0.2.0/24", "--gateway=192.0.2.2", "lan"];
    docker.run(&[&["network", "create"][..], &lan].concat()).ok();
    docker.run(&["create", "--name", "two", "--network", "lan", "--ip", "192.0.2.9", IMAGE, "sleep", "1000"]).ok();
    docker.run(&["run", "-d", "--name", "one", "--network", "kept", IMAGE, "sleep", "1000"]).ok();
    let bridge = format!("dbr-{}", &id[..11]);
    docker.run(&["kill", "one"]).ok();
    darsena.kill9();
    // What a reboot takes: links, firewall, everything alive-only.
    let space = darsena.space();
    space.output("ip", &["link", "del", &bridge]);
    space.output("ip", &["link", "del", "darsena0"]);
    space.output("nft", &["flush", "ruleset"]);
    fs::remove_dir_all(space.run()).unwrap();
    fs::create_dir(space.run()).unwrap();
    darsena.restart();
    docker.run(&["start", "one"]).ok();
    let address = inspect(&docker, "one", "{{.NetworkSettings.Networks.kept.IPAddress}}");
    assert_eq!(address, "10.93.0.2", "the same as before");
    assert!(pings(darsena, "one", "10.93.0.1") && pings(darsena, "one", "fd93::1"));
    let address = inspect(&docker, "one", "{{.NetworkSettings.Networks.kept.GlobalIPv6Address}}");
    assert_eq!(address, "fd93::2", "the same as before");
    docker.run(&["start", "two"]).ok();
    assert!(pings(darsena, "two", "192.0.2.2"));
    docker.run(&["rm", "-f", "two"]).ok();
    docker.run(&["network", "rm", "lan"]).ok();
    docker.run(&["rm", "-f", "one"]).ok();
    docker.run(&["network", "rm", "kept"]).ok();
}

/// What a half-made or half-removed macvlan is upon is the host's, and stays.
fn macvlan(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let make = |docker: &Docker| {
        let wished = ["-d", "macvlan", "-o", "parent=wan0", "--subnet=192.0.2.0/24", "--gateway=192.0.2.2", "lan"];
        docker.run(&[&["network", "create"][..], &wished].concat())
    };
    let stays = |darsena: &Darsena| {
        let link = darsena.space().output("ip", &["-o", "-4", "address", "show", "dev", "wan0"]);
        assert!(link.contains("192.0.2.1/24"), "{link}");
    };
    for step in ["network.staged", "network.bridge", "network.firewall"] {
        darsena.restart_with(&Settings::failing_at(step));
        make(&docker).fails();
        darsena.wait();
        darsena.restart();
        stays(darsena);
        assert!(!names(&docker).contains("lan"), "{step}");
    }
    for step in ["network.withdrawn", "network.unlinked"] {
        make(&docker).ok();
        darsena.restart_with(&Settings::failing_at(step));
        docker.run(&["network", "rm", "lan"]).fails();
        darsena.wait();
        darsena.restart();
        stays(darsena);
        assert!(!names(&docker).contains("lan"), "{step}");
    }
    make(&docker).ok();
    docker.run(&["run", "--rm", "--network", "lan", IMAGE, "ping", "-c", "1", "-W", "5", "192.0.2.2"]).ok();
    docker.run(&["network", "rm", "lan"]).ok();
}
