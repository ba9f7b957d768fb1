//! Stacks of layers to read and to write on, by mounts that are attached nowhere.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use super::{Folder, host::Builder};
use crate::{
    build::host::{Changes, Tree},
    digest::DiffId,
    durable,
    error::{Error, Result},
    snapshot::remove_tree,
    sys::mount::{Writable, detached_overlay},
};

/// A folder with an upper that nothing is mounted on; it goes when dropped.
#[derive(Debug)]
pub(super) struct Upper {
    folder: PathBuf,
    upper: PathBuf,
    trash: PathBuf,
}

impl Changes for Upper {
    fn upper(&self) -> &Path {
        &self.upper
    }
}

impl Drop for Upper {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.folder, &self.trash) {
            tracing::debug!(path = %self.folder.display(), %error, "what a step wrote stays until its build ends");
        }
    }
}

/// A stack that is being written on.
#[derive(Debug)]
struct Scratch {
    root: OwnedFd,
    upper: Upper,
}

impl Tree for Scratch {
    fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    fn finish(self: Box<Self>) -> Result<Box<dyn Changes>> {
        let Self { root, upper } = *self;
        // Unmounts: only then the folder is complete.
        drop(root);
        Ok(Box::new(upper))
    }
}

impl Builder {
    fn lowers(&self, layers: &[DiffId]) -> Result<Vec<PathBuf>> {
        Ok(self.engine.inner.images.0.snapshots.lowers(layers)?)
    }

    pub(super) fn writable(&self, layers: &[DiffId]) -> Result<Box<dyn Tree>> {
        let folder = self.folder.fresh()?;
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        for made in [&upper, &work] {
            fs::create_dir(made).map_err(failed)?;
        }
        fs::set_permissions(&upper, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        let root = if layers.is_empty() {
            File::open(&upper).map(OwnedFd::from)
        } else {
            detached_overlay(&self.lowers(layers)?, Some(Writable { upper: &upper, work: &work, volatile: true }))
        };
        let root = root.map_err(failed)?;
        Ok(Box::new(Scratch { root, upper: Upper { folder, upper, trash: self.folder.trash() } }))
    }

    pub(super) fn readable(&self, layers: &[DiffId]) -> Result<OwnedFd> {
        let lowers = self.lowers(layers)?;
        let root = match lowers.as_slice() {
            [] => File::open(self.folder.fresh()?).map(OwnedFd::from),
            // The kernel merges no fewer than two.
            [only] => File::open(only).map(OwnedFd::from),
            lowers => detached_overlay(lowers, None),
        };
        root.map_err(failed)
    }
}

impl Folder {
    /// Where trees of any depth are removed by way of.
    fn trash(&self) -> PathBuf {
        self.path().join("gone")
    }
}

fn failed(error: io::Error) -> Error {
    durable::io_error("the stage's files can't be reached", error.kind(), error)
}
