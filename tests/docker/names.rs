//! Names on networks that people make: answered inside, asked outside, whether the server runs or not.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};

use harness::{Darsena, Docker, Suite, wait};
use runtime::sys::netns;

use crate::{inspect, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("names_lead_to_containers", names)
        .test("names_are_answered_while_no_server_runs", outlive)
        .test("other_names_are_asked_outside", outside)
        .test("port_53_is_the_container_s_own", own_port)
        .test("links_on_a_network_are_names_for_one_container", links)
}

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// Code and addresses of an answer; each record's name must be a pointer.
fn read(answer: &[u8], question: &[u8]) -> (u8, Vec<Ipv4Addr>) {
    assert_eq!(&answer[..2], &question[..2]);
    let mut addresses = Vec::new();
    let mut rest = &answer[question.len()..];
    for _ in 0..u16::from_be_bytes([answer[6], answer[7]]) {
        let length = usize::from(u16::from_be_bytes([rest[10], rest[11]]));
        if u16::from_be_bytes([rest[2], rest[3]]) == A {
            addresses.push(Ipv4Addr::new(rest[12], rest[13], rest[14], rest[15]));
        }
        rest = &rest[12 + length..];
    }
    (answer[3] & 15, addresses)
}

fn namespace(docker: &Docker, container: &str) -> File {
    File::open(format!("/proc/{}/ns/net", inspect(docker, container, "{{.State.Pid}}"))).unwrap()
}

/// Asks from inside a container.
fn ask_raw(netns: &File, name: &str, kind: u16, by_tcp: bool) -> (u8, Vec<Ipv4Addr>) {
    let question = question(name, kind);
    let patience = Some(Duration::from_secs(10));
    let answer = if by_tcp {
        let mut stream = netns::within(netns.as_fd(), || TcpStream::connect("127.0.0.11:53")).unwrap();
        stream.set_read_timeout(patience).unwrap();
        stream.write_all(&u16::try_from(question.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(&question).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        answer
    } else {
        let socket = netns::within(netns.as_fd(), || UdpSocket::bind("0.0.0.0:0")).unwrap();
        socket.connect("127.0.0.11:53").unwrap();
        socket.set_read_timeout(patience).unwrap();
        socket.send(&question).unwrap();
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    };
    read(&answer, &question)
}

fn ask(netns: &File, name: &str) -> Vec<String> {
    let (_, mut by_udp) = ask_raw(netns, name, A, false);
    let (_, mut by_tcp) = ask_raw(netns, name, A, true);
    by_udp.sort();
    by_tcp.sort();
    assert_eq!(by_udp, by_tcp, "{name}");
    by_udp.iter().map(ToString::to_string).collect()
}

fn names(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["network", "create", "--subnet", "10.60.0.0/24", "shop"]).ok();
    docker.run(&["network", "create", "--subnet", "10.61.0.0/24", "back"]).ok();
    let sleep = "exec sleep 1000";
    let web =
        start(&docker, &["--network", "shop", "--name", "web", "--network-alias", "any", "--dns", "192.0.2.2"], sleep);
    start(&docker, &["--network", "shop", "--name", "db", "--network-alias", "any", "-h", "store"], sleep);
    start(&docker, &["--network", "back", "--name", "far"], sleep);
    let inside = namespace(&docker, "web");
    for (name, wanted) in [
        ("db", &["10.60.0.3"][..]),
        ("DB", &["10.60.0.3"]),
        ("db.shop", &["10.60.0.3"]),
        ("store", &["10.60.0.3"]),
        ("web", &["10.60.0.2"]),
        (&web[..12], &["10.60.0.2"]),
        ("any", &["10.60.0.2", "10.60.0.3"]),
        ("far", &[]),
    ] {
        assert_eq!(ask(&inside, name), wanted, "{name}");
    }
    assert_eq!(ask_raw(&inside, "db", AAAA, false), (0, vec![]), "known, without such an address");
    assert_eq!(ask_raw(&inside, "3.0.60.10.in-addr.arpa", PTR, false).0, 0);
    let said = say(
        &docker,
        &["--network", "shop"],
        "cat /etc/resolv.conf; ping -c 1 db >/dev/null && echo reached; nslookup 10.60.0.3",
    );
    assert!(said.contains("nameserver 127.0.0.11") && said.contains("ndots:0"), "{said}");
    assert!(said.contains("reached") && said.contains("db.shop"), "{said}");
    // Who comes and goes, here or into more networks.
    docker.run(&["network", "connect", "--alias", "away", "shop", "far"]).ok();
    assert_eq!(ask(&inside, "away"), ["10.60.0.4"]);
    assert_eq!(ask(&namespace(&docker, "far"), "web"), ["10.60.0.2"]);
    docker.run(&["network", "disconnect", "shop", "far"]).ok();
    assert_eq!(ask(&inside, "away"), Vec::<String>::new());
    docker.run(&["stop", "-t", "0", "db"]).ok();
    assert_eq!(ask(&inside, "db"), Vec::<String>::new());
    docker.run(&["start", "db"]).ok();
    assert_eq!(ask(&inside, "db"), ["10.60.0.3"]);
    // On the default bridge there are no names until a network with names comes along.
    start(&docker, &["--name", "plain"], sleep);
    docker.run(&["network", "connect", "shop", "plain"]).ok();
    assert_eq!(ask(&namespace(&docker, "plain"), "web"), ["10.60.0.2"]);
    for name in ["web", "db", "far", "plain"] {
        remove(&docker, name);
    }
    docker.run(&["network", "rm", "shop", "back"]).ok();
}

fn outlive(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["network", "create", "--subnet", "10.62.0.0/24", "stays"]).ok();
    for name in ["one", "two"] {
        start(&docker, &["--network", "stays", "--name", name], "exec sleep 1000");
    }
    let inside = namespace(&docker, "one");
    darsena.kill9();
    assert_eq!(ask(&inside, "two"), ["10.62.0.3"], "no server runs");
    darsena.restart();
    assert_eq!(ask(&inside, "two"), ["10.62.0.3"]);
    start(&docker, &["--network", "stays", "--name", "three"], "exec sleep 1000");
    assert_eq!(ask(&inside, "three"), ["10.62.0.4"], "a resolver of before learns of who came after");
    // A resolver that was killed is replaced by the next server.
    let killed = resolvers(darsena);
    assert_eq!(killed.len(), 3);
    for pid in &killed {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    wait::eventually("they are gone", || resolvers(darsena).is_empty().then_some(()));
    darsena.restart();
    assert_eq!(ask(&inside, "three"), ["10.62.0.4"]);
    for name in ["one", "two", "three"] {
        remove(&docker, name);
    }
    wait::eventually("resolvers end with their containers", || resolvers(darsena).is_empty().then_some(()));
    docker.run(&["network", "rm", "stays"]).ok();
}

/// The resolvers of this test's containers.
fn resolvers(darsena: &Darsena) -> Vec<i32> {
    let run = darsena.space().run().to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with("darsena-resolver") && line.contains(&run)
    })
    .collect()
}

