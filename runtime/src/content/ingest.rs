//! A blob on its way in: hashed while it is written, published only when size and digest agree.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest as _, Sha256};

use super::Error;
use crate::{digest::Digest, durable};

/// Removes what came of a blob, unless somebody is writing it.
pub(super) fn discard(path: &Path) -> Result<(), Error> {
    let file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result?,
    };
    if let Ok(_held) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// A blob that is being received. Dropping it keeps what came, for the next attempt.
#[derive(Debug)]
pub struct Ingest {
    path: PathBuf,
    target: PathBuf,
    file: Flock<File>,
    hash: Sha256,
    digest: Digest,
    size: u64,
    offset: u64,
}

impl Ingest {
    pub(super) fn open(path: PathBuf, target: PathBuf, digest: Digest, size: u64) -> Result<Self, Error> {
        // What a manifest says of a blob is only said.
        let there = fs::metadata(&path).map_or(0, |meta| meta.len());
        durable::leave_room(File::open(path.parent().unwrap_or(&path))?, size.saturating_sub(there))?;
        let mut file = loop {
            // A cancelled fetch may still be writing its last bytes: they are waited for.
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| io::Error::from(errno))?;
            // While it was waited for, it may have been published or discarded.
            if fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|own| own.ino() == now.ino())) {
                break file;
            }
        };
        let mut hash = Sha256::new();
        let mut offset = 0;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => {
                    hash.update(&buffer[..n]);
                    offset += n as u64;
                }
            }
        }
        let mut ingest = Self { path, target, file, hash, digest, size, offset };
        if offset > size {
            ingest.restart()?;
        }
        Ok(ingest)
    }

    /// Bytes received so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes there will be.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Everything has come.
    pub fn is_complete(&self) -> bool {
        self.offset == self.size
    }

    /// The next bytes. More than announced is refused, and nothing is kept.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let found = self.offset + bytes.len() as u64;
        if found > self.size {
            self.restart()?;
            return Err(Error::Size { digest: self.digest, found, wanted: self.size });
        }
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.offset = found;
        Ok(())
    }

    /// Forgets what came.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hash = Sha256::new();
        self.offset = 0;
        Ok(())
    }

    /// Checks and publishes. What doesn't agree is thrown away; what is too short stays for the next attempt.
    pub fn commit(self) -> Result<(), Error> {
        if self.offset != self.size {
            return Err(Error::Size { digest: self.digest, found: self.offset, wanted: self.size });
        }
        let found = Digest::from_hash(self.hash);
        if found != self.digest {
            fs::remove_file(&self.path)?;
            return Err(Error::Mismatch { wanted: self.digest, found });
        }
        self.file.sync_all()?;
        Ok(durable::rename(&self.path, &self.target)?)
    }
}
