//! An exec's streams on the engine's side: read as they come, passed to whoever listens, kept where that is wanted.
//!
//! A listener that doesn't read holds the program up, as a pipe would; one that leaves doesn't. Without listeners output
//! is thrown away, but for the last of a terminal that people come back to.

use std::{collections::VecDeque, io, os::fd::OwnedFd, sync::Mutex};

use bytes::Bytes;
use nix::{errno::Errno, unistd::read};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
};

use crate::{
    engine::lock,
    monitor::{client::RunningExec, protocol::ExecEnded},
    request::AttachExec,
    sys::{readiness, tty},
    view::Stream,
};

/// Bytes read at a time.
const READ: usize = 64 << 10;
/// Pieces on their way to one listener. When full, the program waits.
const OUTPUT_PIECES: usize = 32;
/// Pieces on their way from one client. When full, the client waits for the program to read.
const INPUT_PIECES: usize = 16;
/// Most that is kept for those who come back.
const KEPT: usize = 256 << 10;
/// Most that is read after the program's end: what it left in its pipes, not what others still write there.
const LAST: usize = 1 << 20;

type Output = mpsc::Sender<(Stream, Bytes)>;

/// Somebody who listens.
pub(super) struct Listener {
    to: Output,
    wants: AttachExec,
}

/// What one who asks for these streams listens by.
pub(super) fn listener(wants: AttachExec) -> (Listener, mpsc::Receiver<(Stream, Bytes)>) {
    let (to, output) = mpsc::channel(OUTPUT_PIECES);
    (Listener { to, wants }, output)
}

/// The streams of one exec.
pub(super) struct Flow(Mutex<Ends>);

struct Ends {
    listeners: Vec<Listener>,
    keeps: bool,
    kept: VecDeque<u8>,
    terminal: Option<OwnedFd>,
    size: Option<(u16, u16)>,
    is_over: bool,
}

impl Flow {
    /// Of one that hasn't begun.
    pub fn new(keeps: bool) -> Self {
        Self(Mutex::new(Ends {
            listeners: Vec::new(),
            keeps,
            kept: VecDeque::new(),
            terminal: None,
            size: None,
            is_over: false,
        }))
    }

    /// Adds a listener; none hears of an end that was before.
    pub fn join(&self, listener: Listener) {
        let mut ends = lock(&self.0);
        if ends.is_over {
            return;
        }
        if listener.wants.replay && !ends.kept.is_empty() {
            let kept: Vec<u8> = ends.kept.iter().copied().collect();
            // The first piece of an empty queue always has room.
            let _ = listener.to.try_send((Stream::Stdout, kept.into()));
        }
        ends.listeners.push(listener);
    }

    /// It is over: listeners are told so by the end of their queue.
    pub fn end(&self) {
        let mut ends = lock(&self.0);
        ends.is_over = true;
        ends.listeners.clear();
        ends.kept.clear();
        ends.terminal = None;
    }

    /// Somebody listens.
    pub fn is_heard(&self) -> bool {
        lock(&self.0).listeners.iter().any(|listener| !listener.to.is_closed())
    }

    /// The size that was asked for last.
    pub fn size(&self) -> Option<(u16, u16)> {
        lock(&self.0).size
    }

    /// Sets the terminal's size, now if it is open, else when it is.
    pub fn set_size(&self, rows: u16, columns: u16) -> io::Result<()> {
        let mut ends = lock(&self.0);
        ends.size = Some((rows, columns));
        let terminal = ends.terminal.as_ref().ok_or_else(|| io::Error::from(Errno::ENOTTY))?;
        tty::set_size(terminal, rows, columns)
    }

    /// A way for input to a terminal that is open.
    pub fn terminal_input(&self) -> Option<mpsc::Sender<Bytes>> {
        let terminal = lock(&self.0).terminal.as_ref()?.try_clone().ok()?;
        feed(terminal)
    }

