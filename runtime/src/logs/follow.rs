//! Readers as the engine uses them: lines of a query, or raw output from a position; both can go on as output comes.

use std::{collections::VecDeque, io, ops::ControlFlow, os::fd::AsFd, path::Path, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        eventfd::{EfdFlags, EventFd},
        inotify::{AddWatchFlags, InitFlags, Inotify},
    },
};

use super::{
    frame::{self, Header, MARK},
    reader::{LogReader, Next, Position},
};
use crate::{
    request::LogQuery,
    view::{LogEvent, LogLine, Stream},
};

/// A line is given out in parts when it gets longer than this.
const MAX_LINE: usize = 1 << 20;

/// Ends a reader from another thread: it then gives out what is there and returns.
#[derive(Clone)]
pub struct Stop(Arc<EventFd>);

impl Stop {
    /// Not stopped.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?)))
    }

    /// Stops every reader that has a clone of this.
    pub fn stop(&self) {
        // Fails only when the counter is full, and then it is stopped already.
        let _ = self.0.write(1);
    }

    fn stopped(&self) -> bool {
        let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut polled, PollTimeout::ZERO), Ok(1..))
    }
}

/// Raw output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bytes as the container wrote them.
    Bytes(Stream, Bytes),
    /// So many bytes were lost to this reader.
    Skipped(u64),
    /// A run of the container ended here.
    Ended,
}

/// Wakes when a log's folder changes.
struct Watch(Inotify);

impl Watch {
    fn new(dir: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        inotify.add_watch(dir, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ONLYDIR)?;
        Ok(Self(inotify))
    }

