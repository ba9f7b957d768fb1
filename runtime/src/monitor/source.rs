//! What the spec's mounts come from, as detached mounts for init to attach.
//!
//! Works in the present folder: the scratch tmpfs of the monitor's own mount namespace (see [`super::prepare`]).

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{OpenOptionsExt, PermissionsExt, fchown},
    },
    path::Path,
};

use nix::{
    fcntl::{AT_FDCWD, OFlag, open as open_path},
    sys::stat::Mode,
};

use super::prepare::Layers;
use crate::{
    init::{
        failure::{Result, Stage, refuse},
        mounts::attributes,
    },
    spec::{Mount, MountSource},
    sys::{
        mount::{Change, NODEV, NOEXEC, NOSUID, NewFs, attach, change, open_tree},
        open,
    },
};

/// Makes one; `number` keeps its names apart from those of the others.
pub fn make(mount: &Mount, number: usize, userns: Option<&OwnedFd>, base: u32) -> Result<OwnedFd> {
    let stage = || format!("mount {}", mount.target);
    let mut wanted = Change { attributes: attributes(mount), ..Change::default() };
    let copy = match &mount.source {
        MountSource::Bind { path, mapped, recursive, follows_host } => {
            let from = bind(path, &mount.subpath).stage(format!("open what is to be mounted on {}", mount.target))?;
            wanted.userns = if *mapped { userns } else { None };
            (wanted.recursive, wanted.follows_host) = (*recursive, *follows_host);
            open_tree(from, c"", *recursive)
        }
        MountSource::Overlay { lowers, writable } => {
            let layers = Layers { lowers, writable: writable.as_deref(), volatile: true };
            let root = layers.mount(&format!("{number}-"), userns, base)?;
            let from = inside(root, &mount.subpath)
                .stage(format!("{:?} of what is to be mounted on {}", mount.subpath, mount.target))?;
            open_tree(from, c"", false)
        }
        MountSource::Content { bytes, mode, uid, gid } => {
            content(&format!("{number}-content"), bytes, *mode, (base + uid, base + gid))
        }
        MountSource::Tmpfs { .. } => return Err(refuse("mount", "memory is mounted from the inside")),
    };
    let copy = copy.stage(stage())?;
    match change(&copy, wanted) {
        // Nothing but the ids can be refused here.
        Err(error) if wanted.userns.is_some() && error.raw_os_error() == Some(libc::EINVAL) => {
            without_ids(&copy, mount, wanted)?;
        }
        changed => changed.stage(stage())?,
    }
    Ok(copy)
}

/// Something that is mounted below may be of a file system that can't map ids; its files are then nobody's inside.
fn without_ids(copy: &OwnedFd, mount: &Mount, wanted: Change<'_>) -> Result<()> {
    let top = Change { recursive: false, ..wanted };
    if !wanted.recursive || change(copy, top).is_err() {
        let why = "its file system can't map user ids: use the host's ids (--userns=host)";
        return Err(refuse("mount", format_args!("{}: {why}", mount.target)));
    }
    change(copy, Change { userns: None, ..wanted }).stage(format!("mount {}", mount.target))
}

fn bind(path: &Path, subpath: &str) -> io::Result<OwnedFd> {
    let from = open_path(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    inside(from, subpath)
}

fn inside(root: OwnedFd, subpath: &str) -> io::Result<OwnedFd> {
    if subpath.is_empty() { Ok(root) } else { open::inside(root, subpath, 0) }
}

/// A file in a tmpfs of its own, which the monitor's mount namespace holds.
fn content(name: &str, bytes: &[u8], mode: u32, (uid, gid): (u32, u32)) -> io::Result<OwnedFd> {
    fs::create_dir(name)?;
    let memory = NewFs::open(c"tmpfs")?.mount(NOSUID | NODEV | NOEXEC)?;
    let point = open_path(name, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    attach(memory, point.as_fd())?;
    let path = format!("{name}/content");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(bytes)?;
    fchown(&file, Some(uid), Some(gid))?;
    file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    open_tree(AT_FDCWD, &std::ffi::CString::new(path)?, false)
}
