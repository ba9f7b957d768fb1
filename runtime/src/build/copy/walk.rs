//! A tree as a list: each folder before what is inside it, names in order of their bytes.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use nix::{
    dir::Dir,
    fcntl::{AtFlags, OFlag, openat, readlinkat},
    sys::stat::{FileStat, Mode, SFlag, fstatat},
};

use super::Error;
use crate::build::ignore::Ignore;

/// Folders deep at most, and entries of one source.
const DEEPEST: usize = 512;
const MOST_ENTRIES: usize = 2_000_000;

/// What a thing is, and its metadata at the source.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Type bits.
    pub kind: SFlag,
    /// Permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Bytes on disk are fewer.
    pub sparse: bool,
    /// When it was changed: seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// A device's number.
    pub rdev: u64,
    /// File system and inode.
    pub identity: (u64, u64),
    /// When the inode was changed.
    pub ctime: (i64, i64),
    /// It has more names than one.
    pub linked: bool,
}

impl From<&FileStat> for Node {
    fn from(stat: &FileStat) -> Self {
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        let size = stat.st_size.unsigned_abs();
        Self {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size,
            sparse: stat.st_blocks.unsigned_abs() * 512 < size,
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            rdev: stat.st_rdev,
            identity: (stat.st_dev, stat.st_ino),
            ctime: (stat.st_ctime, stat.st_ctime_nsec),
            linked: kind == SFlag::S_IFREG && stat.st_nlink > 1,
        }
    }
}

/// One thing in a tree.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Folders above it in the list.
    pub depth: usize,
    /// Its name.
    pub name: Vec<u8>,
    /// Metadata.
    pub node: Node,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// A folder that is there only for what is inside: one that exists stays as it is.
    pub implied: bool,
}

/// What to leave out of a tree.
pub struct Leave<'a> {
    /// By path from the source's root.
    pub ignore: Option<&'a Ignore>,
    /// The tree's own path from the source's root.
    pub prefix: Vec<u8>,
    /// By path in the tree.
    pub excludes: &'a Ignore,
}

impl Leave<'_> {
    fn leaves_out(&self, path: &[u8]) -> bool {
        self.excludes.excludes(path) || self.ignore.is_some_and(|ignore| ignore.excludes(&joined(&self.prefix, path)))
    }

    /// Something below this folder, which is left out, may not be.
    fn takes_back(&self, path: &[u8]) -> bool {
        self.excludes.may_keep_below(path)
            || self.ignore.is_some_and(|ignore| ignore.may_keep_below(&joined(&self.prefix, path)))
    }
}

