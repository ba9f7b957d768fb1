//! Serves published ports to clients on the host's loopback, which the firewall can't redirect.
//!
//! One task a port, on the socket that reserves it. What comes from other hosts is redirected by the kernel and does
//! not arrive here, unless the firewall table is missing for a moment: then TCP is served as well. UDP is not: an answer
//! from here would tie the client's flow to this socket, and the container would never see the client's own address.
//! What comes by IPv6 for a container without it all comes here, from wherever.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::network::{HeldSocket, Reservation};

/// Connections of one TCP port, and clients of one UDP port. When full, TCP clients wait in the listener's queue and
/// datagrams of new UDP clients are dropped.
const CLIENTS_PER_PORT: usize = 1024;
/// A UDP client that neither sent nor received for so long is forgotten.
const UDP_IDLE: Duration = Duration::from_secs(90);
/// After a failed accept (mostly: out of descriptors).
const PAUSE: Duration = Duration::from_millis(100);
const DATAGRAM_LEN: usize = 64 * 1024;

/// The ports of one container being served. Dropping it closes them and all their connections.
#[derive(Debug)]
pub struct Proxy {
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Serves these ports from their container's addresses. Must be called within a tokio runtime.
    pub fn start(reservations: Vec<Reservation>) -> io::Result<Self> {
        let mut tasks = JoinSet::new();
        for Reservation { port, target, socket } in reservations {
            let translates = port.host_ip.is_ipv6() && target.is_ipv4();
            let target = SocketAddr::new(target, port.container.port);
            match socket {
                HeldSocket::Tcp(listener) => {
                    tasks.spawn(serve_tcp(TcpListener::from_std(listener)?, target));
                }
                HeldSocket::Udp(socket) => {
                    let socket = Arc::new(UdpSocket::from_std(socket)?);
                    tasks.spawn(serve_udp(socket, target, translates, UDP_IDLE));
                }
            }
        }
        Ok(Self { tasks })
    }

    /// Closes everything and waits until the ports are free.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn serve_tcp(listener: TcpListener, target: SocketAddr) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CLIENTS_PER_PORT {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((client, _)) => {
                connections.spawn(relay(client, target));
            }
            Err(error) => {
                tracing::warn!(%error, %target, "a connection to a published port can't be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Both directions until both have ended; one that ends is closed on the other side too.
async fn relay(mut client: TcpStream, target: SocketAddr) {
    // A client of a container that doesn't listen sees its connection closed, as with Docker's proxy.
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    if let Err(error) = copy_bidirectional(&mut client, &mut server).await {
        tracing::debug!(%error, %target, "a proxied connection broke");
    }
}

/// A client of a UDP port: its own socket towards the container, and how many datagrams it sent.
struct Association {
    upstream: Arc<UdpSocket>,
    sent: Arc<AtomicU64>,
}

/// Serves clients on loopback, or with `translates` all of them.
async fn serve_udp(socket: Arc<UdpSocket>, target: SocketAddr, translates: bool, idle: Duration) {
    let mut clients: HashMap<SocketAddr, Association> = HashMap::new();
    // Each returns its client when it has become idle.
    let mut answers: JoinSet<SocketAddr> = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_LEN];
    loop {
        let (len, client) = tokio::select! {
            Some(gone) = answers.join_next() => {
                if let Ok(client) = gone {
                    clients.remove(&client);
                }
                continue;
            }
            received = socket.recv_from(&mut buffer) => match received {
                Ok(received) => received,
                // An answer could not be delivered: that client's matter.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => {
                    tracing::warn!(%error, %target, "a datagram for a published port can't be received");
                    sleep(PAUSE).await;
                    continue;
                }
            },
        };
        if !translates && !client.ip().is_loopback() {
            continue;
        }
        if !clients.contains_key(&client) {
            if clients.len() >= CLIENTS_PER_PORT {
                continue;
            }
            let upstream = match connect_udp(target).await {
                Ok(upstream) => Arc::new(upstream),
                Err(error) => {
                    tracing::warn!(%error, %target, "no socket for a client of a published port");
                    continue;
                }
            };
            let association = Association { upstream, sent: Arc::default() };
            answers.spawn(answer(
                Arc::clone(&socket),
                Arc::clone(&association.upstream),
                Arc::clone(&association.sent),
                client,
                idle,
            ));
            clients.insert(client, association);
        }
        if let Some(association) = clients.get(&client) {
            association.sent.fetch_add(1, Ordering::Relaxed);
            // Lost like any datagram: the container may not listen.
            let _ = association.upstream.send(&buffer[..len]).await;
        }
    }
}

