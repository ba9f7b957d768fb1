//! Takes out of a step's result what is there only because something was mounted.
//!
//! Mounting makes folders and empty files in the writable folder, and overlay copies the folders above them up. Neither is
//! anything the step did.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open as open_path},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
    unistd::{UnlinkatFlags, unlinkat},
};

use crate::{
    monitor::protocol::Made,
    sys::{
        open::{IN_ROOT, NO_MAGICLINKS, NO_SYMLINKS, openat2},
        path::get_xattr_at,
    },
};

/// Removes from `upper` what was `made` and is still as it was made, then folders above that differ in nothing from those
/// of the layers below (`lowers`, topmost first).
pub fn clear(upper: &Path, lowers: &[PathBuf], made: &[Made]) -> io::Result<()> {
    let root = open(upper)?;
    let lowers: Vec<OwnedFd> = lowers.iter().map(|lower| open(lower)).collect::<io::Result<_>>()?;
    for one in made.iter().rev() {
        let path = Path::new(one.path.trim_start_matches('/'));
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let Some(folder) = inside(&root, above)? else { continue };
        let Some(stat) = status(&folder, name)? else { continue };
        if stat.st_ino == one.inode && !remove_empty(&folder, name, &stat)? {
            continue;
        }
        for copied in path.ancestors().skip(1).take_while(|path| !path.as_os_str().is_empty()) {
            if !remove_copy(&root, &lowers, copied)? {
                break;
            }
        }
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(open_path(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// The folder at a path that has no links in it; `None` when there is none.
fn inside(root: &OwnedFd, path: &Path) -> io::Result<Option<OwnedFd>> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = IN_ROOT | NO_MAGICLINKS | NO_SYMLINKS;
    match openat2(root, path, libc::O_PATH | libc::O_DIRECTORY, 0, resolve) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => Ok(None),
        opened => opened.map(Some),
    }
}

fn status(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<FileStat>> {
    match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether it was empty, and so is removed.
fn remove_empty(folder: &OwnedFd, name: &OsStr, stat: &FileStat) -> io::Result<bool> {
    let flag = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => UnlinkatFlags::RemoveDir,
        SFlag::S_IFREG if stat.st_size == 0 => UnlinkatFlags::NoRemoveDir,
        _ => return Ok(false),
    };
    match unlinkat(folder.as_fd(), name, flag) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes an empty folder that shows the same folder of a layer through.
fn remove_copy(root: &OwnedFd, lowers: &[OwnedFd], path: &Path) -> io::Result<bool> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
    let (Some(folder), Some(copy)) = (inside(root, above)?, inside(root, path)?) else { return Ok(false) };
    if get_xattr_at(&folder, name, c"trusted.overlay.opaque")?.is_some() {
        return Ok(false);
    }
    let mut original = None;
    for lower in lowers {
        original = inside(lower, path)?;
        if original.is_some() {
            break;
        }
    }
    let Some(original) = original else { return Ok(false) };
    let (copied, there) = (fstat(&copy)?, fstat(&original)?);
    let same = (copied.st_mode, copied.st_uid, copied.st_gid) == (there.st_mode, there.st_uid, there.st_gid);
    if same { remove_empty(&folder, name, &copied) } else { Ok(false) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    };

    use super::*;

    #[test]
    fn only_what_is_as_it_was_made_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, lower) = (dir.path().join("upper"), dir.path().join("lower"));
        for folder in ["etc", "run/made/deep", "kept/made", "changed"] {
            fs::create_dir_all(upper.join(folder)).unwrap();
        }
        for folder in ["etc", "run", "kept", "changed"] {
            fs::create_dir_all(lower.join(folder)).unwrap();
        }
        fs::set_permissions(upper.join("changed"), fs::Permissions::from_mode(0o700)).unwrap();
        for (file, text) in [("etc/hosts", ""), ("kept/file", "x"), ("changed/stub", ""), ("new", ""), ("kept/own", "")]
        {
            fs::write(upper.join(file), text).unwrap();
        }
        symlink(dir.path(), upper.join("out")).unwrap();
        fs::write(dir.path().join("outside"), "").unwrap();
        let made = |path: &str| {
            let inode = fs::symlink_metadata(upper.join(path)).map_or(7, |found| found.ino());
            Made { path: format!("/{path}"), inode }
        };
        let mut all: Vec<Made> = [
            "etc/hosts",
            "run/made",
            "run/made/deep",
            "kept/made",
            "kept/file",
            "changed/stub",
            "new",
            "gone",
            "out/outside",
        ]
        .map(made)
        .into();
        // Replaced by the step: another file of the same name.
        all.push(Made { path: "/kept/own".into(), inode: 1 });
        clear(&upper, &[lower], &all).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&upper).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["changed", "kept", "out"]);
        let mut kept: Vec<_> = fs::read_dir(upper.join("kept"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        kept.sort();
        assert_eq!(kept, ["file", "own"]);
        assert_eq!(fs::read_dir(upper.join("changed")).unwrap().count(), 0);
        assert!(dir.path().join("outside").exists());
    }
}
