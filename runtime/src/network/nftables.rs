//! nf_tables messages: tables, chains, rules, sets and their elements, as values of the netlink codec.
//!
//! Only what the firewall needs is here. Every object is in the `inet` family.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    request::Protocol,
    sys::netlink::{APPEND, CREATE, DUMP, Family, Message, Socket},
};

const SUBSYSTEM: u16 = 10 << 8;
pub(super) const NEW_TABLE: u16 = SUBSYSTEM;
pub(super) const GET_TABLE: u16 = SUBSYSTEM | 1;
pub(super) const DELETE_TABLE: u16 = SUBSYSTEM | 2;
pub(super) const NEW_CHAIN: u16 = SUBSYSTEM | 3;
pub(super) const GET_CHAIN: u16 = SUBSYSTEM | 4;
pub(super) const DELETE_CHAIN: u16 = SUBSYSTEM | 5;
pub(super) const NEW_RULE: u16 = SUBSYSTEM | 6;
pub(super) const DELETE_RULE: u16 = SUBSYSTEM | 8;
pub(super) const NEW_SET: u16 = SUBSYSTEM | 9;
pub(super) const DELETE_SET: u16 = SUBSYSTEM | 0xb;
pub(super) const NEW_ELEMENT: u16 = SUBSYSTEM | 0xc;
pub(super) const DELETE_ELEMENT: u16 = SUBSYSTEM | 0xe;

/// `NFPROTO_INET`.
pub(super) const INET: u8 = 1;
const HEADER: [u8; 4] = [INET, 0, 0, 0];
/// Elements in one message: an attribute's length is 16 bits.
const ELEMENTS_PER_MESSAGE: usize = 500;

const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;

/// Where a base chain hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Prerouting = 0,
    Forward = 2,
    Output = 3,
    Postrouting = 4,
}

/// How packets leave a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Drop = 0,
    Accept = 1,
}

/// What `meta` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meta {
    InputName = 6,
    OutputName = 7,
    Family = 15,
    Protocol = 16,
}

/// How `cmp` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal = 0,
    Differs = 1,
}

/// The first 16-byte register. Its four words are also registers, numbered from 8; the second is `SECOND_WORD`.
const FIRST: u32 = 1;
const SECOND_WORD: u32 = 9;
const THIRD_WORD: u32 = 10;
/// The words behind the first four.
const FIFTH_WORD: u32 = 12;
const SIXTH_WORD: u32 = 13;

/// A version of the Internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ip {
    V4 = 2,
    V6 = 10,
}

impl Ip {
    /// Which one an address is of.
    pub(super) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Where a packet has its source address.
    pub(super) fn source(self) -> u32 {
        if self == Self::V4 { 12 } else { 8 }
    }

    /// Where it has its destination address.
    pub(super) fn destination(self) -> u32 {
        if self == Self::V4 { 16 } else { 24 }
    }

    fn len(self) -> u32 {
        if self == Self::V4 { 4 } else { 16 }
    }

    /// The registers behind an address in the first one.
    fn behind(self) -> (u32, u32) {
        if self == Self::V4 { (SECOND_WORD, THIRD_WORD) } else { (FIFTH_WORD, SIXTH_WORD) }
    }
}

pub(super) fn open() -> io::Result<Socket> {
    Socket::open(Family::Netfilter)
}

pub(super) fn new_table(table: &str) -> Message {
    Message::new(NEW_TABLE, CREATE, &HEADER).text(1, table)
}

pub(super) fn delete_table(table: &str) -> Message {
    Message::new(DELETE_TABLE, 0, &HEADER).text(1, table)
}

/// Asks for one table; the kernel says ENOENT when it is not there.
pub(super) fn get_table(table: &str) -> Message {
    Message::new(GET_TABLE, 0, &HEADER).text(1, table)
}

/// Asks for all chains of all families.
pub(super) fn get_chains() -> Message {
    Message::new(GET_CHAIN, DUMP, &[0; 4])
}

/// A base chain that accepts what its rules don't decide.
pub(super) fn new_chain(table: &str, name: &str, kind: &str, hook: Hook, priority: i32) -> Message {
    Message::new(NEW_CHAIN, CREATE, &HEADER)
        .text(1, table)
        .text(3, name)
        .nest(4, |at| at.big(1, hook as u32).big(2, priority as u32))
        .big(5, Verdict::Accept as u32)
        .text(7, kind)
}

/// Names and sizes of a set's key or a map's data, one entry a field: nft's type number and its bytes.
pub(super) type Fields = [(u32, usize)];
/// An IPv4 address.
pub(super) const ADDRESS: (u32, usize) = (7, 4);
/// An IPv6 address.
pub(super) const ADDRESS_6: (u32, usize) = (8, 16);
/// A transport protocol.
pub(super) const PROTOCOL: (u32, usize) = (12, 1);
/// A port.
pub(super) const PORT: (u32, usize) = (13, 2);

