//! The container's streams on the monitor's side: reading them into the log, and standard input.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::read,
};

use crate::{
    logs::{Writer, frame::MAX_PAYLOAD},
    monitor::run::now_ns,
    sys::tty,
};

/// The ends that the monitor holds.
pub struct Streams {
    /// What is read: descriptor and stream number.
    sources: Vec<(OwnedFd, u8)>,
    /// Where input goes.
    input: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    /// Keeps the terminal from reporting a hang-up whenever no program happens to have it open.
    _slave: Option<OwnedFd>,
    buffer: Vec<u8>,
}

fn nonblocking(fd: OwnedFd) -> io::Result<OwnedFd> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(fd)
}

impl Streams {
    /// Takes what init handed over; `open_input` is whether clients may type at a terminal.
    pub fn new(fds: Vec<OwnedFd>, has_tty: bool, open_input: bool) -> io::Result<Self> {
        let short = || io::Error::new(io::ErrorKind::InvalidData, "init handed over too few streams");
        let mut fds = fds.into_iter();
        let first = nonblocking(fds.next().ok_or_else(short)?)?;
        let second = fds.next().ok_or_else(short)?;
        let buffer = vec![0; MAX_PAYLOAD];
        if has_tty {
            // A terminal's descriptor is shared with whoever types, so it was opened for both.
            fcntl(&first, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR))?;
            let input = open_input.then(|| first.try_clone()).transpose()?;
            let terminal = Some(first.try_clone()?);
            return Ok(Self { sources: vec![(first, 1)], input, terminal, _slave: Some(second), buffer });
        }
        let input = fds.next().map(nonblocking).transpose()?;
        let sources = vec![(first, 1), (nonblocking(second)?, 2)];
        Ok(Self { sources, input, terminal: None, _slave: None, buffer })
    }

    /// What to wait on for output.
    pub fn readable(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sources.iter().map(|(fd, _)| fd.as_fd())
    }

    /// Reads once from each source that has something. A source at its end is given up.
    pub fn pump(&mut self, log: &mut Writer) -> bool {
        let mut any = false;
        let buffer = &mut self.buffer;
        self.sources.retain(|(fd, stream)| match read(fd, buffer) {
            Ok(0) => false,
            Ok(count) => {
                any = true;
                log.write(*stream, &buffer[..count], now_ns());
                true
            }
            Err(Errno::EAGAIN | Errno::EINTR) => true,
            Err(_) => false,
        });
        any
    }

    /// The writing end of input, if it is open.
    pub fn input(&self) -> Option<&OwnedFd> {
        self.input.as_ref()
    }

    /// Ends the input as far as the monitor holds it. A terminal has no end.
    pub fn close_input(&mut self) {
        if self.terminal.is_none() {
            self.input = None;
        }
    }

    /// Sets the terminal's size; `ENOTTY` when there is none.
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let terminal = self.terminal.as_ref().ok_or_else(|| io::Error::from(Errno::ENOTTY))?;
        tty::set_size(terminal, rows, columns)
    }
}
