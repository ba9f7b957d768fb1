//! Host ports that are held for containers.
//!
//! A bound socket keeps others from taking the port, and receives what the firewall doesn't redirect: connections by
//! loopback. The proxy serves those.

use std::{
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

/// Holds one port. A binding without a host port gets one of the kernel's ephemeral range.
pub(super) fn reserve<'a>(
    binding: &PortBinding,
    container_ip: Ipv4Addr,
    endpoint: &str,
    mut taken: impl Iterator<Item = &'a PublishedPort>,
) -> Result<Reservation, Error> {
    let host_ip = binding.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let overlaps = |other: Ipv4Addr| host_ip == other || host_ip.is_unspecified() || other.is_unspecified();
    if let Some(host_port) = binding.host_port
        && taken.any(|port| {
            port.host_port == host_port && port.protocol() == binding.container.protocol && overlaps(port.host_ip)
        })
    {
        return Err(Error::PortAllocated { endpoint: endpoint.to_owned(), host_ip, host_port });
    }
    let held = hold(binding.container.protocol, SocketAddrV4::new(host_ip, binding.host_port.unwrap_or(0)));
    let (socket, host_port) = held.map_err(|source| Error::PortUnavailable {
        endpoint: endpoint.to_owned(),
        host_ip,
        host_port: binding.host_port,
        container_ip,
        port: binding.container,
        source,
    })?;
    Ok(Reservation { port: PublishedPort { container: binding.container, host_ip, host_port }, socket })
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
