//! The network room against a real kernel: each test in network namespaces of its own. Needs root, and `ip` and `nft`
//! to arrange the surroundings and to look at the result.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd as _, AsRawFd as _},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, unshare};
use runtime::{
    engine::proxy::Proxy,
    id::{ContainerId, NetworkId},
    network::{AttachRequest, Config, Network, Place, Reservation, warnings},
    request::{AddressPool, CreateNetwork, PortBinding},
    sys::netns,
    view::Endpoint,
};
use tempfile::TempDir;

const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HOST_2: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A host with a neighbour on its network; the test's thread is the host.
struct Lab {
    state: TempDir,
    neighbour: File,
    runtime: tokio::runtime::Runtime,
}

fn in_lab(test: impl FnOnce(&Lab) + Send + 'static) {
    let host = thread::Builder::new().name("host".into()).spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run as root");
        let neighbour = namespace();
        run("ip", "link set lo up");
        run("ip", "link add lan0 type veth peer name peer0");
        run("ip", "addr add 192.0.2.1/24 dev lan0");
        run("ip", "addr add 192.0.2.2/24 dev lan0");
        run("ip", "link set lan0 up");
        run("ip", &format!("link set peer0 netns /proc/{}/fd/{}", std::process::id(), neighbour.as_raw_fd()));
        inside(&neighbour, || {
            run("ip", "link set lo up");
            run("ip", "addr add 192.0.2.7/24 dev peer0");
            run("ip", "link set peer0 up");
            // A hostile neighbour: it takes the host for its way to everything, containers included.
            run("ip", "route add default via 192.0.2.1");
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        test(&Lab { state: TempDir::new().expect("a folder"), neighbour, runtime: runtime.expect("a runtime") });
    });
    if let Err(panic) = host.expect("a thread").join() {
        std::panic::resume_unwind(panic);
    }
}

/// A new network namespace.
fn namespace() -> File {
    let made = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        File::open("/proc/thread-self/ns/net").expect("the namespace's file")
    });
    made.join().expect("a namespace")
}

fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> T {
    netns::within(namespace.as_fd(), || Ok(work())).expect("inside the namespace")
}

fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().expect(program);
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn ruleset() -> String {
    run("nft", "list ruleset")
}

fn container_links() -> Vec<String> {
    let links = run("ip", "-o link show type veth");
    let names = links.lines().filter_map(|line| line.split(": ").nth(1)?.split('@').next());
    names.filter(|name| name.starts_with("dv")).map(str::to_owned).collect()
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

impl Lab {
    fn open(&self) -> Network {
        let network = Network::open(self.state.path().join("network"), Config::default()).expect("the network");
        network.reconcile(&[], &[]).expect("reconciled");
        network
    }

    /// Starts a container with servers on 80/tcp, 81/tcp and 53/udp that answer their name and who asks.
    fn start(&self, network: &Network, name: &'static str, ports: &[PortBinding]) -> Container {
        let (id, netns) = (ContainerId::random(), namespace());
        let request = AttachRequest { container: &id, name, netns: netns.as_fd(), ports, place: Place::default() };
        let (endpoint, reservations) = network.attach(&request).expect("attached");
        serve(&netns, name);
        let proxy = self.proxy(reservations);
        Container { id, netns, endpoint, proxy }
    }

    fn proxy(&self, reservations: Vec<Reservation>) -> Proxy {
        let _entered = self.runtime.enter();
        Proxy::start(reservations).expect("a proxy")
    }
}

struct Container {
    id: ContainerId,
    netns: File,
    endpoint: Endpoint,
    proxy: Proxy,
}

fn serve(netns: &File, name: &'static str) {
    for port in [80, 81] {
        serve_tcp(inside(netns, || TcpListener::bind(("0.0.0.0", port)).expect("a server")), name);
    }
    let socket = inside(netns, || UdpSocket::bind("0.0.0.0:53").expect("a server"));
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(format!("{name} {}", client.ip()).as_bytes(), client);
        }
    });
}

fn serve_tcp(listener: TcpListener, name: &'static str) {
    thread::spawn(move || {
        while let Ok((mut client, address)) = listener.accept() {
            thread::spawn(move || {
                let _ = client.write_all(format!("{name} {}", address.ip()).as_bytes());
                // Echoes until the client leaves, for tests of established connections.
                let mut byte = [0];
                while let Ok(1) = client.read(&mut byte) {
                    let _ = client.write_all(&byte);
                }
            });
        }
    });
}

/// Long for what must work, short for what must not.
fn patience(wanted: bool) -> Duration {
    if wanted { Duration::from_secs(10) } else { Duration::from_millis(300) }
}

fn ask_tcp(address: (impl Into<IpAddr>, u16), wanted: bool) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address.0.into(), address.1), patience(wanted))?;
    stream.set_read_timeout(Some(patience(wanted)))?;
    let mut buffer = [0; 64];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::ConnectionReset.into()),
        len => Ok(String::from_utf8_lossy(&buffer[..len]).into_owned()),
    }
}

fn ask_udp(address: (impl Into<IpAddr>, u16), wanted: bool) -> io::Result<String> {
    let address = SocketAddr::new(address.0.into(), address.1);
    let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.set_read_timeout(Some(patience(wanted)))?;
    socket.connect(address)?;
    socket.send(b"?")?;
    let mut buffer = [0; 64];
    let len = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..len]).into_owned())
}

