//! IPv6: networks of both versions, names, published ports; and a network upon an interface of the host.

use std::process::Stdio;

use harness::{Darsena, Docker, Suite, wait};
use serde_json::{Value, json};

use crate::{IMAGE, inspect, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("a_network_may_have_ipv6", both)
        .test("what_ipv6_can_not_be_is_said", refused)
        .test("ports_are_published_on_ipv6", published)
        .test("the_way_out_is_chosen_by_priority", priority)
        .test("a_macvlan_is_upon_an_interface", macvlan)
}

const SERVE: &str = "echo hello > /www/index.html; exec httpd -f -p '[::]:80' -h /www";

fn network(docker: &Docker, name: &str) -> Value {
    let text = docker.run(&["network", "inspect", name]).ok();
    serde_json::from_str::<Value>(&text).unwrap()[0].take()
}

fn place(docker: &Docker, container: &str, network: &str) -> Value {
    let text = inspect(docker, container, "{{json .NetworkSettings.Networks}}");
    serde_json::from_str::<Value>(&text).unwrap()[network].take()
}

/// Runs a program of the host's in a container's network; what it says, if it succeeds.
fn within(darsena: &Darsena, container: &str, command: &[&str]) -> Option<String> {
    let pid = inspect(&darsena.docker(), container, "{{.State.Pid}}");
    let mut nsenter = darsena.space().command("nsenter");
    let output = nsenter.args(["-t", &pid, "-n", "--"]).args(command).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn pings(darsena: &Darsena, from: &str, address: &str) -> bool {
    let version = if address.contains(':') { "-6" } else { "-4" };
    within(darsena, from, &["busybox", "ping", version, "-c", "1", "-W", "2", address]).is_some()
}

/// Host and neighbour have IPv6 on the LAN.
fn give_ipv6(darsena: &Darsena) {
    let space = darsena.space();
    space.output("ip", &["address", "replace", "2001:db8::1/64", "dev", "wan0", "nodad"]);
    space.neighbour_output("ip", &["address", "replace", "2001:db8::2/64", "dev", "eth0", "nodad"]);
}

fn get(darsena: &Darsena, neighbour: bool, address: &str) -> Option<String> {
    let space = darsena.space();
    let mut command = if neighbour { space.neighbour("busybox") } else { space.command("busybox") };
    let output = command
        .args(["timeout", "3", "busybox", "wget", "-q", "-O", "-", address])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn both(darsena: &mut Darsena) {
    let docker = darsena.docker();
    give_ipv6(darsena);
    let subnets = ["--subnet", "10.61.0.0/24", "--subnet", "fd61::/64"];
    let ranges = ["--gateway", "fd61::fe", "--ip-range", "fd61::100/120"];
    docker.run(&[&["network", "create", "--ipv6"][..], &subnets, &ranges, &["six"]].concat()).ok();
    let shown = network(&docker, "six");
    assert_eq!(shown["EnableIPv6"], json!(true));
    assert_eq!(
        shown["IPAM"]["Config"],
        json!([
            {"Subnet": "10.61.0.0/24", "Gateway": "10.61.0.1"},
            {"Subnet": "fd61::/64", "IPRange": "fd61::100/120", "Gateway": "fd61::fe"}
        ])
    );
    let web = start(&docker, &["--network", "six", "--name", "web", "--network-alias", "api"], "exec sleep 1000");
    let seen = place(&docker, "web", "six");
    assert_eq!(
        (&seen["GlobalIPv6Address"], &seen["GlobalIPv6PrefixLen"], &seen["IPv6Gateway"]),
        (&json!("fd61::100"), &json!(64), &json!("fd61::fe"))
    );
    let fixed = start(&docker, &["--network", "six", "--ip6", "fd61::77", "--name", "fixed"], "exec sleep 1000");
    let seen = place(&docker, "fixed", "six");
    assert_eq!(seen["IPAMConfig"]["IPv6Address"], json!("fd61::77"));
    assert_eq!(network(&docker, "six")["Containers"][&fixed]["IPv6Address"], json!("fd61::77/64"));
    // Usable at once, and a way out.
    let said = say(&docker, &["--network", "six"], "ip -6 route; cat /etc/hosts; ip -6 addr show eth0");
    assert!(said.contains("default via fd61::fe dev eth0") && !said.contains("tentative"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("fd61::1")), "its own name has both addresses: {said}");
    assert!(pings(darsena, "web", "fd61::77") && pings(darsena, "web", "2001:db8::2"), "masqueraded");
    // Names: each kind of question its own kind of answer, and none is not nobody.
    docker.run(&["network", "create", "four"]).ok();
    docker.run(&["network", "connect", "four", "web"]).ok();
    start(&docker, &["--network", "four", "--name", "plain"], "exec sleep 1000");
    let ask = |name: &str, kind: &str| {
        let asked = format!("nslookup -type={kind} {name} 127.0.0.11");
        docker.run(&["exec", "web", "sh", "-c", &format!("{asked} 2>&1; true")]).ok()
    };
    assert!(ask("fixed", "aaaa").contains("fd61::77"), "{}", ask("fixed", "aaaa"));
    assert!(!ask("fixed", "a").contains("fd61::77"), "{}", ask("fixed", "a"));
    let none = ask("plain", "aaaa");
    assert!(!none.contains("NXDOMAIN") && !none.contains("SERVFAIL"), "{none}");
    let back = docker.run(&["exec", "web", "nslookup", "fd61::77", "127.0.0.11"]).ok();
    assert!(back.contains("fixed.six"), "{back}");
    // On a network without IPv6 there is none at all.
    assert_eq!(within(darsena, "plain", &["ip", "-6", "route"]).as_deref(), Some(""));
    // Chosen of the engine's own addresses, and kept apart.
    docker.run(&["network", "create", "--ipv6", "chosen"]).ok();
    let subnet = network(&docker, "chosen")["IPAM"]["Config"][1]["Subnet"].as_str().unwrap().to_owned();
    assert!(subnet.starts_with("fd") && subnet.ends_with("::/64"), "{subnet}");
    start(&docker, &["--network", "chosen", "--name", "apart"], "exec sleep 1000");
    assert!(!pings(darsena, "apart", "fd61::77"));
    let address = place(&docker, "apart", "chosen")["GlobalIPv6Address"].as_str().unwrap().to_owned();
    assert!(!pings(darsena, "web", &address));
    // Connected while it runs, and taken out again.
    docker.run(&["network", "connect", "--ip6", "fd61::78", "six", "plain"]).ok();
    assert!(pings(darsena, "plain", "fd61::77") && pings(darsena, "plain", "2001:db8::2"));
    docker.run(&["network", "disconnect", "six", "plain"]).ok();
    assert!(!pings(darsena, "plain", "2001:db8::2"));
    // The server comes back: all as before.
    darsena.kill9();
    darsena.restart();
    assert!(pings(darsena, "web", "fd61::77") && pings(darsena, "web", "2001:db8::2"));
    assert_eq!(place(&docker, "web", "six")["GlobalIPv6Address"], json!("fd61::100"));
    docker.run(&["restart", "-t", "0", "fixed"]).ok();
    assert!(pings(darsena, "web", "fd61::77"));
    for name in [&web, "fixed", "plain", "apart"] {
        remove(&docker, name);
    }
    for name in ["six", "four", "chosen"] {
        docker.run(&["network", "rm", name]).ok();
    }
}

fn refused(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["network", "create", "--ipv6", "--subnet", "fd62::/64", "six"]).ok();
    for (arguments, words) in [
        (&["--ipv6", "--subnet", "fd62:0:0:0:1::/80", "x"][..], "Pool overlaps with other one on this address space"),
        (&["--subnet", "fd63::/64", "x"], "a subnet of IPv6 needs a network with IPv6 (--ipv6)"),
        (&["--ipv6", "--subnet", "fd63::1/64", "x"], "it should be fd63::/64"),
        (&["--ipv6", "--subnet", "fe80::/64", "x"], "no addresses of a network"),
        (
            &["--subnet", "10.62.0.0/24", "--subnet", "10.63.0.0/24", "x"],
            "bridge driver doesn't support multiple subnets",
        ),
        (&["--ipv6", "-o", "com.docker.network.driver.mtu=1000", "x"], "IPv6 needs 1280"),
    ] {
        let error = docker.run(&[&["network", "create"], arguments].concat()).code(1).fails();
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    docker.run(&["network", "create", "--subnet", "10.64.0.0/24", "four"]).ok();
    for (arguments, words) in [
        (&["--network", "six", "--ip6", "fd99::1"][..], "no configured subnet contains IP address fd99::1"),
        (&["--network", "four", "--ip6", "fd62::9"], "no configured subnet contains IP address fd62::9"),
        (&["--ip6", "fd62::9"], "user defined networks only"),
    ] {
        let error = docker.run(&[&["run", "--rm"], arguments, &[IMAGE, "true"]].concat()).code(125).fails();
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    // A host without IPv6 says so, and all else works.
    let switch = |darsena: &Darsena, value: &str| {
        let line = format!("echo {value} > /proc/sys/net/ipv6/conf/all/disable_ipv6");
        darsena.space().output("sh", &["-c", &line]);
    };
    switch(darsena, "1");
    let error = docker.run(&["network", "create", "--ipv6", "x"]).code(1).fails();
    assert!(error.contains("IPv6 is switched off on this host (net.ipv6.conf.all.disable_ipv6 = 1)"), "{error}");
    darsena.kill9();
    darsena.restart();
    let warned = docker.run(&["info", "--format", "{{json .Warnings}}"]).ok();
    assert!(warned.contains("networks can't have IPv6"), "{warned}");
    let id = start(&docker, &["-p", "8071:80"], "exec httpd -f -p 80 -h /www");
    assert_eq!(docker.run(&["port", &id]).ok(), "80/tcp -> 0.0.0.0:8071");
    remove(&docker, &id);
    switch(darsena, "0");
    darsena.kill9();
    darsena.restart();
    for name in ["six", "four"] {
        docker.run(&["network", "rm", name]).ok();
    }
}

fn published(darsena: &mut Darsena) {
    let docker = darsena.docker();
    give_ipv6(darsena);
    docker.run(&["network", "create", "--ipv6", "--subnet", "fd65::/64", "six"]).ok();
    let ports = ["-p", "8072:80", "-p", "[::1]:8073:80", "-p", "[2001:db8::1]:8074:80", "-p", "0.0.0.0:8075:80"];
    for (network, serve) in [("six", SERVE), ("bridge", "echo hello > /www/index.html; exec httpd -f -p 80 -h /www")] {
        let id = start(&docker, &[&["--network", network][..], &ports].concat(), serve);
        wait::eventually("the container's web server answers", || get(darsena, false, "http://127.0.0.1:8072/"));
        for (neighbour, address, answers) in [
            (false, "[::1]:8072", true),
            (false, "[::1]:8073", true),
            (false, "[2001:db8::1]:8072", true),
            (true, "[2001:db8::1]:8072", true),
            (true, "192.0.2.1:8072", true),
            (true, "[2001:db8::1]:8073", false),
            (true, "[2001:db8::1]:8074", true),
            (true, "192.0.2.1:8074", false),
            (true, "[2001:db8::1]:8075", false),
            (true, "192.0.2.1:8075", true),
        ] {
            let said = get(darsena, neighbour, &format!("http://{address}/"));
            assert_eq!(said.as_deref(), answers.then_some("hello"), "{network}: {address}, of outside: {neighbour}");
        }
        let listed = docker.run(&["port", &id]).ok();
        for line in ["0.0.0.0:8072", "[::]:8072", "[::1]:8073", "[2001:db8::1]:8074", "0.0.0.0:8075"] {
            assert!(listed.lines().any(|one| one == format!("80/tcp -> {line}")), "{line}: {listed}");
        }
        assert!(!listed.contains("[::]:8075"), "{listed}");
        if network == "six" {
            // Hairpin.
            let said = docker.run(&["exec", &id, "wget", "-q", "-O", "-", "http://[2001:db8::1]:8072/"]).ok();
            assert_eq!(said, "hello");
        }
        darsena.kill9();
        darsena.restart();
        for address in ["[::1]:8072", "[2001:db8::1]:8074"] {
            assert_eq!(get(darsena, false, &format!("http://{address}/")).as_deref(), Some("hello"), "{address}");
        }
        remove(&docker, &id);
    }
    docker.run(&["network", "rm", "six"]).ok();
}

fn priority(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["network", "create", "--subnet", "10.66.0.0/24", "near"]).ok();
    docker.run(&["network", "create", "--subnet", "10.67.0.0/24", "far"]).ok();
    let serve = "echo hello > /www/index.html; exec httpd -f -p 80 -h /www";
    let made = ["create", "--network", "near", "-p", "8077:80", IMAGE, "sh", "-c", serve];
    let id = docker.run(&made).ok();
    let connect = |darsena: &Darsena, priority: i64| {
        let body = json!({ "Container": id, "EndpointConfig": { "GwPriority": priority } }).to_string();
        let socket = darsena.socket();
        let asked = ["-sS", "-X", "POST", "-H", "Content-Type: application/json", "-d", &body, "-w", "%{http_code}"];
        let to = ["--unix-socket", socket.to_str().unwrap(), "http://engine/v1.44/networks/far/connect"];
        assert_eq!(darsena.space().output("curl", &[&asked[..], &to].concat()), "200");
    };
    let leads = |darsena: &Darsena, way: &str| {
        let routes = within(darsena, &id, &["ip", "route"]).unwrap();
        let ways: Vec<_> = routes.lines().filter(|line| line.starts_with("default")).map(str::trim).collect();
        assert_eq!(ways, [way]);
        for address in ["http://192.0.2.1:8077/", "http://127.0.0.1:8077/"] {
            wait::eventually("the published port answers", || get(darsena, false, address));
        }
        assert_eq!(get(darsena, true, "http://192.0.2.1:8077/").as_deref(), Some("hello"));
    };
    let (near, far) = ("default via 10.66.0.1 dev eth0", "default via 10.67.0.1 dev eth1");
    connect(darsena, 5);
    docker.run(&["start", &id]).ok();
    leads(darsena, far);
    assert_eq!(place(&docker, &id, "far")["GwPriority"], json!(5));
    docker.run(&["network", "disconnect", "far", &id]).ok();
    leads(darsena, near);
    // One that comes takes the lead only with a higher priority, and with it the ports.
    for (priority, way) in [(0, near), (7, far)] {
        connect(darsena, priority);
        leads(darsena, way);
        darsena.kill9();
        darsena.restart();
        leads(darsena, way);
        docker.run(&["network", "disconnect", "far", &id]).ok();
        leads(darsena, near);
    }
    remove(&docker, &id);
    for name in ["near", "far"] {
        docker.run(&["network", "rm", name]).ok();
    }
}

fn macvlan(darsena: &mut Darsena) {
    let docker = darsena.docker();
    give_ipv6(darsena);
    for (arguments, words) in [
        (&["-o", "parent=nope0", "lan"][..], "the macvlan parent interface nope0 was not found on this host"),
        (&["lan"], "-o parent=INTERFACE"),
        (&["-o", "parent=lo", "lan"], "loopback interface is not a valid macvlan parent link"),
        (&["-o", "parent=wan0", "-o", "macvlan_mode=odd", "lan"], "invalid value of the network option macvlan_mode"),
        (&["-o", "parent=darsena0", "lan"], "another network's bridge"),
    ] {
        let arguments = [&["network", "create", "-d", "macvlan", "--subnet", "192.0.2.0/24"], arguments].concat();
        let error = docker.run(&arguments).code(1).fails();
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let lan = ["--subnet", "192.0.2.0/24", "--gateway", "192.0.2.2", "--ip-range", "192.0.2.64/26"];
    let lan6 = ["--ipv6", "--subnet", "2001:db8::/64", "--gateway", "2001:db8::2", "--ip-range", "2001:db8::100/120"];
    let on = ["-o", "parent=wan0", "-o", "macvlan_mode=bridge", "lan"];
    docker.run(&[&["network", "create", "-d", "macvlan"][..], &lan, &lan6, &on].concat()).ok();
    assert_eq!(network(&docker, "lan")["Driver"], json!("macvlan"));
    let one = start(&docker, &["--network", "lan", "--name", "one", "-p", "8076:80"], "exec httpd -f -p 80 -h /www");
    let two = start(&docker, &["--network", "lan", "--name", "two", "--ip", "192.0.2.9"], "exec sleep 1000");
    assert_eq!(place(&docker, "two", "lan")["IPAddress"], json!("192.0.2.9"));
    assert!(pings(darsena, "one", "192.0.2.2") && pings(darsena, "one", "192.0.2.9"), "the LAN and each other");
    assert!(pings(darsena, "one", "2001:db8::2"));
    assert_eq!(docker.run(&["port", "one"]).ok(), "", "it is on the LAN with all its ports");
    docker.run(&["network", "create", "side"]).ok();
    start(&docker, &["--network", "side", "--name", "three"], "exec sleep 1000");
    docker.run(&["network", "connect", "lan", "three"]).ok();
    assert!(pings(darsena, "three", "192.0.2.9"));
    darsena.kill9();
    darsena.restart();
    assert!(pings(darsena, "one", "192.0.2.9") && pings(darsena, "three", "192.0.2.9"));
    docker.run(&["network", "disconnect", "lan", "three"]).ok();
    assert!(within(darsena, "three", &["ip", "link", "show", "eth1"]).is_none(), "nothing of it is left");
    for name in [&one, &two, "three"] {
        remove(&docker, name);
    }
    for name in ["lan", "side"] {
        docker.run(&["network", "rm", name]).ok();
    }
    assert!(darsena.space().output("ip", &["-o", "link"]).contains("wan0"), "the host's own link stays");
    // In the mode private they don't reach each other; and an interface that went is said.
    darsena.space().output("ip", &["link", "add", "up0", "type", "veth", "peer", "name", "up1"]);
    for name in ["up0", "up1"] {
        darsena.space().output("ip", &["link", "set", name, "up"]);
    }
    let shut = ["-o", "parent=up0", "-o", "macvlan_mode=private", "--subnet", "10.68.0.0/24", "shut"];
    docker.run(&[&["network", "create", "-d", "macvlan"][..], &shut].concat()).ok();
    let error = docker.run(&["network", "create", "-d", "macvlan", "-o", "parent=up0", "x"]).code(1).fails();
    assert!(error.contains("network shut is already using parent interface up0"), "{error}");
    for name in ["one", "two"] {
        start(&docker, &["--network", "shut", "--name", name], "exec sleep 1000");
    }
    darsena.space().output("ip", &["address", "add", "10.68.0.1/24", "dev", "up1"]);
    assert!(pings(darsena, "one", "10.68.0.1") && !pings(darsena, "one", "10.68.0.3"));
    darsena.space().output("ip", &["link", "del", "up0"]);
    docker.run(&["stop", "-t", "0", "one"]).ok();
    let error = docker.run(&["start", "one"]).code(1).fails();
    assert!(error.contains("the network shut needs the interface up0, which this host does not have"), "{error}");
    for name in ["one", "two"] {
        remove(&docker, name);
    }
    docker.run(&["network", "rm", "shut"]).ok();
}
