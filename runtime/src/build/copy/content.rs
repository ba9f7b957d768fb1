//! A file's bytes from one descriptor to another: by the kernel where it can, small files in one read and one write,
//! holes kept.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
};

use nix::{
    errno::Errno,
    unistd::{Whence, lseek},
};

use super::walk::Node;

/// Up to this size a read and a write are quicker than asking the kernel (`io::copy` does: copy_file_range, sendfile).
const SMALL: u64 = 128 << 10;

/// Copies files one after the other.
pub struct Content {
    buffer: Vec<u8>,
}

impl Content {
    /// With a buffer for all of them.
    pub fn new() -> Self {
        Self { buffer: vec![0; SMALL as usize] }
    }

    /// Copies everything; `to` is empty.
    pub fn copy(&mut self, from: &mut File, to: &mut File, node: &Node) -> io::Result<()> {
        if node.sparse {
            return self.sparse(from, to, node.size);
        }
        if node.size > SMALL {
            return io::copy(from, to).map(drop);
        }
        loop {
            let n = match from.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                n => n?,
            };
            to.write_all(&self.buffer[..n])?;
            // A small file's end is known without asking.
            if n == 0 || (n < self.buffer.len() && n as u64 == node.size) {
                return Ok(());
            }
        }
    }

    fn sparse(&mut self, from: &File, to: &File, size: u64) -> io::Result<()> {
        to.set_len(size)?;
        let mut at = 0;
        while at < size {
            let data = match lseek(from, at as i64, Whence::SeekData) {
                Ok(data) => data.unsigned_abs(),
                Err(Errno::ENXIO) => break,
                Err(errno) => return Err(errno.into()),
            };
            let end = lseek(from, data as i64, Whence::SeekHole)?.unsigned_abs().min(size);
            at = data;
            while at < end {
                let most = (self.buffer.len() as u64).min(end - at) as usize;
                let n = from.read_at(&mut self.buffer[..most], at)?;
                if n == 0 {
                    return Ok(());
                }
                to.write_all_at(&self.buffer[..n], at)?;
                at += n as u64;
            }
        }
        Ok(())
    }
}