/// `a/b`, or `b` when there is no `a`.
pub fn joined(above: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(above.len() + 1 + name.len());
    path.extend_from_slice(above);
    if !above.is_empty() && !name.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Names in a folder, in order.
pub fn names(folder: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::openat(folder, ".", FOLDER, Mode::empty())?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// How folders are opened: never through a link.
pub const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

struct Level {
    folder: OwnedFd,
    names: VecDeque<Vec<u8>>,
    /// Length of the path of what is above.
    path: usize,
    /// The folder's own entry, if it goes when nothing inside is kept.
    unwanted: Option<usize>,
}

/// Lists what is inside `top`. Entries start at `depth`.
pub fn walk(top: OwnedFd, depth: usize, leave: &Leave<'_>, entries: &mut Vec<Entry>) -> Result<(), Error> {
    walk_from(top, Vec::new(), depth, leave, entries)
}

/// Like [`walk`], where `top` is itself at `path` in the tree.
pub fn walk_from(
    top: OwnedFd,
    mut path: Vec<u8>,
    depth: usize,
    leave: &Leave<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), Error> {
    let shown = |path: &[u8]| joined(&leave.prefix, path);
    let inside = names(&top).map_err(Error::io(&shown(&path)))?;
    let mut levels = vec![Level { folder: top, names: inside.into(), path: path.len(), unwanted: None }];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.names.pop_front() else {
            path.truncate(level.path);
            if let Some(own) = level.unwanted
                && entries.len() == own + 1
            {
                entries.pop();
            }
            levels.pop();
            continue;
        };
        let length = path.len();
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        let failed = |error: nix::Error| Error::io(&shown(&path))(error.into());
        let name_here = OsStr::from_bytes(&name);
        let stat = fstatat(&level.folder, name_here, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?;
        let node = Node::from(&stat);
        let is_folder = node.kind == SFlag::S_IFDIR;
        let out = leave.leaves_out(&path);
        if (out && !(is_folder && leave.takes_back(&path))) || node.kind == SFlag::S_IFSOCK {
            path.truncate(length);
            continue;
        }
        let link = if node.kind == SFlag::S_IFLNK {
            readlinkat(&level.folder, name_here).map_err(failed)?.as_bytes().to_vec()
        } else {
            Vec::new()
        };
        if entries.len() >= MOST_ENTRIES {
            return Err(Error::Limit("what is copied".to_owned(), format!("{MOST_ENTRIES} entries")));
        }
        let below = if is_folder {
            let folder = openat(&level.folder, name_here, FOLDER, Mode::empty()).map_err(failed)?;
            let names = names(&folder).map_err(Error::io(&shown(&path)))?;
            Some(Level { folder, names: names.into(), path: length, unwanted: out.then_some(entries.len()) })
        } else {
            None
        };
        entries.push(Entry { depth: depth + levels.len() - 1, name, node, link, implied: false });
        match below {
            Some(_) if levels.len() >= DEEPEST => {
                return Err(Error::Limit(super::shown(&shown(&path)), format!("{DEEPEST} folders deep")));
            }
            Some(below) => levels.push(below),
            None => path.truncate(length),
        }
    }
    Ok(())
}

/// Adds the thing at `path` below `top`, with the folders above it that `open` says are not in the list yet, and all
/// that is inside. Says whether anything was added.
pub fn add(
    top: &OwnedFd,
    path: &[Vec<u8>],
    leave: &Leave<'_>,
    open: &mut Vec<Vec<u8>>,
    entries: &mut Vec<Entry>,
) -> Result<bool, Error> {
    let whole = path.join(&b'/');
    let failed = |error: nix::Error| Error::io(&joined(&leave.prefix, &whole))(error.into());
    let start = entries.len();
    let known = open.iter().zip(path).take_while(|(a, b)| a == b).count().min(path.len().saturating_sub(1));
    let mut folder = openat(top, ".", FOLDER, Mode::empty()).map_err(failed)?;
    let mut kept = false;
    for (depth, name) in path.iter().enumerate() {
        let name_here = OsStr::from_bytes(name);
        let node = Node::from(&fstatat(&folder, name_here, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?);
        let is_folder = node.kind == SFlag::S_IFDIR;
        let last = depth + 1 == path.len();
        let mut entry = Entry { depth, name: name.clone(), node, link: Vec::new(), implied: !last };
        if last {
            let out = leave.leaves_out(&whole);
            if node.kind == SFlag::S_IFLNK {
                entry.link = readlinkat(&folder, name_here).map_err(failed)?.as_bytes().to_vec();
            }
            if node.kind == SFlag::S_IFSOCK || (out && !(is_folder && leave.takes_back(&whole))) {
                break;
            }
            entries.push(entry);
            kept = !out;
            if is_folder {
                let inside = openat(&folder, name_here, FOLDER, Mode::empty()).map_err(failed)?;
                let before = entries.len();
                walk_from(inside, whole.clone(), depth + 1, leave, entries)?;
                kept |= entries.len() > before;
            }
        } else {
            if depth >= known {
                entries.push(entry);
            }
            folder = openat(&folder, name_here, FOLDER, Mode::empty()).map_err(failed)?;
        }
    }
    if kept {
        *open = path[..path.len() - 1].to_vec();
    } else {
        entries.truncate(start);
    }
    Ok(kept)
}