fn tcp(address: impl Into<IpAddr>, port: u16) -> String {
    let address = address.into();

    ask_tcp((address, port), true).unwrap_or_else(|error| panic!("{address}:{port}/tcp: {error}"))
}

fn udp(address: impl Into<IpAddr>, port: u16) -> String {
    let address = address.into();

    ask_udp((address, port), true).unwrap_or_else(|error| panic!("{address}:{port}/udp: {error}"))
}

fn closed(address: impl Into<IpAddr>, port: u16) {
    let address = address.into();

    for answer in [ask_tcp((address, port), false), ask_udp((address, port), false)] {
        assert!(answer.is_err(), "{address}:{port} answers {answer:?}");
    }
}

fn publish(host_ip: impl Into<Option<Ipv4Addr>>, host_port: impl Into<Option<u16>>, container: &str) -> PortBinding {
    PortBinding {
        container: container.parse().expect("a port"),
        host_ip: host_ip.into().map(IpAddr::from),
        host_port: host_port.into(),
        host_port_end: None,
    }
}

#[test]
fn a_container_has_an_address_a_route_and_reaches_others() {
    in_lab(|lab| {
        let network = lab.open();
        assert_eq!(network.subnet().to_string(), "172.30.0.0/16");
        serve_tcp(inside(&lab.neighbour, || TcpListener::bind("0.0.0.0:80").expect("a server")), "neighbour");
        serve_tcp(TcpListener::bind("0.0.0.0:79").expect("a server"), "host");
        let one = lab.start(&network, "one", &[]);
        let two = lab.start(&network, "two", &[]);
        assert_eq!(one.endpoint.ip, Ipv4Addr::new(172, 30, 0, 2));
        assert_eq!(two.endpoint.ip, Ipv4Addr::new(172, 30, 0, 3));
        assert_eq!((one.endpoint.gateway, one.endpoint.prefix_len), (Ipv4Addr::new(172, 30, 0, 1), 16));
        assert_eq!(one.endpoint.mac, "02:42:ac:1e:00:02");
        let (addresses, routes) = inside(&one.netns, || (run("ip", "addr show eth0"), run("ip", "route")));
        assert!(addresses.contains("inet 172.30.0.2/16 brd 172.30.255.255"), "{addresses}");
        assert!(addresses.contains("02:42:ac:1e:00:02"), "{addresses}");
        assert!(!addresses.contains("inet6"), "{addresses}");
        assert!(routes.contains("default via 172.30.0.1 dev eth0"), "{routes}");
        inside(&one.netns, || {
            assert_eq!(tcp(two.endpoint.ip, 80), "two 172.30.0.2");
            assert_eq!(tcp(one.endpoint.gateway, 79), "host 172.30.0.2");
            assert_eq!(tcp(HOST, 79), "host 172.30.0.2");
            assert_eq!(tcp(NEIGHBOUR, 80), "neighbour 192.0.2.1");
        });
        // The host reaches what is not published, others don't (see below).
        assert_eq!(tcp(one.endpoint.ip, 80), "one 172.30.0.1");
        eventually("both ends count the same", || {
            let counters = network.counters(&one.endpoint).expect("counters");
            let table = inside(&one.netns, || fs::read_to_string("/proc/thread-self/net/dev").expect("the counters"));
            let line = table.lines().find(|line| line.contains("eth0:")).expect("its line");
            let seen: Vec<_> = line.split_whitespace().skip(1).map(|field| field.parse().expect("a number")).collect();
            (counters.rx_bytes, counters.rx_packets) == (seen[0], seen[1])
                && (counters.tx_bytes, counters.tx_packets) == (seen[8], seen[9])
                && counters.rx_bytes != counters.tx_bytes
        });
    });
}

#[test]
fn published_ports_are_reached_from_everywhere() {
    in_lab(everywhere);
}

/// As on hosts where another program has loaded br_netfilter: what is bridged passes the firewall too.
#[test]
fn published_ports_are_reached_from_everywhere_whether_bridged_traffic_is_filtered_or_not() {
    in_lab(|lab| {
        let path = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        let Ok(present) = fs::read_to_string(path) else {
            // Not loaded: the other test is all there is.
            return everywhere(lab);
        };
        fs::write(path, if present.trim() == "1" { "0" } else { "1" }).expect("written");
        everywhere(lab);
    });
}

fn everywhere(lab: &Lab) {
    let network = lab.open();
    let ports = [publish(None, 8080, "80"), publish(None, 5353, "53/udp"), publish(HOST, 8081, "81/tcp")];
    let web = lab.start(&network, "web", &ports);
    let other = lab.start(&network, "other", &[]);
    inside(&lab.neighbour, || {
        assert_eq!(tcp(HOST, 8080), "web 192.0.2.7", "the source is kept");
        assert_eq!(tcp(HOST_2, 8080), "web 192.0.2.7");
        assert_eq!(tcp(HOST, 8081), "web 192.0.2.7");
        assert_eq!(udp(HOST, 5353), "web 192.0.2.7");
        assert!(ask_tcp((HOST_2, 8081), false).is_err(), "only on the one address");
    });
    assert_eq!(tcp(HOST, 8080), "web 192.0.2.1");
    assert_eq!(tcp(HOST, 8081), "web 192.0.2.1");
    assert_eq!(udp(HOST, 5353), "web 192.0.2.1");
    assert_eq!(tcp(web.endpoint.gateway, 8080), "web 172.30.0.1");
    assert_eq!(tcp(LOCALHOST, 8080), "web 172.30.0.1", "by the proxy");
    assert_eq!(udp(LOCALHOST, 5353), "web 172.30.0.1", "by the proxy");
    for container in [&web, &other] {
        inside(&container.netns, || {
            assert_eq!(tcp(HOST, 8080), "web 172.30.0.1", "hairpin");
            assert_eq!(tcp(web.endpoint.gateway, 8080), "web 172.30.0.1", "hairpin");
            assert_eq!(udp(HOST, 5353), "web 172.30.0.1", "hairpin");
        });
    }
}

