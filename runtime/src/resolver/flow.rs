//! A client's connection by TCP: a question at a time, answered here or by a server of the outside.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::PollFlags,
    sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket},
};

/// How long a client or a server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest question by TCP.
const QUESTION_BYTES: usize = 4096;

/// One connection, and the one to a server while that is asked.
#[derive(Debug)]
pub(super) struct Flow {
    client: TcpStream,
    server: Option<TcpStream>,
    /// What came and is not yet a whole message: from the client, or from the server while there is one.
    came: Vec<u8>,
    /// What is still to be sent: to the server when there is one, else to the client.
    goes: Vec<u8>,
    /// What the server is asked.
    asked: Vec<u8>,
    until: Instant,
}

/// What a flow wants next.
pub(super) enum Step {
    /// Nothing yet.
    Waits,
    /// This question is to be answered.
    Question(Vec<u8>),
    /// The server that was asked this can't be reached, or left.
    Unanswered(Vec<u8>),
    /// It is over.
    Ended,
}

impl Flow {
    pub(super) fn new(client: TcpStream) -> io::Result<Self> {
        client.set_nonblocking(true)?;
        Ok(Self {
            client,
            server: None,
            came: Vec::new(),
            goes: Vec::new(),
            asked: Vec::new(),
            until: Instant::now() + PATIENCE,
        })
    }

    /// When it has been silent for too long.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// What is waited for.
    pub(super) fn wants(&self) -> (BorrowedFd<'_>, PollFlags) {
        let stream = self.server.as_ref().unwrap_or(&self.client);
        (stream.as_fd(), if self.goes.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLOUT })
    }

    /// Goes on, now that what was waited for has come.
    pub(super) fn go_on(&mut self) -> Step {
        match self.step() {
            Ok(step) => step,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Step::Waits,
            Err(_) => self.broken(),
        }
    }

    /// A connection ended: without the server the client is still there.
    fn broken(&mut self) -> Step {
        if self.server.take().is_none() {
            return Step::Ended;
        }
        self.came.clear();
        self.goes.clear();
        Step::Unanswered(std::mem::take(&mut self.asked))
    }

    fn step(&mut self) -> io::Result<Step> {
        let asking = self.server.is_some();
        let stream = self.server.as_mut().unwrap_or(&mut self.client);
        if !self.goes.is_empty() {
            let sent = stream.write(&self.goes)?;
            self.goes.drain(..sent);
            self.until = Instant::now() + PATIENCE;
            return Ok(Step::Waits);
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(self.broken());
        }
        self.came.extend_from_slice(&buffer[..count]);
        let Some((length, _)) = self.came.split_first_chunk::<2>() else { return Ok(Step::Waits) };
        let length = usize::from(u16::from_be_bytes(*length));
        if !asking && length > QUESTION_BYTES {
            return Ok(Step::Ended);
        }
        if self.came.len() < 2 + length {
            return Ok(Step::Waits);
        }
        let rest = self.came.split_off(2 + length);
        let message = self.came.split_off(2);
        if asking {
            self.server = None;
            self.came.clear();
            self.say(&message);
            return Ok(Step::Waits);
        }
        self.came = rest;
        Ok(Step::Question(message))
    }

    /// Answers the client.
    pub(super) fn say(&mut self, message: &[u8]) {
        self.goes = framed(message);
        self.until = Instant::now() + PATIENCE;
    }

    /// Asks a server, whose answer goes to the client.
    pub(super) fn ask(&mut self, server: IpAddr, question: &[u8]) -> io::Result<()> {
        self.server = Some(dial(SocketAddr::new(server, 53))?);
        self.came.clear();
        self.goes = framed(question);
        question.clone_into(&mut self.asked);
        self.until = Instant::now() + PATIENCE;
        Ok(())
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(0);
    [&length.to_be_bytes(), &message[..usize::from(length)]].concat()
}

/// Begins a connection without waiting for it.
fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let stream = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    match connect(stream.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(stream.into()),
        Err(error) => Err(error.into()),
    }
}
