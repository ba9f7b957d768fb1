//! The one writer of a container's log.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::frame::{self, Entry, HEADER, Header, INDEX_EVERY, Lines, MARK};

/// Appends frames and starts new segments. Every call's bytes are the kernel's when it returns.
pub struct Writer {
    dir: PathBuf,
    segment_bytes: u64,
    segments: u64,
    number: u64,
    file: File,
    index: File,
    /// Length of `file`.
    length: u64,
    indexed_at: Option<u64>,
    lines: Lines,
    dropped: u64,
    ended: bool,
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).read(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

impl Writer {
    /// Opens the log in a folder (made when missing), cuts off a torn end, and marks the beginning of a run.
    pub fn open(dir: &Path, segment_bytes: u64, segments: u32, now_ns: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let number = frame::segments(dir)?.last().copied().unwrap_or(1);
        let mut writer = Self {
            dir: dir.to_owned(),
            segment_bytes: segment_bytes.max(4096),
            segments: u64::from(segments.max(1)),
            number,
            file: append(&frame::segment(dir, number))?,
            index: append(&frame::index(dir, number))?,
            length: 0,
            indexed_at: None,
            lines: Lines::default(),
            dropped: 0,
            ended: false,
        };
        writer.repair()?;
        writer.mark(frame::BEGIN, &[], now_ns);
        Ok(writer)
    }

    /// Finds the end of the last whole frame and counts lines up to there.
    fn repair(&mut self) -> io::Result<()> {
        let mut raw = Vec::new();
        self.index.read_to_end(&mut raw)?;
        let entries = Entry::decode_all(&raw);
        self.index.set_len((entries.len() * frame::ENTRY) as u64)?;
        let total = self.file.metadata()?.len();
        let start = entries.iter().rfind(|entry| entry.clean && entry.offset <= total);
        let start = start.or(entries.first()).copied().unwrap_or_default();
        self.lines = Lines::at(start.line);
        self.indexed_at = entries.last().map(|entry| entry.offset);
        let mut at = start.offset;
        let mut reader = io::BufReader::with_capacity(1 << 16, &self.file);
        reader.seek(SeekFrom::Start(at))?;
        let mut head = [0; HEADER];
        let mut bytes = Vec::new();
        while reader.read_exact(&mut head).is_ok() {
            let Some(header) = Header::decode(&head) else { break };
            bytes.resize(header.length as usize, 0);
            if reader.read_exact(&mut bytes).is_err() {
                break;
            }
            self.lines.feed(&header, &bytes);
            at += (HEADER + bytes.len()) as u64;
        }
        self.file.set_len(at)?;
        self.length = at;
        Ok(())
    }

    /// Appends output of a stream (1 or 2), at most [`frame::MAX_PAYLOAD`] bytes. Never fails: what can't be written is
    /// dropped and counted, and told in the log as soon as there is room again.
    pub fn write(&mut self, stream: u8, bytes: &[u8], now_ns: u64) {
        if self.dropped > 0 {
            let count = self.dropped.to_le_bytes();
            if self.put(MARK, frame::DROPPED, &count, now_ns).is_ok() {
                self.dropped = 0;
            }
        }
        if self.dropped > 0 || self.put(stream, 0, bytes, now_ns).is_err() {
            self.dropped += bytes.len() as u64;
        }
    }

    /// Marks that the run has ended: all output is before this.
    pub fn end(&mut self, now_ns: u64) {
        self.ended = true;
        if self.dropped > 0 {
            self.mark(frame::DROPPED, &self.dropped.to_le_bytes(), now_ns);
        }
        self.mark(frame::END, &[], now_ns);
    }

    fn mark(&mut self, kind: u8, bytes: &[u8], now_ns: u64) {
        // A mark that finds no room is missed by readers only as a hint; the exit file holds the fact.
        let _ = self.put(MARK, kind, bytes, now_ns);
    }

    fn put(&mut self, stream: u8, flags: u8, bytes: &[u8], at_ns: u64) -> io::Result<()> {
        let frame_bytes = (HEADER + bytes.len()) as u64;
        if self.length > 0 && self.length + frame_bytes > self.segment_bytes {
            self.rotate()?;
        }
        let due = self.indexed_at.is_none_or(|at| self.length - at >= INDEX_EVERY && self.lines.clean());
        if due {
            let entry = Entry { at_ns, line: self.lines.count, offset: self.length, clean: self.lines.clean() };
            self.index.write_all(&entry.encode())?;
            self.indexed_at = Some(self.length);
        }
        let header = Header { length: bytes.len() as u32, stream, flags, at_ns };
        let raw = header.encode();
        let written = self.file.write_vectored(&[IoSlice::new(&raw), IoSlice::new(bytes)]);
        if !matches!(written, Ok(count) if count as u64 == frame_bytes) {
            // A frame is there whole or not at all.
            self.file.set_len(self.length)?;
            return Err(written.err().unwrap_or_else(|| io::ErrorKind::StorageFull.into()));
        }
        self.length += frame_bytes;
        self.lines.feed(&header, bytes);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let next = self.number + 1;
        // Unlinking first frees room for the new segment on a full disk.
        if next > self.segments {
            for old in frame::segments(&self.dir)?.into_iter().take_while(|old| *old <= next - self.segments) {
                fs::remove_file(frame::segment(&self.dir, old))?;
                let _ = fs::remove_file(frame::index(&self.dir, old));
            }
        }
        let index = append(&frame::index(&self.dir, next))?;
        self.file = append(&frame::segment(&self.dir, next))?;
        (self.index, self.number, self.length, self.indexed_at) = (index, next, 0, None);
        Ok(())
    }
}

/// A run that could not be started ends with its writer; followers don't wait for more.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.ended {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
            self.end(now);
        }
    }
}