#[test]
fn what_is_not_published_to_others_is_closed_to_them() {
    in_lab(|lab| {
        let network = lab.open();
        let ports = [publish(LOCALHOST, 8080, "80"), publish(LOCALHOST, 8080, "53/udp")];
        let web = lab.start(&network, "web", &ports);
        serve_tcp(TcpListener::bind("172.30.0.1:79").expect("a server"), "host");
        let closed_to_neighbour = || {
            inside(&lab.neighbour, || {
                closed(HOST, 8080);
                for port in [80, 53, 8080] {
                    closed(web.endpoint.ip, port);
                }
                closed(web.endpoint.gateway, 8080);
                closed(web.endpoint.gateway, 79);
            });
        };
        assert_eq!(tcp(LOCALHOST, 8080), "web 172.30.0.1");
        assert_eq!(udp(LOCALHOST, 8080), "web 172.30.0.1");
        closed_to_neighbour();
        for link in ["all", "darsena0"] {
            let path = format!("/proc/sys/net/ipv4/conf/{link}/route_localnet");
            assert_eq!(fs::read_to_string(path).expect("read").trim(), "0");
        }

        run("nft", "flush ruleset");
        eventually("the table is back", || ruleset().contains("table inet darsena"));
        closed_to_neighbour();
        assert_eq!(tcp(LOCALHOST, 8080), "web 172.30.0.1");

        // Even where somebody else has opened loopback to the network.
        let open_loopback = || fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").expect("written");
        open_loopback();
        serve_tcp(TcpListener::bind("127.0.0.1:78").expect("a server"), "foreign");
        inside(&lab.neighbour, || {
            open_loopback();
            run("ip", "addr del 127.0.0.1/8 dev lo");
            run("ip", "route add 127.0.0.1 via 192.0.2.1 src 192.0.2.7");
            assert_eq!(tcp(LOCALHOST, 78), "foreign 192.0.2.7", "this attack works where nothing forbids it");
            closed(LOCALHOST, 8080);
        });
    });
}

#[test]
fn containers_reach_no_metadata_service_and_cannot_lie_about_their_address() {
    in_lab(|lab| {
        let network = lab.open();
        let web = lab.start(&network, "web", &[]);
        let metadata = Ipv4Addr::new(169, 254, 169, 254);
        inside(&lab.neighbour, || run("ip", "addr add 169.254.169.254/32 dev lo"));
        run("ip", "route add 169.254.169.254 via 192.0.2.7");
        serve_tcp(inside(&lab.neighbour, || TcpListener::bind("0.0.0.0:80").expect("a server")), "neighbour");
        assert_eq!(tcp(metadata, 80), "neighbour 192.0.2.1", "the host reaches it");
        inside(&web.netns, || {
            closed(metadata, 80);
            assert_eq!(tcp(NEIGHBOUR, 80), "neighbour 192.0.2.1");
            run("ip", "addr add 198.51.100.9/32 dev eth0");
            run("ip", "route add 192.0.2.7 via 172.30.0.1 src 198.51.100.9");
        });
        // Else the answers would come back.
        run("ip", "route add 198.51.100.9 dev darsena0");
        fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "0").expect("written");
        inside(&web.netns, || closed(NEIGHBOUR, 80));
    });
}

