//! ADD's archives: told by their content, unpacked into a folder of the target.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::BorrowedFd,
};

use crate::snapshot::{Inflate, Limits, Rules, UntarError, unpack};

/// Why an archive was not unpacked.
#[derive(Debug)]
pub enum Failure {
    /// It could not be read, or the target could not be opened.
    Io(io::Error),
    /// It is refused, or the target refused.
    Archive(UntarError),
}

/// The file is a tar archive, compressed or not. What can't be read is none.
pub fn is_archive(file: File) -> bool {
    let mut header = [0_u8; 512];
    let read = Inflate::new(file).and_then(|mut plain| plain.read_exact(&mut header));
    read.is_ok() && is_tar(&header)
}

/// A tar header: its checksum is right (POSIX ustar, `chksum`), which nothing else starts with by chance.
pub fn is_tar(header: &[u8; 512]) -> bool {
    let text = std::str::from_utf8(&header[148..156]).unwrap_or_default();
    let Ok(said) = u32::from_str_radix(text.trim_matches(|c| c == ' ' || c == '\0'), 8) else { return false };
    let sum: u32 =
        header.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) }).sum();
    said == sum
}

/// Unpacks an archive into the folder at `base` below the root `target`; links are resolved as inside the root.
pub fn extract(
    from: File,
    target: BorrowedFd<'_>,
    base: Vec<u8>,
    owner: Option<(u32, u32)>,
    newest: Option<i64>,
) -> Result<(), Failure> {
    let root = target.try_clone_to_owned().map_err(Failure::Io)?;
    let from = Inflate::new(from).map_err(Failure::Io)?;
    let rules = Rules { whiteouts: false, devices: true, owner, newest, base, live: None };
    unpack(from, &root, None, Limits::default(), rules).map_err(Failure::Archive)
}

#[cfg(test)]
#[path = "add_tests.rs"]
mod tests;
