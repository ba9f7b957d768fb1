//! Layers made here: a folder that was written to becomes a layer, and a layer becomes a tar again.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    os::fd::AsFd,
    path::Path,
};

use sha2::{Digest as _, Sha256};

use super::{
    Error, Record, Snapshots, Staged, apply,
    pack::{Dialect, pack, pack_without},
    tree,
    untar::Limits,
};
use crate::{
    digest::{ChainId, DiffId, Digest},
    durable,
};

/// A layer that was made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Hash of its tar in format 1 (see the module `pack`).
    pub diff_id: DiffId,
    /// It with all below it.
    pub chain: ChainId,
    /// Bytes on disk.
    pub size_bytes: u64,
}

/// How a folder becomes a layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adoption {
    /// What it lies on.
    pub parent: Option<ChainId>,
    /// Files changed later than this second get it as their time (SOURCE_DATE_EPOCH).
    pub clamp: Option<i64>,
}

impl Snapshots {
    /// Makes an overlay's upper folder a layer: by renaming, so it must be on this file system, belong to the engine and
    /// have nothing running on it. On success it is gone, whether the layer was new or known; on failure it is in any
    /// state. `hold` is told the chain before the layer is looked up or published, so that it can be leased.
    pub fn adopt(&self, upper: &Path, how: Adoption, hold: impl FnOnce(ChainId)) -> Result<Adopted, Error> {
        let staged = self.stage_folder(upper, how)?;
        let adopted = staged.adopted();
        hold(adopted.chain);
        self.publish(staged)?;
        Ok(adopted)
    }

    /// Unpacks a tar stream whose diff id nobody knows, compressed or not, and makes it a layer. Its diff id is that of
    /// the folder it makes, not of the stream: it can be written again. `progress` is told how many of the stream's bytes
    /// were read.
    pub fn absorb<R: Read + Send>(
        &self,
        from: R,
        how: Adoption,
        hold: impl FnOnce(ChainId),
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Adopted, Error> {
        let mut folder = self.stage_empty()?;
        let (root, scratch) = folder.make_folders()?;
        apply::apply(from, None, &root, &scratch, Limits::default(), progress)?;
        fs::remove_dir(&scratch)?;
        folder.finish(how)?;
        let adopted = folder.adopted();
        hold(adopted.chain);
        self.publish(folder)?;
        Ok(adopted)
    }

    /// A folder beside the layers, for an upper that is to be adopted; removed when dropped.
    pub(super) fn stage_empty(&self) -> Result<Staged, Error> {
        let path = self.paths.snapshots().join(durable::fresh_name(durable::TMP_PREFIX));
        fs::create_dir(&path)?;
        let nothing = Digest::of(b"");
        let record = Record { diff_id: DiffId(nothing), size_bytes: 0 };
        Ok(Staged { path, trash: self.trash.clone(), chain: ChainId(nothing), record, published: false })
    }

    fn stage_folder(&self, upper: &Path, how: Adoption) -> Result<Staged, Error> {
        let mut staged = self.stage_empty()?;
        fs::rename(upper, staged.path.join("fs"))?;
        staged.finish(how)?;
        Ok(staged)
    }

    /// A layer's tar, made again from its folder. The caller compares: a layer that came from elsewhere may have been
    /// written in another way.
    pub fn write_tar(&self, chain: ChainId, to: impl Write) -> Result<DiffId, Error> {
        if !self.has(chain) {
            return Err(Error::Missing(chain));
        }
        write_layer(tree::open_path(&self.paths.snapshot(chain).join("fs"))?, to)
    }
}

impl Staged {
    /// Its files and a scratch folder on the same file system.
    pub(super) fn make_folders(&self) -> io::Result<(std::path::PathBuf, std::path::PathBuf)> {
        let (root, scratch) = (self.path.join("fs"), self.path.join("trash"));
        for folder in [&root, &scratch] {
            fs::create_dir(folder)?;
        }
        fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok((root, scratch))
    }

    fn finish(&mut self, how: Adoption) -> Result<(), Error> {
        let root = self.path.join("fs");
        let mut hashing = Hashing::new(io::sink());
        pack(tree::open_path(&root)?, Dialect::Adopted(how.clamp), &mut hashing)?;
        let diff_id = hashing.diff_id();
        self.record = Record { diff_id, size_bytes: tree::disk_usage(&root)? };
        self.chain = ChainId::on(how.parent, diff_id);
        Ok(())
    }

    fn adopted(&self) -> Adopted {
        Adopted { diff_id: self.record.diff_id, chain: self.chain, size_bytes: self.record.size_bytes }
    }
}

/// A folder in overlay's terms, as a layer's tar. What a container is writing to must be read through a mount with
/// `nodev`.
pub fn write_layer(root: impl AsFd, to: impl Write) -> Result<DiffId, Error> {
    write_layer_without(root, &BTreeSet::new(), to)
}

/// As [`write_layer`], leaving out these paths and what is below them.
pub fn write_layer_without(root: impl AsFd, omitted: &BTreeSet<Vec<u8>>, to: impl Write) -> Result<DiffId, Error> {
    let mut hashing = Hashing::new(to);
    pack_without(root, Dialect::Layer, omitted, &mut hashing)?;
    Ok(hashing.diff_id())
}

/// A whole file system as a tar.
pub fn write_tree(root: impl AsFd, to: impl Write) -> Result<(), Error> {
    Ok(pack(root, Dialect::Tree, to)?)
}

/// Passes bytes on and hashes them.
#[derive(Debug)]
pub struct Hashing<W> {
    to: W,
    hash: Sha256,
}

impl<W> Hashing<W> {
    /// Nothing yet.
    pub fn new(to: W) -> Self {
        Self { to, hash: Sha256::new() }
    }

    /// Of all that was written.
    pub fn diff_id(self) -> DiffId {
        DiffId(Digest::from_hash(self.hash))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
