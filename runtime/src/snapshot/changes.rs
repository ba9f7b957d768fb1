//! What an overlay's upper folder changes of what is below it, as `docker diff` says it.
//!
//! Names and kinds only: a file in the upper counts as changed, its content isn't compared. A folder counts as changed
//! when its owner or permissions are others, or when something in it is said to be changed.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
};

use nix::{
    fcntl::AtFlags,
    sys::stat::{FileStat, SFlag, fstatat},
};

use super::{
    parents::{OPAQUE, existing, is_whiteout},
    tree,
    untar::Limits,
};
use crate::{
    sys::path::xattr,
    view::{Change, ChangeKind},
};

/// Compares `upper` with the merged tree `lower`, if there is one. `omitted` paths are passed over. Sorted by path.
pub fn changes(upper: &OwnedFd, lower: Option<&OwnedFd>, omitted: &BTreeSet<Vec<u8>>) -> io::Result<Vec<Change>> {
    let here = OsStr::new(".");
    let lower = lower.map(|lower| tree::open_folder(lower, here)).transpose()?;
    let mut walk = Walk { omitted, path: Vec::new(), found: Vec::new() };
    walk.folder(&tree::open_folder(upper, here)?, lower.as_ref(), 0)?;
    let mut found = walk.found;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

struct Walk<'a> {
    omitted: &'a BTreeSet<Vec<u8>>,
    path: Vec<u8>,
    found: Vec<Change>,
}

impl Walk<'_> {
    fn say(&mut self, kind: ChangeKind) {
        self.found.push(Change { kind, path: PathBuf::from(OsStr::from_bytes(&[b"/", &self.path[..]].concat())) });
    }

    fn enter(&mut self, name: &OsStr) -> usize {
        let len = self.path.len();
        if len > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.as_bytes());
        len
    }

    /// Says whether anything was found that is more than a folder the engine's own files are in.
    fn folder(&mut self, upper: &OwnedFd, lower: Option<&OwnedFd>, depth: usize) -> io::Result<Inside> {
        if depth > Limits::default().depth {
            return Err(io::Error::other("too many folders deep"));
        }
        let before = self.found.len();
        let mut inside = Inside::default();
        let names = tree::names(tree::open_folder(upper, OsStr::new("."))?)?;
        for name in &names {
            let len = self.enter(name);
            if self.omitted.contains(&self.path) {
                inside.omitted = true;
            } else {
                self.entry(upper, lower, name, depth)?;
            }
            self.path.truncate(len);
        }
        if let Some(lower) = lower
            && xattr(upper, OPAQUE)?.as_deref() == Some(b"y")
        {
            let kept: BTreeSet<&OsString> = names.iter().collect();
            for name in tree::names(tree::open_folder(lower, OsStr::new("."))?)?.iter().filter(|n| !kept.contains(n)) {
                let len = self.enter(name);
                self.say(ChangeKind::Deleted);
                self.path.truncate(len);
            }
        }
        inside.changed = self.found.len() > before;
        Ok(inside)
    }

    fn entry(&mut self, upper: &OwnedFd, lower: Option<&OwnedFd>, name: &OsStr, depth: usize) -> io::Result<()> {
        // A container may be writing here: what vanishes meanwhile is not there.
        let Some(stat) = existing(upper.as_fd(), name)? else { return Ok(()) };
        let old = match lower {
            Some(lower) => fstatat(lower, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok(),
            None => None,
        };
        if is_whiteout(&stat) {
            if old.is_some() {
                self.say(ChangeKind::Deleted);
            }
            return Ok(());
        }
        let is_folder = |stat: &FileStat| tree::kind(stat) == SFlag::S_IFDIR;
        if !is_folder(&stat) {
            self.say(if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added });
            return Ok(());
        }
        let Ok(folder) = tree::open_folder(upper, name) else { return Ok(()) };
        let below = old.filter(is_folder).and(lower).and_then(|lower| tree::open_folder(lower, name).ok());
        let inside = self.folder(&folder, below.as_ref(), depth + 1)?;
        let meta = |stat: &FileStat| (stat.st_mode, stat.st_uid, stat.st_gid);
        match old {
            Some(old) if inside.changed || meta(&old) != meta(&stat) => self.say(ChangeKind::Modified),
            Some(_) => {}
            // A folder that is only there for what the engine puts into it.
            None if inside.omitted && !inside.changed => {}
            None => self.say(ChangeKind::Added),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Inside {
    changed: bool,
    omitted: bool,
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
