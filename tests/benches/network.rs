//! Network: bytes through one TCP connection from and to containers, against a bare veth pair.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
    thread,
    time::{Duration, Instant},
};

use harness::{Api, Darsena, Space};
use runtime::sys::netns;

use super::{
    figures::{rate, rates, some},
    start::load_busybox,
};

const BYTES: usize = 2 << 30;
const TURNS: usize = 5;
const PORT: u16 = 5201;
/// The neighbour, and the server's side of its link.
const LAN: [[u8; 4]; 2] = [[192, 0, 2, 2], [192, 0, 2, 1]];

pub fn run() {
    let (bare, darsena) = (Space::new(), Darsena::start());
    load_busybox(&darsena.socket());
    let (first, second) = (Container::start(&darsena), Container::start(&darsena));
    let bytes = some(BYTES);
    let at = |address: [u8; 4]| SocketAddr::from((address, PORT));
    let bind = |address| TcpListener::bind(address).unwrap();
    let dial = |address| TcpStream::connect(address).unwrap();
    let bare_end = bare.inside_neighbour(|| async { bind(at(LAN[0])) });
    let neighbour = darsena.space().inside_neighbour(|| async { bind(at(LAN[0])) });
    let inside = second.within(|| bind(at([0, 0, 0, 0])));
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..TURNS {
        let streams = [
            (bare.inside(|| async { dial(at(LAN[0])) }), &bare_end),
            (first.within(|| dial(SocketAddr::from((second.address, PORT)))), &inside),
            (first.within(|| dial(at(LAN[0]))), &neighbour),
            (darsena.space().inside_neighbour(|| async { dial(SocketAddr::from((LAN[1], second.port))) }), &inside),
        ];
        for ((stream, listener), times) in streams.into_iter().zip(&mut times) {
            times.push(poured(stream, listener, bytes));
        }
    }
    rates(&format!("network: {} MiB through one TCP connection, MiB a second", bytes >> 20));
    let names = [
        "floor: a bare veth pair",
        "from container to container",
        "from a container to the host's neighbour",
        "from the neighbour to a published port",
    ];
    for (name, side) in names.iter().zip(&times) {
        rate(name, bytes, side, &times[0]);
    }
    for container in [first, second] {
        let path = format!("/v1.48/containers/{}?force=1", container.id);
        Api::connect(&darsena.socket()).call("DELETE", &path, "");
    }
}

/// Writes to one end what the other reads to its end.
fn poured(mut stream: TcpStream, listener: &TcpListener, bytes: usize) -> Duration {
    let mut end = listener.accept().unwrap().0;
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            let (chunk, mut left) = (vec![7; 128 << 10], bytes);
            while left > 0 {
                let next = left.min(chunk.len());
                stream.write_all(&chunk[..next]).unwrap();
                left -= next;
            }
        });
        let (mut chunk, mut come) = (vec![0; 128 << 10], 0);
        while let Ok(count @ 1..) = end.read(&mut chunk) {
            come += count;
        }
        assert_eq!(come, bytes);
    });
    began.elapsed()
}

/// One that sleeps; the bench opens its sockets in its network.
struct Container {
    id: String,
    network: File,
    address: std::net::Ipv4Addr,
    port: u16,
}

impl Container {
    fn start(darsena: &Darsena) -> Self {
        let mut api = Api::connect(&darsena.socket());
        let host = format!(r#"{{"PortBindings":{{"{PORT}/tcp":[{{"HostPort":"0"}}]}}}}"#);
        let body = format!(r#"{{"Image":"bench:1","Cmd":["sleep","100000"],"HostConfig":{host}}}"#);
        let created = api.json("POST", "/v1.48/containers/create", &body);
        let id = created["Id"].as_str().unwrap().to_owned();
        api.call("POST", &format!("/v1.48/containers/{id}/start"), "");
        let shown = api.json("GET", &format!("/v1.48/containers/{id}/json"), "");
        let network = &shown["NetworkSettings"];
        let port = &network["Ports"][format!("{PORT}/tcp")][0]["HostPort"];
        Self {
            network: File::open(format!("/proc/{}/ns/net", shown["State"]["Pid"])).unwrap(),
            address: network["Networks"]["bridge"]["IPAddress"].as_str().unwrap().parse().unwrap(),
            port: port.as_str().unwrap().parse().unwrap(),
            id,
        }
    }

    fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        netns::within(self.network.as_fd(), || Ok(act())).unwrap()
    }
}
