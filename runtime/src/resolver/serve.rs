//! The resolver's loop: one poll over its sockets, the questions on their way, and the container's first process.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    answer::{Outcome, answer, no_answer},
    flow::{Flow, Step},
    settings::Known,
};

/// Questions by UDP on their way to servers; one more is dropped, and asked again by who wants to know.
const ASKED: usize = 128;
/// Connections by TCP; more wait in the queue.
const FLOWS: usize = 16;
/// How long a server may take before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(3);
const DATAGRAM_BYTES: usize = 64 * 1024;

/// A question that a server was asked.
struct Asked {
    client: SocketAddr,
    question: Vec<u8>,
    socket: UdpSocket,
    /// Servers not asked yet, the next one last.
    servers: Vec<IpAddr>,
    until: Instant,
}

struct Resolver {
    udp: UdpSocket,
    tcp: TcpListener,
    known: Known,
    asked: Vec<Asked>,
    flows: Vec<Flow>,
    turn: usize,
    buffer: Vec<u8>,
}

/// Answers until the container's first process has ended.
pub(super) fn serve(udp: UdpSocket, tcp: TcpListener, container: &OwnedFd, settings: &Path) -> io::Result<()> {
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    let (known, buffer) = (Known::new(settings), vec![0; DATAGRAM_BYTES]);
    let mut resolver = Resolver { udp, tcp, known, asked: Vec::new(), flows: Vec::new(), turn: 0, buffer };
    loop {
        let ready = resolver.wait(container)?;
        let [ended, questions, connections, rest @ ..] = &ready[..] else { return Ok(()) };
        if *ended {
            return Ok(());
        }
        let (asked, flows) = rest.split_at(resolver.asked.len());
        resolver.carry_flows(flows);
        resolver.carry_asked(asked);
        if *questions {
            resolver.questions();
        }
        if *connections
            && resolver.flows.len() < FLOWS
            && let Ok((client, _)) = resolver.tcp.accept()
        {
            resolver.flows.extend(Flow::new(client));
        }
    }
}

impl Resolver {
    /// What is ready: the container's end, questions, connections, then each of `asked` and `flows`.
    fn wait(&self, container: &OwnedFd) -> io::Result<Vec<bool>> {
        let first = self.asked.iter().map(|one| one.until).chain(self.flows.iter().map(Flow::until)).min();
        let patience = first.map_or(PollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now()).as_millis() + 1;
            PollTimeout::try_from(left.min(60_000) as u32).unwrap_or(PollTimeout::MAX)
        });
        let listening = if self.flows.len() < FLOWS { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut fds = vec![
            PollFd::new(container.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.udp.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.tcp.as_fd(), listening),
        ];
        fds.extend(self.asked.iter().map(|one| PollFd::new(one.socket.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.flows.iter().map(|flow| {
            let (fd, flags) = flow.wants();
            PollFd::new(fd, flags)
        }));
        match poll(&mut fds, patience) {
            Ok(_) | Err(Errno::EINTR) => Ok(fds.iter().map(|fd| fd.any().unwrap_or(false)).collect()),
            Err(error) => Err(error.into()),
        }
    }

    fn questions(&mut self) {
        // A bound on a turn: answers are carried too while somebody asks without end.
        for _ in 0..64 {
            // An answer that could not be delivered may be told here; it is that client's matter.
            let Ok((length, client)) = self.udp.recv_from(&mut self.buffer) else { return };
            let question = self.buffer[..length].to_vec();
            self.turn = self.turn.wrapping_add(1);
            match answer(&question, &mut self.known, self.turn, true) {
                Outcome::Answered(bytes) => self.say(&bytes, client),
                Outcome::Ask(mut servers) if self.asked.len() < ASKED => {
                    servers.reverse();
                    self.ask(client, question, servers);
                }
                Outcome::Ask(_) | Outcome::Dropped => {}
            }
        }
    }

    fn say(&self, bytes: &[u8], client: SocketAddr) {
        // Lost like any datagram.
        let _ = self.udp.send_to(bytes, client);
    }

    /// Asks the next server that can be asked.
    fn ask(&mut self, client: SocketAddr, question: Vec<u8>, mut servers: Vec<IpAddr>) {
        while let Some(server) = servers.pop() {
            if let Ok(socket) = put(server, &question) {
                let until = Instant::now() + PATIENCE;
                self.asked.push(Asked { client, question, socket, servers, until });
                return;
            }
        }
        if let Some(bytes) = no_answer(&question) {
            self.say(&bytes, client);
        }
    }

    fn carry_asked(&mut self, ready: &[bool]) {
        let (now, mut again) = (Instant::now(), Vec::new());
        let before = std::mem::take(&mut self.asked);
        for (number, one) in before.into_iter().enumerate() {
            if ready.get(number).copied().unwrap_or(false) {
                match one.socket.recv(&mut self.buffer) {
                    Ok(length) if length >= 2 && self.buffer[..2] == one.question[..2] => {
                        self.say(&self.buffer[..length], one.client);
                    }
                    // Refused: nobody serves there.
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => again.push(one),
                    _ => self.asked.push(one),
                }
            } else if one.until <= now {
                again.push(one);
            } else {
                self.asked.push(one);
            }
        }
        for one in again {
            self.ask(one.client, one.question, one.servers);
        }
    }

    fn carry_flows(&mut self, ready: &[bool]) {
        let now = Instant::now();
        let before = std::mem::take(&mut self.flows);
        for (number, mut flow) in before.into_iter().enumerate() {
            if !ready.get(number).copied().unwrap_or(false) {
                if flow.until() > now {
                    self.flows.push(flow);
                }
                continue;
            }
            match flow.go_on() {
                Step::Waits => self.flows.push(flow),
                Step::Ended => {}
                Step::Unanswered(question) => {
                    if let Some(bytes) = no_answer(&question) {
                        flow.say(&bytes);
                        self.flows.push(flow);
                    }
                }
                Step::Question(question) => {
                    self.turn = self.turn.wrapping_add(1);
                    match answer(&question, &mut self.known, self.turn, false) {
                        Outcome::Answered(bytes) => flow.say(&bytes),
                        Outcome::Ask(servers) => {
                            if !servers.iter().any(|server| flow.ask(*server, &question).is_ok()) {
                                continue;
                            }
                        }
                        Outcome::Dropped => continue,
                    }
                    self.flows.push(flow);
                }
            }
        }
    }
}

/// Puts a question to a server, from a port nobody can guess.
fn put(server: IpAddr, question: &[u8]) -> io::Result<UdpSocket> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect((server, 53))?;
    socket.send(question)?;
    Ok(socket)
}