    /// Carries output until the program has ended and what it wrote was passed on; `None` when its end was not seen.
    pub async fn carry(&self, running: RunningExec, has_tty: bool) -> Option<ExecEnded> {
        let RunningExec { output, .. } = &running;
        if has_tty && let Some(terminal) = output.first() {
            let mut ends = lock(&self.0);
            ends.terminal = terminal.try_clone().ok();
            if let (Some((rows, columns)), Some(terminal)) = (ends.size, &ends.terminal) {
                let _ = tty::set_size(terminal, rows, columns);
            }
        }
        let watched = |fd: &OwnedFd| readiness::watch(fd.try_clone()?, Interest::READABLE);
        let mut out = output.first().and_then(|fd| watched(fd).ok());
        let mut err = output.get(1).and_then(|fd| watched(fd).ok());
        let end = running.into_end();
        let ended = end.seen();
        tokio::pin!(ended);
        let mut buffer = vec![0; READ];
        let end = loop {
            let (stream, done) = tokio::select! {
                // First, since others may go on writing to what the program has left.
                biased;
                end = &mut ended => break end,
                () = readable(out.as_ref()) => (Stream::Stdout, &mut out),
                () = readable(err.as_ref()) => (Stream::Stderr, &mut err),
            };
            if !self.take(done.as_ref(), stream, &mut buffer).await.unwrap_or(false) {
                *done = None;
            }
        };
        let mut left = LAST;
        for (stream, source) in [(Stream::Stdout, &out), (Stream::Stderr, &err)] {
            while let Some(source) = source
                && left > 0
                && let Ok(count @ 1..) = read(source.get_ref(), &mut buffer)
            {
                left = left.saturating_sub(count);
                self.pass(stream, &buffer[..count]).await;
            }
        }
        end
    }

    /// Reads once from a source that has something; whether it may have more.
    async fn take(&self, source: Option<&AsyncFd<OwnedFd>>, stream: Stream, buffer: &mut [u8]) -> io::Result<bool> {
        let Some(source) = source else { return Ok(false) };
        let count = match source.try_io(Interest::READABLE, |fd| Ok(read(fd, buffer)?)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            read => read?,
        };
        self.pass(stream, &buffer[..count]).await;
        Ok(count > 0)
    }

    async fn pass(&self, stream: Stream, bytes: &[u8]) {
        let listeners: Vec<Output> = {
            let mut ends = lock(&self.0);
            if ends.keeps {
                ends.kept.extend(bytes);
                let over = ends.kept.len().saturating_sub(KEPT);
                ends.kept.drain(..over);
            }
            ends.listeners.retain(|listener| !listener.to.is_closed());
            let wants = |listener: &&Listener| match stream {
                Stream::Stderr => listener.wants.stderr,
                Stream::Stdout => listener.wants.stdout,
            };
            ends.listeners.iter().filter(wants).map(|listener| listener.to.clone()).collect()
        };
        if listeners.is_empty() || bytes.is_empty() {
            return;
        }
        let piece = Bytes::copy_from_slice(bytes);
        for listener in listeners {
            // Gone meanwhile is found out at the next piece.
            let _ = listener.send((stream, piece.clone())).await;
        }
    }
}

async fn readable(source: Option<&AsyncFd<OwnedFd>>) {
    match source {
        // An error shows when it is read.
        Some(source) => drop(source.readable().await),
        None => std::future::pending().await,
    }
}

/// A way for input: to the pipe, or to the terminal that is also read.
pub(super) fn input(pipe: Option<&OwnedFd>, output: &[OwnedFd], has_tty: bool) -> Option<mpsc::Sender<Bytes>> {
    let to = if has_tty { output.first() } else { pipe };
    feed(to?.try_clone().ok()?)
}

/// Carries input to a pipe or terminal. Dropping the sender ends it, and with it the input of a pipe.
fn feed(to: OwnedFd) -> Option<mpsc::Sender<Bytes>> {
    let to = readiness::watch(to, Interest::WRITABLE).ok()?;
    let (sender, mut input) = mpsc::channel::<Bytes>(INPUT_PIECES);
    tokio::spawn(async move {
        while let Some(bytes) = input.recv().await {
            let mut left = &bytes[..];
            while !left.is_empty() {
                let write = |pipe: &OwnedFd| Ok(nix::unistd::write(pipe, left)?);
                match to.async_io(Interest::WRITABLE, write).await {
                    Ok(count) => left = &left[count..],
                    Err(_) => return,
                }
            }
        }
    });
    Some(sender)
}