#[test]
fn a_taken_port_is_refused_and_nothing_is_left() {
    in_lab(|lab| {
        let network = lab.open();
        let web = lab.start(&network, "web", &[publish(None, 8080, "80"), publish(None, None, "81")]);
        let chosen = web.endpoint.ports.last().expect("ports").host_port;
        assert_ne!(chosen, 0);
        assert_eq!(inside(&lab.neighbour, || tcp(HOST, chosen)), "web 192.0.2.7");
        let foreign = TcpListener::bind("0.0.0.0:9090").expect("a server");
        let before = ruleset();
        let id = ContainerId::random();
        let refused = |ports: &[PortBinding]| {
            let netns = namespace();
            let request =
                AttachRequest { container: &id, name: "late", netns: netns.as_fd(), ports, place: Place::default() };
            network.attach(&request).expect_err("refused").to_string()
        };
        let start = format!("driver failed programming external connectivity on endpoint late ({id}): ");
        assert_eq!(
            refused(&[publish(None, 7070, "70"), publish(None, 8080, "80")]),
            format!("{start}Bind for 0.0.0.0:8080 failed: port is already allocated")
        );
        assert_eq!(
            refused(&[publish(HOST, 8080, "80")]),
            format!("{start}Bind for 192.0.2.1:8080 failed: port is already allocated")
        );
        assert_eq!(
            refused(&[publish(None, 7070, "70"), publish(None, 9090, "80")]),
            format!("{start}failed to bind host port for 0.0.0.0:9090:172.30.0.3:80/tcp: address already in use")
        );
        assert_eq!(
            refused(&[publish(Ipv4Addr::new(203, 0, 113, 1), 80, "80")]),
            format!(
                "{start}failed to bind host port for 203.0.113.1:80:172.30.0.3:80/tcp: cannot assign requested address"
            )
        );
        // A namespace that has an eth0 already: the kernel refuses after ports and address were taken.
        let ports = [publish(None, 7070, "70")];
        let request = AttachRequest {
            container: &id,
            name: "late",
            netns: web.netns.as_fd(),
            ports: &ports,
            place: Place::default(),
        };
        network.attach(&request).expect_err("refused");
        assert_eq!(ruleset(), before);
        assert_eq!(container_links(), [web.endpoint.host_interface.as_str()]);
        drop(TcpListener::bind("0.0.0.0:7070").expect("the first port of a refused pair is free again"));
        drop(foreign);
        // The same number for the other protocol is another port.
        let _both = lab.start(&network, "both", &[publish(None, 8080, "53/udp"), publish(None, 9090, "80")]);
        assert_eq!(udp(HOST, 8080), "both 192.0.2.1");
        assert_eq!(tcp(HOST, 9090), "both 192.0.2.1");
    });
}

#[test]
fn one_port_on_several_addresses_leads_to_several_containers() {
    in_lab(|lab| {
        let network = lab.open();
        let _one = lab.start(&network, "one", &[publish(HOST, 80, "80")]);
        let _two = lab.start(&network, "two", &[publish(HOST_2, 80, "80")]);
        let _three = lab.start(&network, "three", &[publish(LOCALHOST, 80, "80")]);
        inside(&lab.neighbour, || {
            assert_eq!(tcp(HOST, 80), "one 192.0.2.7");
            assert_eq!(tcp(HOST_2, 80), "two 192.0.2.7");
        });
        assert_eq!(tcp(HOST, 80), "one 192.0.2.1");
        assert_eq!(tcp(HOST_2, 80), "two 192.0.2.1");
        assert_eq!(tcp(LOCALHOST, 80), "three 172.30.0.1");
    });
}

