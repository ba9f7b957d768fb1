//! The default network: an address each, a way out, published ports; and none.

use std::{net::TcpListener, process::Stdio, sync::mpsc, thread};

use harness::{Darsena, Suite, wait};

use crate::{IMAGE, inspect, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("containers_reach_each_other_and_the_lan", reach)
        .test("published_ports_answer_where_they_should", published)
        .test("a_port_is_published_once", twice)
        .test("a_port_is_chosen_from_a_range", range)
        .test("no_network_is_no_network", none)
        .test("the_built_in_image_shows_its_page", welcome)
}

const SERVE: &str = "echo hello > /www/index.html; exec httpd -f -p 80 -h /www";

/// What an address says inside the server's namespace, or at the neighbour; `None` when nobody answers.
fn get(darsena: &Darsena, neighbour: bool, address: &str) -> Option<String> {
    let space = darsena.space();
    let mut command = if neighbour { space.neighbour("busybox") } else { space.command("busybox") };
    // Not wget's own -T: Debian 12's busybox dies of it.
    let output = command
        .args(["timeout", "3", "busybox", "wget", "-q", "-O", "-", address])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What `port` says of one on all addresses.
fn both(before: &str, port: &str) -> String {
    format!("{before}0.0.0.0:{port}\n{before}[::]:{port}")
}

fn until_served(darsena: &Darsena, address: &str) {
    wait::eventually("the container's web server answers", || get(darsena, false, address));
}

fn reach(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], SERVE);
    let address = inspect(&docker, &id, "{{.NetworkSettings.Networks.bridge.IPAddress}}");
    until_served(darsena, &format!("http://{address}/"));
    assert_eq!(say(&docker, &[], &format!("wget -q -O - http://{address}/")), "hello");
    assert_eq!(
        say(&docker, &[], &format!("ip -o -4 address show eth0 | grep -c 'inet {address}/'; true")),
        "0",
        "an address each"
    );
    assert_eq!(say(&docker, &[], "ping -c 1 -W 5 192.0.2.2 >/dev/null && echo out"), "out");
    // The neighbour knows no way to the bridge: it sees the server's own address. It hangs up at once: nc waits for that.
    let listener = darsena.space().inside_neighbour(|| async { TcpListener::bind("192.0.2.2:7000").unwrap() });
    let (sender, accepted) = mpsc::channel();
    thread::spawn(move || sender.send(listener.accept().map(|(_, from)| from)));
    say(&docker, &[], "echo hi | nc 192.0.2.2 7000 || true");
    let from = accepted.recv_timeout(wait::DEADLINE).expect("the container has connected").unwrap();
    assert_eq!(from.ip().to_string(), "192.0.2.1");
    remove(&docker, &id);
}

fn published(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-p", "127.0.0.1:8081:80", "-p", "8082:80"], SERVE);
    until_served(darsena, "http://127.0.0.1:8081/");
    for address in ["http://127.0.0.1:8081/", "http://127.0.0.1:8082/", "http://192.0.2.1:8082/"] {
        assert_eq!(get(darsena, false, address).as_deref(), Some("hello"), "{address} from the host");
    }
    assert_eq!(get(darsena, true, "http://192.0.2.1:8082/").as_deref(), Some("hello"), "from the LAN");
    assert_eq!(get(darsena, true, "http://192.0.2.1:8081/"), None, "loopback only");
    let ports = docker.run(&["port", &id]).ok();
    assert!(ports.contains("80/tcp -> 127.0.0.1:8081") && ports.contains("80/tcp -> 0.0.0.0:8082"), "{ports}");
    let listed = docker.run(&["ps", "--format", "{{.Ports}}"]).ok();
    assert!(listed.contains("127.0.0.1:8081->80/tcp") && listed.contains("0.0.0.0:8082->80/tcp"), "{listed}");
    let address = inspect(&docker, &id, "{{.NetworkSettings.Networks.bridge.IPAddress}}");
    darsena.space().neighbour_output("ip", &["route", "add", &format!("{address}/32"), "via", "192.0.2.1"]);
    assert_eq!(get(darsena, true, &format!("http://{address}/")), None, "not past the published ports");
    darsena.space().neighbour_output("ip", &["route", "del", &format!("{address}/32")]);
    docker.run(&["stop", "-t", "0", &id]).ok();
    assert_eq!(get(darsena, false, "http://127.0.0.1:8081/"), None, "a stopped container publishes nothing");
    docker.run(&["start", &id]).ok();
    until_served(darsena, "http://127.0.0.1:8081/");
    remove(&docker, &id);
}

