//! Reading a log that may be growing: frames in order across segments, from the start, a position or a line's number.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::frame::{self, Entry, HEADER, Header};

/// A place in a log; later ones are greater. Stays meaningful while the log grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Offset in it.
    pub offset: u64,
}

/// Where the log ends now.
pub fn position(dir: &Path) -> io::Result<Position> {
    let Some(segment) = frame::segments(dir)?.last().copied() else { return Ok(Position::default()) };
    Ok(Position { segment, offset: fs::metadata(frame::segment(dir, segment))?.len() })
}

/// Removes all that a log holds; its folder stays. Nobody may be writing.
pub fn clear(dir: &Path) -> io::Result<()> {
    for number in frame::segments(dir)? {
        fs::remove_file(frame::segment(dir, number))?;
        let _ = fs::remove_file(frame::index(dir, number));
    }
    Ok(())
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// A frame; its bytes are in the reader's buffer.
    Frame(Header),
    /// So many bytes were rotated away unread.
    Skipped(u64),
    /// Nothing more yet.
    End,
}

/// Reads frames. It opens each segment as soon as it is there, so that one that is rotated away meanwhile is still read.
pub struct LogReader {
    dir: PathBuf,
    /// Open segments not read to their end; the first is being read.
    open: VecDeque<(u64, File)>,
    offset: u64,
    buffer: Vec<u8>,
    chunk: Vec<u8>,
    /// Offset of `chunk` in the segment.
    chunk_at: u64,
    /// Bytes that were gone when this reader came, not told yet.
    missed: u64,
}

impl LogReader {
    /// Reads from a position on.
    pub fn open(dir: &Path, from: Position) -> io::Result<Self> {
        let mut reader = Self {
            dir: dir.to_owned(),
            open: VecDeque::new(),
            offset: 0,
            buffer: Vec::new(),
            chunk: Vec::new(),
            chunk_at: 0,
            missed: 0,
        };
        reader.discover(from.segment)?;
        match reader.open.front() {
            Some((number, _)) if *number == from.segment => {
                (reader.offset, reader.chunk_at) = (from.offset, from.offset);
            }
            // Segments are of about one size, so this is about right.
            Some((number, file)) if from.segment > 0 => {
                reader.missed = ((number - from.segment) * file.metadata()?.len()).saturating_sub(from.offset);
            }
            _ => {}
        }
        Ok(reader)
    }

    /// A position from which the last `lines` lines can be read whole, with perhaps more before them.
    pub(crate) fn before_tail(dir: &Path, lines: u64) -> io::Result<Position> {
        let numbers = frame::segments(dir)?;
        let Some(last) = numbers.last() else { return Ok(Position::default()) };
        let mut entries = Vec::new();
        for number in &numbers {
            match fs::read(frame::index(dir, *number)) {
                Ok(raw) => entries.extend(Entry::decode_all(&raw).into_iter().map(|entry| (*number, entry))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // Lines after the last entry are not indexed: they are counted.
        let start = entries.iter().rfind(|(number, _)| number == last).copied().unwrap_or_default();
        let from = Position { segment: *last, offset: start.1.offset };
        let mut reader = Self::open(dir, from)?;
        let mut total = frame::Lines::at(start.1.line);
        while let Next::Frame(header) = reader.next()? {
            let bytes = std::mem::take(&mut reader.buffer);
            total.feed(&header, &bytes);
            reader.buffer = bytes;
        }
        // A stream's last line may lack its end, on both streams.
        let wanted = total.count.saturating_sub(lines.saturating_add(2));
        let found = entries.iter().rfind(|(_, entry)| entry.clean && entry.line <= wanted);
        Ok(found
            .map_or_else(Position::default, |(segment, entry)| Position { segment: *segment, offset: entry.offset }))
    }

    /// A position before everything written at or after this time.
    pub(crate) fn before_time(dir: &Path, at_ns: u64) -> io::Result<Position> {
        let mut best = Position::default();
        for segment in frame::segments(dir)? {
            let raw = fs::read(frame::index(dir, segment)).unwrap_or_default();
            for entry in Entry::decode_all(&raw) {
                if entry.at_ns >= at_ns {
                    return Ok(best);
                }
                if entry.clean {
                    best = Position { segment, offset: entry.offset };
                }
            }
        }
        Ok(best)
    }

    /// Where the next frame would begin.
    pub fn at(&self) -> Position {
        self.open
            .front()
            .map_or_else(Position::default, |(segment, _)| Position { segment: *segment, offset: self.offset })
    }

    /// The bytes of the frame that was read last.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Opens segments that are new. Call it when the folder has changed, so that none is missed.
    pub(crate) fn discover(&mut self, from: u64) -> io::Result<()> {
        let known = self.open.back().map_or(from, |(number, _)| number + 1);
        for number in frame::segments(&self.dir)?.into_iter().filter(|number| *number >= known) {
            match File::open(frame::segment(&self.dir, number)) {
                Ok(file) => self.open.push_back((number, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next frame. A torn end counts as nothing yet.
    pub(crate) fn next(&mut self) -> io::Result<Next> {
        if self.missed > 0 {
            return Ok(Next::Skipped(std::mem::take(&mut self.missed)));
        }
        loop {
            if self.open.is_empty() {
                self.discover(0)?;
            }
            let Some((number, _)) = self.open.front() else { return Ok(Next::End) };
            let number = *number;
            if let Some(header) = self.frame()? {
                return Ok(Next::Frame(header));
            }
            self.discover(0)?;
            let Some((following, _)) = self.open.get(1) else { return Ok(Next::End) };
            let missed = following - number - 1;
            // The writer begins a segment only after the last frame of the one before, so look once more.
            if let Some(header) = self.frame()? {
                return Ok(Next::Frame(header));
            }
            let size = self.open[0].1.metadata()?.len();
            self.open.pop_front();
            (self.offset, self.chunk_at) = (0, 0);
            self.chunk.clear();
            if missed > 0 {
                return Ok(Next::Skipped(missed * size));
            }
        }
    }

    /// Fills the chunk so that it holds `length` bytes at the present offset, if they are there.
    fn fill(&mut self, length: usize) -> io::Result<Option<usize>> {
        let start = (self.offset - self.chunk_at) as usize;
        if self.chunk.len() >= start + length {
            return Ok(Some(start));
        }
        let file = &self.open[0].1;
        self.chunk.resize(128 * 1024, 0);
        let mut filled = 0;
        while filled < length {
            match file.read_at(&mut self.chunk[filled..], self.offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        self.chunk.truncate(filled);
        self.chunk_at = self.offset;
        Ok((filled >= length).then_some(0))
    }

    /// The next whole frame of the present segment. What isn't whole is read anew next time: it may be a torn end that
    /// the next writer replaces.
    fn frame(&mut self) -> io::Result<Option<Header>> {
        let found = self.whole_frame();
        if !matches!(found, Ok(Some(_))) {
            self.chunk.clear();
            self.chunk_at = self.offset;
        }
        found
    }

    fn whole_frame(&mut self) -> io::Result<Option<Header>> {
        let Some(start) = self.fill(HEADER)? else { return Ok(None) };
        let mut raw = [0; HEADER];
        raw.copy_from_slice(&self.chunk[start..start + HEADER]);
        let Some(header) = Header::decode(&raw) else { return Ok(None) };
        let length = HEADER + header.length as usize;
        let Some(start) = self.fill(length)? else { return Ok(None) };
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.chunk[start + HEADER..start + length]);
        self.offset += length as u64;
        Ok(Some(header))
    }
}
