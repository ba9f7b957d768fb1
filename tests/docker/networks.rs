//! Networks that people make: who is in them, who reaches whom, and Docker's words for what can't be.

use harness::{Darsena, Docker, Suite, wait};
use serde_json::{Value, json};

use crate::{IMAGE, inspect, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("networks_are_made_listed_and_removed", life)
        .test("what_a_network_can_not_be_is_said", refused)
        .test("networks_are_kept_apart", isolation)
        .test("a_container_comes_into_networks_and_leaves_them", connect)
        .test("an_internal_network_has_no_way_out", internal)
        .test("containers_may_be_kept_from_each_other", no_icc)
        .test("the_network_of_the_host_or_of_another_container", shared)
        .test("links_give_names_and_variables", links)
}

fn network(docker: &Docker, name: &str) -> Value {
    let text = docker.run(&["network", "inspect", name]).ok();
    serde_json::from_str::<Value>(&text).unwrap()[0].take()
}

fn make(docker: &Docker, arguments: &[&str]) -> String {
    docker.run(&[&["network", "create"], arguments].concat()).ok()
}

fn drop_network(docker: &Docker, name: &str) {
    docker.run(&["network", "rm", name]).ok();
}

/// Whether a container reaches an address.
fn pings(darsena: &Darsena, from: &str, address: &str) -> bool {
    in_netns(darsena, from, &["busybox", "ping", "-c", "1", "-W", "2", address])
}

/// Runs a program of the host's in a container's network; whether it succeeds.
fn in_netns(darsena: &Darsena, container: &str, command: &[&str]) -> bool {
    let pid = inspect(&darsena.docker(), container, "{{.State.Pid}}");
    let mut nsenter = darsena.space().command("nsenter");
    nsenter.args(["-t", &pid, "-n", "--"]).args(command).output().unwrap().status.success()
}

fn address(docker: &Docker, name: &str, network: &str) -> String {
    inspect(docker, name, &format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}"))
}

fn life(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let listed = docker.run(&["network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"]).ok();
    assert_eq!(listed, "bridge bridge local\nhost host local\nnone null local");
    let id = make(
        &docker,
        &[
            "--subnet",
            "10.77.0.0/24",
            "--gateway",
            "10.77.0.254",
            "--ip-range",
            "10.77.0.128/25",
            "--label",
            "tier=back",
            "--aux-address",
            "printer=10.77.0.129",
            "-o",
            "com.docker.network.bridge.name=back0",
            "-o",
            "com.docker.network.driver.mtu=1400",
            "back",
        ],
    );
    let shown = network(&docker, "back");
    assert_eq!((&shown["Id"], &shown["Name"], &shown["Driver"]), (&json!(id), &json!("back"), &json!("bridge")));
    assert_eq!(
        shown["IPAM"]["Config"],
        json!([{"Subnet": "10.77.0.0/24", "IPRange": "10.77.0.128/25", "Gateway": "10.77.0.254"}])
    );
    assert_eq!((&shown["Labels"]["tier"], &shown["Containers"]), (&json!("back"), &json!({})));
    let link = darsena.space().output("ip", &["-o", "-4", "address", "show", "dev", "back0"]);
    assert!(link.contains("10.77.0.254/24"), "{link}");
    let web = start(&docker, &["--network", "back", "--name", "web", "--network-alias", "api"], "exec sleep 1000");
    assert_eq!(address(&docker, "web", "back"), "10.77.0.128", "the range's first");
    let db = start(
        &docker,
        &["--network", "back", "--ip", "10.77.0.9", "--mac-address", "02:42:00:00:00:99"],
        "exec sleep 1000",
    );
    assert_eq!(address(&docker, &db, "back"), "10.77.0.9");
    let seen = say(&docker, &["--network", &format!("container:{db}")], "ip -o link show eth0; ip route");
    assert!(seen.contains("02:42:00:00:00:99") && seen.contains("mtu 1400"), "{seen}");
    assert!(seen.contains("default via 10.77.0.254 dev eth0"), "{seen}");
    let third = start(&docker, &["--network", &id[..12]], "exec sleep 1000");
    assert_eq!(address(&docker, &third, "back"), "10.77.0.130", "not the printer's");
    let shown = network(&docker, &id[..10]);
    assert_eq!(shown["Containers"][&web]["Name"], "web");
    assert_eq!(shown["Containers"][&db]["IPv4Address"], "10.77.0.9/24");
    for (filter, wanted) in [
        ("name=bac", "back"),
        ("driver=null", "none"),
        ("type=custom", "back"),
        ("label=tier=back", "back"),
        ("label=tier=front", ""),
        ("dangling=true", ""),
        (&format!("id={}", &id[..8]), "back"),
    ] {
        let listed = docker.run(&["network", "ls", "--filter", filter, "--format", "{{.Name}}"]).ok();
        assert_eq!(listed, wanted, "{filter}");
    }
    let of = docker.run(&["ps", "-q", "--no-trunc", "--filter", "network=back"]).ok();
    assert_eq!(of.lines().count(), 3, "{of}");
    let error = docker.run(&["network", "rm", "back"]).code(1).fails();
    assert!(error.contains("network back has active endpoints (name:\""), "{error}");
    for name in [&web, &db, &third] {
        remove(&docker, name);
    }
    // A bridge that somebody removed by hand comes back with the next container.
    darsena.space().output("ip", &["link", "del", "back0"]);
    assert!(say(&docker, &["--network", "back"], "ping -c 1 -W 5 10.77.0.254 >/dev/null && echo up") == "up");
    assert_eq!(docker.run(&["network", "rm", &id]).ok(), id);
    let links = darsena.space().output("ip", &["-o", "link"]);
    assert!(!links.contains("back0"), "{links}");
    // Without a wish: addresses nobody has, and a name nobody chose.
    make(&docker, &["one"]);
    make(&docker, &["two"]);
    let subnet = |name| network(&docker, name)["IPAM"]["Config"][0]["Subnet"].as_str().unwrap().to_owned();
    assert_ne!(subnet("one"), subnet("two"));
    let used = docker.run(&["create", "--network", "two", IMAGE]).ok();
    let pruned = docker.run(&["network", "prune", "-f"]).ok();
    assert_eq!(pruned, "Deleted Networks:\none");
    remove(&docker, &used);
    drop_network(&docker, "two");
}

