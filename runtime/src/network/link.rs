//! Links, addresses and routes, by rtnetlink.

use std::{
    fs, io,
    net::IpAddr,
    os::fd::{AsRawFd, BorrowedFd},
};

use super::subnet::{Address, Subnet};
use crate::{
    sys::netlink::{ACK, APPEND, Attributes, CREATE, DUMP, EXCL, Family, Message, Received, Socket},
    view::NetworkStats,
};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;

const LINK_ADDRESS: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_MTU: u16 = 4;
const LINK_BELOW: u16 = 5;
const LINK_MASTER: u16 = 10;
const LINK_PORT: u16 = 12;
const LINK_INFO: u16 = 18;
const LINK_STATS: u16 = 23;
const LINK_NETNS: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const PORT_HAIRPIN: u16 = 4;
/// `IFLA_BRPORT_ISOLATED`, of Linux 4.18.
const PORT_ISOLATED: u16 = 33;
const BRIDGE_STP: u16 = 5;
const MACVLAN_MODE: u16 = 1;
const ADDRESS: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
const ADDRESS_BROADCAST: u16 = 4;
const ROUTE_DESTINATION: u16 = 1;
const ROUTE_LINK: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;

const INET: u8 = 2;
const INET6: u8 = 10;
/// `IFA_F_NODAD`: nobody else is asked first whether they have the address.
const UNPROBED: u8 = 2;
const SCOPE_GLOBAL: u8 = 0;
const BRIDGE: u8 = 7;
const UP: u32 = 1;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_BOOT: u8 = 3;
const UNICAST: u8 = 1;

/// The name of a container's first interface.
pub(super) const INSIDE: &str = "eth0";

/// A link as the kernel lists it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) master: Option<u32>,
    pub(super) kind: String,
    pub(super) stats: NetworkStats,
}

/// The container's end of a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer<'a> {
    pub(super) name: &'a str,
    pub(super) mac: [u8; 6],
    pub(super) mtu: Option<u32>,
}

/// The links of the network namespace this was opened in.
#[derive(Debug)]
pub(super) struct Links(Socket);

fn link_header(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}

fn family<A: Address>() -> u8 {
    if A::BITS == 32 { INET } else { INET6 }
}

fn address_header<A: Address>(prefix_len: u8, index: u32) -> [u8; 8] {
    let index = index.to_ne_bytes();
    let flags = if A::BITS == 32 { 0 } else { UNPROBED };
    [family::<A>(), prefix_len, flags, SCOPE_GLOBAL, index[0], index[1], index[2], index[3]]
}

fn octets<A: Address>(address: A) -> Vec<u8> {
    address.bits().to_be_bytes()[16 - usize::from(A::BITS / 8)..].to_vec()
}

impl Links {
    pub(super) fn open() -> io::Result<Self> {
        Socket::open(Family::Route).map(Self)
    }