#[test]
fn detaching_leaves_nothing_and_other_tables_alone() {
    in_lab(|lab| {
        run("nft", "add table inet foreign");
        run("nft", "add chain inet foreign theirs { type filter hook input priority 0 ; }");
        run("nft", "add rule inet foreign theirs tcp dport 1 drop");
        let foreign = ruleset();
        let network = lab.open();
        let fresh = ruleset();
        let ours = fresh.strip_prefix(foreign.as_str()).expect("the foreign table as it was, then ours");
        assert!(ours.trim_start().starts_with("table inet darsena {"), "{ours}");
        assert_eq!(ours.matches("table ").count(), 1, "{ours}");
        let ports = [publish(None, 8080, "80"), publish(HOST, 8081, "81"), publish(LOCALHOST, 8082, "53/udp")];
        let web = lab.start(&network, "web", &ports);
        let published = ruleset();
        for element in
            ["tcp . 8080 : 172.30.0.2 . 80", "192.0.2.1 . tcp . 8081 : 172.30.0.2 . 81", "127.0.0.1 . udp . 8082"]
        {
            assert!(published.contains(element), "{element} in {published}");
        }
        assert_eq!(container_links(), [web.endpoint.host_interface.as_str()]);
        network.detach(&web.id).expect("detached");
        network.detach(&web.id).expect("detached twice");
        assert_eq!(ruleset(), fresh);

        // At once again, while the old link may still be there; with the same address.
        let netns = namespace();
        let request = AttachRequest {
            container: &web.id,
            name: "web",
            netns: netns.as_fd(),
            ports: &[],
            place: Place::default(),
        };
        let (again, _) = network.attach(&request).expect("attached again");
        assert_eq!(again.ip, web.endpoint.ip);
        assert_ne!(again.host_interface, web.endpoint.host_interface);
        eventually("only the new link", || container_links() == [again.host_interface.as_str()]);
        serve(&netns, "again");
        assert_eq!(tcp(again.ip, 80), "again 172.30.0.1");

        network.release(&web.id).expect("released");
        let other = lab.start(&network, "other", &[]);
        assert_eq!(other.endpoint.ip, Ipv4Addr::new(172, 30, 0, 3));
        network.release(&other.id).expect("released");
        drop(network);
        assert_eq!(container_links(), Vec::<String>::new(), "closing finishes what was put off");
        assert_eq!(ruleset(), fresh);
        let leases = fs::read_to_string(lab.state.path().join("network/leases.json")).expect("leases");
        assert!(leases.contains(r#""leases":{}"#), "{leases}");
    });
}

#[test]
fn after_a_crash_what_runs_goes_on_and_the_rest_is_swept() {
    in_lab(|lab| {
        let network = lab.open();
        let fresh = ruleset();
        let ports = [publish(None, 8080, "80"), publish(LOCALHOST, 8081, "81")];
        let live = lab.start(&network, "live", &ports);
        let dead = lab.start(&network, "dead", &[publish(None, 9090, "80")]);
        let stopped = lab.start(&network, "stopped", &[]);
        network.detach(&stopped.id).expect("detached");
        let mut open = inside(&lab.neighbour, || TcpStream::connect((HOST, 8080)).expect("connected"));
        let mut buffer = [0; 64];
        let len = open.read(&mut buffer).expect("read");
        assert_eq!(&buffer[..len], b"live 192.0.2.7");

        // The engine dies: its sockets close, the kernel's things stay.
        drop((network, dead.proxy));
        let Container { id, netns, endpoint, proxy } = live;
        drop(proxy);
        assert_eq!(container_links().len(), 2);
        // And what a crash between two steps leaves: a pair nobody recorded.
        run("ip", "link add dv00000000000 type veth peer name left0");
        run("ip", "link set dv00000000000 master darsena0");
        assert_eq!(inside(&lab.neighbour, || tcp(HOST, 8080)), "live 192.0.2.7", "without an engine");

        let network = Network::open(lab.state.path().join("network"), Config::default()).expect("the network");
        assert_eq!(inside(&lab.neighbour, || tcp(HOST, 8080)), "live 192.0.2.7", "while it starts");
        let known = [id.clone(), stopped.id.clone()];
        network.reconcile(&[(id.clone(), endpoint.clone())], &known).expect("reconciled");
        // The proxy's listener is gone when its task has ended.
        let mut reservations = network.readopt(&id, &endpoint).expect("adopted");
        eventually("the ports are held again", || {
            reservations.len() == 3 || {
                let free = |address| TcpListener::bind(address).is_ok();
                free("[::]:8080") && free("127.0.0.1:8081")
            }
        });
        if reservations.len() < 3 {
            drop(reservations);
            reservations = network.readopt(&id, &endpoint).expect("adopted");
        }
        assert_eq!(reservations.len(), 3);
        let proxy = lab.proxy(reservations);
        assert_eq!(container_links(), [endpoint.host_interface.as_str()]);
        assert!(!ruleset().contains("9090"), "{}", ruleset());
        assert_eq!(tcp(LOCALHOST, 8080), "live 172.30.0.1");
        assert_eq!(tcp(LOCALHOST, 8081), "live 172.30.0.1");
        assert_eq!(inside(&lab.neighbour, || tcp(HOST, 8080)), "live 192.0.2.7");
        open.write_all(b"!").expect("written");
        open.read_exact(&mut buffer[..1]).expect("the connection from before goes on");
        assert_eq!(buffer[0], b'!');

        let third = lab.start(&network, "third", &[]);
        assert!(![endpoint.ip, stopped.endpoint.ip].contains(&third.endpoint.ip), "leases are kept");
        drop(proxy);
        for gone in [&id, &third.id, &stopped.id] {
            network.release(gone).expect("released");
        }
        drop((network, netns));
        assert_eq!(ruleset(), fresh);
        assert_eq!(container_links(), Vec::<String>::new());
    });
}

#[test]
fn a_removed_table_or_rule_is_put_back() {
    in_lab(|lab| {
        let network = lab.open();
        let _web = lab.start(&network, "web", &[publish(None, 8080, "80")]);
        let whole = ruleset();
        for removal in [
            "flush ruleset",
            "delete table inet darsena",
            "flush table inet darsena",
            "flush chain inet darsena guard",
            "flush map inet darsena any_ports",
        ] {
            run("nft", removal);
            eventually(removal, || ruleset() == whole);
        }
        assert_eq!(inside(&lab.neighbour, || tcp(HOST, 8080)), "web 192.0.2.7");

        // The bridge too, though only when the next container starts.
        run("ip", "link del darsena0");
        let later = lab.start(&network, "later", &[]);
        assert_eq!(tcp(later.endpoint.ip, 80), "later 172.30.0.1");
    });
}

#[test]
fn other_firewalls_that_drop_are_told() {
    in_lab(|lab| {
        let _network = lab.open();
        assert_eq!(warnings().expect("looked"), Vec::<String>::new());
        run("nft", "add table ip filter");
        run("nft", "add chain ip filter FORWARD { type filter hook forward priority 0 ; policy drop ; }");
        run("nft", "add chain ip filter INPUT { type filter hook input priority 0 ; policy drop ; }");
        let told = warnings().expect("looked");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("ip filter") && told[0].contains("FORWARD"), "{told:?}");
        run("nft", "flush ruleset");
        // What iptables of before nf_tables made, where the kernel still has it.
        for (program, words) in [("iptables-legacy", "reached by published"), ("ip6tables-legacy", "by IPv6")] {
            let legacy = |arguments: &str| Command::new(program).args(arguments.split(' ')).output();
            if !legacy("-P FORWARD DROP").is_ok_and(|output| output.status.success()) {
                continue;
            }
            let told = warnings().expect("looked");
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("legacy firewall") && told[0].contains(words), "{told:?}");
            run(program, "-A FORWARD -j ACCEPT");
            run(program, "-P FORWARD ACCEPT");
            assert_eq!(warnings().expect("looked"), Vec::<String>::new(), "only the policy counts");
        }
    });
}

