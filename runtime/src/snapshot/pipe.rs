//! A bounded pipe between two threads: buffers go full to the reader and come back empty.
//!
//! When full the writer waits, when empty the reader does; either side's end ends the other.

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

const BUFFER_BYTES: usize = 256 << 10;
const BUFFERS: usize = 8;

enum Chunk {
    Bytes(Vec<u8>),
    End(io::Result<()>),
}

/// The filling end.
pub struct Filler {
    full: SyncSender<Chunk>,
    empty: Receiver<Vec<u8>>,
}

/// The draining end.
pub struct Drain {
    full: Receiver<Chunk>,
    empty: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    offset: usize,
    ended: bool,
}

/// A new pipe.
pub fn pipe() -> (Filler, Drain) {
    let (full, full_end) = sync_channel(BUFFERS);
    let (empty, empty_end) = sync_channel(BUFFERS + 1);
    for _ in 0..BUFFERS {
        let _ = empty.try_send(vec![0; BUFFER_BYTES]);
    }
    (Filler { full, empty: empty_end }, Drain { full: full_end, empty, current: Vec::new(), offset: 0, ended: false })
}

impl Filler {
    /// Pumps `from` to its end, showing each buffer to `see`. The reader gets the end or the failure. Stops quietly
    /// when the reader has gone.
    pub fn pump(self, mut from: impl Read, mut see: impl FnMut(&[u8]) -> io::Result<()>) {
        while let Ok(mut buffer) = self.empty.recv() {
            buffer.resize(BUFFER_BYTES, 0);
            let read = fill(&mut from, &mut buffer);
            let (filled, end) = match read {
                Ok(0) => (0, Some(Ok(()))),
                Ok(filled) => (filled, None),
                Err((filled, error)) => (filled, Some(Err(error))),
            };
            buffer.truncate(filled);
            let end = end.or_else(|| see(&buffer).err().map(Err));
            if filled > 0 && self.full.send(Chunk::Bytes(buffer)).is_err() {
                return;
            }
            if let Some(end) = end {
                let _ = self.full.send(Chunk::End(end));
                return;
            }
        }
    }
}

fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, (usize, io::Error)> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((filled, error)),
        }
    }
    Ok(filled)
}

impl Read for Drain {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.offset == self.current.len() {
            if self.ended {
                return Ok(0);
            }
            let used = std::mem::take(&mut self.current);
            self.offset = 0;
            if used.capacity() > 0 {
                let _ = self.empty.try_send(used);
            }
            match self.full.recv() {
                Ok(Chunk::Bytes(bytes)) => self.current = bytes,
                Ok(Chunk::End(Ok(()))) => self.ended = true,
                Ok(Chunk::End(Err(error))) => {
                    self.ended = true;
                    return Err(error);
                }
                Err(_) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the filling thread ended early")),
            }
        }
        let n = into.len().min(self.current.len() - self.offset);
        into[..n].copy_from_slice(&self.current[self.offset..self.offset + n]);
        self.offset += n;
        Ok(n)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order_then_the_end() {
        let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (filler, mut drain) = pipe();
        let mut seen = 0;
        let mut got = Vec::new();
        std::thread::scope(|scope| {
            let pump = scope.spawn(|| {
                let mut seen = 0;
                filler.pump(&data[..], |bytes| {
                    seen += bytes.len();
                    Ok(())
                });
                seen
            });
            drain.read_to_end(&mut got).unwrap();
            seen = pump.join().unwrap();
        });
        assert_eq!((seen, got == data), (data.len(), true));
    }

    #[test]
    fn a_failure_reaches_the_reader_and_a_gone_reader_stops_the_pump() {
        let (filler, mut drain) = pipe();
        std::thread::scope(|scope| {
            scope.spawn(|| filler.pump(&b"abc"[..], |_| Err(io::Error::other("too much"))));
            let mut got = Vec::new();
            assert_eq!(drain.read_to_end(&mut got).unwrap_err().to_string(), "too much");
        });
        let (filler, drain) = pipe();
        drop(drain);
        filler.pump(io::repeat(1), |_| Ok(()));
    }
}
