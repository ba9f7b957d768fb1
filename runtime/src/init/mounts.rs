//! The spec's mounts, attached descriptor to descriptor.
//!
//! A target is found below the held root only. The image may have put links anywhere, so what a target turned out to be is
//! checked, not its text.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    fcntl::readlinkat,
    sys::{
        stat::{FileStat, SFlag, fstat},
        statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs},
    },
};

use super::{
    failure::{Result, Stage, refuse},
    rootfs::fresh,
};
use crate::{
    monitor::protocol::Made,
    spec::{Mount, MountSource},
    sys::{
        mount::{NODEV, NOEXEC, NOSUID, RDONLY, attach},
        open,
    },
};

/// Bytes of paths that are told; the message must fit one packet.
const TOLD_BYTES: usize = 8 << 10;

/// Attaches all of them in order; `sources` are the mounts that the monitor made, in the same order.
pub fn attach_all(mounts: &[Mount], sources: Vec<OwnedFd>, root: &OwnedFd, made: &mut Vec<OwnedFd>) -> Result<()> {
    let mut sources = sources.into_iter();
    for mount in mounts {
        let stage = || format!("mount {}", mount.target);
        let source = match &mount.source {
            MountSource::Tmpfs { size_bytes, mode } => tmpfs(mount, *size_bytes, *mode).stage(stage())?,
            _ => sources.next().ok_or_else(|| refuse("mount", "the monitor sent too few mounts"))?,
        };
        let is_folder = kind(&fstat(&source).stage(stage())?) == SFlag::S_IFDIR;
        let target = if is_folder {
            open::note_dirs(root, &mount.target, 0o755, made)
        } else {
            open::note_file(root, &mount.target, made)
        };
        let target = target.stage(stage())?;
        allowed(&target, root, is_folder, &mount.target)?;
        attach(source, target).stage(stage())?;
    }
    Ok(())
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Neither the root itself nor anything the kernel makes up.
fn allowed(target: &OwnedFd, root: &OwnedFd, is_folder: bool, name: &str) -> Result<()> {
    let stage = || format!("mount {name}");
    let (found, top) = (fstat(target).stage(stage())?, fstat(root).stage(stage())?);
    if (found.st_dev, found.st_ino) == (top.st_dev, top.st_ino) {
        return Err(refuse("mount", format_args!("invalid mount target {name:?}: it is the root")));
    }
    let file_system = fstatfs(target).stage(stage())?.filesystem_type();
    if file_system == PROC_SUPER_MAGIC || file_system == SYSFS_MAGIC {
        return Err(refuse("mount", format_args!("invalid mount target {name:?}: it is inside /proc or /sys")));
    }
    if (kind(&found) == SFlag::S_IFDIR) != is_folder {
        let text =
            if is_folder { "a folder can't be mounted on a file" } else { "a file can't be mounted on a folder" };
        return Err(refuse("mount", format_args!("invalid mount target {name:?}: {text}")));
    }
    Ok(())
}

fn tmpfs(mount: &Mount, size_bytes: Option<u64>, mode: u32) -> io::Result<OwnedFd> {
    let mode = format!("{mode:o}");
    let size = size_bytes.map(|bytes| bytes.to_string());
    let mut options = vec![("mode", mode.as_str())];
    options.extend(size.as_deref().map(|size| ("size", size)));
    fresh(c"tmpfs", attributes(mount), &options)
}

/// The kernel's flags for it. Device nodes never work: those a container may use are in its /dev.
pub fn attributes(mount: &Mount) -> u64 {
    let mut attributes = NODEV;
    for (wanted, flag) in [(mount.read_only, RDONLY), (mount.no_suid, NOSUID), (mount.no_exec, NOEXEC)] {
        if wanted {
            attributes |= flag;
        }
    }
    attributes
}

/// Where the handles lead to, as the process sees it, by its own procfs.
pub fn told(proc: &OwnedFd, made: Vec<OwnedFd>) -> Vec<Made> {
    let mut left = TOLD_BYTES;
    made.into_iter()
        .filter_map(|handle| {
            let path = readlinkat(proc, format!("self/fd/{}", handle.as_raw_fd()).as_str()).ok()?;
            let path = path.into_string().ok()?;
            left = left.checked_sub(path.len() + 16)?;
            Some(Made { path, inode: fstat(&handle).ok()?.st_ino })
        })
        .collect()
}
