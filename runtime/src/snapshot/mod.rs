//! Unpacked layers, by chain id.
//!
//! ```text
//! snapshots/<hex>/fs           the layer's own files, as overlay wants them; never changed
//! snapshots/<hex>/layer.json   diff id and bytes on disk
//! snapshots/.tmp-*/            being unpacked or adopted: fs, trash
//! snapshots/trash/*            being removed
//! ```
//! Invariants: a folder named by a chain id is whole, its diff id was verified and it is durable. Each layer has a
//! folder of its own, so layers are unpacked in any order. It knows nothing of images: what to keep is said to
//! [`Snapshots::sweep`].

mod adopt;
mod apply;
mod changes;
mod entries;
mod header;
mod inflate;
mod live;
mod meta;
pub mod pack;
mod parents;
mod pipe;
mod root;
mod tree;
mod untar;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

pub use self::{
    adopt::{Adopted, Adoption, Hashing, write_layer, write_layer_without, write_tree},
    apply::Layer,
    changes::changes,
    inflate::{Compression, Inflate},
    live::Live,
    pack::named::pack_named,
    pipe::pipe,
    root::{inherit as inherit_root, is_changed as root_is_changed},
    tree::{disk_usage, is_empty_folder, remove_in_place as remove_entry},
    untar::{Error as UntarError, Limits, Rules, unpack},
};
use crate::{
    digest::{ChainId, DiffId},
    durable,
    paths::Paths,
};

const VERSION: u64 = 1;

/// A snapshot operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system or the stream failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// The stream can't become a layer.
    #[error(transparent)]
    Untar(#[from] untar::Error),
    /// A folder can't become a tar.
    #[error(transparent)]
    Pack(#[from] pack::Error),
    /// Other plain bytes than announced.
    #[error("layer has diff id {found}, its image says {wanted}")]
    DiffId {
        /// Announced.
        wanted: DiffId,
        /// Found.
        found: DiffId,
    },
    /// No such layer.
    #[error("layer {0} is not unpacked here")]
    Missing(ChainId),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        use crate::error::ErrorKind;
        let disk = |source: &io::Error| {
            matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
            ) || source.raw_os_error() == Some(libc::EIO)
        };
        match &error {
            Error::Io(source) | Error::Untar(untar::Error::Entry { source, .. }) if disk(source) => {
                durable::io_error("a layer can't be written", source.kind(), error)
            }
            Error::Untar(untar::Error::Full(_)) => {
                Self::with_source(ErrorKind::Exhausted, format!("failed to register layer: {error}"), error)
            }
            Error::Pack(pack::Error::Refused { .. }) => {
                Self::with_source(ErrorKind::Invalid, format!("the layer can't be written as a tar: {error}"), error)
            }
            Error::Pack(pack::Error::Entry { source, .. } | pack::Error::Write(source)) => {
                durable::io_error("a layer can't be written as a tar", source.kind(), error)
            }
            Error::Durable(_) | Error::Missing(_) => Self::internal("the layer store failed", error),
            Error::Io(_) | Error::Untar(_) | Error::DiffId { .. } => {
                Self::with_source(ErrorKind::Invalid, format!("failed to register layer: {error}"), error)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Record {
    diff_id: DiffId,
    size_bytes: u64,
}

/// The layer store.
#[derive(Clone, Debug)]
pub struct Snapshots {
    paths: Paths,
    layers: Arc<Mutex<BTreeMap<ChainId, Record>>>,
    /// Held from the look whether a layer is here to its being here.
    publishing: Arc<Mutex<()>>,
    trash: Trash,
}

/// The folder things are removed by way of. One thread at a time empties it.
#[derive(Clone, Debug)]
struct Trash {
    path: PathBuf,
    turn: Arc<Mutex<()>>,
}

impl Trash {
    fn empty(&self) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        tree::open_path(&self.path).and_then(tree::empty_trash)
    }

    /// Removes a tree, by way of the trash.
    fn discard(&self, path: &Path) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        remove_tree(path, &self.path)
    }
}

/// A layer that is unpacked but not published; removed when dropped.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    trash: Trash,
    chain: ChainId,
    record: Record,
    published: bool,
}

impl Snapshots {
    /// Reads which layers are there. A folder that isn't one is left to [`Self::sweep`].
    pub fn open(paths: Paths) -> Result<Self, Error> {
        durable::create_dir(&paths.snapshots().join("trash"))?;
        let mut layers = BTreeMap::new();
        for entry in fs::read_dir(paths.snapshots())? {
            let name = entry?.file_name();
            let Some(digest) = name.to_str().and_then(|name| format!("sha256:{name}").parse().ok()) else { continue };
            let chain = ChainId(digest);
            match durable::read_json(&paths.snapshot(chain).join("layer.json"), VERSION) {
                Ok(Some(record)) => {
                    layers.insert(chain, record);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%chain, %error, "an unpacked layer can't be used"),
            }
        }
        let trash = Trash { path: paths.snapshots().join("trash"), turn: Arc::default() };
        Ok(Self { paths, layers: Arc::new(Mutex::new(layers)), publishing: Arc::default(), trash })
    }

