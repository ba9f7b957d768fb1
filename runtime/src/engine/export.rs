//! `export` and `changes`: a container's file system, whole or as what it changed. Running or not.

use std::{collections::BTreeSet, io, os::fd::OwnedFd, path::PathBuf};

use nix::sys::stat::{SFlag, fstat};

use super::{Engine, blocking, outflow::Outflow};
use crate::{
    container::record::Record,
    durable,
    error::{Error, Result},
    id::ContainerId,
    snapshot,
    sys::{
        mount::{detached_overlay, detached_view},
        open::{NO_MAGICLINKS, NO_SYMLINKS, NO_XDEV, openat2},
    },
    view::Change,
};

/// What every container gets mounted.
const MOUNT_POINTS: [&str; 6] = ["dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"];

fn failed(error: io::Error) -> Error {
    durable::io_error("the container's file system can't be read", error.kind(), error)
}

/// A container's writable layer and what is below it, as they are at this moment.
pub(in crate::engine) struct Layers {
    /// What it wrote.
    pub upper: OwnedFd,
    /// Its image, merged; `None` for an image without layers.
    pub lower: Option<OwnedFd>,
    /// Empty files and folders that are there to be mounted on, and nobody wrote.
    pub mount_points: BTreeSet<Vec<u8>>,
}

impl Engine {
    /// A tar of the whole file system, volumes and other mounts left out.
    ///
    /// # Errors
    /// No such container.
    pub async fn export(&self, id: &ContainerId) -> Result<Outflow> {
        let container = self.inner.table.get(id)?;
        let engine = self.clone();
        let root = blocking(move || {
            let mut layers = vec![engine.upper(&container.record)];
            layers.extend(engine.inner.images.lowers(container.record.image_id)?);
            let root = detached_overlay(&layers, None).map_err(failed)?;
            engine.tell("export", &container, []);
            Ok(root)
        })
        .await?;
        Ok(Outflow::of(move |to| Ok(snapshot::write_tree(root, to)?)))
    }

    /// What is not as its image has it, sorted by path.
    ///
    /// # Errors
    /// No such container.
    pub async fn changes(&self, id: &ContainerId) -> Result<Vec<Change>> {
        let container = self.inner.table.get(id)?;
        let engine = self.clone();
        blocking(move || {
            let layers = engine.layers(&container.record)?;
            snapshot::changes(&layers.upper, layers.lower.as_ref(), &layers.mount_points).map_err(failed)
        })
        .await
    }

    fn upper(&self, record: &Record) -> PathBuf {
        self.inner.paths.rootfs(&record.id).join("upper")
    }

    pub(in crate::engine) fn layers(&self, record: &Record) -> Result<Layers> {
        let upper = detached_view(&self.upper(record)).map_err(failed)?;
        let lowers = self.inner.images.lowers(record.image_id)?;
        let lower = if lowers.is_empty() { None } else { Some(detached_overlay(&lowers, None).map_err(failed)?) };
        let tmpfs = record.request.tmpfs.keys().map(|path| path.trim_matches('/'));
        let mounts = record.mounts.iter().map(|mount| mount.target.trim_matches('/'));
        let mut mount_points = BTreeSet::new();
        for path in MOUNT_POINTS.into_iter().chain(tmpfs).chain(mounts) {
            if is_mount_point(&upper, path) && lower.as_ref().is_none_or(|lower| look(lower, path).is_none()) {
                mount_points.insert(path.as_bytes().to_vec());
            }
        }
        Ok(Layers { upper, lower, mount_points })
    }
}

fn look(root: &OwnedFd, path: &str) -> Option<OwnedFd> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    openat2(root, path, flags, 0, NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV).ok()
}

/// An empty file or folder.
fn is_mount_point(root: &OwnedFd, path: &str) -> bool {
    let Some(stat) = look(root, path).and_then(|found| fstat(&found).ok()) else { return false };
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => stat.st_size == 0,
        SFlag::S_IFDIR => snapshot::is_empty_folder(root, path),
        _ => false,
    }
}
