//! Two threads of the network: one notices when somebody else removes our firewall table, one does what may come later.

use std::{
    collections::VecDeque,
    io,
    os::fd::AsFd,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    conntrack,
    firewall::{self, Publication},
    link::Links,
};
use crate::{
    request::Protocol,
    sys::netlink::{Family, Socket},
};

/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;
/// Between two restorations, so that a fight with another program doesn't take a processor.
const PACE_MS: u16 = 200;
/// How long a link is left to the kernel, which removes it with the container's namespace. Removing it ourselves holds
/// the kernel's lock on all links for some 20 ms, and every start waits.
const GRACE: Duration = Duration::from_millis(500);

/// Calls back when something was removed from our table by others. Dropping it ends its thread.
#[derive(Debug)]
pub(super) struct Watcher {
    stop: Option<io::PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

/// What a watcher saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Something of our table was removed.
    Removal,
    /// Events were lost.
    Lost,
}

impl Watcher {
    /// Watches the calling thread's network namespace. `restore` is called again until it returns true.
    pub(super) fn start(own_port: u32, restore: impl Fn(Seen) -> bool + Send + 'static) -> io::Result<Self> {
        let socket = Socket::listen(Family::Netfilter, GROUP)?;
        let (stopped, stop) = io::pipe()?;
        let thread = thread::Builder::new().name("firewall watch".into()).spawn(move || {
            let mut pending = None;
            // A stop is the other end of the pipe being closed.
            while !wait(&stopped, &socket, pending.is_some()) {
                pending = seen(&socket, own_port).or(pending);
                if pending.is_some_and(&restore) {
                    pending = None;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.take();
        self.thread.take().map(JoinHandle::join);
    }
}

/// Waits for an event, or a while when something is still to be done; true when it's time to stop.
fn wait(stopped: &io::PipeReader, socket: &Socket, pending: bool) -> bool {
    let stop = || PollFd::new(stopped.as_fd(), PollFlags::POLLIN);
    let mut fds = [stop(), PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let result =
        if pending { poll(&mut fds[..1], PollTimeout::from(PACE_MS)) } else { poll(&mut fds, PollTimeout::NONE) };
    match result {
        Ok(_) => fds[0].any().unwrap_or(true),
        Err(Errno::EINTR) => false,
        Err(_) => true,
    }
}

/// Reads all events that are there.
fn seen(socket: &Socket, own_port: u32) -> Option<Seen> {
    let mut found = None;
    loop {
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1)) {
            return found;
        }
        match socket.receive() {
            Ok(events) if events.iter().any(|event| firewall::is_foreign_removal(event, own_port)) => {
                found = Some(Seen::Removal);
            }
            Ok(_) => {}
            Err(_) => found = found.or(Some(Seen::Lost)),
        }
    }
}

/// What may be done a little later than a container's start or end.
#[derive(Debug)]
enum Task {
    RemoveLink(String),
    ForgetFlows { published: Vec<Publication>, redirected: bool },
}

impl Task {
    fn carry_out(&self, links: &mut Links) {
        let done = match self {
            Self::RemoveLink(name) => links.remove(name),
            Self::ForgetFlows { published, redirected } => conntrack::forget(published, *redirected),
        };
        if let Err(error) = done {
            tracing::warn!(%error, task = ?self, "something of a container's network is left over");
        }
    }
}

/// Removes links a while after it is told to, and forgets UDP flows. Dropping it does at once what is left.
#[derive(Debug)]
pub(super) struct Sweeper {
    tasks: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// For the calling thread's network namespace.
    pub(super) fn start() -> io::Result<Self> {
        let mut links = Links::open()?;
        // Unbounded: at most a few small tasks for every start and end of a container.
        let (tasks, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("network sweeper".into()).spawn(move || {
            let mut due: VecDeque<(Instant, Task)> = VecDeque::new();
            let mut open = true;
            while open || !due.is_empty() {
                let next = due.front().map_or(Duration::MAX, |(at, _)| at.saturating_duration_since(Instant::now()));
                match receiver.recv_timeout(next) {
                    Ok(task @ Task::RemoveLink(_)) => due.push_back((Instant::now() + GRACE, task)),
                    Ok(task @ Task::ForgetFlows { .. }) => task.carry_out(&mut links),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => open = false,
                }
                while let Some((_, task)) = due.pop_front_if(|(at, _)| !open || *at <= Instant::now()) {
                    task.carry_out(&mut links);
                }
            }
        })?;
        Ok(Self { tasks: Some(tasks), thread: Some(thread) })
    }

    /// Removes a link, if the kernel has not done so by then. A container without one on the host has an empty name here.
    pub(super) fn remove_link(&self, name: String) {
        if !name.is_empty() {
            self.give(Task::RemoveLink(name));
        }
    }

    /// Forgets UDP flows that went past ports that were just published.
    pub(super) fn ports_published(&self, published: Vec<Publication>) {
        self.forget_flows(published, false);
    }

    /// Forgets UDP flows to containers' ports that were just withdrawn.
    pub(super) fn ports_withdrawn(&self, published: Vec<Publication>) {
        self.forget_flows(published, true);
    }

    fn forget_flows(&self, mut published: Vec<Publication>, redirected: bool) {
        published.retain(|(port, _)| port.protocol() == Protocol::Udp);
        if !published.is_empty() {
            self.give(Task::ForgetFlows { published, redirected });
        }
    }

    fn give(&self, task: Task) {
        // The thread ends only when this sender is dropped.
        let _ = self.tasks.as_ref().map(|tasks| tasks.send(task));
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.tasks.take();
        self.thread.take().map(JoinHandle::join);
    }
}
