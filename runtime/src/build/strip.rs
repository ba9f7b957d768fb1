//! Takes out of a context what its ignore file leaves out, so that no step, mount or copy can see it. The Dockerfile has
//! been read by then.

use std::{
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
};

use nix::{
    errno::Errno,
    fcntl::openat,
    sys::stat::Mode,
    unistd::{UnlinkatFlags, unlinkat},
};

use super::{
    copy::{FOLDER, joined, names},
    ignore::Ignore,
};

/// Removes what is ignored below the root of a context.
pub fn strip(root: BorrowedFd<'_>, ignore: &Ignore) -> io::Result<()> {
    if ignore.is_empty() {
        return Ok(());
    }
    let top = openat(root, ".", FOLDER, Mode::empty())?;
    inside(&top, b"", Some(ignore)).map(drop)
}

/// Without `ignore` everything goes. Says whether nothing is left.
fn inside(folder: &OwnedFd, path: &[u8], ignore: Option<&Ignore>) -> io::Result<bool> {
    let mut empty = true;
    for name in names(folder.as_fd())? {
        let (whole, name) = (joined(path, &name), OsStr::from_bytes(&name));
        let out = ignore.is_none_or(|ignore| ignore.excludes(&whole));
        let gone = match openat(folder, name, FOLDER, Mode::empty()) {
            Ok(below) => {
                let rest = ignore.filter(|ignore| !out || ignore.may_keep_below(&whole));
                let gone = inside(&below, &whole, rest)? && out;
                if gone {
                    unlinkat(folder, name, UnlinkatFlags::RemoveDir)?;
                }
                gone
            }
            Err(Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO) => {
                if out {
                    unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)?;
                }
                out
            }
            Err(errno) => return Err(errno.into()),
        };
        empty &= gone;
    }
    Ok(empty)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_ignored_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for path in ["a/keep", "a/b/c", "a/b/d", "gone/e/f", "x", "outside/y"] {
            let place = if path.starts_with("outside") { dir.path().join(path) } else { root.join(path) };
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "1").unwrap();
        }
        std::os::unix::fs::symlink("../outside", root.join("link")).unwrap();
        std::os::unix::fs::symlink("../../outside", root.join("gone/link")).unwrap();
        let ignore = Ignore::parse(b"a\n!a/keep\ngone\nlink\n").unwrap();
        strip(fs::File::open(&root).unwrap().as_fd(), &ignore).unwrap();
        let left = |path: &str| root.join(path).symlink_metadata().is_ok();
        assert!(left("a/keep") && left("x") && dir.path().join("outside/y").exists());
        assert!(!left("a/b") && !left("gone") && !left("link"));
    }
}
