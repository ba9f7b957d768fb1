//! What a container that doesn't run would have mounted, on its file system: so that `cp` reaches its volumes.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::stat::{SFlag, fstat},
};

use crate::{
    spec::{Mount, MountSource},
    sys::{
        mount::{RDONLY, add_attributes, attach, open_tree},
        open::{inside, make_dirs, make_file},
    },
};

/// Mounts on the detached file system `root`, in a mount namespace that nobody is in and that lives as long as what is
/// returned. `place` is a folder it may cover there. Where there is nothing to mount on, it is made if `make`; else the mount
/// is left out, and the number of those is returned as well.
pub fn assemble(root: &OwnedFd, place: &Path, mounts: &[Mount], make: bool) -> io::Result<(OwnedFd, usize)> {
    // A mount namespace can only be left by a thread that ends.
    std::thread::scope(|scope| {
        let assembled = std::thread::Builder::new().name("mounts".to_owned()).spawn_scoped(scope, || {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let nothing = None::<&str>;
            // What the host unmounts is not held here.
            mount(nothing, "/", nothing, MsFlags::MS_SLAVE | MsFlags::MS_REC, nothing)?;
            let namespace = File::open("/proc/thread-self/ns/mnt")?;
            // Found before the root covers the place they may be in.
            let trees = mounts.iter().map(tree).collect::<io::Result<Vec<_>>>()?;
            attach(root, File::open(place)?)?;
            let mut left_out = 0;
            for (mount, tree) in mounts.iter().zip(trees).filter_map(|(mount, tree)| Some((mount, tree?))) {
                match target(root, mount, &tree, make) {
                    Ok(target) => attach(tree, target)?,
                    Err(error) if is_absent(&error) => left_out += 1,
                    Err(error) => return Err(error),
                }
            }
            Ok((namespace.into(), left_out))
        })?;
        assembled.join().unwrap_or_else(|_| Err(io::Error::other("the mounting thread panicked")))
    })
}

/// A copy of the mount at its source; nothing for what begins empty at each start.
fn tree(mount: &Mount) -> io::Result<Option<OwnedFd>> {
    let MountSource::Bind { path, recursive, .. } = &mount.source else { return Ok(None) };
    let whole = open_tree(File::open("/")?, &CString::new(path.as_os_str().as_bytes())?, *recursive)?;
    let tree =
        if mount.subpath.is_empty() { whole } else { open_tree(inside(&whole, &mount.subpath, 0)?, c"", *recursive)? };
    if mount.read_only {
        add_attributes(&tree, RDONLY)?;
    }
    Ok(Some(tree))
}

fn target(root: &OwnedFd, mount: &Mount, tree: &OwnedFd, make: bool) -> io::Result<OwnedFd> {
    let path = mount.target.trim_start_matches('/');
    if !make {
        return inside(root, path, 0);
    }
    let is_folder = SFlag::from_bits_truncate(fstat(tree.as_fd())?.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR;
    if is_folder { make_dirs(root, path, 0o755) } else { make_file(root, path) }
}

/// Also what can't be made in a volume that is mounted read-only.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::EROFS))
}