    /// A link by name.
    pub(super) fn find(&mut self, name: &str) -> io::Result<Option<Link>> {
        match self.0.request(&Message::new(GET_LINK, 0, &link_header(0, 0, 0)).text(LINK_NAME, name)) {
            Ok(answers) => Ok(answers.iter().find_map(read_link)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every link.
    pub(super) fn list(&mut self) -> io::Result<Vec<Link>> {
        let answers = self.0.request(&Message::new(GET_LINK, DUMP, &link_header(0, 0, 0)))?;
        Ok(answers.iter().filter_map(read_link).collect())
    }

    /// Removes a link; absent is well.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let message = Message::new(DELETE_LINK, ACK, &link_header(0, 0, 0)).text(LINK_NAME, name);
        match self.0.request(&message) {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn up(&mut self, name: &str) -> io::Result<()> {
        let message = Message::new(SET_LINK, ACK, &link_header(0, UP, UP)).text(LINK_NAME, name);
        self.0.request(&message).map(drop)
    }

    pub(super) fn set_master(&mut self, index: u32, bridge: u32) -> io::Result<()> {
        let message = Message::new(SET_LINK, ACK, &link_header(index, 0, 0)).number(LINK_MASTER, bridge);
        self.0.request(&message).map(drop)
    }

    /// Lets the bridge send frames back to the port they came from. Where the host filters bridged traffic too
    /// (br_netfilter), a container reaches its own published port only so.
    pub(super) fn set_hairpin(&mut self, index: u32) -> io::Result<()> {
        let mut header = link_header(index, 0, 0);
        header[0] = BRIDGE;
        let message = Message::new(SET_LINK, ACK, &header).nest(LINK_PORT, |port| port.attribute(PORT_HAIRPIN, &[1]));
        self.0.request(&message).map(drop)
    }

    /// Makes a bridge, without spanning tree, and with a fixed address (else it would change with its ports).
    pub(super) fn add_bridge(&mut self, name: &str, mac: [u8; 6]) -> io::Result<()> {
        let message = Message::new(NEW_LINK, ACK | CREATE | EXCL, &link_header(0, 0, 0))
            .text(LINK_NAME, name)
            .attribute(LINK_ADDRESS, &mac)
            .nest(LINK_INFO, |info| info.text(INFO_KIND, "bridge").nest(INFO_DATA, |data| data.number(BRIDGE_STP, 0)));
        self.0.request(&message).map(drop)
    }

    /// Makes a pair: one end here as a port of the bridge, the other in `netns`. Both are down.
    pub(super) fn add_pair(
        &mut self,
        name: &str,
        bridge: u32,
        netns: BorrowedFd<'_>,
        peer: &Peer<'_>,
    ) -> io::Result<()> {
        let with_mtu = |message: Message| peer.mtu.map_or(message.clone(), |mtu| message.number(LINK_MTU, mtu));
        let message = Message::new(NEW_LINK, ACK | CREATE | EXCL, &link_header(0, 0, 0))
            .text(LINK_NAME, name)
            .number(LINK_MASTER, bridge);
        let message = with_mtu(message).nest(LINK_INFO, |info| {
            info.text(INFO_KIND, "veth").nest(INFO_DATA, |data| {
                data.nest(VETH_PEER, |end| {
                    with_mtu(end.raw(&link_header(0, 0, 0)))
                        .text(LINK_NAME, peer.name)
                        .attribute(LINK_ADDRESS, &peer.mac)
                        .attribute(LINK_NETNS, &netns.as_raw_fd().to_ne_bytes())
                })
            })
        });
        self.0.request(&message).map(drop)
    }

    /// Keeps a port from those others of its bridge that are kept from it: they reach only the bridge itself.
    pub(super) fn isolate(&mut self, index: u32) -> io::Result<()> {
        let mut header = link_header(index, 0, 0);
        header[0] = BRIDGE;
        let message = Message::new(SET_LINK, ACK, &header).nest(LINK_PORT, |port| port.attribute(PORT_ISOLATED, &[1]));
        self.0.request(&message).map(drop)
    }

    pub(super) fn set_mtu(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        let message = Message::new(SET_LINK, ACK, &link_header(index, 0, 0)).number(LINK_MTU, mtu);
        self.0.request(&message).map(drop)
    }

    /// The addresses of a link, those of the link alone left out.
    pub(super) fn addresses<A: Address>(&mut self, index: u32) -> io::Result<Vec<(A, u8)>> {
        let answers = self.0.request(&Message::new(GET_ADDRESS, DUMP, &address_header::<A>(0, 0)))?;
        let of_link = answers.iter().filter_map(|answer| {
            let header = answer.payload.get(..8)?;
            let owner = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
            (header[0] == family::<A>() && header[3] == SCOPE_GLOBAL && owner == index).then_some(())?;
            let attributes = answer.attributes(8);
            Some((address(attributes.get(ADDRESS_LOCAL).or_else(|| attributes.get(ADDRESS))?)?, header[1]))
        });
        Ok(of_link.collect())
    }

    /// Gives a link an address; having it already is well.
    pub(super) fn add_address<A: Address>(&mut self, index: u32, address: A, subnet: Subnet<A>) -> io::Result<()> {
        let octets = octets(address);
        let header = address_header::<A>(subnet.prefix_len(), index);
        let mut message = Message::new(NEW_ADDRESS, ACK | CREATE | EXCL, &header)
            .attribute(ADDRESS_LOCAL, &octets)
            .attribute(ADDRESS, &octets);
        if A::BITS == 32 {
            message = message.attribute(ADDRESS_BROADCAST, &self::octets(subnet.last()));
        }
        match self.0.request(&message) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn remove_address<A: Address>(&mut self, index: u32, address: A, prefix_len: u8) -> io::Result<()> {
        let message = Message::new(DELETE_ADDRESS, ACK, &address_header::<A>(prefix_len, index))
            .attribute(ADDRESS_LOCAL, &octets(address));
        self.0.request(&message).map(drop)
    }

    pub(super) fn add_default_route<A: Address>(&mut self, index: u32, gateway: A) -> io::Result<()> {
        let header = [family::<A>(), 0, 0, 0, TABLE_MAIN, PROTOCOL_BOOT, 0, UNICAST, 0, 0, 0, 0];
        let message = Message::new(NEW_ROUTE, ACK | CREATE | APPEND, &header)
            .attribute(ROUTE_GATEWAY, &octets(gateway))
            .number(ROUTE_LINK, index);
        self.0.request(&message).map(drop)
    }

    /// Takes away the default routes of a family.
    pub(super) fn remove_default_routes<A: Address>(&mut self) -> io::Result<()> {
        let header = [family::<A>(), 0, 0, 0, TABLE_MAIN, 0, 0, 0, 0, 0, 0, 0];
        loop {
            match self.0.request(&Message::new(DELETE_ROUTE, ACK, &header)) {
                Ok(_) => {}
                // None is left; in IPv6 there is one that says so, which stays.
                Err(error) if matches!(error.raw_os_error(), Some(nix::libc::ESRCH | nix::libc::ENOENT)) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Destinations the host has routes to, default routes and those through `except` left out.
    pub(super) fn destinations<A: Address>(&mut self, except: Option<u32>) -> io::Result<Vec<Subnet<A>>> {
        let header = [family::<A>(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let answers = self.0.request(&Message::new(GET_ROUTE, DUMP, &header))?;
        let destinations = answers.iter().filter_map(|answer| {
            let prefix_len = *answer.payload.get(1)?;
            let attributes = answer.attributes(12);
            let through = attributes.number(ROUTE_LINK);
            (prefix_len > 0 && (through.is_none() || through != except)).then_some(())?;
            Some(Subnet::containing(address(attributes.get(ROUTE_DESTINATION)?)?, prefix_len))
        });
        Ok(destinations.collect())
    }

    /// Makes a link that leads nowhere, for others to be made upon.
    pub(super) fn add_dummy(&mut self, name: &str) -> io::Result<()> {
        let message = Message::new(NEW_LINK, ACK | CREATE | EXCL, &link_header(0, 0, 0))
            .text(LINK_NAME, name)
            .nest(LINK_INFO, |info| info.text(INFO_KIND, "dummy"));
        self.0.request(&message).map(drop)
    }

    /// Makes one more link upon another, in `netns`. It is down.
    pub(super) fn add_macvlan(
        &mut self,
        parent: u32,
        mode: u32,
        netns: BorrowedFd<'_>,
        end: &Peer<'_>,
    ) -> io::Result<()> {
        let message = Message::new(NEW_LINK, ACK | CREATE | EXCL, &link_header(0, 0, 0))
            .text(LINK_NAME, end.name)
            .number(LINK_BELOW, parent)
            .attribute(LINK_NETNS, &netns.as_raw_fd().to_ne_bytes());
        // In the mode that takes the parent over, its address is the parent's.
        let message = if mode == MACVLAN_PASSTHRU { message } else { message.attribute(LINK_ADDRESS, &end.mac) };
        let message = end.mtu.map_or(message.clone(), |mtu| message.number(LINK_MTU, mtu));
        let message = message.nest(LINK_INFO, |info| {
            info.text(INFO_KIND, "macvlan").nest(INFO_DATA, |data| data.number(MACVLAN_MODE, mode))
        });
        self.0.request(&message).map(drop)
    }
}

/// `MACVLAN_MODE_PASSTHRU`.
pub(super) const MACVLAN_PASSTHRU: u32 = 8;

fn read_link(message: &Received) -> Option<Link> {
    (message.kind == NEW_LINK).then_some(())?;
    let attributes = message.attributes(16);
    let kind = attributes.get(LINK_INFO).and_then(|info| Attributes::new(info).text(INFO_KIND)).unwrap_or_default();
    Some(Link {
        index: u32::from_ne_bytes(message.payload.get(4..8)?.try_into().ok()?),
        name: attributes.text(LINK_NAME)?.to_owned(),
        master: attributes.number(LINK_MASTER),
        kind: kind.to_owned(),
        stats: attributes.get(LINK_STATS).map(read_stats).unwrap_or_default(),
    })
}

/// Counters as the other end of the pair sees them: what this end sent, that one received.
fn read_stats(bytes: &[u8]) -> NetworkStats {
    let at = |index: usize| {
        let field = bytes.get(index * 8..index * 8 + 8).and_then(|field| field.try_into().ok());
        field.map_or(0, u64::from_ne_bytes)
    };
    NetworkStats {
        tx_packets: at(0),
        rx_packets: at(1),
        tx_bytes: at(2),
        rx_bytes: at(3),
        tx_errors: at(4),
        rx_errors: at(5),
        tx_dropped: at(6),
        rx_dropped: at(7),
    }
}

fn address<A: Address>(bytes: &[u8]) -> Option<A> {
    let found: IpAddr = match A::BITS {
        32 => <[u8; 4]>::try_from(bytes).ok()?.into(),
        _ => <[u8; 16]>::try_from(bytes).ok()?.into(),
    };
    Some(match found {
        IpAddr::V4(address) => A::of_bits(address.bits()),
        IpAddr::V6(address) => A::of_bits(address.bits()),
    })
}

fn is_absent(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::ENODEV)
}

/// Lets the calling thread's namespace forward IPv4 packets, unless it does already.
pub(super) fn forward_ipv4() -> io::Result<()> {
    let path = "/proc/sys/net/ipv4/ip_forward";
    if fs::read(path)?.first() == Some(&b'1') { Ok(()) } else { fs::write(path, "1") }
}
