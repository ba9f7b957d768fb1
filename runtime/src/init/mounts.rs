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

use super::failure::{Result, Stage, refuse};
use crate::{
    monitor::protocol::Made,
    spec::{Mount, MountSource},
    sys::{
        mount::{NODEV, NOEXEC, NOSUID, NewFs, RDONLY, attach},
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
            MountSource::Tmpfs { options } => tmpfs(mount, options).stage(stage())?,
            _ => sources.next().ok_or_else(|| refuse("mount", "the monitor sent too few mounts"))?,
        };
        let is_folder = kind(&fstat(&source).stage(stage())?) == SFlag::S_IFDIR;
        let target = if is_folder {
            open::note_dirs(root, &mount.target, 0o755, made)
        } else {
            open::note_file(root, &mount.target, made)
        };
        let target = match target {
            // Nothing can be made there; what the kernel says of it differs.
            Err(_) if ["/proc/", "/sys/"].iter().any(|made_up| mount.target.starts_with(made_up)) => {
                let name = &mount.target;
                return Err(refuse("mount", format_args!("invalid mount target {name:?}: it is inside /proc or /sys")));
            }
            target => target.stage(stage())?,
        };
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

/// A tmpfs by options as in mount(8); Docker's default is `noexec,nosuid,nodev`.
fn tmpfs(mount: &Mount, options: &str) -> io::Result<OwnedFd> {
    let fs = NewFs::open(c"tmpfs")?;
    let mut attributes = NOSUID | NODEV | NOEXEC | attributes(mount);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match (option, option.split_once('=')) {
            ("ro", _) => attributes |= RDONLY,
            ("rw", _) => attributes &= !RDONLY,
            ("nosuid", _) => attributes |= NOSUID,
            ("suid", _) => attributes &= !NOSUID,
            ("nodev", _) => attributes |= NODEV,
            ("dev", _) => attributes &= !NODEV,
            ("noexec", _) => attributes |= NOEXEC,
            ("exec", _) => attributes &= !NOEXEC,
            (_, Some((key @ ("size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks"), value))) => {
                fs.set(key, value)?;
            }
            _ => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("invalid tmpfs option {option:?}")));
            }
        }
    }
    fs.mount(attributes)
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
