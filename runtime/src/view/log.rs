//! Lines of logs.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which of a process's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stream {
    /// Standard output; a terminal has only this one.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
}

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written.
    pub stream: Stream,
    /// When its first byte came.
    pub at: Timestamp,
    /// The bytes, with the newline if there was one.
    pub bytes: Bytes,
}

/// What a log reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A line.
    Line(LogLine),
    /// So many bytes were rotated away before this reader came to them.
    Skipped(u64),
}