#[test]
fn the_subnet_avoids_the_hosts_routes_and_is_remembered() {
    in_lab(|lab| {
        run("ip", "route add 172.16.0.0/12 via 192.0.2.7");
        assert_eq!(lab.open().subnet().to_string(), "10.201.0.0/16");
        run("ip", "route del 172.16.0.0/12");
        assert_eq!(lab.open().subnet().to_string(), "10.201.0.0/16");
        // The bridge remembers where the file is lost.
        fs::remove_file(lab.state.path().join("network/leases.json")).expect("removed");
        assert_eq!(lab.open().subnet().to_string(), "10.201.0.0/16");
        assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("read").trim(), "1");
    });
}

#[test]
fn many_attach_at_once() {
    in_lab(|lab| {
        let network = lab.open();
        let fresh = ruleset();
        let namespaces: Vec<_> = (0..40).map(|_| (ContainerId::random(), namespace())).collect();
        let ports = [publish(None, None, "80")];
        let attach = |(id, netns): &(ContainerId, File)| {
            let request = AttachRequest {
                container: id,
                name: "many",
                netns: netns.as_fd(),
                ports: &ports,
                place: Place::default(),
            };
            network.attach(&request).expect("attached")
        };
        let attached: Vec<_> = thread::scope(|scope| {
            let chunks = namespaces.chunks(10);
            let threads: Vec<_> =
                chunks.map(|chunk| scope.spawn(move || chunk.iter().map(attach).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("attached")).collect()
        });
        let addresses: BTreeSet<_> = attached.iter().map(|(endpoint, _)| endpoint.ip).collect();
        let host_ports: BTreeSet<_> = attached.iter().map(|(endpoint, _)| endpoint.ports[0].host_port).collect();
        assert_eq!((addresses.len(), host_ports.len(), container_links().len()), (40, 40, 40));
        for (id, _) in &namespaces {
            network.release(id).expect("released");
        }
        assert_eq!(ruleset(), fresh);
        drop(namespaces);
        drop(network);
        eventually("no link is left", || container_links().is_empty());
    });
}

#[test]
fn a_udp_client_that_never_pauses_follows_the_port() {
    in_lab(|lab| {
        let network = lab.open();
        let client = inside(&lab.neighbour, || UdpSocket::bind("192.0.2.7:4000").expect("a client"));
        client.connect((HOST, 5353)).expect("connected");
        client.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let ask = || {
            let mut buffer = [0; 64];
            let len = client.send(b"?").and_then(|_| client.recv(&mut buffer)).unwrap_or(0);
            String::from_utf8_lossy(&buffer[..len]).into_owned()
        };
        assert_eq!(ask(), "", "nobody there, but the flow is known from now on");
        for name in ["one", "two"] {
            let container = lab.start(&network, name, &[publish(None, 5353, "53/udp")]);
            let wanted = format!("{name} 192.0.2.7");
            eventually("the source is kept", || ask() == wanted);
            network.release(&container.id).expect("released");
            drop(container.proxy);
            eventually("nobody there again", || ask().is_empty());
        }
    });
}

const HOST_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const NEIGHBOUR_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
const GATEWAY_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1);
const LOCALHOST_6: Ipv6Addr = Ipv6Addr::LOCALHOST;

/// The host and its neighbour have IPv6 too; the neighbour takes the host for its way to everything.
fn give_ipv6(lab: &Lab) {
    run("ip", "addr add 2001:db8::1/64 dev lan0 nodad");
    inside(&lab.neighbour, || {
        run("ip", "addr add 2001:db8::7/64 dev peer0 nodad");
        run("ip", "route add default via 2001:db8::1");
    });
}

fn make(network: &Network, name: &str, subnet: &str, internal: bool) -> NetworkId {
    let pool = AddressPool { subnet: Some(subnet.to_owned()), ..AddressPool::default() };
    let pools = if subnet.is_empty() { Vec::new() } else { vec![pool] };
    let request = CreateNetwork { name: name.to_owned(), ipv6: true, internal, pools, ..CreateNetwork::default() };
    network.create(&request).expect("a network").id
}

impl Lab {
    /// Starts a container on a network of IPv6, with servers that listen there.
    fn start_in(&self, network: &Network, place: Place, name: &'static str, ports: &[PortBinding]) -> Container {
        let (id, netns) = (ContainerId::random(), namespace());
        inside(&netns, || run("ip", "link set lo up"));
        let request = AttachRequest { container: &id, name, netns: netns.as_fd(), ports, place };
        let (endpoint, reservations) = network.attach(&request).expect("attached");
        serve(&netns, name);
        // By IPv6 alone: the other servers have IPv4.
        let own = endpoint.v6.expect("an address of IPv6").ip;
        serve_tcp(inside(&netns, || TcpListener::bind((own, 80)).expect("a server")), name);
        let proxy = self.proxy(reservations);
        Container { id, netns, endpoint, proxy }
    }
}

fn in_network(id: &NetworkId) -> Place {
    Place { network: Some(id.clone()), ..Place::default() }
}

fn v6(container: &Container) -> Ipv6Addr {
    container.endpoint.v6.expect("an address of IPv6").ip
}

