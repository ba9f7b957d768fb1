//! A small blocking netlink codec: messages with attributes, requests, dumps and nf_tables batches.
//!
//! A [`Socket`] belongs to the network namespace of the thread that opened it, whichever thread uses it later.
//! Numbers are the kernel's; what they mean is known to the callers.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname, recv, send,
            setsockopt, socket, sockopt,
        },
        time::TimeVal,
    },
};

/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`.
pub const ACK: u16 = 0x4;
/// `NLM_F_EXCL`.
pub const EXCL: u16 = 0x200;
/// `NLM_F_DUMP`.
pub const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`.
pub const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`.
pub const APPEND: u16 = 0x800;

const DUMP_INTERRUPTED: u16 = 0x10;
const ERROR: u16 = 0x2;
const DONE: u16 = 0x3;
const NESTED: u16 = 0x8000;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// `nfgenmsg` of a batch's ends: no family, version 0, resource = the nf_tables subsystem, in network order.
const BATCH_HEADER: [u8; 4] = [0, 0, 0, 10];
const HEADER_LEN: usize = 16;
const RECEIVE_LEN: usize = 64 * 1024;
/// The kernel answers at once; this only keeps a defect from blocking for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Links, addresses, routes.
    Route,
    /// nf_tables.
    Netfilter,
}

/// A message being written.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message of a kind, with its fixed header.
    pub fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes }.raw(header)
    }

    /// Bytes without an attribute's head.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self.pad();
        self
    }

    /// An attribute.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.raw(value)
    }

    /// A number in host order.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// A number in network order, as nf_tables wants all of its numbers.
    #[must_use]
    pub fn big(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// A text with its NUL.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    /// Attributes within an attribute.
    #[must_use]
    pub fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        let mut filled = fill(self);
        let len = (filled.bytes.len() - start) as u16;
        filled.bytes[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        filled
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self, sequence: u32, flags: u16) -> Vec<u8> {
        let len = self.bytes.len() as u32;
        self.bytes[0..4].copy_from_slice(&len.to_ne_bytes());
        let flags = u16_at(&self.bytes, 6) | flags;
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// A message the kernel sent.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its kind.
    pub kind: u16,
    /// The socket that caused it.
    pub port: u32,
    /// What follows the netlink header.
    pub payload: Vec<u8>,
    flags: u16,
    sequence: u32,
}

impl Received {
    /// The attributes behind a fixed header of `header_len` bytes.
    pub fn attributes(&self, header_len: usize) -> Attributes<'_> {
        Attributes(self.payload.get(header_len.next_multiple_of(4)..).unwrap_or_default())
    }
}

/// Attributes being read; ends at the first that is cut short.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The attributes in a nested attribute's value.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The first of a kind.
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.clone().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The first of a kind, as a text up to its NUL.
    pub fn text(&self, kind: u16) -> Option<&'a str> {
        let value = self.get(kind)?;
        std::str::from_utf8(value.split(|byte| *byte == 0).next()?).ok()
    }

    /// The first of a kind, as a number in host order.
    pub fn number(&self, kind: u16) -> Option<u32> {
        Some(u32::from_ne_bytes(self.get(kind)?.get(..4)?.try_into().ok()?))
    }

    /// The first of a kind, as a number in network order.
    pub fn big(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.get(..4)?.try_into().ok()?))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.0;
        if bytes.len() < 4 {
            return None;
        }
        let len = usize::from(u16_at(bytes, 0));
        let value = bytes.get(4..len)?;
        self.0 = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16_at(bytes, 2) & 0x3fff, value))
    }
}

/// A netlink socket in one network namespace.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
}

impl Socket {
    /// For requests. Answers are waited for 10 s at most.
    pub fn open(family: Family) -> io::Result<Self> {
        let socket = Self::bound(family, 0)?;
        setsockopt(&socket.fd, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE.as_secs() as i64, 0))?;
        Ok(socket)
    }

    /// For listening to a multicast group, by number; [`Socket::receive`] blocks.
    pub fn listen(family: Family, group: u32) -> io::Result<Self> {
        Self::bound(family, 1 << (group - 1))
    }

    fn bound(family: Family, groups: u32) -> io::Result<Self> {
        let protocol = match family {
            Family::Route => SockProtocol::NetlinkRoute,
            Family::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd())?.pid();
        // Large batches and dumps; where this is not allowed the defaults hold a few hundred elements.
        let _ = setsockopt(&fd, sockopt::SndBufForce, &(4 << 20));
        let _ = setsockopt(&fd, sockopt::RcvBufForce, &(4 << 20));
        Ok(Self { fd, port, sequence: 0 })
    }

    /// The socket's own number, which [`Received::port`] tells of changes it caused.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// For poll(2).
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sends one request and returns what came before its acknowledgement or, for a dump, its end.
    pub fn request(&mut self, message: &Message) -> io::Result<Vec<Received>> {
        // A dump that something changed underneath is asked for again.
        for _ in 0..8 {
            let sequence = self.next_sequence();
            self.send(&message.clone().finish(sequence, ACK))?;
            let (answers, whole) = self.answers(sequence)?;
            if whole {
                return Ok(answers);
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the kernel's tables change too fast to be listed"))
    }

    fn answers(&mut self, sequence: u32) -> io::Result<(Vec<Received>, bool)> {
        let mut answers = Vec::new();
        let mut whole = true;
        loop {
            for message in self.receive()? {
                if message.sequence != sequence {
                    continue;
                }
                whole &= message.flags & DUMP_INTERRUPTED == 0;
                match message.kind {
                    ERROR | DONE => {
                        check(&message)?;
                        return Ok((answers, whole));
                    }
                    _ => answers.push(message),
                }
            }
        }
    }

    /// Sends nf_tables messages as one transaction: all of them take effect at once, or none.
    pub fn transact(&mut self, messages: Vec<Message>) -> io::Result<()> {
        let Some(last) = messages.len().checked_sub(1) else { return Ok(()) };
        let begin = self.next_sequence();
        let mut bytes = Message::new(BATCH_BEGIN, 0, &BATCH_HEADER).finish(begin, 0);
        let mut sequence = begin;
        for (index, message) in messages.into_iter().enumerate() {
            sequence = self.next_sequence();
            bytes.extend(message.finish(sequence, if index == last { ACK } else { 0 }));
        }
        let end = self.next_sequence();
        bytes.extend(Message::new(BATCH_END, 0, &BATCH_HEADER).finish(end, 0));
        self.send(&bytes)?;
        // Failures come in the order of the messages, the acknowledgement of the last one behind them. A failure of
        // the whole is told on the batch's begin or end.
        let mut outcome = Ok(());
        loop {
            for answer in self.receive()? {
                if answer.kind != ERROR || answer.sequence.wrapping_sub(begin) > end.wrapping_sub(begin) {
                    continue;
                }
                if let Err(error) = check(&answer) {
                    outcome = outcome.and(Err(error));
                }
                if answer.sequence == sequence || (outcome.is_err() && [begin, end].contains(&answer.sequence)) {
                    return outcome;
                }
            }
        }
    }

    /// The messages of the next datagram.
    pub fn receive(&self) -> io::Result<Vec<Received>> {
        let mut buffer = vec![0_u8; RECEIVE_LEN];
        let len = loop {
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer")),
                other => break other?,
            }
        };
        Ok(split(&buffer[..len]))
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match send(self.fd.as_raw_fd(), bytes, MsgFlags::empty())? {
            sent if sent == bytes.len() => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::WriteZero, "a netlink message was cut short")),
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

fn check(message: &Received) -> io::Result<()> {
    match message.payload.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes) {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
    }
}

fn split(mut bytes: &[u8]) -> Vec<Received> {
    let mut messages = Vec::new();
    while bytes.len() >= HEADER_LEN {
        let len = u32_at(bytes, 0) as usize;
        let Some(payload) = bytes.get(HEADER_LEN..len) else { break };
        messages.push(Received {
            kind: u16_at(bytes, 4),
            flags: u16_at(bytes, 6),
            sequence: u32_at(bytes, 8),
            port: u32_at(bytes, 12),
            payload: payload.to_vec(),
        });
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let message = Message::new(7, 0, &[1, 2, 3, 4])
            .text(1, "eth0")
            .nest(2, |inner| inner.number(3, 9).big(4, 0x0102_0304).attribute(5, &[8]));
        let received = split(&message.finish(42, ACK));
        assert_eq!(received.len(), 1);
        assert_eq!((received[0].kind, received[0].sequence), (7, 42));
        assert_eq!(received[0].flags, REQUEST | ACK);
        let attributes = received[0].attributes(4);
        assert_eq!(attributes.text(1), Some("eth0"));
        let inner = Attributes::new(attributes.get(2).expect("the nest"));
        assert_eq!((inner.number(3), inner.big(4), inner.get(5)), (Some(9), Some(0x0102_0304), Some(&[8][..])));
    }

    #[test]
    fn what_is_cut_short_ends_the_reading() {
        let whole = Message::new(7, 0, &[]).text(1, "eth0").finish(1, 0);
        for len in 0..whole.len() {
            assert!(split(&whole[..len]).is_empty(), "{len}");
        }
        assert_eq!(Attributes::new(&[3, 0, 1, 0]).next(), None);
        assert_eq!(Attributes::new(&[9, 0, 1, 0, 5]).next(), None);
    }
}
