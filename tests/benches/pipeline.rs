//! The floor of what takes layers in: one thread reads, inflates and hashes, the other unpacks.

use std::{
    fs,
    io::{self, BufReader, Read},
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::made::Hashing;

const BUFFER: usize = 256 << 10;

/// Unpacks a compressed layer; gives the digests of its compressed and of its plain bytes.
pub fn unpack(layer: impl Read + Send, target: &Path) -> [Vec<u8>; 2] {
    let (full, filled) = sync_channel::<Vec<u8>>(8);
    let (spare, empty) = sync_channel::<Vec<u8>>(8);
    thread::scope(|scope| {
        let hashing = scope.spawn(move || {
            let mut blob = Hashing { from: layer, hash: Sha256::new() };
            let mut plain = Sha256::new();
            let mut inflate = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, &mut blob));
            loop {
                let mut buffer = empty.try_recv().unwrap_or_else(|_| vec![0; BUFFER]);
                buffer.resize(BUFFER, 0);
                let count = inflate.read(&mut buffer).unwrap();
                buffer.truncate(count);
                plain.update(&buffer);
                if count == 0 || full.send(buffer).is_err() {
                    break;
                }
            }
            drop(inflate);
            [blob.hash.finalize().to_vec(), plain.finalize().to_vec()]
        });
        fs::create_dir_all(target).unwrap();
        let mut archive = tar::Archive::new(Filled { full: filled, spare, current: Vec::new(), at: 0 });
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(true);
        archive.unpack(target).unwrap();
        io::copy(&mut archive.into_inner(), &mut io::sink()).unwrap();
        hashing.join().unwrap()
    })
}

struct Filled {
    full: Receiver<Vec<u8>>,
    spare: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

impl Read for Filled {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.current.len() {
            let Ok(next) = self.full.recv() else { return Ok(0) };
            let _ = self.spare.try_send(std::mem::replace(&mut self.current, next));
            self.at = 0;
        }
        let count = into.len().min(self.current.len() - self.at);
        into[..count].copy_from_slice(&self.current[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
