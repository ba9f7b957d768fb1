//! An empty volume begins as what the image has in its place: owners, modes, times and attributes included.
//!
//! A mark beside the files says that they are not whole yet; the next start empties a volume that still has it.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufReader},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt, fchown},
    },
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::volumes::failed;
use crate::{
    durable,
    error::{Error, Result},
    fault,
    paths::Paths,
    snapshot::{Limits, Rules, remove_tree, unpack, write_tree},
    sys::{mount::detached_overlay, open},
    volume::{Places, Store},
};

/// One at a time: two containers may be made on one empty volume.
static FILLING: Mutex<()> = Mutex::new(());

/// Copies what these layers, topmost first, have at `target`, if the volume is empty.
pub(super) fn fill(volumes: &Store, paths: &Paths, name: &str, lowers: &[PathBuf], target: &str) -> Result<()> {
    let _one = FILLING.lock().unwrap_or_else(PoisonError::into_inner);
    if lowers.is_empty() || !volumes.is_empty(name)? {
        return Ok(());
    }
    let root = detached_overlay(lowers, None).map_err(failed)?;
    // Nothing there, or a file: nothing to begin with.
    let Ok(source) = open::inside(&root, target, libc::O_DIRECTORY) else { return Ok(()) };
    let places = Places::named(paths, name);
    File::create(&places.filling).and_then(|mark| mark.sync_all()).map_err(failed)?;
    let copied = copy(&source, &places).and_then(|()| fault::point("mounts.filled").map_err(failed));
    if copied.is_err() {
        empty(&places, paths).map_err(failed)?;
    }
    fs::remove_file(&places.filling).map_err(failed)?;
    copied
}

fn copy(source: &OwnedFd, places: &Places) -> Result<()> {
    let into = File::open(&places.data).map_err(failed)?;
    let (from, to) = io::pipe().map_err(failed)?;
    let root = OwnedFd::from(into.try_clone().map_err(failed)?);
    let rules = Rules { whiteouts: false, ..Rules::layer() };
    let (packed, unpacked) = std::thread::scope(|scope| {
        let packing = scope.spawn(|| write_tree(source.as_fd(), to));
        let unpacked = unpack(BufReader::with_capacity(1 << 16, from), &root, None, Limits::default(), rules);
        (packing.join(), unpacked)
    });
    // Its failure is the cause of that of the other end, and the other way round.
    unpacked.map_err(|error| Error::internal("the image's files could not be copied into the volume", error))?;
    match packed {
        Ok(packed) => packed?,
        Err(_) => return Err(failed(io::Error::other("the reading thread panicked"))),
    }
    let like = File::from(open::inside(source, ".", 0).map_err(failed)?).metadata().map_err(failed)?;
    fchown(&into, Some(like.uid()), Some(like.gid())).map_err(failed)?;
    into.set_permissions(Permissions::from_mode(like.mode() & 0o7777)).map_err(failed)?;
    durable::sync_tree(&places.data)?;
    Ok(())
}

/// The folder itself stays: running containers may have it mounted.
fn empty(places: &Places, paths: &Paths) -> io::Result<()> {
    for entry in fs::read_dir(&places.data)?.flatten() {
        remove_tree(&entry.path(), &paths.trash())?;
    }
    Ok(())
}

/// Start-up: what was being filled is empty again.
pub(super) fn take_back(volumes: &Store, paths: &Paths) -> Result<()> {
    for name in volumes.half_filled() {
        let places = Places::named(paths, &name);
        empty(&places, paths).and_then(|()| fs::remove_file(&places.filling)).map_err(failed)?;
    }
    Ok(())
}
