//! A layer's stream to a folder by two threads: one reads, inflates and hashes, the other writes files.

use std::{
    io::{self, Read},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use sha2::{Digest as _, Sha256};

use super::{
    Error,
    inflate::{Compression, Inflate},
    pipe::pipe,
    tree,
    untar::{Limits, untar},
};
use crate::digest::{DiffId, Digest};

/// A layer's stream.
pub struct Layer<R> {
    /// The bytes, compressed or not.
    pub from: R,
    /// Digest of the bytes if it was verified already: a plain layer needs no second hash then.
    pub verified: Option<Digest>,
    /// What its plain bytes must hash to.
    pub diff_id: DiffId,
}

/// Unpacks into the empty folder `fs`, using the empty folder `trash` beside it. `verified` is the digest of the bytes
/// if that was verified already. `progress` is told how many bytes of `from` were read. On error the folder is in any
/// state. Returns what the plain bytes hash to.
pub fn apply<R: Read + Send>(
    from: R,
    verified: Option<Digest>,
    fs: &Path,
    trash: &Path,
    limits: Limits,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<DiffId, Error> {
    let root = tree::open_path(fs)?;
    let trash = tree::open_path(trash)?;
    let taken = AtomicU64::new(0);
    let counted = Counted { from, taken: &taken };
    let (filler, mut drain) = pipe();
    let (written, found) = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let inflate = match Inflate::new(counted) {
                Ok(inflate) => inflate,
                Err(error) => {
                    filler.pump(io::empty(), |_| Ok(()));
                    return Err(error);
                }
            };
            let known = verified.filter(|_| inflate.compression == Compression::Plain);
            let mut hash = Sha256::new();
            filler.pump(inflate, |bytes| {
                if known.is_none() {
                    hash.update(bytes);
                }
                progress(taken.load(Ordering::Relaxed));
                Ok(())
            });
            Ok(known.unwrap_or_else(|| Digest::from_hash(hash)))
        });
        let written = untar(&mut drain, &root, &trash, limits).and_then(|()| {
            // The diff id covers what follows the archive's end too.
            io::copy(&mut drain, &mut io::sink()).map_err(super::untar::Error::Read)
        });
        drop(drain);
        (written, reading.join().unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked"))))
    });
    let found = found?;
    written?;
    Ok(DiffId(found))
}

struct Counted<'a, R> {
    from: R,
    taken: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
