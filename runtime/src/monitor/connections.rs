//! Clients of the control socket: who may connect, and what each verb does.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use super::{
    execs::Execs,
    output::Streams,
    protocol::{self, Reply, Request, Status},
};
use crate::{
    spec::Stdin,
    sys::{packet, process},
};

/// More clients than this are turned away.
const MAX_CLIENTS: usize = 256;

struct Client {
    stream: OwnedFd,
    holds_input: bool,
    /// Its number, never used again.
    number: u64,
}

/// All clients.
pub struct Connections {
    listener: OwnedFd,
    clients: Vec<Client>,
    last: u64,
}

/// Connections as execs know them: by number.
pub trait Told {
    /// It has not ended.
    fn is_there(&self, owner: u64) -> bool;

    /// Tells one something, with descriptors; whether it could be.
    fn tell(&mut self, owner: u64, number: u32, reply: &Reply, fds: &[RawFd]) -> bool;
}

impl Told for Connections {
    fn is_there(&self, owner: u64) -> bool {
        self.clients.iter().any(|client| client.number == owner)
    }

    fn tell(&mut self, owner: u64, number: u32, reply: &Reply, fds: &[RawFd]) -> bool {
        let Some(client) = self.clients.iter().find(|client| client.number == owner) else { return false };
        packet::send(&client.stream, &protocol::encode(number, reply), fds, false).is_ok()
    }
}

/// What verbs act on.
pub struct Subject<'a> {
    /// The first process.
    pub pidfd: &'a OwnedFd,
    /// Who it is.
    pub status: &'a Status,
    /// Its streams.
    pub streams: &'a mut Streams,
    /// What its input is.
    pub stdin: Stdin,
    /// What else runs in it.
    pub execs: &'a mut Execs,
}

impl Connections {
    /// Goes on with the channel the monitor was born with as first client.
    pub fn new(listener: OwnedFd, first: OwnedFd) -> Self {
        Self { listener, clients: vec![Client { stream: first, holds_input: false, number: 0 }], last: 0 }
    }

    /// What to wait on: the listener, then every client.
    pub fn readable(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.clients.iter().map(|client| client.stream.as_fd()))
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Takes what waits to connect. Root alone may.
    pub fn accept(&mut self) {
        while let Ok(stream) = packet::accept(&self.listener) {
            if self.clients.len() < MAX_CLIENTS && matches!(packet::peer(&stream), Ok((_, 0))) {
                self.last += 1;
                self.clients.push(Client { stream, holds_input: false, number: self.last });
            }
        }
    }

    /// Answers what clients ask. One that left, that sends nonsense or that doesn't read is dropped.
    ///
    /// `ready` says for each client whether there is something to be read.
    pub fn serve(&mut self, ready: &[bool], subject: &mut Subject<'_>) {
        let mut lost_input = false;
        let mut ready = ready.iter();
        self.clients.retain_mut(|client| {
            let stays = ready.next() != Some(&true) || serve_one(client, subject);
            lost_input |= !stays && client.holds_input;
            stays
        });
        if lost_input && subject.stdin == Stdin::Once {
            subject.streams.close_input();
        }
    }

    /// Tells everybody.
    pub fn tell(&self, reply: &Reply) {
        let bytes = protocol::encode(0, reply);
        for client in &self.clients {
            let _ = packet::send(&client.stream, &bytes, &[], false);
        }
    }
}

fn serve_one(client: &mut Client, subject: &mut Subject<'_>) -> bool {
    loop {
        let (bytes, brought) = match packet::receive(&client.stream, false) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => return false,
            Ok(message) => message,
        };
        let Some((number, request)) = protocol::decode::<Request>(&bytes) else { return false };
        let mut fds = Vec::new();
        let mut lent = Vec::new();
        let reply = match request {
            Request::Status => Ok(Reply::Status(subject.status.clone())),
            Request::Signal(signal) => process::pidfd_signal(subject.pidfd, signal).map(|()| Reply::Done),
            Request::Resize { rows, columns } => subject.streams.resize(rows, columns).map(|()| Reply::Done),
            Request::AttachStdin => match subject.streams.input() {
                Some(input) => {
                    fds.push(input.as_raw_fd());
                    client.holds_input = true;
                    Ok(Reply::Stdin)
                }
                None => Err(io::Error::from_raw_os_error(libc::EPIPE)),
            },
            Request::CloseStdin => {
                client.holds_input = false;
                subject.streams.close_input();
                Ok(Reply::Done)
            }
            Request::Exec => match subject.execs.begin(client.number, number, brought) {
                // Answered when it runs.
                Ok(()) => continue,
                Err(failure) => Ok(Reply::ExecFailed(failure)),
            },
            Request::Execs { from } => Ok(Reply::Execs(subject.execs.list(from))),
            Request::TakeExec { id } => subject.execs.take(&id, client.number).map(|(reply, fds)| {
                lent = fds;
                reply
            }),
            Request::SignalExec { id, signal } => subject.execs.signal(&id, signal).map(|()| Reply::Done),
            Request::Go | Request::Abort => Err(io::Error::from_raw_os_error(libc::EALREADY)),
        };
        let reply = reply.unwrap_or_else(|error| Reply::Refused {
            errno: error.raw_os_error().unwrap_or(0),
            message: error.to_string(),
        });
        fds.extend(lent.iter().map(AsRawFd::as_raw_fd));
        if packet::send(&client.stream, &protocol::encode(number, &reply), &fds, false).is_err() {
            return false;
        }
    }
}
