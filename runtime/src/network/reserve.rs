//! Host ports that are held for containers.
//!
//! A bound socket keeps others from taking the port, and receives what the firewall doesn't redirect: connections by
//! loopback, and those by IPv6 to a container that has none. The proxy serves those.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn6, bind, listen, setsockopt, socket, sockopt,
};

use super::{Error, ipv6};
use crate::{
    request::{PortBinding, Protocol},
    view::{Endpoint, PublishedPort},
};

/// How often a free port is looked for that is free in both versions.
const TRIES: usize = 16;

/// A host port and the socket that holds it. Dropping it frees the port.
#[derive(Debug)]
pub struct Reservation {
    /// Which port.
    pub port: PublishedPort,
    /// The container's address.
    pub target: IpAddr,
    /// The socket, non-blocking.
    pub socket: HeldSocket,
}

/// What holds a port.
#[derive(Debug)]
pub enum HeldSocket {
    /// Listening.
    Tcp(TcpListener),
    /// Bound.
    Udp(UdpSocket),
}

/// Where what comes to a host address goes: the container's address of the same version, if it has one.
pub(super) fn target(host_ip: IpAddr, endpoint: &Endpoint) -> IpAddr {
    match (&endpoint.v6, host_ip) {
        (Some(v6), IpAddr::V6(_)) => v6.ip.into(),
        _ => endpoint.ip.into(),
    }
}

/// The addresses a binding is held on: without one, all of the host's.
fn addresses(binding: &PortBinding) -> Vec<IpAddr> {
    match binding.host_ip {
        Some(ip) => vec![ip],
        None if ipv6::lacking().is_some() => vec![Ipv4Addr::UNSPECIFIED.into()],
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    }
}

/// Holds one port, on each of its addresses: the one asked for, or the first free one of the range asked for. A binding
/// without a host port gets one of the kernel's ephemeral range.
pub(super) fn reserve<'a>(
    binding: &PortBinding,
    endpoint: &Endpoint,
    label: &str,
    taken: impl Iterator<Item = &'a PublishedPort>,
) -> Result<Vec<Reservation>, Error> {
    let protocol = binding.container.protocol;
    let addresses = addresses(binding);
    let overlaps = |other: IpAddr| {
        let meets = |one: &IpAddr| {
            one.is_ipv4() == other.is_ipv4() && (*one == other || one.is_unspecified() || other.is_unspecified())
        };
        addresses.iter().any(meets)
    };
    let taken: BTreeSet<u16> =
        taken.filter(|port| port.protocol() == protocol && overlaps(port.host_ip)).map(|port| port.host_port).collect();
    let first = binding.host_port.unwrap_or(0);
    let last = binding.host_port_end.unwrap_or(first);
    let mut tries = if first == 0 { TRIES } else { 1 };
    let mut ports = (first..=last).filter(|port| !taken.contains(port)).peekable();
    while let Some(asked) = ports.peek().copied() {
        match hold_all(binding, &addresses, endpoint, asked) {
            Ok(held) => return Ok(held),
            Err((_, error)) if error.kind() == io::ErrorKind::AddrInUse && (first < last || tries > 1) => {
                tries -= usize::from(first == 0);
                if first > 0 {
                    ports.next();
                }
            }
            Err((host_ip, source)) => {
                return Err(Error::PortUnavailable {
                    endpoint: label.to_owned(),
                    host_ip,
                    host_port: binding.host_port.map(|_| asked),
                    container_ip: target(host_ip, endpoint),
                    port: binding.container,
                    source,
                });
            }
        }
    }
    let (endpoint, host_ip) = (label.to_owned(), addresses[0]);
    Err(if first < last {
        Error::PortsAllocated { endpoint, host_ip, first, last }
    } else {
        Error::PortAllocated { endpoint, host_ip, host_port: first }
    })
}

/// Holds one port on each of these addresses, or on none and says where it could not.
fn hold_all(
    binding: &PortBinding,
    addresses: &[IpAddr],
    endpoint: &Endpoint,
    asked: u16,
) -> Result<Vec<Reservation>, (IpAddr, io::Error)> {
    let mut held: Vec<Reservation> = Vec::with_capacity(addresses.len());
    for host_ip in addresses.iter().copied() {
        // The kernel chose it for the first address: the others get the same.
        let number = held.first().map_or(asked, |first| first.port.host_port);
        let (socket, host_port) =
            hold(binding.container.protocol, SocketAddr::new(host_ip, number)).map_err(|error| (host_ip, error))?;
        let port = PublishedPort { container: binding.container, host_ip, host_port };
        held.push(Reservation { port, target: target(host_ip, endpoint), socket });
    }
    Ok(held)
}

/// Holds again a port that was published before.
pub(super) fn reserve_again(port: PublishedPort, endpoint: &Endpoint) -> io::Result<Reservation> {
    let (socket, _) = hold(port.protocol(), SocketAddr::new(port.host_ip, port.host_port))?;
    Ok(Reservation { port, target: target(port.host_ip, endpoint), socket })
}

fn hold(protocol: Protocol, address: SocketAddr) -> io::Result<(HeldSocket, u16)> {
    match protocol {
        Protocol::Tcp => {
            let listener = match address {
                SocketAddr::V4(_) => TcpListener::bind(address)?,
                SocketAddr::V6(address) => bound(SockType::Stream, address)?.into(),
            };
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok((HeldSocket::Tcp(listener), port))
        }
        Protocol::Udp => {
            let socket = match address {
                SocketAddr::V4(_) => UdpSocket::bind(address)?,
                SocketAddr::V6(address) => bound(SockType::Datagram, address)?.into(),
            };
            socket.set_nonblocking(true)?;
            let port = socket.local_addr()?.port();
            Ok((HeldSocket::Udp(socket), port))
        }
    }
}

/// A socket for IPv6 alone: the same port of IPv4 is another one.
fn bound(kind: SockType, address: SocketAddrV6) -> io::Result<OwnedFd> {
    let fd = socket(AddressFamily::Inet6, kind, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    if kind == SockType::Stream {
        // As the standard library does: connections of a server before don't keep the port.
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrIn6::from(address))?;
    if kind == SockType::Stream {
        listen(&fd, Backlog::new(128)?)?;
    }
    Ok(fd)
}
