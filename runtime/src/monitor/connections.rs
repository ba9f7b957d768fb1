//! Clients of the control socket: who may connect, and what each verb does.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use super::{
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
}

/// All clients.
pub struct Connections {
    listener: OwnedFd,
    clients: Vec<Client>,
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
}

impl Connections {
    /// Goes on with the channel the monitor was born with as first client.
    pub fn new(listener: OwnedFd, first: OwnedFd) -> Self {
        Self { listener, clients: vec![Client { stream: first, holds_input: false }] }
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
                self.clients.push(Client { stream, holds_input: false });
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
        let (bytes, _) = match packet::receive(&client.stream, false) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => return false,
            Ok(message) => message,
        };
        let Some((number, request)) = protocol::decode::<Request>(&bytes) else { return false };
        let mut fds = Vec::new();
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
            Request::Go | Request::Abort => Err(io::Error::from_raw_os_error(libc::EALREADY)),
        };
        let reply = reply.unwrap_or_else(|error| Reply::Refused {
            errno: error.raw_os_error().unwrap_or(0),
            message: error.to_string(),
        });
        if packet::send(&client.stream, &protocol::encode(number, &reply), &fds, false).is_err() {
            return false;
        }
    }
}
