//! The network's part of the floor: a process that connects containers to a bridge by the engine's own network room.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
    process::{Child, Command, Stdio},
};

use runtime::{
    id::ContainerId,
    network::{AttachRequest, Config, Network, Place},
    sys::{packet, process},
};

/// The plumber, from the floor's side.
pub struct Plumber {
    channel: OwnedFd,
    process: Child,
}

impl Plumber {
    pub fn start(state: &Path) -> io::Result<Self> {
        let (channel, theirs) = packet::pair()?;
        let program = std::env::current_exe()?;
        let process = Command::new(program).arg("plumber").arg(state).stdin(Stdio::from(theirs)).spawn()?;
        let plumber = Self { channel, process };
        plumber.done()?;
        Ok(plumber)
    }

    /// Begins to connect the namespace; [`Plumber::done`] tells when it is.
    pub fn attach(&self, netns: &OwnedFd) -> io::Result<()> {
        packet::send(&self.channel, b"attach", &[netns.as_raw_fd()], true)
    }

    pub fn detach(&self) -> io::Result<()> {
        packet::send(&self.channel, b"detach", &[], true)?;
        self.done()
    }

    pub fn done(&self) -> io::Result<()> {
        match packet::receive(&self.channel, true)? {
            (said, _) if said == b"done" => Ok(()),
            (said, _) => Err(io::Error::other(format!("plumber: {}", String::from_utf8_lossy(&said)))),
        }
    }
}

impl Drop for Plumber {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves on standard input until it is closed.
pub fn serve(state: &Path) -> io::Result<()> {
    let channel = process::inherited(0).ok_or(io::ErrorKind::NotConnected)?;
    let network = Network::open(state.to_owned(), Config::default()).map_err(io::Error::other)?;
    network.reconcile(&[], &[]).map_err(io::Error::other)?;
    packet::send(&channel, b"done", &[], true)?;
    let mut id = ContainerId::random();
    loop {
        let (said, fds) = packet::receive(&channel, true)?;
        let done = match (&said[..], fds.first()) {
            (b"attach", Some(netns)) => {
                id = ContainerId::random();
                let request = AttachRequest {
                    container: &id,
                    name: "floor",
                    netns: netns.as_fd(),
                    ports: &[],
                    place: Place::default(),
                };
                network.attach(&request).map(drop)
            }
            (b"detach", None) => network.release(&id),
            _ => return Ok(()),
        };
        let answer = done.map_or_else(|error| error.to_string(), |()| "done".to_owned());
        packet::send(&channel, answer.as_bytes(), &[], true)?;
    }
}
