//! Root file systems a build reads and writes without running anything in them: an overlay of layers that is attached
//! nowhere, used by its descriptor alone.
//!
//! ```text
//! scratch/<name>/upper, work, empty-*    one each; swept at start
//! ```
//! Invariants: ids on disk are the container's own, so files are written with them as they are; the layers are leased as
//! long as the overlay is mounted; nothing is synced, since after a crash a scratch is worth nothing.

use std::{
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    Engine, blocking,
    step::{Home, Upper},
};
use crate::{
    digest::DiffId,
    durable,
    error::{Error, Result},
    lease::Lease,
    paths::Paths,
    snapshot::inherit_root,
    sys::mount::{Writable, detached_overlay},
};

/// A writable root file system. Dropped, it is gone.
pub struct Scratch {
    // Dropped first: the overlay goes before its folders do.
    root: OwnedFd,
    upper: PathBuf,
    home: Home,
    _lease: Lease,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scratch").field(&self.upper).finish()
    }
}

impl Scratch {
    /// Its root folder (`O_PATH`).
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Unmounts it and gives out what was written. No descriptor opened through it may be in use any more.
    pub fn finish(self) -> Upper {
        let Self { root, upper, home, _lease } = self;
        drop(root);
        Upper::new(upper, home)
    }
}

/// A root file system to read. Dropped, it is gone.
pub struct View {
    root: OwnedFd,
    _home: Home,
    _lease: Lease,
}

impl View {
    /// Its root folder (`O_PATH`).
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

impl Engine {
    /// A writable root file system over these layers, lowest first; none is an empty one.
    ///
    /// # Errors
    /// A layer is not here, or the host can't mount it.
    pub fn scratch(&self, layers: Vec<DiffId>) -> BoxFuture<'static, Result<Scratch>> {
        let engine = self.clone();
        blocking(move || engine.scratch_now(&layers)).boxed()
    }

    /// A root file system of these layers, lowest first, to read.
    ///
    /// # Errors
    /// A layer is not here, or the host can't mount it.
    pub fn layers_view(&self, layers: Vec<DiffId>) -> BoxFuture<'static, Result<View>> {
        let engine = self.clone();
        blocking(move || engine.layers_view_now(&layers)).boxed()
    }

    fn scratch_now(&self, layers: &[DiffId]) -> Result<Scratch> {
        let (lease, mut lowers) = self.inner.images.hold_layers(layers)?;
        let home = self.scratch_home()?;
        pad(&home.folder, &mut lowers)?;
        let (upper, work) = (folder(&home.folder, "upper")?, folder(&home.folder, "work")?);
        inherit_root(&upper, &lowers).map_err(failed)?;
        let writable = Writable { upper: &upper, work: &work, volatile: true };
        let root = detached_overlay(&lowers, Some(writable)).map_err(failed)?;
        Ok(Scratch { root, upper, home, _lease: lease })
    }

    fn layers_view_now(&self, layers: &[DiffId]) -> Result<View> {
        let (lease, mut lowers) = self.inner.images.hold_layers(layers)?;
        let home = self.scratch_home()?;
        pad(&home.folder, &mut lowers)?;
        let root = detached_overlay(&lowers, None).map_err(failed)?;
        Ok(View { root, _home: home, _lease: lease })
    }

    fn scratch_home(&self) -> Result<Home> {
        let path = self.inner.paths.scratch().join(durable::fresh_name(""));
        fs::create_dir(&path).map_err(failed)?;
        Ok(Home::new(self, path))
    }
}

/// Overlay wants a layer where there is none. Never one beside others: whoever reads on after the view is gone would find
/// this one gone as well, by which the kernel ends the whole list of a folder.
fn pad(home: &Path, lowers: &mut Vec<PathBuf>) -> Result<()> {
    if lowers.is_empty() {
        lowers.push(folder(home, "empty")?);
    }
    Ok(())
}

fn folder(home: &Path, name: &str) -> Result<PathBuf> {
    let path = home.join(name);
    fs::create_dir(&path).map_err(failed)?;
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(failed)?;
    Ok(path)
}

/// Start-up: none of them is in use.
pub(in crate::engine) fn sweep(paths: &Paths) {
    for entry in fs::read_dir(paths.scratch()).into_iter().flatten().flatten() {
        if let Err(error) = fs::rename(entry.path(), paths.trash().join(durable::fresh_name(""))) {
            tracing::warn!(path = %entry.path().display(), %error, "a build's folder stays until the next start");
        }
    }
}

fn failed(error: io::Error) -> Error {
    durable::io_error("a build's root file system could not be made", error.kind(), error)
}