/// A set, or a map when it has data. Fields take whole words each.
pub(super) fn new_set(table: &str, name: &str, id: u32, key: &Fields, data: Option<&Fields>) -> Message {
    const MAP: u32 = 8;
    let kind = |fields: &Fields| fields.iter().fold(0, |kind, (field, _)| kind << 6 | field);
    let len = |fields: &Fields| fields.iter().map(|(_, len)| len.next_multiple_of(4) as u32).sum();
    let set = Message::new(NEW_SET, CREATE, &HEADER)
        .text(1, table)
        .text(2, name)
        .big(3, if data.is_some() { MAP } else { 0 })
        .big(4, kind(key))
        .big(5, len(key))
        .big(10, id);
    match data {
        Some(data) => set.big(6, kind(data)).big(7, len(data)),
        None => set,
    }
}

/// One element: key, and data when it is a map's.
pub(super) type Element = (Vec<u8>, Option<Vec<u8>>);

/// Adds elements; those that are there already, with the same data, are well.
pub(super) fn new_elements(table: &str, set: &str, elements: &[Element]) -> Vec<Message> {
    element_messages(NEW_ELEMENT, CREATE, table, set, elements)
}

/// Removes elements by key. One that is not there fails the transaction.
pub(super) fn delete_elements(table: &str, set: &str, elements: &[Element]) -> Vec<Message> {
    element_messages(DELETE_ELEMENT, 0, table, set, elements)
}

fn element_messages(kind: u16, flags: u16, table: &str, set: &str, elements: &[Element]) -> Vec<Message> {
    let message = |chunk: &[Element]| {
        Message::new(kind, flags, &HEADER).text(1, table).text(2, set).nest(3, |list| {
            chunk.iter().fold(list, |list, (key, data)| {
                list.nest(LIST_ELEMENT, |element| {
                    let element = element.nest(1, |value| value.attribute(DATA_VALUE, key));
                    match data {
                        Some(data) => element.nest(2, |value| value.attribute(DATA_VALUE, data)),
                        None => element,
                    }
                })
            })
        })
    };
    elements.chunks(ELEMENTS_PER_MESSAGE).map(message).collect()
}

/// The kernel's number of a transport protocol.
pub(super) fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => nix::libc::IPPROTO_TCP as u8,
        Protocol::Udp => nix::libc::IPPROTO_UDP as u8,
    }
}

/// A rule being written, expression by expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule(Vec<(&'static str, Vec<Field>)>);

#[derive(Clone, Debug)]
enum Field {
    Number(u16, u32),
    Text(u16, String),
    Value(u16, Vec<u8>),
    Verdict(u16, Verdict),
}

impl Rule {
    /// Compares what `meta` reads.
    #[must_use]
    pub(super) fn meta(self, key: Meta, compare: Compare, value: &[u8]) -> Self {
        self.load_meta(key, FIRST).compare(compare, value)
    }

    /// Compares an interface's name.
    #[must_use]
    pub(super) fn interface(self, key: Meta, compare: Compare, name: &str) -> Self {
        let mut value = [0; 16];
        value[..name.len().min(15)].copy_from_slice(&name.as_bytes()[..name.len().min(15)]);
        self.meta(key, compare, &value)
    }

    /// Only packets of one version.
    #[must_use]
    pub(super) fn ip(self, version: Ip) -> Self {
        self.meta(Meta::Family, Compare::Equal, &[version as u8])
    }

    /// Compares an address of the header under a mask as long.
    #[must_use]
    pub(super) fn address(self, offset: u32, mask: &[u8], compare: Compare, value: &[u8]) -> Self {
        self.load_payload(FIRST, 1, offset, mask.len() as u32).mask(mask).compare(compare, value)
    }

    /// Only packets to an address of this host.
    #[must_use]
    pub(super) fn for_this_host(self) -> Self {
        const ADDRESS_TYPE: u32 = 3;
        const OF_DESTINATION: u32 = 2;
        const LOCAL: u32 = 2;
        self.push(
            "fib",
            vec![Field::Number(1, FIRST), Field::Number(2, ADDRESS_TYPE), Field::Number(3, OF_DESTINATION)],
        )
        .compare(Compare::Equal, &LOCAL.to_ne_bytes())
    }

    /// Only packets of connections that have one of these status bits.
    #[must_use]
    pub(super) fn status(self, bits: u32) -> Self {
        self.connection(2, bits)
    }

    /// Only packets whose connection is in one of these states.
    #[must_use]
    pub(super) fn state(self, bits: u32) -> Self {
        self.connection(0, bits)
    }

    fn connection(self, key: u32, bits: u32) -> Self {
        self.push("ct", vec![Field::Number(2, key), Field::Number(1, FIRST)])
            .mask(&bits.to_ne_bytes())
            .compare(Compare::Differs, &[0; 4])
    }

