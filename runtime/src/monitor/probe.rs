//! Tries the one thing that decides whether containers get ids of their own: an overlay over mapped layers, written to.
//!
//! By doing it, not by kernel version: file systems differ. It runs as a process of its own, since it needs a single
//! thread, and leaves nothing behind but the folder it was given.

use std::{fs, io, os::fd::AsFd, path::Path};

use nix::{
    fcntl::OFlag,
    sys::stat::{Mode, fstat},
};

use super::prepare;
use crate::{
    init::failure::{Result, Stage, refuse},
    spec::{IdMap, Rootfs},
    sys::{
        open,
        process::{self, Cloned},
    },
};

/// Any range will do; nothing of it is seen outside.
const MAP: IdMap = IdMap { base: 1_879_048_192, size: 65_536 };

/// Makes and uses such an overlay in an empty folder.
pub(super) fn mapped_overlay(folder: &Path) -> Result<()> {
    let rootfs = Rootfs {
        lowers: vec![folder.join("lower")],
        writable: folder.join("writable"),
        read_only: false,
        volatile: true,
    };
    fs::create_dir(&rootfs.lowers[0]).stage("make a layer")?;
    fs::create_dir(&rootfs.writable).stage("make a layer")?;
    let Cloned::Parent { pid, pidfd } =
        process::clone3(libc::CLONE_NEWUSER as u64, None::<&fs::File>).stage("clone")?
    else {
        // Only holds its namespace until it is killed.
        loop {
            nix::unistd::pause();
        }
    };
    let tried = attempt(pid, folder, &rootfs);
    let _ = process::pidfd_signal(&pidfd, libc::SIGKILL);
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
    tried
}

fn attempt(pid: i32, folder: &Path, rootfs: &Rootfs) -> Result<()> {
    let userns = prepare::map_ids(pid, MAP)?;
    prepare::own_mounts()?;
    let root = prepare::overlay(folder, rootfs, Some(&userns), MAP.base)?;
    let owner = prepare::as_ids(MAP.base, || written(&root)).stage("write to the overlay")?;
    if owner == MAP.base { Ok(()) } else { Err(refuse("write to the overlay", "ids in it are not mapped")) }
}

/// Who owns a new file in it, as the host sees it.
fn written(root: impl AsFd) -> io::Result<u32> {
    let dir = open::inside(&root, ".", libc::O_DIRECTORY)?;
    let file = nix::fcntl::openat(&dir, "probe", OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::S_IRUSR)?;
    Ok(fstat(&file)?.st_uid)
}