/// A name server at the neighbour that says 203.0.113.9 to everything, by UDP and TCP.
fn neighbour_server(darsena: &Darsena) {
    let (udp, tcp) = darsena.space().inside_neighbour(|| async {
        (UdpSocket::bind("192.0.2.2:53").unwrap(), TcpListener::bind("192.0.2.2:53").unwrap())
    });
    let answer = |question: &[u8]| {
        let mut answer = question.to_vec();
        answer[2] |= 0x80;
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 203, 0, 113, 9]);
        answer
    };
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            udp.send_to(&answer(&buffer[..length]), from).unwrap();
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question).unwrap();
            let answer = answer(&question);
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
}

fn outside(darsena: &mut Darsena) {
    let docker = darsena.docker();
    neighbour_server(darsena);
    docker.run(&["network", "create", "open"]).ok();
    docker.run(&["network", "create", "--internal", "closed"]).ok();
    start(&docker, &["--network", "open", "--name", "asks", "--dns", "192.0.2.2"], "exec sleep 1000");
    let inside = namespace(&docker, "asks");
    assert_eq!(ask(&inside, "example.org"), ["203.0.113.9"]);
    assert_ne!(ask(&inside, "asks"), ["203.0.113.9"]);
    let many: Vec<_> = (0..50).map(|_| inside.try_clone().unwrap()).collect();
    let asked: Vec<_> = many
        .into_iter()
        .enumerate()
        .map(|(number, inside)| {
            thread::spawn(move || ask_raw(&inside, &format!("n{number}.example"), A, number % 4 == 0))
        })
        .collect();
    for one in asked {
        assert_eq!(one.join().unwrap(), (0, vec![Ipv4Addr::new(203, 0, 113, 9)]));
    }
    // The first server doesn't answer: the next one is asked.
    start(
        &docker,
        &["--network", "open", "--name", "second", "--dns", "192.0.2.1", "--dns", "192.0.2.2"],
        "exec sleep 1000",
    );
    assert_eq!(ask_raw(&namespace(&docker, "second"), "example.org", A, false).1, [Ipv4Addr::new(203, 0, 113, 9)]);
    start(&docker, &["--network", "closed", "--name", "shut", "--dns", "192.0.2.2"], "exec sleep 1000");
    assert_eq!(
        ask_raw(&namespace(&docker, "shut"), "example.org", A, false),
        (2, vec![]),
        "no way out for names either"
    );
    for name in ["asks", "second", "shut"] {
        remove(&docker, name);
    }
    docker.run(&["network", "rm", "open", "closed"]).ok();
}

fn own_port(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["network", "create", "--subnet", "10.63.0.0/24", "ports"]).ok();
    start(&docker, &["--network", "ports", "--name", "one"], "exec sleep 1000");
    let inside = namespace(&docker, "one");
    let _held =
        netns::within(inside.as_fd(), || Ok((UdpSocket::bind("0.0.0.0:53")?, TcpListener::bind("0.0.0.0:53")?)))
            .expect("a program of the container may have port 53");
    assert_eq!(ask(&inside, "one"), ["10.63.0.2"]);
    remove(&docker, "one");
    docker.run(&["network", "rm", "ports"]).ok();
}

fn links(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["network", "create", "--subnet", "10.64.0.0/24", "linked"]).ok();
    start(&docker, &["--network", "linked", "--name", "db", "--dns", "192.0.2.2"], "exec sleep 1000");
    start(&docker, &["--network", "linked", "--name", "web", "--link", "db:store"], "exec sleep 1000");
    assert_eq!(ask(&namespace(&docker, "web"), "store"), ["10.64.0.2"]);
    assert_eq!(ask(&namespace(&docker, "db"), "store"), Vec::<String>::new());
    remove(&docker, "web");
    remove(&docker, "db");
    docker.run(&["network", "rm", "linked"]).ok();
}