fn twice(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-p", "8083:80"], "exec sleep 1000");
    let error = docker.run(&["run", "--name", "second", "-p", "8083:80", IMAGE, "true"]).code(125).fails();
    assert!(error.contains("8083") && error.contains("already"), "{error}");
    remove(&docker, "second");
    let error = docker.run(&["run", "--name", "third", "-p", "127.0.0.1:8080:80", IMAGE, "true"]).code(125).fails();
    assert!(error.contains("8080"), "the server's own port: {error}");
    remove(&docker, "third");
    // What stops, or is removed, gives its port back before it is answered.
    for _ in 0..5 {
        docker.run(&["stop", "-t", "0", &id]).ok();
        let next = start(&docker, &["-p", "8083:80"], "exec sleep 1000");
        docker.run(&["rm", "-f", &next]).ok();
        docker.run(&["start", &id]).ok();
    }
    remove(&docker, &id);
}

fn range(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let publish = |name: &str, ports: &[&str]| {
        let options = ports.iter().flat_map(|port| ["-p", port]);
        let words = ["run", "-d", "--name", name].into_iter().chain(options).chain([IMAGE, "sh", "-c", SERVE]);
        docker.run(&words.collect::<Vec<_>>())
    };
    publish("range1", &["8100-8102:80"]).ok();
    // The server's neighbour on the host has one of them: it is passed over.
    let foreign = darsena.space().inside(|| async { TcpListener::bind("0.0.0.0:8101").unwrap() });
    publish("range2", &["8100-8102:80"]).ok();
    for (name, port) in [("range1", "8100"), ("range2", "8102")] {
        assert_eq!(docker.run(&["port", name]).ok(), both("80/tcp -> ", port));
        until_served(darsena, &format!("http://127.0.0.1:{port}/"));
    }
    assert_eq!(inspect(&docker, "range1", "{{(index .HostConfig.PortBindings \"80/tcp\" 0).HostPort}}"), "8100-8102");
    let error = publish("range3", &["8100-8102:80"]).code(125).fails();
    assert!(error.contains("Bind for 0.0.0.0:8100-8102 failed: all ports are allocated"), "{error}");
    docker.run(&["rm", "-f", "range1"]).ok();
    docker.run(&["start", "range3"]).ok();
    assert_eq!(docker.run(&["port", "range3"]).ok(), both("80/tcp -> ", "8100"));
    drop(foreign);
    // What was named is not taken by a choice; a range inside goes to a range outside, one by one.
    publish("range4", &["8111-8112:81", "8111:82", "8113-8115:90-92"]).ok();
    for (port, host) in [("81", "8112"), ("82", "8111"), ("90", "8113"), ("91", "8114"), ("92", "8115")] {
        assert_eq!(docker.run(&["port", "range4", port]).ok(), both("", host));
    }
    for name in ["range2", "range3", "range4"] {
        remove(&docker, name);
    }
}

fn none(darsena: &mut Darsena) {
    let docker = darsena.docker();
    assert_eq!(
        say(&docker, &["--network", "none"], "ip -o link | cut -d: -f2; ping -c1 -W1 127.0.0.1 >/dev/null && echo lo"),
        " lo\nlo"
    );
    docker.run(&["run", "--rm", "--network", "none", IMAGE, "ping", "-c", "1", "-W", "1", "192.0.2.2"]).fails();
}

fn welcome(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let listed = docker.run(&["images", "--format", "{{.Repository}}"]).ok();
    assert!(listed.lines().any(|name| name == "darsena/welcome"), "{listed}");
    let id = docker.run(&["run", "-d", "-p", "8084:8080", "darsena/welcome"]).ok();
    until_served(darsena, "http://127.0.0.1:8084/healthz");
    let page = get(darsena, true, "http://192.0.2.1:8084/").unwrap();
    assert!(page.contains("Welcome to Darsena") && page.contains(&id[..12]), "{page}");
    docker.run(&["stop", &id]).ok();
    assert_eq!(inspect(&docker, &id, "{{.State.ExitCode}}"), "0", "process 1 hears SIGTERM");
    let logs = docker.run(&["logs", &id]).ok();
    assert!(logs.contains(" listening on 0.0.0.0:8080") && logs.contains(" GET / 200"), "{logs}");
    remove(&docker, &id);
}