    /// Waits for a change or the stop; true when stopped.
    fn wait(&self, stop: &Stop) -> io::Result<bool> {
        let mut polled =
            [PollFd::new(self.0.as_fd(), PollFlags::POLLIN), PollFd::new(stop.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let stopped = polled[1].any().unwrap_or(true);
        // What exactly changed doesn't matter; the reader looks for itself.
        while self.0.read_events().is_ok() {}
        Ok(stopped)
    }
}

/// Makes a log's folder if it is missing, but not those above: a container that was removed meanwhile must not come back.
fn present(dir: &Path) -> io::Result<()> {
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn stream(header: &Header) -> Stream {
    if header.stream == 2 { Stream::Stderr } else { Stream::Stdout }
}

fn dropped(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |count| u64::from_le_bytes(*count))
}

/// Gives out raw output from a position on. With `go_on` it waits for more until the run that is written after that
/// position has ended, the sink breaks, or it is stopped; without, it ends where the log ends now.
pub fn follow_raw(
    dir: &Path,
    from: Position,
    go_on: bool,
    stop: &Stop,
    mut sink: impl FnMut(Output) -> ControlFlow<()>,
) -> io::Result<()> {
    present(dir)?;
    let watch = Watch::new(dir)?;
    let mut reader = LogReader::open(dir, from)?;
    let mut last_look = false;
    loop {
        let output = match reader.next()? {
            Next::Skipped(count) => Output::Skipped(count),
            Next::Frame(header) if header.stream != MARK => {
                Output::Bytes(stream(&header), Bytes::copy_from_slice(reader.bytes()))
            }
            Next::Frame(Header { flags: frame::DROPPED, .. }) => Output::Skipped(dropped(reader.bytes())),
            Next::Frame(Header { flags: frame::END, .. }) => Output::Ended,
            Next::Frame(_) => continue,
            Next::End if !go_on || last_look => return Ok(()),
            Next::End => {
                last_look = watch.wait(stop)?;
                continue;
            }
        };
        let ended = output == Output::Ended;
        if sink(output).is_break() || (ended && go_on) {
            return Ok(());
        }
    }
}

/// A line being put together.
#[derive(Default)]
struct Partial {
    at_ns: u64,
    bytes: Vec<u8>,
}

/// Puts lines together per stream and applies a query to them.
struct Lines<'a> {
    query: &'a LogQuery,
    partial: [Partial; 2],
    /// With `tail`: the last lines of what is there already.
    kept: Option<VecDeque<LogEvent>>,
}

impl Lines<'_> {
    fn take(
        &mut self,
        header: &Header,
        bytes: &[u8],
        sink: &mut impl FnMut(LogEvent) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let partial = &mut self.partial[usize::from(header.stream == 2)];
            if partial.bytes.is_empty() {
                partial.at_ns = header.at_ns;
            }
            partial.bytes.extend_from_slice(piece);
            if piece.ends_with(b"\n") || partial.bytes.len() >= MAX_LINE {
                let whole = std::mem::take(partial);
                self.give(stream(header), whole, sink)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn give(
        &mut self,
        stream: Stream,
        line: Partial,
        sink: &mut impl FnMut(LogEvent) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let at = Timestamp::from_nanosecond(line.at_ns.into()).unwrap_or(Timestamp::UNIX_EPOCH);
        let wanted = match stream {
            Stream::Stdout => self.query.stdout,
            Stream::Stderr => self.query.stderr,
        };
        let early = self.query.since.is_some_and(|since| at < since);
        let late = self.query.until.is_some_and(|until| at >= until);
        if !wanted || early || late {
            return ControlFlow::Continue(());
        }
        self.pass(LogEvent::Line(LogLine { stream, at, bytes: line.bytes.into() }), sink)
    }

    fn pass(&mut self, event: LogEvent, sink: &mut impl FnMut(LogEvent) -> ControlFlow<()>) -> ControlFlow<()> {
        let Some(kept) = &mut self.kept else { return sink(event) };
        kept.push_back(event);
        if kept.len() as u64 > self.query.tail.unwrap_or(u64::MAX) {
            kept.pop_front();
        }
        ControlFlow::Continue(())
    }

    /// Lines without an end, once it is clear that none comes.
    fn flush(&mut self, sink: &mut impl FnMut(LogEvent) -> ControlFlow<()>) -> ControlFlow<()> {
        for (number, stream) in [(0, Stream::Stdout), (1, Stream::Stderr)] {
            if !self.partial[number].bytes.is_empty() {
                let line = std::mem::take(&mut self.partial[number]);
                self.give(stream, line, sink)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The history is over: gives out the tail, and lets everything after it through.
    fn release(&mut self, sink: &mut impl FnMut(LogEvent) -> ControlFlow<()>) -> ControlFlow<()> {
        for event in self.kept.take().into_iter().flatten() {
            sink(event)?;
        }
        ControlFlow::Continue(())
    }
}

/// Gives out the lines a query asks for. With `follow` it goes on until the container's run has ended (at once when it
/// has already), `until` has passed, the sink breaks, or it is stopped.
pub fn follow(
    dir: &Path,
    query: &LogQuery,
    stop: &Stop,
    mut sink: impl FnMut(LogEvent) -> ControlFlow<()>,
) -> io::Result<()> {
    present(dir)?;
    let watch = Watch::new(dir)?;
    let mut from = Position::default();
    if let Some(since) = query.since {
        from = LogReader::before_time(dir, since.as_nanosecond().try_into().unwrap_or(0))?;
    }
    // A tail of one stream only may lie anywhere before.
    if let Some(tail) = query.tail.filter(|_| query.until.is_none() && query.stdout && query.stderr) {
        from = from.max(LogReader::before_tail(dir, tail)?);
    }
    let mut reader = LogReader::open(dir, from)?;
    let mut lines = Lines { query, partial: Default::default(), kept: query.tail.map(|_| VecDeque::new()) };
    let (mut ended, mut last_look) = (false, stop.stopped());
    loop {
        let flow = match reader.next()? {
            Next::Skipped(count) => lines.pass(LogEvent::Skipped(count), &mut sink),
            Next::Frame(header) if header.stream != MARK => {
                ended = false;
                lines.take(&header, reader.bytes(), &mut sink)
            }
            Next::Frame(Header { flags: frame::DROPPED, .. }) => {
                lines.pass(LogEvent::Skipped(dropped(reader.bytes())), &mut sink)
            }
            Next::Frame(header) => {
                ended = header.flags == frame::END;
                lines.flush(&mut sink)
            }
            Next::End => {
                if !query.follow || ended || last_look {
                    let _ = lines.flush(&mut sink).is_continue() && lines.release(&mut sink).is_continue();
                    return Ok(());
                }
                let flow = lines.release(&mut sink);
                if flow.is_continue() {
                    last_look = wait_until(&watch, stop, query)?;
                }
                flow
            }
        };
        if flow.is_break() {
            return Ok(());
        }
    }
}

/// Waits for a change; true when stopped or past the query's end.
fn wait_until(watch: &Watch, stop: &Stop, query: &LogQuery) -> io::Result<bool> {
    let Some(until) = query.until else { return watch.wait(stop) };
    let left = until.duration_since(Timestamp::now());
    if left.is_negative() || left.is_zero() {
        return Ok(true);
    }
    let left = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
    let mut polled = [PollFd::new(watch.0.as_fd(), PollFlags::POLLIN), PollFd::new(stop.0.as_fd(), PollFlags::POLLIN)];
    match poll(&mut polled, PollTimeout::from(left)) {
        Ok(0) => Ok(false),
        Ok(_) | Err(Errno::EINTR) => watch.wait(stop),
        Err(error) => Err(error.into()),
    }
}
