//! Blobs by digest.
//!
//! ```text
//! content/sha256/<hex>     whole and verified, never changed
//! content/ingest/<hex>     the start of a blob that is being fetched; kept when the fetch breaks off or the engine ends,
//!                          so that the next one goes on there; for a day, and [`MAX_KEPT_BYTES`] of them all
//! content/sources.json     which repositories have which blob
//! content/ingest/stage-*/  an archive being loaded
//! content/uploads/         blobs whose digest is not known yet, see [`uploads`]
//! ```
//! Invariants: a file under `sha256` has the digest its name says; one writer per digest (the caller's duty). It knows
//! nothing of images: who needs a blob is said to [`Content::sweep`].

mod ingest;
mod sources;
pub mod uploads;

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{digest::Digest, durable, paths::Paths};

pub use self::{ingest::Ingest, sources::Sources};

/// How long the start of a blob is kept.
const KEPT_FOR: Duration = Duration::from_hours(24);
/// Bytes all such starts may take together; the newest stay.
pub const MAX_KEPT_BYTES: u64 = 8 << 30;

/// A blob operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("blob store: {0}")]
    Io(#[from] io::Error),
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// No such blob.
    #[error("blob {0} is not stored here")]
    Missing(Digest),
    /// More bytes than there may be.
    #[error("blob {digest} is larger than {limit} bytes")]
    TooLarge {
        /// Which.
        digest: Digest,
        /// The most.
        limit: u64,
    },
    /// Fewer or more bytes came than were announced.
    #[error("blob {digest}: {found} bytes instead of {wanted}")]
    Size {
        /// Which.
        digest: Digest,
        /// What came.
        found: u64,
        /// What was announced.
        wanted: u64,
    },
    /// Other bytes came.
    #[error("unexpected content: wanted {wanted}, got {found}")]
    Mismatch {
        /// The digest asked for.
        wanted: Digest,
        /// The digest of what came.
        found: Digest,
    },
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(source) => durable::io_error("a blob can't be read or written", source.kind(), source),
            Error::Durable(error) => error.into(),
            Error::Missing(_) => Self::internal(error.to_string(), error),
            Error::TooLarge { .. } | Error::Size { .. } | Error::Mismatch { .. } => {
                Self::new(crate::error::ErrorKind::Upstream, error.to_string())
            }
        }
    }
}

/// The blob store.
#[derive(Clone, Debug)]
pub struct Content {
    paths: Paths,
}

impl Content {
    /// Makes the folders if need be.
    pub fn open(paths: Paths) -> Result<Self, Error> {
        durable::create_dir(&paths.content().join("sha256"))?;
        durable::create_dir(&paths.ingests())?;
        Ok(Self { paths })
    }

    /// The blob's bytes on disk, if it is here.
    pub fn size(&self, digest: Digest) -> Option<u64> {
        fs::symlink_metadata(self.paths.blob(digest)).ok().filter(fs::Metadata::is_file).map(|meta| meta.len())
    }

    /// It is here.
    pub fn has(&self, digest: Digest) -> bool {
        self.size(digest).is_some()
    }

    /// Opens it for reading.
    pub fn blob(&self, digest: Digest) -> Result<File, Error> {
        match File::open(self.paths.blob(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Missing(digest)),
            result => Ok(result?),
        }
    }

    /// Reads a small one whole and checks it.
    pub fn read(&self, digest: Digest, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.blob(digest)?.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { digest, limit });
        }
        match Digest::of(&bytes) {
            found if found == digest => Ok(bytes),
            found => Err(Error::Mismatch { wanted: digest, found }),
        }
    }

    /// Stores a small one.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        if self.size(digest) != Some(bytes.len() as u64) {
            durable::write(&self.paths.blob(digest), bytes)?;
        }
        Ok(digest)
    }

    /// Begins to receive a blob, or goes on where an earlier attempt broke off.
    pub fn ingest(&self, digest: Digest, size: u64) -> Result<Ingest, Error> {
        Ingest::open(self.paths.ingests().join(digest.hex()), self.paths.blob(digest), digest, size)
    }

    /// Takes a finished file whose digest the caller has computed. Not durable before the next
    /// [`durable::sync_tree`] of the data root.
    pub fn adopt(&self, file: &Path, digest: Digest) -> Result<(), Error> {
        Ok(fs::rename(file, self.paths.blob(digest))?)
    }

    /// Removes it; absent is success.
    pub fn remove(&self, digest: Digest) -> Result<(), Error> {
        match fs::remove_file(self.paths.blob(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// An empty folder for an archive's files, removed with everything in it when dropped.
    pub fn stage(&self) -> Result<Stage, Error> {
        let path = self.paths.ingests().join(durable::fresh_name("stage-"));
        fs::create_dir(&path)?;
        Ok(Stage(path))
    }

    /// Drops the starts of blobs that nobody came back for. Those being written now are young.
    pub fn expire_ingests(&self, now: SystemTime) -> Result<(), Error> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(self.paths.ingests())? {
            let entry = entry?;
            // Another pull may have finished it meanwhile.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_file() {
                kept.push((meta.modified()?, meta.len(), entry.path()));
            }
        }
        kept.sort_by(|a, b| b.cmp(a));
        let mut sum = 0_u64;
        for (changed, size, path) in kept {
            sum = sum.saturating_add(size);
            let old = now.duration_since(changed).is_ok_and(|age| age > KEPT_FOR);
            if old || sum > MAX_KEPT_BYTES {
                ingest::discard(&path)?;
            }
        }
        Ok(())
    }

    /// Start-up: drops unfinished archives, starts of blobs that are too old, and blobs nobody needs. Returns the bytes
    /// freed.
    pub fn sweep(&self, needed: &HashSet<Digest>) -> Result<u64, Error> {
        let mut freed = 0;
        for entry in fs::read_dir(self.paths.ingests())? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                fs::remove_dir_all(&path)?;
            } else if format!("sha256:{name}").parse::<Digest>().is_err() {
                fs::remove_file(&path)?;
            }
        }
        self.expire_ingests(SystemTime::now())?;
        for entry in fs::read_dir(self.paths.content().join("sha256"))? {
            let entry = entry?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| format!("sha256:{name}").parse::<Digest>().ok());
            if !digest.is_some_and(|digest| needed.contains(&digest)) {
                freed += entry.metadata().map_or(0, |meta| meta.len());
                fs::remove_file(entry.path())?;
            }
        }
        Ok(freed)
    }
}

