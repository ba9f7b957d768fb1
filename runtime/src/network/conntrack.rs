//! Makes the kernel forget UDP flows that a change of published ports has made wrong.
//!
//! A flow's first packet decides where all later ones go. A UDP client that never pauses would go on to a container
//! that is gone, or, when it sent before the port was published, to the host itself instead of the container.

use std::{io, net::IpAddr};

use super::{firewall::Publication, nftables::Ip};
use crate::{
    request::Protocol,
    sys::netlink::{ACK, Attributes, DUMP, Family, Message, Received, Socket},
};

const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;

const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const TUPLE_ADDRESSES: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const SOURCE: u16 = 1;
const DESTINATION: u16 = 2;
const SOURCE_6: u16 = 3;
const DESTINATION_6: u16 = 4;
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
const UDP: u8 = 17;

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Direction {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
}

/// Forgets the UDP flows to these ports that were never redirected, and with `redirected` those that were.
pub(super) fn forget(published: &[Publication], redirected: bool) -> io::Result<()> {
    let mut socket = Socket::open(Family::Netfilter)?;
    for version in [Ip::V4, Ip::V6] {
        if published.iter().any(|(port, _)| Ip::of(port.host_ip) == version) {
            forget_of(version, &mut socket, published, redirected)?;
        }
    }
    Ok(())
}

fn forget_of(version: Ip, socket: &mut Socket, published: &[Publication], redirected: bool) -> io::Result<()> {
    // Version 0 of the header.
    let header = [version as u8, 0, 0, 0];
    for flow in socket.request(&Message::new(GET, DUMP, &header))? {
        if is_wrong(&flow, published, redirected)
            && let Some(original) = flow.attributes(4).get(ORIGINAL)
        {
            let message = Message::new(DELETE, ACK, &header).nest(ORIGINAL, |tuple| tuple.raw(original));
            match socket.request(&message) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a flow is to one of the ports, and leads to its container or was never redirected.
fn is_wrong(flow: &Received, published: &[Publication], redirected: bool) -> bool {
    let attributes = flow.attributes(4);
    let direction = |kind| attributes.get(kind).and_then(read);
    let (Some(original), Some(reply)) = (direction(ORIGINAL), direction(REPLY)) else { return false };
    let untouched = reply.source == original.destination && reply.destination == original.source;
    published.iter().filter(|(port, _)| port.protocol() == Protocol::Udp).any(|(port, container)| {
        let (address, number) = original.destination;
        number == port.host_port
            && !address.is_loopback()
            && Ip::of(port.host_ip) == Ip::of(address)
            && (port.host_ip.is_unspecified() || port.host_ip == address)
            && (untouched || redirected && reply.source == (*container, port.container.port))
    })
}

/// Reads a UDP flow's direction.
fn read(tuple: &[u8]) -> Option<Direction> {
    let tuple = Attributes::new(tuple);
    let addresses = Attributes::new(tuple.get(TUPLE_ADDRESSES)?);
    let protocol = Attributes::new(tuple.get(TUPLE_PROTOCOL)?);
    let address = |kind, kind_6| match addresses.get(kind) {
        Some(bytes) => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        None => Some(IpAddr::from(<[u8; 16]>::try_from(addresses.get(kind_6)?).ok()?)),
    };
    let port = |kind| Some(u16::from_be_bytes(protocol.get(kind)?.try_into().ok()?));
    (protocol.get(PROTOCOL_NUMBER)? == [UDP]).then_some(())?;
    Some(Direction {
        source: (address(SOURCE, SOURCE_6)?, port(SOURCE_PORT)?),
        destination: (address(DESTINATION, DESTINATION_6)?, port(DESTINATION_PORT)?),
    })
}