async fn connect_udp(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// Carries datagrams back to one client until nothing came from either side for a while.
async fn answer(
    socket: Arc<UdpSocket>,
    upstream: Arc<UdpSocket>,
    sent: Arc<AtomicU64>,
    client: SocketAddr,
    idle: Duration,
) -> SocketAddr {
    let mut buffer = vec![0; DATAGRAM_LEN];
    loop {
        let before = sent.load(Ordering::Relaxed);
        match timeout(idle, upstream.recv(&mut buffer)).await {
            Ok(Ok(len)) => {
                let _ = socket.send_to(&buffer[..len], client).await;
            }
            // Refused: told once for each datagram the container did not want.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Ok(Err(_)) => return client,
            Err(_) if sent.load(Ordering::Relaxed) == before => return client,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::{
        request::{ContainerPort, Protocol},
        view::PublishedPort,
    };

    fn reservation(socket: HeldSocket, port: u16, protocol: Protocol) -> Reservation {
        let container = ContainerPort { port, protocol };
        let host = IpAddr::from(Ipv4Addr::LOCALHOST);
        Reservation { port: PublishedPort { container, host_ip: host, host_port: 0 }, target: host, socket }
    }

    #[tokio::test]
    async fn tcp_is_carried_both_ways_and_half_closed() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a server");
        let front = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a front");
        front.set_nonblocking(true).expect("non-blocking");
        let address = front.local_addr().expect("its address");
        let port = server.local_addr().expect("its address").port();
        let proxy = Proxy::start(vec![reservation(HeldSocket::Tcp(front), port, Protocol::Tcp)]).expect("a proxy");
        let mut client = TcpStream::connect(address).await.expect("connected");
        client.write_all(b"question").await.expect("written");
        client.shutdown().await.expect("half closed");
        let (mut inside, _) = server.accept().await.expect("accepted");
        let mut text = String::new();
        inside.read_to_string(&mut text).await.expect("read to its end");
        assert_eq!(text, "question");
        inside.write_all(b"answer").await.expect("the other half is open");
        drop(inside);
        text.clear();
        client.read_to_string(&mut text).await.expect("read to its end");
        assert_eq!(text, "answer");

        let mut open = TcpStream::connect(address).await.expect("connected");
        let (_inside, _) = server.accept().await.expect("accepted");
        drop(proxy);
        assert!(matches!(open.read(&mut [0]).await, Ok(0) | Err(_)), "closed with the proxy");
    }

    #[tokio::test]
    async fn udp_clients_are_kept_apart_and_forgotten() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a server");
        let target = server.local_addr().expect("its address");
        let front = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a front"));
        let address = front.local_addr().expect("its address");
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(front, target, false, Duration::from_millis(20)));
        let mut buffer = [0; 16];
        let mut seen = Vec::new();
        for text in ["one", "two"] {
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a client");
            client.send_to(text.as_bytes(), address).await.expect("sent");
            let (len, from) = server.recv_from(&mut buffer).await.expect("received");
            assert_eq!(&buffer[..len], text.as_bytes());
            server.send_to(&buffer[..len], from).await.expect("answered");
            let (len, from_front) = client.recv_from(&mut buffer).await.expect("received");
            assert_eq!((&buffer[..len], from_front), (text.as_bytes(), address));
            seen.push((client, from));
        }
        assert_ne!(seen[0].1, seen[1].1);
        // Once forgotten, the same client comes by another socket.
        let (client, first) = &seen[0];
        let again = timeout(Duration::from_secs(10), async {
            loop {
                sleep(Duration::from_millis(50)).await;
                client.send_to(b"again", address).await.expect("sent");
                let (_, from) = server.recv_from(&mut buffer).await.expect("received");
                if from != *first {
                    break;
                }
            }
        });
        again.await.expect("forgotten");
    }
}