#[test]
fn a_network_of_both_versions_is_reached_and_reaches_as_one_of_ipv4() {
    in_lab(|lab| {
        give_ipv6(lab);
        let network = lab.open();
        let id = make(&network, "six", "fd00:1::/64", false);
        assert_eq!(fs::read_to_string("/proc/sys/net/ipv6/conf/all/forwarding").expect("read").trim(), "1");
        serve_tcp(inside(&lab.neighbour, || TcpListener::bind((NEIGHBOUR_6, 80)).expect("a server")), "neighbour");
        serve_tcp(TcpListener::bind((HOST_6, 79)).expect("a server"), "host");
        let ports = [
            publish(None, 8080, "80"),
            PortBinding { host_ip: Some(LOCALHOST_6.into()), ..publish(None, 8081, "80") },
            PortBinding { host_ip: Some(HOST_6.into()), ..publish(None, 8082, "80") },
        ];
        let web = lab.start_in(&network, in_network(&id), "web", &ports);
        let other = lab.start_in(&network, in_network(&id), "other", &[]);
        assert_eq!((v6(&web).to_string(), v6(&other).to_string()), ("fd00:1::2".to_owned(), "fd00:1::3".to_owned()));
        assert_eq!(web.endpoint.v6.map(|v6| (v6.prefix_len, v6.gateway)), Some((64, GATEWAY_6)));
        let routes = inside(&web.netns, || run("ip", "-6 route"));
        assert!(routes.contains("default via fd00:1::1 dev eth0"), "{routes}");
        inside(&web.netns, || {
            assert_eq!(tcp(v6(&other), 80), "other fd00:1::2");
            assert_eq!(tcp(HOST_6, 79), "host fd00:1::2");
            assert_eq!(tcp(NEIGHBOUR_6, 80), "neighbour 2001:db8::1", "masqueraded");
        });
        inside(&lab.neighbour, || {
            assert_eq!(tcp(HOST_6, 8080), "web 2001:db8::7", "the source is kept");
            assert_eq!(tcp(HOST_6, 8082), "web 2001:db8::7");
            assert_eq!(tcp(HOST, 8080), "web 192.0.2.7", "by IPv4 as well");
            closed(HOST_6, 8081);
            for port in [80, 53, 8080] {
                closed(v6(&web), port);
            }
            closed(GATEWAY_6, 8080);
        });
        assert_eq!(tcp(HOST_6, 8080), "web 2001:db8::1");
        assert_eq!(tcp(LOCALHOST_6, 8080), "web fd00:1::1", "by the proxy");
        assert_eq!(tcp(LOCALHOST_6, 8081), "web fd00:1::1", "by the proxy");
        for container in [&web, &other] {
            inside(&container.netns, || {
                assert_eq!(tcp(HOST_6, 8080), "web fd00:1::1", "hairpin");
                assert_eq!(tcp(GATEWAY_6, 8080), "web fd00:1::1", "hairpin");
            });
        }
        // Another's rules are put back with ours.
        run("nft", "flush ruleset");
        eventually("the table is back", || ruleset().contains("any_ports6"));
        assert_eq!(inside(&lab.neighbour, || tcp(HOST_6, 8080)), "web 2001:db8::7");
        drop(web.proxy);
        network.detach(&web.id).expect("detached");
        inside(&lab.neighbour, || eventually("it is closed", || ask_tcp((HOST_6, 8080), false).is_err()));
    });
}

#[test]
fn networks_of_ipv6_are_kept_apart_and_an_internal_one_in() {
    in_lab(|lab| {
        give_ipv6(lab);
        let network = lab.open();
        let (a, b, vault) = (
            make(&network, "a", "", false),
            make(&network, "b", "", false),
            make(&network, "vault", "fd00:9::/64", true),
        );
        serve_tcp(inside(&lab.neighbour, || TcpListener::bind((NEIGHBOUR_6, 80)).expect("a server")), "neighbour");
        let one = lab.start_in(&network, in_network(&a), "one", &[]);
        let two = lab.start_in(&network, in_network(&b), "two", &[]);
        let (kept, near) = (
            lab.start_in(&network, in_network(&vault), "kept", &[]),
            lab.start_in(&network, in_network(&vault), "near", &[]),
        );
        assert_eq!((v6(&one).segments()[0] >> 8, v6(&one) == v6(&two)), (0xfd, false), "chosen of the engine's own");
        inside(&one.netns, || {
            closed(v6(&two), 80);
            closed(v6(&kept), 80);
            assert_eq!(tcp(NEIGHBOUR_6, 80), "neighbour 2001:db8::1");
            // It lies about who it is.
            run("ip", "addr add 2001:db8:9::9/128 dev eth0 nodad");
            run("ip", &format!("-6 route replace 2001:db8::7 via {} src 2001:db8:9::9", gateway6(&one)));
        });
        run("ip", "-6 route add 2001:db8:9::9 via 2001:db8::7");
        inside(&one.netns, || closed(NEIGHBOUR_6, 80));
        inside(&kept.netns, || {
            assert_eq!(tcp(v6(&near), 80), format!("near {}", v6(&kept)));
            assert!(!run("ip", "-6 route").contains("default"), "no way out");
            run("ip", "-6 route add default via fd00:9::1");
            closed(NEIGHBOUR_6, 80);
            closed(v6(&one), 80);
        });
    });
}

fn gateway6(container: &Container) -> Ipv6Addr {
    container.endpoint.v6.expect("an address of IPv6").gateway
}

