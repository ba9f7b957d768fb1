//! A container's output on disk: frames in segments, with an index.
//!
//! ```text
//! <dir>/00000001.seg   frames: header (16 bytes) + bytes as one read() returned them
//!       00000001.idx   entries (32 bytes) every 64 KiB, at places where every stream is at the start of a line
//! ```
//!
//! One writer, the container's monitor; any number of readers, which it never waits for. It keeps no bytes in memory.
//! A torn end (the monitor died while writing) is cut off by the next writer and ignored by readers. On a full disk
//! output is dropped and counted.

pub mod frame;
mod writer;

#[cfg(feature = "engine")]
mod follow;
#[cfg(feature = "engine")]
mod reader;

#[cfg(test)]
#[cfg(feature = "engine")]
mod tests;

pub use writer::Writer;

#[cfg(feature = "engine")]
pub use self::{
    follow::{Output, Stop, follow, follow_raw},
    reader::{LogReader, Position, clear, position},
};
