//! Host ports that are held for containers.
//!
//! A bound socket keeps others from taking the port, and receives what the firewall doesn't redirect: connections by
//! loopback. The proxy serves those.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
};

use super::Error;
use crate::{
    request::{PortBinding, Protocol},
    view::PublishedPort,
};

/// A host port and the socket that holds it. Dropping it frees the port.
#[derive(Debug)]
pub struct Reservation {
    /// Which port.
    pub port: PublishedPort,
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

/// Holds one port: the one asked for, or the first free one of the range asked for. A binding without a host port gets
/// one of the kernel's ephemeral range.
pub(super) fn reserve<'a>(
    binding: &PortBinding,
    container_ip: Ipv4Addr,
    endpoint: &str,
    taken: impl Iterator<Item = &'a PublishedPort>,
) -> Result<Reservation, Error> {
    let protocol = binding.container.protocol;
    let host_ip = binding.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let overlaps = |other: Ipv4Addr| host_ip == other || host_ip.is_unspecified() || other.is_unspecified();
    let taken: BTreeSet<u16> =
        taken.filter(|port| port.protocol() == protocol && overlaps(port.host_ip)).map(|port| port.host_port).collect();
    let first = binding.host_port.unwrap_or(0);
    let last = binding.host_port_end.unwrap_or(first);
    for asked in (first..=last).filter(|port| !taken.contains(port)) {
        match hold(protocol, SocketAddrV4::new(host_ip, asked)) {
            Ok((socket, host_port)) => {
                let port = PublishedPort { container: binding.container, host_ip, host_port };
                return Ok(Reservation { port, socket });
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && first < last => {}
            Err(source) => {
                return Err(Error::PortUnavailable {
                    endpoint: endpoint.to_owned(),
                    host_ip,
                    host_port: binding.host_port.map(|_| asked),
                    container_ip,
                    port: binding.container,
                    source,
                });
            }
        }
    }
    let endpoint = endpoint.to_owned();
    Err(if first < last {
        Error::PortsAllocated { endpoint, host_ip, first, last }
    } else {
        Error::PortAllocated { endpoint, host_ip, host_port: first }
    })
}

/// Holds again a port that was published before.
pub(super) fn reserve_again(port: PublishedPort) -> io::Result<Reservation> {
    let (socket, _) = hold(port.protocol(), SocketAddrV4::new(port.host_ip, port.host_port))?;
    Ok(Reservation { port, socket })
}

fn hold(protocol: Protocol, address: SocketAddrV4) -> io::Result<(HeldSocket, u16)> {
    match protocol {
        Protocol::Tcp => {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok((HeldSocket::Tcp(listener), port))
        }
        Protocol::Udp => {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            let port = socket.local_addr()?.port();
            Ok((HeldSocket::Udp(socket), port))
        }
    }
}
