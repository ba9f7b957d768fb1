//! Files that survive a power cut: written beside, synced, renamed, and the folder synced.
//!
//! Invariant: a reader sees the old whole file or the new whole file, never a part. Temporary files are named
//! `.tmp-*`, so a sweep can tell them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::statvfs::fstatvfs,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::id::hex;

/// Prefix of files and folders that are not yet what they will be.
pub const TMP_PREFIX: &str = ".tmp-";

/// Share of the file system that what strangers send leaves free, in percent.
const FREE_PERCENT: u64 = 5;

/// A durable read or write that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not the JSON it should be.
    #[error("{}: {source}", path.display())]
    Json {
        /// Where.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Written by another version.
    #[error("{}: version {found}, this program reads version {wanted}", path.display())]
    Version {
        /// Where.
        path: PathBuf,
        /// In the file.
        found: u64,
        /// Known here.
        wanted: u64,
    },
    /// Another process owns the root.
    #[error("{} is locked: another engine runs on this data root", .0.display())]
    Locked(PathBuf),
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        use crate::error::{Error as Shown, ErrorKind};
        match &error {
            Error::Io { source, .. } => io_error("the data root can't be read or written", source.kind(), error),
            Error::Json { .. } | Error::Version { .. } => Shown::internal("a state file can't be read", error),
            Error::Locked(_) => Shown::new(ErrorKind::Unavailable, error.to_string()),
        }
    }
}

/// An engine error for a failed file operation: full disks have a kind of their own.
pub fn io_error(
    what: &str,
    kind: io::ErrorKind,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> crate::error::Error {
    use crate::error::{Error as Shown, ErrorKind};
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Shown::with_source(ErrorKind::Exhausted, format!("{what}: no space left on device"), source)
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Shown::with_source(ErrorKind::Unavailable, format!("{what}: read-only file system"), source)
        }
        _ => Shown::internal(what.to_owned(), source),
    }
}

/// Refuses so many more bytes on the file system of `place` when they would leave too little of it free.
pub fn leave_room(place: impl AsFd, more: u64) -> io::Result<()> {
    let space = fstatvfs(place)?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.fragment_size());
    let keep = bytes(space.blocks()) / 100 * FREE_PERCENT;
    if bytes(space.blocks_available()).saturating_sub(more) < keep {
        return Err(io::ErrorKind::StorageFull.into());
    }
    Ok(())
}

/// A name nobody else has.
pub fn fresh_name(prefix: &str) -> String {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).expect("the kernel's random source");
    format!("{prefix}{}", hex(&bytes))
}

/// Writes the whole file, or leaves what was there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let beside = folder.join(fresh_name(TMP_PREFIX));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if let Err(source) = written {
        let _ = fs::remove_file(&beside);
        return Err(Error::Io { path: path.to_owned(), source });
    }
    sync_dir(folder)
}

/// Writes a file into a folder that is still to be renamed into place: synced itself, its folder not.
pub fn write_staged_json<T: Serialize>(path: &Path, version: u64, value: &T) -> Result<(), Error> {
    let bytes = json(path, version, value)?;
    (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&bytes)?;
        file.sync_all()
    })()
    .map_err(Error::io(path))
}

/// Writes a value as JSON with a `version`, which must become an object.
pub fn write_json<T: Serialize>(path: &Path, version: u64, value: &T) -> Result<(), Error> {
    write(path, &json(path, version, value)?)
}

fn json<T: Serialize>(path: &Path, version: u64, value: &T) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Json { path: path.to_owned(), source };
    let mut value = serde_json::to_value(value).map_err(failed)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("version".to_owned(), version.into());
    }
    serde_json::to_vec_pretty(&value).map_err(failed)
}

/// Like [`write_json`] without any sync: whole after a crash of the program, maybe torn or old after power loss.
pub fn replace_json<T: Serialize>(path: &Path, version: u64, value: &T) -> Result<(), Error> {
    let bytes = json(path, version, value)?;
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path)).map_err(Error::io(path))
}

/// Reads what [`write_json`] wrote; `None` when there is no such file.
pub fn read_json<T: DeserializeOwned>(path: &Path, version: u64) -> Result<Option<T>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
    };
    let json = |source| Error::Json { path: path.to_owned(), source };
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).map_err(json)?;
    let found = value.as_object_mut().and_then(|object| object.remove("version")).and_then(|v| v.as_u64()).unwrap_or(0);
    if found != version {
        return Err(Error::Version { path: path.to_owned(), found, wanted: version });
    }
    serde_json::from_value(value).map(Some).map_err(json)
}

/// Removes a file; absent is success.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => sync_dir(path.parent().unwrap_or(Path::new("/"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Io { path: path.to_owned(), source }),
    }
}

/// Moves within a file system and syncs both folders.
pub fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::io(to))?;
    let (old, new) = (from.parent().unwrap_or(Path::new("/")), to.parent().unwrap_or(Path::new("/")));
    sync_dir(new)?;
    if old == new { Ok(()) } else { sync_dir(old) }
}

/// Makes a folder only root can enter, and those above it; existing is success.
pub fn create_dir(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io(path))?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}

/// Makes renames, creations and removals in this folder durable.
pub fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::io(path))
}

/// Makes everything written so far on this folder's file system durable.
pub fn sync_tree(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| nix::unistd::syncfs(&folder).map_err(io::Error::from)).map_err(Error::io(path))
}

/// The ownership of a data root; let go when dropped or when the process ends.
#[derive(Debug)]
pub struct RootLock {
    _file: Flock<File>,
}

impl RootLock {
    /// Takes the lock or says that someone else has it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(Error::io(path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self { _file: file }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Error::Locked(path.to_owned())),
            Err((_, errno)) => Err(Error::Io { path: path.to_owned(), source: errno.into() }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Thing {
        name: String,
    }

    #[test]
    fn json_comes_back_and_other_versions_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thing.json");
        assert_eq!(read_json::<Thing>(&path, 1).unwrap(), None);
        let thing = Thing { name: "a".into() };
        write_json(&path, 1, &thing).unwrap();
        assert_eq!(read_json::<Thing>(&path, 1).unwrap(), Some(thing));
        assert!(matches!(read_json::<Thing>(&path, 2), Err(Error::Version { found: 1, wanted: 2, .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing beside it");
        remove(&path).unwrap();
        remove(&path).unwrap();
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("occupied");
        fs::create_dir_all(path.join("x")).unwrap();
        assert!(write(&path, b"new").is_err());
        assert!(path.join("x").is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_root_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = RootLock::take(&path).unwrap();
        assert!(matches!(RootLock::take(&path), Err(Error::Locked(_))));
        drop(first);
        RootLock::take(&path).unwrap();
    }
}
