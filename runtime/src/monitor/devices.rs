//! A container's /dev.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, makedev, mkdirat, mknodat},
    unistd::{Gid, Uid, fchownat, symlinkat},
};

use super::prepare::as_ids;
use crate::{
    spec::LaunchSpec,
    sys::mount::{NOEXEC, NOSUID, NewFs},
};

const DEVICES: &[(&str, u64, u64)] =
    &[("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: &[(&str, &str)] = &[
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];

/// What of the host's /dev is not a device, or a container's own.
const NOT_GIVEN: &[&str] = &["pts", "shm", "mqueue", "fd", "console", "hugepages"];

/// Folders below /dev are not deeper.
const DEEPEST: usize = 8;

/// A device node to be made.
struct Node {
    /// Below /dev.
    path: PathBuf,
    kind: SFlag,
    number: u64,
    mode: Mode,
    uid: u32,
    gid: u32,
}

impl Node {
    fn of(found: &fs::Metadata, path: PathBuf) -> Option<Self> {
        let kind = found.file_type();
        let kind = match (kind.is_char_device(), kind.is_block_device()) {
            (true, _) => SFlag::S_IFCHR,
            (_, true) => SFlag::S_IFBLK,
            _ => return None,
        };
        let mode = Mode::from_bits_truncate(found.mode());
        Some(Self { path, kind, number: found.rdev(), mode, uid: found.uid(), gid: found.gid() })
    }

    /// Makes it. Inside it belongs to whom it belongs on the host, by number.
    fn make(&self, dev: &OwnedFd, base: u32) -> io::Result<()> {
        let mut folder = PathBuf::new();
        for part in self.path.parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            match mkdirat(dev.as_fd(), &folder, Mode::from_bits_truncate(0o755)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match mknodat(dev.as_fd(), &self.path, self.kind, self.mode, self.number) {
            Ok(()) => {}
            // One that every container has, under its own name.
            Err(Errno::EEXIST) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let (uid, gid) = (base.checked_add(self.uid), base.checked_add(self.gid));
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        fchownat(dev.as_fd(), &self.path, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        Ok(fchmodat(dev.as_fd(), &self.path, self.mode, FchmodatFlags::FollowSymlink)?)
    }
}

/// The node at a path, or those in a folder.
fn nodes_of(host: &Path, name: &Path) -> io::Result<Vec<Node>> {
    let found = fs::metadata(host)?;
    if found.is_dir() {
        return host_nodes(host, name, 0);
    }
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no device", host.display()));
    Ok(vec![Node::of(&found, name.to_owned()).ok_or_else(wrong)?])
}

fn host_nodes(folder: &Path, name: &Path, depth: usize) -> io::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    if depth > DEEPEST {
        return Ok(nodes);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let entry_name = entry.file_name();
        if depth == 0 && NOT_GIVEN.iter().any(|name| entry_name == *name) {
            continue;
        }
        // Devices come and go; links point to nodes that are listed themselves.
        let Ok(found) = entry.metadata() else { continue };
        let path = name.join(&entry_name);
        if found.is_dir() {
            nodes.extend(host_nodes(&entry.path(), &path, depth + 1)?);
        } else {
            nodes.extend(Node::of(&found, path));
        }
    }
    Ok(nodes)
}

/// A tmpfs with the device nodes and links every container has, and those this one was given. Made by the host, so that
/// nodes work in it.
pub fn make(base: u32, spec: &LaunchSpec) -> io::Result<OwnedFd> {
    let opened = &spec.opened;
    let mut given = Vec::new();
    if opened.all_devices {
        given.extend(host_nodes(Path::new("/dev"), Path::new(""), 0)?);
    }
    for device in &opened.devices {
        if let Some(name) = device.container.strip_prefix("/dev/") {
            given.extend(nodes_of(&device.host, Path::new(name))?);
        }
    }
    let fs = NewFs::open(c"tmpfs")?;
    let id = base.to_string();
    for (key, value) in [("mode", "755"), ("size", "65536k"), ("uid", id.as_str()), ("gid", id.as_str())] {
        fs.set(key, value)?;
    }
    let dev = fs.mount(NOSUID | NOEXEC)?;
    as_ids(base, || {
        for (name, major, minor) in DEVICES {
            let mode = Mode::from_bits_truncate(0o666);
            mknodat(dev.as_fd(), *name, SFlag::S_IFCHR, mode, makedev(*major, *minor))?;
        }
        for (name, target) in LINKS {
            symlinkat(*target, dev.as_fd(), *name)?;
        }
        for node in &given {
            node.make(&dev, base)?;
        }
        for name in ["pts", "shm", "mqueue"] {
            nix::sys::stat::mkdirat(dev.as_fd(), name, Mode::from_bits_truncate(0o755))?;
        }
        if spec.process.tty.is_some() {
            mknodat(dev.as_fd(), "console", SFlag::S_IFREG, Mode::from_bits_truncate(0o600), 0)?;
        }
        Ok(())
    })?;
    Ok(dev)
}