#[test]
fn ports_of_ipv6_lead_to_a_container_without_it() {
    in_lab(|lab| {
        give_ipv6(lab);
        let network = lab.open();
        let ports = [
            publish(None, 8080, "80"),
            publish(None, 5353, "53/udp"),
            PortBinding { host_ip: Some(LOCALHOST_6.into()), ..publish(None, 8081, "80") },
            PortBinding { host_ip: Some(Ipv4Addr::UNSPECIFIED.into()), ..publish(None, 8083, "80") },
        ];
        let web = lab.start(&network, "web", &ports);
        assert!(inside(&web.netns, || run("ip", "-6 route")).is_empty(), "nothing of IPv6 inside");
        inside(&lab.neighbour, || {
            assert_eq!(tcp(HOST_6, 8080), "web 172.30.0.1", "by the proxy");
            assert_eq!(udp(HOST_6, 5353), "web 172.30.0.1", "by the proxy");
            closed(HOST_6, 8081);
            closed(HOST_6, 8083);
            assert_eq!(tcp(HOST, 8083), "web 192.0.2.7");
        });
        assert_eq!(tcp(LOCALHOST_6, 8080), "web 172.30.0.1");
        assert_eq!(tcp(LOCALHOST_6, 8081), "web 172.30.0.1");
        // Both or none: who holds one of the two has the port.
        let foreign = TcpListener::bind((LOCALHOST_6, 9090)).expect("a server");
        let id = ContainerId::random();
        let (netns, asked) = (namespace(), [publish(None, 9090, "80")]);
        let request = AttachRequest {
            container: &id,
            name: "late",
            netns: netns.as_fd(),
            ports: &asked,
            place: Place::default(),
        };
        let error = network.attach(&request).expect_err("refused").to_string();
        assert!(error.contains("[::]:9090:172.30.0.3:80/tcp: address already in use"), "{error}");
        drop(foreign);
        drop(TcpListener::bind(("0.0.0.0", 9090)).expect("the port of IPv4 is free again"));
    });
}

#[test]
fn a_macvlan_is_on_the_lan_itself() {
    in_lab(|lab| {
        let network = lab.open();
        let options = |parent: &str| [("parent".to_owned(), parent.to_owned())].into();
        let pool = AddressPool {
            subnet: Some("192.0.2.0/24".to_owned()),
            gateway: Some("192.0.2.7".to_owned()),
            ip_range: Some("192.0.2.64/26".to_owned()),
            ..AddressPool::default()
        };
        let request = |name: &str, parent: &str| CreateNetwork {
            name: name.to_owned(),
            driver: "macvlan".to_owned(),
            options: options(parent),
            pools: vec![pool.clone()],
            ..CreateNetwork::default()
        };
        let error = network.create(&request("lan", "nope0")).expect_err("no such link").to_string();
        assert!(error.contains("the macvlan parent interface nope0 was not found"), "{error}");
        let made = network.create(&request("lan", "lan0")).expect("a network");
        let error = network.create(&request("two", "lan0")).expect_err("taken").to_string();
        assert_eq!(error, "network lan is already using parent interface lan0");
        serve_tcp(inside(&lab.neighbour, || TcpListener::bind("0.0.0.0:80").expect("a server")), "neighbour");
        let web = lab.start_macvlan(&network, &made.id, "web");
        let other = lab.start_macvlan(&network, &made.id, "other");
        assert_eq!((web.endpoint.ip, &*web.endpoint.host_interface), (Ipv4Addr::new(192, 0, 2, 64), ""));
        inside(&web.netns, || {
            assert_eq!(tcp(NEIGHBOUR, 80), "neighbour 192.0.2.64", "with its own address");
            assert_eq!(tcp(other.endpoint.ip, 80), "other 192.0.2.64");
        });
        inside(&lab.neighbour, || assert_eq!(tcp(web.endpoint.ip, 80), "web 192.0.2.7"));
        let id = network.remove(&made.id).expect_err("it is used").to_string();
        assert!(id.contains("has active endpoints"), "{id}");
        // It leaves: within the namespace that stays there is nothing of it.
        network.disconnect(&web.id, &made.id, Some(web.netns.as_fd())).expect("disconnected");
        assert!(!inside(&web.netns, || run("ip", "-o link")).contains("eth0"));
        network.detach(&other.id).expect("detached");
        network.remove(&made.id).expect("removed");
        assert!(run("ip", "-o link").contains("lan0"), "the host's own link stays");
        // Without a link of the host's: one of the engine's own.
        let alone = CreateNetwork { internal: true, options: BTreeMap::new(), ..request("alone", "") };
        let made = match network.create(&alone) {
            Err(error) => return assert!(error.to_string().contains("of the kind dummy"), "{error}"),
            Ok(made) => made,
        };
        let dummy = format!("dm-{}", &made.id.as_str()[..11]);
        assert!(run("ip", "-o link").contains(&dummy));
        network.remove(&made.id).expect("removed");
        assert!(!run("ip", "-o link").contains(&dummy));
    });
}

impl Lab {
    fn start_macvlan(&self, network: &Network, id: &NetworkId, name: &'static str) -> Container {
        let (container, netns) = (ContainerId::random(), namespace());
        let place = in_network(id);
        let request = AttachRequest { container: &container, name, netns: netns.as_fd(), ports: &[], place };
        let (endpoint, reservations) = network.attach(&request).expect("attached");
        serve(&netns, name);
        Container { id: container, netns, endpoint, proxy: self.proxy(reservations) }
    }
}
