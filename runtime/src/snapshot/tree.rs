//! Trees of files that strangers made: counted and removed without recursion and with few descriptors, however deep.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
    unistd::{UnlinkatFlags, unlinkat},
};

use crate::{
    durable::fresh_name,
    sys::open::{NO_MAGICLINKS, NO_SYMLINKS, openat2},
};

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Folders held open at once at most where a tree is walked by descriptors.
const DEEPEST: usize = 512;

/// Opens a folder, never through a link.
pub fn open_folder(dir: impl AsFd, name: &OsStr) -> nix::Result<OwnedFd> {
    openat(dir, name, FOLDER, Mode::empty())
}

/// Opens a folder by its path on the host.
pub fn open_path(path: &Path) -> io::Result<OwnedFd> {
    Ok(nix::fcntl::open(path, FOLDER, Mode::empty())?)
}

/// What a folder has, in no order. Moves the descriptor's place in the folder.
pub fn names(folder: OwnedFd) -> nix::Result<Vec<OsString>> {
    let mut dir = Dir::from_fd(folder)?;
    let mut names = Vec::new();
    for entry in dir.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// A folder below `root`, reached without links, that has nothing in it.
pub fn is_empty_folder(root: &OwnedFd, path: &str) -> bool {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let folder = openat2(root, path, flags, 0, NO_SYMLINKS | NO_MAGICLINKS);
    folder.is_ok_and(|folder| names(folder).is_ok_and(|names| names.is_empty()))
}

/// The mode's file type bits.
pub fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Removes `name` in `dir`, whatever it is. Folders found inside are first moved to `trash` (a folder of the same file
/// system), so neither depth nor a long path matters. Absent is success.
pub fn remove(dir: impl AsFd, name: &OsStr, trash: impl AsFd) -> io::Result<()> {
    match unlinkat(dir.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let first = OsString::from(fresh_name("x-"));
    renameat(dir.as_fd(), name, trash.as_fd(), first.as_os_str())?;
    empty(trash.as_fd(), vec![first])
}

/// Removes `name` in `dir`, whatever it is, moving nothing: for trees that are merged of others, where folders can't be
/// renamed. Absent is success; a tree of more than `DEEPEST` folders is refused.
pub fn remove_in_place(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(dir.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut levels = vec![level(open_folder(dir.as_fd(), name)?)?];
    let mut entered: Vec<OsString> = Vec::new();
    while !levels.is_empty() {
        let depth = levels.len();
        let (folder, waiting) = &mut levels[depth - 1];
        let Some(inner) = waiting.pop() else {
            levels.pop();
            let parent = levels.last().map_or(dir.as_fd(), |(folder, _)| folder.as_fd());
            let gone = entered.pop();
            unlinkat(parent, gone.as_deref().unwrap_or(name), UnlinkatFlags::RemoveDir)?;
            continue;
        };
        match unlinkat(&*folder, inner.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(Errno::EISDIR | Errno::EPERM) if depth < DEEPEST => {
                let below = level(open_folder(&*folder, &inner)?)?;
                levels.push(below);
                entered.push(inner);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn level(folder: OwnedFd) -> io::Result<(OwnedFd, Vec<OsString>)> {
    let inside = names(folder.try_clone()?)?;
    Ok((folder, inside))
}

/// Removes everything in `trash`.
pub fn empty_trash(trash: impl AsFd) -> io::Result<()> {
    let folder = open_folder(trash.as_fd(), OsStr::new("."))?;
    empty(trash.as_fd(), names(folder)?)
}

fn empty(trash: impl AsFd, mut waiting: Vec<OsString>) -> io::Result<()> {
    while let Some(name) = waiting.pop() {
        match unlinkat(trash.as_fd(), name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => continue,
            Err(Errno::EISDIR | Errno::EPERM) => {}
            Err(errno) => return Err(errno.into()),
        }
        let folder = open_folder(trash.as_fd(), &name)?;
        for inner in names(folder.try_clone()?)? {
            match unlinkat(&folder, inner.as_os_str(), UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(Errno::EISDIR | Errno::EPERM) => {
                    let aside = OsString::from(fresh_name("x-"));
                    renameat(&folder, inner.as_os_str(), trash.as_fd(), aside.as_os_str())?;
                    waiting.push(aside);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        unlinkat(trash.as_fd(), name.as_os_str(), UnlinkatFlags::RemoveDir)?;
    }
    Ok(())
}

/// Bytes a tree takes on disk: blocks, hard links once, other file systems left out. An absent tree takes none.
///
/// The tree may change meanwhile; what vanishes is not counted.
pub fn disk_usage(path: &Path) -> io::Result<u64> {
    struct Level {
        identity: (u64, u64),
        folders: Vec<OsString>,
    }
    let root = match open_path(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        result => result?,
    };
    let top = fstat(&root)?;
    let mut linked = HashSet::new();
    let mut blocks = top.st_blocks.unsigned_abs();
    let mut here = root;
    let mut levels: Vec<Level> = Vec::new();
    let mut entering = Some((top.st_dev, top.st_ino));
    loop {
        if let Some(identity) = entering.take() {
            let mut folders = Vec::new();
            for name in names(open_folder(&here, OsStr::new("."))?)? {
                let stat = match fstatat(&here, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                    Ok(stat) => stat,
                    Err(Errno::ENOENT) => continue,
                    Err(errno) => return Err(errno.into()),
                };
                if stat.st_dev != top.st_dev {
                    continue;
                }
                let folder = kind(&stat) == SFlag::S_IFDIR;
                if folder || stat.st_nlink < 2 || linked.insert(stat.st_ino) {
                    blocks += stat.st_blocks.unsigned_abs();
                }
                if folder {
                    folders.push(name);
                }
            }
            levels.push(Level { identity, folders });
        }
        let Some(level) = levels.last_mut() else { break };
        if let Some(name) = level.folders.pop() {
            // A folder that has gone or become something else meanwhile is passed over.
            if let Ok(folder) = open_folder(&here, &name) {
                let stat = fstat(&folder)?;
                if stat.st_dev == top.st_dev {
                    here = folder;
                    entering = Some((stat.st_dev, stat.st_ino));
                }
            }
            continue;
        }
        levels.pop();
        let Some(above) = levels.last() else { break };
        let up = open_folder(&here, OsStr::new(".."))?;
        let stat = fstat(&up)?;
        if (stat.st_dev, stat.st_ino) != above.identity {
            return Err(io::Error::other("the tree was moved while it was counted"));
        }
        here = up;
    }
    Ok(blocks * 512)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use nix::sys::stat::mkdirat;

    use super::*;

    /// A chain of folders far deeper than a path can say.
    fn abyss(root: &Path, depth: usize) {
        let mut here = open_path(root).unwrap();
        for _ in 0..depth {
            mkdirat(&here, "ddddddddd", Mode::S_IRWXU).unwrap();
            here = open_folder(&here, OsStr::new("ddddddddd")).unwrap();
        }
        drop(openat(&here, "file", OFlag::O_CREAT | OFlag::O_WRONLY, Mode::S_IRWXU).unwrap());
    }

    #[test]
    fn a_very_deep_tree_is_counted_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let trash = folder.path().join("trash");
        let tree = folder.path().join("tree");
        fs::create_dir(&trash).unwrap();
        fs::create_dir(&tree).unwrap();
        abyss(&tree, 3000);
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/kept"), b"x").unwrap();
        std::os::unix::fs::symlink("../outside", tree.join("link")).unwrap();
        assert!(disk_usage(&tree).unwrap() >= 3000 * 4096);
        remove(open_path(folder.path()).unwrap(), OsStr::new("tree"), open_path(&trash).unwrap()).unwrap();
        remove(open_path(folder.path()).unwrap(), OsStr::new("tree"), open_path(&trash).unwrap()).unwrap();
        assert!(!tree.exists());
        assert_eq!(fs::read_dir(&trash).unwrap().count(), 0);
        assert!(folder.path().join("outside/kept").exists(), "links are removed, not followed");
    }

    #[test]
    fn hard_links_and_holes_are_counted_truly() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disk_usage(&folder.path().join("absent")).unwrap(), 0);
        let empty = disk_usage(folder.path()).unwrap();
        fs::write(folder.path().join("a"), vec![1; 1 << 20]).unwrap();
        fs::File::open(folder.path().join("a")).unwrap().sync_all().unwrap();
        let one = disk_usage(folder.path()).unwrap();
        assert!((1 << 20..(1 << 20) + 65536).contains(&(one - empty)), "{one} {empty}");
        fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
        fs::File::create(folder.path().join("hole")).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(disk_usage(folder.path()).unwrap(), one);
    }
}