    /// Loads destination address, protocol and destination port as a set's key.
    #[must_use]
    pub(super) fn load_destination(self, version: Ip) -> Self {
        let (second, third) = version.behind();
        self.load_payload(FIRST, 1, version.destination(), version.len())
            .load_meta(Meta::Protocol, second)
            .load_port(third)
    }

    /// Loads protocol and destination port as a set's key.
    #[must_use]
    pub(super) fn load_service(self) -> Self {
        self.load_meta(Meta::Protocol, FIRST).load_port(SECOND_WORD)
    }

    /// Goes on only when the loaded key is in a set.
    #[must_use]
    pub(super) fn within(self, set: &str) -> Self {
        self.push("lookup", vec![Field::Text(1, set.to_owned()), Field::Number(2, FIRST)])
    }

    /// Sends the connection to the address and port a map has for the loaded key; goes on when it has none.
    #[must_use]
    pub(super) fn redirect_by(self, map: &str, version: Ip) -> Self {
        self.push("lookup", vec![Field::Text(1, map.to_owned()), Field::Number(2, FIRST), Field::Number(3, FIRST)])
            .send_to_loaded(version)
    }

    fn send_to_loaded(self, version: Ip) -> Self {
        const TO_DESTINATION: u32 = 1;
        self.push(
            "nat",
            vec![
                Field::Number(1, TO_DESTINATION),
                Field::Number(2, version as u32),
                Field::Number(3, FIRST),
                Field::Number(5, version.behind().0),
            ],
        )
    }

    /// Only packets to a port.
    #[must_use]
    pub(super) fn service(self, protocol: Protocol, port: u16) -> Self {
        self.meta(Meta::Protocol, Compare::Equal, &[protocol_number(protocol)])
            .load_port(FIRST)
            .compare(Compare::Equal, &port.to_be_bytes())
    }

    /// Sends the connection to this address and port.
    #[must_use]
    pub(super) fn redirect_to(self, address: Ipv4Addr, port: u16) -> Self {
        self.push("immediate", vec![Field::Number(1, FIRST), Field::Value(2, address.octets().to_vec())])
            .push("immediate", vec![Field::Number(1, SECOND_WORD), Field::Value(2, port.to_be_bytes().to_vec())])
            .send_to_loaded(Ip::V4)
    }

    /// Gives the connection the address of the interface it leaves by.
    #[must_use]
    pub(super) fn masquerade(self) -> Self {
        self.push("masq", Vec::new())
    }

    #[must_use]
    pub(super) fn verdict(self, verdict: Verdict) -> Self {
        self.push("immediate", vec![Field::Number(1, 0), Field::Verdict(2, verdict)])
    }

    fn load_meta(self, key: Meta, register: u32) -> Self {
        self.push("meta", vec![Field::Number(2, key as u32), Field::Number(1, register)])
    }

    fn load_port(self, register: u32) -> Self {
        self.load_payload(register, 2, 2, 2)
    }

    /// From the network header (1) or the transport header (2).
    fn load_payload(self, register: u32, base: u32, offset: u32, len: u32) -> Self {
        self.push(
            "payload",
            vec![Field::Number(1, register), Field::Number(2, base), Field::Number(3, offset), Field::Number(4, len)],
        )
    }

    fn mask(self, mask: &[u8]) -> Self {
        self.push(
            "bitwise",
            vec![
                Field::Number(1, FIRST),
                Field::Number(2, FIRST),
                Field::Number(3, mask.len() as u32),
                Field::Value(4, mask.to_vec()),
                Field::Value(5, vec![0; mask.len()]),
            ],
        )
    }

    fn compare(self, compare: Compare, value: &[u8]) -> Self {
        self.push(
            "cmp",
            vec![Field::Number(1, FIRST), Field::Number(2, compare as u32), Field::Value(3, value.to_vec())],
        )
    }

    fn push(mut self, name: &'static str, fields: Vec<Field>) -> Self {
        self.0.push((name, fields));
        self
    }

    /// The rule at the end of a chain.
    pub(super) fn into_message(self, table: &str, chain: &str) -> Message {
        Message::new(NEW_RULE, CREATE | APPEND, &HEADER).text(1, table).text(2, chain).nest(4, |list| {
            self.0.into_iter().fold(list, |list, (name, fields)| {
                list.nest(LIST_ELEMENT, |expression| {
                    expression
                        .text(EXPRESSION_NAME, name)
                        .nest(EXPRESSION_DATA, |data| fields.into_iter().fold(data, |data, field| field.write(data)))
                })
            })
        })
    }
}

impl Field {
    fn write(self, message: Message) -> Message {
        match self {
            Self::Number(kind, value) => message.big(kind, value),
            Self::Text(kind, value) => message.text(kind, &value),
            Self::Value(kind, value) => message.nest(kind, |data| data.attribute(DATA_VALUE, &value)),
            Self::Verdict(kind, verdict) => {
                message.nest(kind, |data| data.nest(DATA_VERDICT, |code| code.big(1, verdict as u32)))
            }
        }
    }
}
