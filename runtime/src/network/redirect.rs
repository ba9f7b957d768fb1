//! A container's questions to its resolver.
//!
//! The resolver's sockets are at ports of the kernel's choice, so that the container's own programs can have port 53 on
//! every address; a table in the container's namespace leads what is for 127.0.0.11 port 53 to them.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::fd::BorrowedFd,
};

use super::{
    Error,
    firewall::TABLE,
    nftables::{self, Compare, Hook, Ip, Rule},
};
use crate::{
    request::Protocol,
    sys::{netns, process},
};

/// Where containers find the engine's resolver.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The port of name servers.
const PORT: u16 = 53;

/// Opens a resolver's sockets inside a container's network namespace, and leads questions to them.
pub fn open_resolver(netns: BorrowedFd<'_>) -> Result<(UdpSocket, TcpListener), Error> {
    netns::within(netns, || {
        // The container's own first process does so as well; who comes first doesn't matter.
        process::loopback_up()?;
        let (udp, tcp) = (UdpSocket::bind((RESOLVER, 0))?, TcpListener::bind((RESOLVER, 0))?);
        let ports = [(Protocol::Udp, udp.local_addr()?.port()), (Protocol::Tcp, tcp.local_addr()?.port())];
        let chain = "resolver";
        let mut batch = vec![
            nftables::new_table(TABLE),
            nftables::delete_table(TABLE),
            nftables::new_table(TABLE),
            nftables::new_chain(TABLE, chain, "nat", Hook::Output, -100),
        ];
        batch.extend(ports.map(|(protocol, port)| {
            Rule::default()
                .ip(Ip::V4)
                .address(Ip::V4.destination(), &[255; 4], Compare::Equal, &RESOLVER.octets())
                .service(protocol, PORT)
                .redirect_to(RESOLVER, port)
                .into_message(TABLE, chain)
        }));
        nftables::open()?.transact(batch)?;
        Ok((udp, tcp))
    })
    .map_err(Error::kernel("the container's name server can't be set up"))
}
