//! Layout of frames and index entries. Pure.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Bytes of a header.
pub const HEADER: usize = 16;
/// Most bytes after a header.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// Bytes of an index entry.
pub const ENTRY: usize = 32;
/// Log bytes between two index entries.
pub const INDEX_EVERY: u64 = 64 * 1024;

const MAGIC: u16 = 0xDA5E;

/// The stream number of frames that are not output.
pub const MARK: u8 = 0;
/// A mark: a run of the container begins.
pub const BEGIN: u8 = 1;
/// A mark: a run has ended and all its output is before this.
pub const END: u8 = 2;
/// A mark: as many bytes as its payload (u64) says could not be written.
pub const DROPPED: u8 = 3;

/// What stands before each frame's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes that follow.
    pub length: u32,
    /// 1 stdout, 2 stderr, 0 a mark.
    pub stream: u8,
    /// Kind of mark; 0 for output.
    pub flags: u8,
    /// When they were read, in ns since 1970.
    pub at_ns: u64,
}

impl Header {
    /// As on disk.
    pub fn encode(self) -> [u8; HEADER] {
        let mut raw = [0; HEADER];
        raw[..4].copy_from_slice(&self.length.to_le_bytes());
        raw[4] = self.stream;
        raw[5] = self.flags;
        raw[6..8].copy_from_slice(&MAGIC.to_le_bytes());
        raw[8..].copy_from_slice(&self.at_ns.to_le_bytes());
        raw
    }

    /// `None` when this can't be a header.
    pub fn decode(raw: &[u8; HEADER]) -> Option<Self> {
        let length = u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
        let magic = u16::from_le_bytes([raw[6], raw[7]]);
        let at_ns = u64::from_le_bytes([raw[8], raw[9], raw[10], raw[11], raw[12], raw[13], raw[14], raw[15]]);
        let header = Self { length, stream: raw[4], flags: raw[5], at_ns };
        (magic == MAGIC && length as usize <= MAX_PAYLOAD && raw[4] <= 2).then_some(header)
    }
}

/// A place in a segment where every stream is at the start of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Time of the frame there.
    pub at_ns: u64,
    /// Lines before it, counted from the container's creation.
    pub line: u64,
    /// Its offset.
    pub offset: u64,
    /// False only for a segment's first entry when a line runs on from the segment before.
    pub clean: bool,
}

impl Entry {
    /// As on disk.
    pub fn encode(self) -> [u8; ENTRY] {
        let mut raw = [0; ENTRY];
        raw[..8].copy_from_slice(&self.at_ns.to_le_bytes());
        raw[8..16].copy_from_slice(&self.line.to_le_bytes());
        raw[16..24].copy_from_slice(&self.offset.to_le_bytes());
        raw[24] = self.clean.into();
        raw
    }

    /// All whole entries of an index.
    pub fn decode_all(raw: &[u8]) -> Vec<Self> {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        raw.as_chunks::<ENTRY>()
            .0
            .iter()
            .map(|raw| Self {
                at_ns: number(&raw[..8]),
                line: number(&raw[8..16]),
                offset: number(&raw[16..24]),
                clean: raw[24] == 1,
            })
            .collect()
    }
}

/// Whether each stream is in the middle of a line, and lines so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Line ends seen.
    pub count: u64,
    partial: [bool; 3],
}

impl Lines {
    /// Goes on from a clean place.
    pub fn at(count: u64) -> Self {
        Self { count, partial: [false; 3] }
    }

    /// Takes in a frame's bytes.
    pub fn feed(&mut self, header: &Header, bytes: &[u8]) {
        if header.stream == MARK {
            // A new run starts new lines.
            if header.flags == BEGIN {
                self.partial = [false; 3];
            }
        } else if let Some(last) = bytes.last() {
            self.count += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
            self.partial[usize::from(header.stream)] = *last != b'\n';
        }
    }

    /// Every stream is at the start of a line.
    pub fn clean(&self) -> bool {
        self.partial == [false; 3]
    }
}

/// A segment's file.
pub fn segment(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.seg"))
}

/// A segment's index.
pub fn index(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.idx"))
}

/// Numbers of the segments there are, in order.
pub fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_entries_come_back_as_they_went() {
        let header = Header { length: 5, stream: 2, flags: 0, at_ns: 1_700_000_000_123_456_789 };
        assert_eq!(Header::decode(&header.encode()), Some(header));
        assert_eq!(Header::decode(&[0; HEADER]), None);
        let entry = Entry { at_ns: 7, line: 1 << 40, offset: 65_537, clean: true };
        assert_eq!(Entry::decode_all(&[entry.encode().as_slice(), &[1, 2, 3]].concat()), [entry]);
    }
}
