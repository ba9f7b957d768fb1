//! Folders of a build and who removes them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::super::Engine;
use crate::durable;

/// A folder written through an overlay, unmounted. Whoever wants it renames it away (see
/// [`Snapshots`](crate::snapshot::Snapshots)); what is still here when this is dropped is removed.
pub struct Upper {
    path: PathBuf,
    home: Home,
}

impl Upper {
    pub(in crate::engine) fn new(path: PathBuf, home: Home) -> Self {
        Self { path, home }
    }

    /// The folder, in overlay's own form: whiteouts and opaque folders.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl std::fmt::Debug for Upper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Upper").field(&self.path).field(&self.home.folder).finish()
    }
}

/// A folder that goes to the trash when dropped.
pub(in crate::engine) struct Home {
    pub folder: PathBuf,
    engine: Engine,
}

impl Home {
    /// The folder is there, or soon will be.
    pub fn new(engine: &Engine, folder: PathBuf) -> Self {
        Self { folder, engine: engine.clone() }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let inner = &self.engine.inner;
        match fs::rename(&self.folder, inner.paths.trash().join(durable::fresh_name(""))) {
            Ok(()) => inner.trash.empty(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %self.folder.display(), %error, "a build's folder stays until the next start");
            }
        }
    }
}