/// A folder of files that are not blobs yet.
#[derive(Debug)]
pub struct Stage(PathBuf);

impl Stage {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a staging folder stays until the next start");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Content) {
        let folder = tempfile::tempdir().unwrap();
        let content = Content::open(Paths::new(folder.path().join("data"), folder.path().join("run"))).unwrap();
        (folder, content)
    }

    #[test]
    fn a_broken_off_blob_goes_on_where_it_stopped() {
        let (_folder, content) = store();
        let bytes = vec![7_u8; 300_000];
        let digest = Digest::of(&bytes);
        let mut ingest = content.ingest(digest, bytes.len() as u64).unwrap();
        ingest.write(&bytes[..100_000]).unwrap();
        drop(ingest);
        assert!(!content.has(digest));
        let mut ingest = content.ingest(digest, bytes.len() as u64).unwrap();
        assert_eq!(ingest.offset(), 100_000);
        ingest.write(&bytes[100_000..]).unwrap();
        ingest.commit().unwrap();
        assert_eq!(content.read(digest, 1 << 20).unwrap(), bytes);
        assert!(matches!(content.read(digest, 10), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn wrong_bytes_are_never_published_and_not_kept() {
        let (_folder, content) = store();
        let digest = Digest::of(b"right");
        let mut ingest = content.ingest(digest, 5).unwrap();
        ingest.write(b"wrong").unwrap();
        assert!(matches!(ingest.commit(), Err(Error::Mismatch { .. })));
        assert_eq!(content.ingest(digest, 5).unwrap().offset(), 0);

        let mut ingest = content.ingest(digest, 5).unwrap();
        ingest.write(b"rig").unwrap();
        assert!(matches!(ingest.commit(), Err(Error::Size { found: 3, wanted: 5, .. })));
        let mut ingest = content.ingest(digest, 5).unwrap();
        assert!(matches!(ingest.write(b"right and more"), Err(Error::Size { .. })));
        assert!(!content.has(digest));
    }

    #[test]
    fn a_sweep_leaves_what_is_needed() {
        let (_folder, content) = store();
        let keep = content.put(b"keep").unwrap();
        let drop_it = content.put(b"drop").unwrap();
        content.ingest(Digest::of(b"x"), 9).unwrap().write(b"part").unwrap();
        std::mem::forget(content.stage().unwrap());
        assert_eq!(content.sweep(&HashSet::from([keep])).unwrap(), 4);
        assert!(content.has(keep) && !content.has(drop_it));
        assert!(matches!(content.blob(drop_it), Err(Error::Missing(_))));
        // What had come of a blob is there for a day.
        let kept = || content.ingest(Digest::of(b"x"), 9).unwrap().offset();
        assert_eq!(kept(), 4);
        content.expire_ingests(SystemTime::now() + KEPT_FOR / 2).unwrap();
        assert_eq!(kept(), 4);
        content.expire_ingests(SystemTime::now() + KEPT_FOR * 2).unwrap();
        assert_eq!(fs::read_dir(content.paths.ingests()).unwrap().count(), 0);
    }

    #[test]
    fn a_blob_being_written_is_not_taken_away() {
        let (_folder, content) = store();
        let mut ingest = content.ingest(Digest::of(b"abc"), 3).unwrap();
        ingest.write(b"ab").unwrap();
        content.expire_ingests(SystemTime::now() + KEPT_FOR * 2).unwrap();
        ingest.write(b"c").unwrap();
        ingest.commit().unwrap();
        assert!(content.has(Digest::of(b"abc")));
    }
}