fn refused(darsena: &mut Darsena) {
    let docker = darsena.docker();
    make(&docker, &["--subnet", "10.78.0.0/16", "shop"]);
    for (arguments, words) in [
        (&["shop"][..], "network with name shop already exists"),
        (&["bridge"], "network with name bridge already exists"),
        (
            &["--subnet", "10.78.5.0/24", "x"],
            "invalid pool request: Pool overlaps with other one on this address space",
        ),
        (&["--subnet", "10.79.0.1/16", "x"], "it should be 10.79.0.0/16"),
        (&["--subnet", "10.79.0.0/16", "--gateway", "10.80.0.1", "x"], "no matching subnet for gateway 10.80.0.1"),
        (&["--subnet", "10.79.0.0/16", "--ip-range", "10.80.0.0/24", "x"], "10.80.0.0"),
        (&["-d", "nonsense", "x"], "plugin \"nonsense\" not found"),
        (&["-d", "host", "x"], "only one instance of \"host\" network is allowed"),
        (&["-d", "ipvlan", "x"], "does not support the network driver \"ipvlan\""),
        (&["-o", "com.docker.network.bridge.name=far-too-long-a-name", "x"], "invalid value of the network option"),
        (&["-o", "com.docker.network.bridge.name=wan0", "x"], "an interface wan0 already"),
        (&["-o", "com.docker.network.nonsense=1", "x"], "does not support the network option"),
        (&["--config-only", "x"], "--config-only"),
        (&["bad name"], "invalid network name"),
    ] {
        let error = docker.run(&[&["network", "create"], arguments].concat()).code(1).fails();
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    for name in ["bridge", "host", "none"] {
        let error = docker.run(&["network", "rm", name]).code(1).fails();
        assert!(error.contains(&format!("{name} is a pre-defined network and cannot be removed")), "{error}");
    }
    let error = docker.run(&["network", "inspect", "nope"]).code(1).fails();
    assert!(error.contains("network nope not found"), "{error}");
    let web = start(&docker, &["--network", "shop", "--ip", "10.78.0.5"], "exec sleep 1000");
    for (arguments, words) in [
        (&["--network", "nope"][..], "network nope not found"),
        (&["--network", "shop", "--ip", "10.78.0.5"], "Address already in use"),
        (&["--network", "shop", "--ip", "10.99.0.5"], "no configured subnet contains IP address 10.99.0.5"),
        (&["--ip", "172.30.0.77"], "supported on user defined networks only"),
        (&["--network-alias", "x"], "only supported for user-defined networks"),
        (&["--network", "container:nope"], "No such container: nope"),
    ] {
        let error = docker.run(&[&["run", "--rm"], arguments, &[IMAGE, "true"]].concat()).code(125).fails();
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let error = docker.run(&["network", "connect", "shop", &web]).code(1).fails();
    assert!(error.contains("already exists in network shop"), "{error}");
    let error = docker.run(&["network", "disconnect", "bridge", &web]).code(1).fails();
    assert!(error.contains("is not connected to network bridge"), "{error}");
    remove(&docker, &web);
    drop_network(&docker, "shop");
}

fn isolation(darsena: &mut Darsena) {
    let docker = darsena.docker();
    make(&docker, &["a"]);
    make(&docker, &["b"]);
    let sleep = "exec sleep 1000";
    for (name, network) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("d1", "bridge")] {
        start(&docker, &["--network", network, "--name", name], sleep);
    }
    assert!(pings(darsena, "a1", &address(&docker, "a2", "a")));
    for (from, to, network) in [("a1", "b1", "b"), ("a1", "d1", "bridge"), ("d1", "a1", "a"), ("b1", "a2", "a")] {
        assert!(!pings(darsena, from, &address(&docker, to, network)), "{from} reaches {to}");
    }
    for name in ["a1", "b1", "d1"] {
        assert!(pings(darsena, name, "192.0.2.2"), "{name} reaches the LAN");
    }
    // A published port leads across, by the host's address.
    let serve = "echo across > /www/index.html; exec httpd -f -p 80 -h /www";
    start(&docker, &["--network", "b", "--name", "b2", "-p", "8091:80"], serve);
    wait::eventually("the other network's published port answers", || {
        in_netns(darsena, "a1", &["busybox", "wget", "-q", "-O", "/dev/null", "http://192.0.2.1:8091/"]).then_some(())
    });
    for name in ["a1", "a2", "b1", "b2", "d1"] {
        remove(&docker, name);
    }
    drop_network(&docker, "a");
    drop_network(&docker, "b");
}

fn connect(darsena: &mut Darsena) {
    let docker = darsena.docker();
    make(&docker, &["--subnet", "10.81.0.0/24", "left"]);
    make(&docker, &["--subnet", "10.82.0.0/24", "right"]);
    let serve = "echo here > /www/index.html; exec httpd -f -p 80 -h /www";
    let web = start(&docker, &["--network", "left", "--name", "web", "-p", "8092:80"], serve);
    let peer = start(&docker, &["--network", "right", "--name", "peer"], "exec sleep 1000");
    docker.run(&["network", "connect", "--ip", "10.82.0.50", "--alias", "front", "right", "web"]).ok();
    assert_eq!(
        (address(&docker, "web", "left").as_str(), address(&docker, "web", "right").as_str()),
        ("10.81.0.2", "10.82.0.50")
    );
    assert!(pings(darsena, &peer, "10.82.0.50") && pings(darsena, &web, &address(&docker, "peer", "right")));
    assert_eq!(network(&docker, "right")["Containers"][&web]["IPv4Address"], "10.82.0.50/24");
    // Its way out leaves: another network takes its place, with the ports.
    docker.run(&["network", "disconnect", "left", "web"]).ok();
    assert!(pings(darsena, &web, "192.0.2.2"), "it has a way out");
    let reach = || darsena.space().output("busybox", &["wget", "-q", "-O", "-", "http://192.0.2.1:8092/"]);
    assert_eq!(reach().trim(), "here");
    assert_eq!(network(&docker, "left")["Containers"], json!({}));
    docker.run(&["network", "connect", "left", "web"]).ok();
    // It stays so when it starts again, and a stopped one can be connected too.
    docker.run(&["stop", "-t", "0", "web"]).ok();
    docker.run(&["network", "connect", "bridge", "web"]).ok();
    docker.run(&["start", "web"]).ok();
    let names = inspect(
        &docker,
        "web",
        "{{range $name, $one := .NetworkSettings.Networks}}{{$name}}={{$one.IPAddress}} {{end}}",
    );
    assert!(
        names.contains("left=10.81.0.3 ") && names.contains("right=10.82.0.50") && names.contains("bridge=172."),
        "{names}"
    );
    for name in ["eth0", "eth1", "eth2"] {
        assert!(in_netns(darsena, "web", &["ip", "link", "show", name]), "{name}");
    }
    for name in ["left", "right", "bridge"] {
        docker.run(&["network", "disconnect", name, "web"]).ok();
    }
    assert!(!in_netns(darsena, "web", &["ip", "link", "show", "eth0"]), "only loopback is left");
    remove(&docker, "web");
    remove(&docker, "peer");
    drop_network(&docker, "left");
    drop_network(&docker, "right");
}

fn internal(darsena: &mut Darsena) {
    let docker = darsena.docker();
    make(&docker, &["--internal", "--subnet", "10.83.0.0/24", "vault"]);
    let one = start(&docker, &["--network", "vault", "--name", "v1", "-p", "8093:80"], "exec sleep 1000");
    let two = start(&docker, &["--network", "vault", "--name", "v2"], "exec sleep 1000");
    assert!(pings(darsena, &one, "10.83.0.3"));
    assert!(!pings(darsena, &two, "192.0.2.2"), "no way out");
    assert_eq!(docker.run(&["port", "v1"]).ok(), "", "nothing is published");
    assert!(in_netns(darsena, "v2", &["ip", "route", "add", "default", "via", "10.83.0.1"]));
    assert!(!pings(darsena, &two, "192.0.2.2"), "not even with a route");
    remove(&docker, &one);
    remove(&docker, &two);
    drop_network(&docker, "vault");
}

fn no_icc(darsena: &mut Darsena) {
    let docker = darsena.docker();
    make(&docker, &["-o", "com.docker.network.bridge.enable_icc=false", "--subnet", "10.84.0.0/24", "cells"]);
    let one = start(&docker, &["--network", "cells"], "exec sleep 1000");
    let two = start(&docker, &["--network", "cells"], "exec sleep 1000");
    assert!(!pings(darsena, &one, "10.84.0.3") && pings(darsena, &two, "192.0.2.2"));
    remove(&docker, &one);
    remove(&docker, &two);
    drop_network(&docker, "cells");
}

fn shared(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let links = say(&docker, &["--network", "host"], "ip -o link");
    assert!(links.contains("wan0") && links.contains("darsena0"), "{links}");
    let first = start(&docker, &["--name", "first", "-h", "shown"], "exec httpd -f -p 80 -h /www");
    let seen = say(
        &docker,
        &["--network", "container:first"],
        "hostname; cat /etc/hosts; ls /sys/class/net; wget -q -O - http://127.0.0.1/ || true",
    );
    let place = address(&docker, "first", "bridge");
    assert!(
        seen.starts_with("shown\n") && seen.contains(&format!("{place}\tshown")) && seen.contains("eth0"),
        "{seen}"
    );
    assert!(!seen.contains("wan0"), "the host's links are not shown: {seen}");
    let mode = docker.run(&["create", "--name", "second", "--network", "container:first", IMAGE]).ok();
    assert_eq!(inspect(&docker, &mode, "{{.HostConfig.NetworkMode}}"), format!("container:{first}"));
    let error = docker.run(&["network", "connect", "bridge", "second"]).code(1).fails();
    assert!(error.contains("container sharing network namespace with another container"), "{error}");
    docker.run(&["stop", "-t", "0", "first"]).ok();
    let error = docker.run(&["start", "second"]).code(1).fails();
    assert!(error.contains("cannot join network of a non running container"), "{error}");
    remove(&docker, "second");
    remove(&docker, "first");
}

fn links(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let db = start(&docker, &["--name", "db", "-e", "SECRET=x", "--expose", "5432"], "exec sleep 1000");
    let seen = say(
        &docker,
        &["--name", "web", "--link", "db:store"],
        "cat /etc/hosts; env; ping -c 1 store >/dev/null && echo reached",
    );
    let ip = address(&docker, "db", "bridge");
    for line in [
        format!("{ip}\tstore {} db", &db[..12]),
        format!("STORE_PORT=tcp://{ip}:5432"),
        format!("STORE_PORT_5432_TCP_ADDR={ip}"),
        "STORE_NAME=/web/store".to_owned(),
        "STORE_ENV_SECRET=x".to_owned(),
        "reached".to_owned(),
    ] {
        assert!(seen.lines().any(|one| one == line), "{line}: {seen}");
    }
    let error = docker.run(&["run", "--rm", "--link", "nope", IMAGE, "true"]).code(125).fails();
    assert!(error.contains("No such container: nope"), "{error}");
    remove(&docker, "db");
}
