//! Uploaded files of builds: `build-contexts/<id>`, one archive each, kept for a while so that a build can be done again.
//!
//! An upload is written to a `.part` file of its own first and takes its build's number when it is whole. Kept are those of
//! the last [`KEPT`] builds, for [`DAYS`] days, within [`MOST`] bytes together; the newest are kept first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use runtime::error::{Error, Result};
use tokio::io::AsyncWriteExt as _;

use crate::auth::token::Secret;

/// Archives kept.
const KEPT: usize = 10;
/// Days they are kept.
const DAYS: u64 = 7;
/// Bytes of all together.
const MOST: u64 = 2 << 30;

/// An upload on its way; gone when it is dropped before a build took it.
#[derive(Debug)]
pub struct Upload {
    path: Option<PathBuf>,
    file: tokio::fs::File,
    /// Bytes so far.
    pub size_bytes: u64,
}

fn refused(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::with_source(runtime::error::ErrorKind::Exhausted, "the disk is full; the upload was dropped", error)
        }
        _ => Error::internal("the upload can't be kept", error),
    }
}

impl Upload {
    /// Room for an upload.
    pub(in crate::ops::builds) async fn begin(folder: &Path) -> Result<Self> {
        let path = folder.join(format!("{}.part", Secret::random().form_token()));
        let made = async {
            tokio::fs::create_dir_all(folder).await?;
            let mut options = tokio::fs::OpenOptions::new();
            options.create_new(true).write(true).mode(0o600).open(&path).await
        };
        let file = made.await.map_err(refused)?;
        Ok(Self { path: Some(path), file, size_bytes: 0 })
    }

    /// More of it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).await.map_err(refused)?;
        self.size_bytes += bytes.len() as u64;
        Ok(())
    }

    /// The same as another one.
    pub(in crate::ops::builds) async fn copy(&mut self, file: fs::File) -> Result<()> {
        let mut file = tokio::fs::File::from_std(file);
        self.size_bytes += tokio::io::copy(&mut file, &mut self.file).await.map_err(refused)?;
        Ok(())
    }

    /// It is whole and belongs to this build now; gives it for reading.
    pub(in crate::ops::builds) async fn adopt(mut self, folder: &Path, id: i64) -> Result<fs::File> {
        self.file.flush().await.map_err(refused)?;
        let Some(path) = self.path.take() else { return Err(Error::conflict("the upload is gone")) };
        let kept = folder.join(id.to_string());
        fs::rename(&path, &kept).and_then(|()| fs::File::open(&kept)).map_err(refused)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

/// The archive of a build, if it is still kept.
pub fn find(folder: &Path, id: i64) -> Option<fs::File> {
    fs::File::open(folder.join(id.to_string())).ok()
}

/// Removes the archive of a build; absent is success.
pub fn remove(folder: &Path, id: i64) {
    let _ = fs::remove_file(folder.join(id.to_string()));
}

/// Removes what is not kept any longer. At start nothing is on its way, so `.part` files go too.
pub fn sweep(folder: &Path, at_start: bool) {
    let now = SystemTime::now();
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<i64>().ok());
        match (id, entry.metadata()) {
            (Some(id), Ok(known)) => kept.push((id, path, known.len(), known.modified().unwrap_or(now))),
            _ if at_start => drop(fs::remove_file(path)),
            _ => {}
        }
    }
    kept.sort_by_key(|(id, ..)| std::cmp::Reverse(*id));
    let mut bytes = 0;
    for (place, (_, path, size, written)) in kept.into_iter().enumerate() {
        bytes += size;
        let age = now.duration_since(written).unwrap_or_default();
        if place >= KEPT || bytes > MOST || age > Duration::from_secs(DAYS * 24 * 3600) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[tokio::test]
    async fn an_upload_belongs_to_a_build_or_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut upload = Upload::begin(folder.path()).await.unwrap();
        upload.write(b"tar").await.unwrap();
        let mut text = String::new();
        upload.adopt(folder.path(), 7).await.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "tar");
        let mut dropped = Upload::begin(folder.path()).await.unwrap();
        dropped.write(b"half").await.unwrap();
        drop(dropped);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["7"]);
        assert!(find(folder.path(), 7).is_some() && find(folder.path(), 8).is_none());
    }

    #[test]
    fn the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for id in 1..=13 {
            fs::write(folder.path().join(id.to_string()), "x").unwrap();
        }
        fs::write(folder.path().join("x.part"), "x").unwrap();
        let old = fs::File::options().write(true).open(folder.path().join("13")).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_hours(8 * 24)).unwrap();
        let big = fs::File::options().write(true).open(folder.path().join("6")).unwrap();
        big.set_len(3 << 30).unwrap();
        sweep(folder.path(), false);
        let left = |id: &str| folder.path().join(id).exists();
        assert!(left("12") && left("7") && !left("13") && !left("6") && !left("5") && !left("3") && left("x.part"));
        sweep(folder.path(), true);
        assert!(!left("x.part"));
    }
}
