//! Blobs that came to a repository before the manifest that names them. A note each: an empty push leaves little, and a
//! server that restarts within a push goes on. Notes aren't synced: after power loss the blob is sent again.

use std::{
    collections::BTreeMap,
    fs, io,
    time::{Duration, SystemTime},
};

use crate::{digest::Digest, paths::Paths};

/// How long a blob waits for its manifest.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// By repository and blob: since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Loose(BTreeMap<(String, Digest), SystemTime>);

impl Loose {
    /// Reads all notes; too old and unreadable ones go.
    pub(super) fn read(paths: &Paths, now: SystemTime) -> io::Result<Self> {
        let mut loose = Self::default();
        for entry in fs::read_dir(paths.loose_blobs())? {
            let entry = entry?;
            let since = entry.metadata()?.modified()?;
            let name = entry.file_name();
            let blob = name.to_str().and_then(|name| name.rsplit_once('-')).map(|(_, hex)| format!("sha256:{hex}"));
            let blob = blob.and_then(|blob| blob.parse::<Digest>().ok());
            let of = fs::read_to_string(entry.path()).ok().filter(|of| !of.is_empty());
            match (blob, of) {
                (Some(blob), Some(of)) if entry.path() == paths.loose_blob(&of, blob) => {
                    loose.0.insert((of, blob), since);
                }
                _ => fs::remove_file(entry.path())?,
            }
        }
        loose.expire(paths, now)?;
        Ok(loose)
    }

    pub(super) fn has(&self, name: &str, blob: Digest) -> bool {
        self.0.contains_key(&(name.to_owned(), blob))
    }

    pub(super) fn blobs(&self) -> impl Iterator<Item = Digest> + '_ {
        self.0.keys().map(|(_, blob)| *blob)
    }

    pub(super) fn add(&mut self, paths: &Paths, name: &str, blob: Digest, now: SystemTime) -> io::Result<()> {
        fs::write(paths.loose_blob(name, blob), name)?;
        self.0.insert((name.to_owned(), blob), now);
        Ok(())
    }

    pub(super) fn remove(&mut self, paths: &Paths, name: &str, blob: Digest) -> io::Result<()> {
        if self.0.remove(&(name.to_owned(), blob)).is_some() {
            match fs::remove_file(paths.loose_blob(name, blob)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, paths: &Paths, now: SystemTime) -> io::Result<Vec<Digest>> {
        let old = |since: &SystemTime| now.duration_since(*since).is_ok_and(|age| age > KEPT_FOR);
        let gone: Vec<_> = self.0.iter().filter(|(_, since)| old(since)).map(|(key, _)| key.clone()).collect();
        for (name, blob) in &gone {
            self.remove(paths, name, *blob)?;
        }
        Ok(gone.into_iter().map(|(_, blob)| blob).collect())
    }
}