    fn layers(&self) -> MutexGuard<'_, BTreeMap<ChainId, Record>> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is here, whole.
    pub fn has(&self, chain: ChainId) -> bool {
        self.layers().contains_key(&chain)
    }

    /// The layer's bytes on disk.
    pub fn size(&self, chain: ChainId) -> Option<u64> {
        self.layers().get(&chain).map(|record| record.size_bytes)
    }

    /// Folders for overlay's `lowerdir`, topmost first.
    pub fn lowers(&self, layers: &[DiffId]) -> Result<Vec<PathBuf>, Error> {
        let here = self.layers();
        let chains = crate::oci::chains(layers);
        chains
            .into_iter()
            .rev()
            .map(|chain| {
                if here.contains_key(&chain) {
                    Ok(self.paths.snapshot(chain).join("fs"))
                } else {
                    Err(Error::Missing(chain))
                }
            })
            .collect()
    }

    /// Unpacks a layer beside the others. `progress` is told how many of the stream's bytes were read.
    pub fn stage<R: Read + Send>(
        &self,
        chain: ChainId,
        layer: Layer<R>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Staged, Error> {
        let mut staged = self.stage_empty()?;
        let (root, scratch) = staged.make_folders()?;
        let found = apply::apply(layer.from, layer.verified, &root, &scratch, Limits::default(), progress)?;
        if found != layer.diff_id {
            return Err(Error::DiffId { wanted: layer.diff_id, found });
        }
        fs::remove_dir(&scratch)?;
        (staged.chain, staged.record.diff_id) = (chain, found);
        staged.record.size_bytes = disk_usage(&root)?;
        Ok(staged)
    }

    /// Makes a staged layer durable, then visible. One that is here already stays, and the staged one goes.
    pub fn publish(&self, mut staged: Staged) -> Result<(), Error> {
        if self.has(staged.chain) {
            return Ok(());
        }
        durable::write_json(&staged.path.join("layer.json"), VERSION, &staged.record)?;
        durable::sync_tree(&staged.path)?;
        let _turn = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has(staged.chain) {
            return Ok(());
        }
        let target = self.paths.snapshot(staged.chain);
        if target.exists() {
            self.trash.discard(&target)?;
        }
        durable::rename(&staged.path, &target)?;
        staged.published = true;
        self.layers().insert(staged.chain, staged.record);
        Ok(())
    }

    /// Takes a layer away; absent is success. The files go in the background. Returns its bytes on disk.
    pub fn remove(&self, chain: ChainId) -> Result<u64, Error> {
        let Some(record) = self.layers().remove(&chain) else { return Ok(0) };
        durable::rename(&self.paths.snapshot(chain), &self.trash.path.join(durable::fresh_name("layer-")))?;
        self.empty_trash_in_background();
        Ok(record.size_bytes)
    }

    /// Start-up: removes whatever is not the folder of a needed layer.
    pub fn sweep(&self, needed: &HashSet<ChainId>) -> Result<(), Error> {
        for entry in fs::read_dir(self.paths.snapshots())? {
            let name = entry?.file_name();
            let chain = name.to_str().and_then(|name| format!("sha256:{name}").parse().ok()).map(ChainId);
            let wanted = chain.is_some_and(|chain| needed.contains(&chain) && self.has(chain));
            if name != "trash" && !wanted {
                fs::rename(self.paths.snapshots().join(&name), self.trash.path.join(durable::fresh_name("swept-")))?;
                if let Some(chain) = chain {
                    self.layers().remove(&chain);
                }
            }
        }
        self.empty_trash_in_background();
        Ok(())
    }

    /// Removing thousands of files takes long and holds nobody up.
    fn empty_trash_in_background(&self) {
        let trash = self.trash.clone();
        let emptied = std::thread::Builder::new().name("trash".to_owned()).spawn(move || {
            if let Err(error) = trash.empty() {
                tracing::debug!(%error, "the trash is not empty; the next start tries again");
            }
        });
        if let Err(error) = emptied {
            tracing::warn!(%error, "no thread to empty the trash; the next start tries again");
        }
    }
}

/// Removes a tree that may be of any depth, absent or busy being written; `trash` is a folder on the same file system.
pub fn remove_tree(path: &Path, trash: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    tree::remove(tree::open_path(parent)?, name, tree::open_path(trash)?)
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = self.trash.discard(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished layer stays until the next start");
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
