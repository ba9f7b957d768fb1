//! Places in the target: found through links as inside its root, one name at a time, folders made on the way.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, readlinkat},
    sys::{
        stat::{Mode, SFlag, fchmod, fstatat, futimens, mkdirat},
        time::TimeSpec,
    },
    unistd::{Gid, Uid, fchown},
};

use super::{Error, parts::parts, walk::FOLDER};

const MOST_LINKS: usize = 40;

/// What is at a place.
pub enum Place {
    /// A folder, existing or made, and its path from the root without links.
    Folder(OwnedFd, Vec<u8>),
    /// A name in a folder; nothing, or something that is neither folder nor link.
    Name(OwnedFd, OsString),
}

/// A walk from the root. Unlike the kernel's own it goes through a link to nowhere, making where it leads.
pub struct Walk<'a> {
    root: BorrowedFd<'a>,
    owner: (u32, u32),
    /// Folders that were made.
    pub made: Vec<OwnedFd>,
}

impl<'a> Walk<'a> {
    /// Folders that are missing will be `owner`'s.
    pub fn new(root: BorrowedFd<'a>, owner: (u32, u32)) -> Self {
        Self { root, owner, made: Vec::new() }
    }

    /// Goes to `path`; with `folder` its end is made a folder too.
    pub fn to(&mut self, path: &[u8], folder: bool) -> io::Result<Place> {
        let mut here = vec![openat(self.root, ".", FOLDER, Mode::empty())?];
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut waiting: VecDeque<Vec<u8>> = path.split(|b| *b == b'/').map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(name) = waiting.pop_front() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    if here.len() > 1 {
                        here.pop();
                        names.pop();
                    }
                    continue;
                }
                _ => {}
            }
            let parent = here.last().map_or(self.root, AsFd::as_fd);
            let name_here = OsStr::from_bytes(&name);
            let last = waiting.iter().all(|rest| matches!(&rest[..], b"" | b"."));
            let kind = match fstatat(parent, name_here, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => Some(SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT),
                Err(Errno::ENOENT) => None,
                Err(errno) => return Err(errno.into()),
            };
            match kind {
                Some(SFlag::S_IFDIR) => {
                    let inner = openat(parent, name_here, FOLDER, Mode::empty())?;
                    here.push(inner);
                    names.push(name);
                }
                Some(SFlag::S_IFLNK) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::ELOOP.into());
                    }
                    let target = readlinkat(parent, name_here)?.into_vec();
                    if target.starts_with(b"/") {
                        here.truncate(1);
                        names.clear();
                    }
                    for part in target.split(|b| *b == b'/').rev() {
                        waiting.push_front(part.to_vec());
                    }
                }
                _ if last && !folder => {
                    let parent = here.pop().ok_or(Errno::ENOENT)?;
                    return Ok(Place::Name(parent, OsString::from_vec(name)));
                }
                Some(_) => return Err(Errno::ENOTDIR.into()),
                None => {
                    let inner = self.make(parent, name_here)?;
                    here.push(inner);
                    names.push(name);
                }
            }
        }
        let folder = here.pop().ok_or(Errno::ENOENT)?;
        Ok(Place::Folder(folder, names.join(&b'/')))
    }

    fn make(&mut self, parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
        mkdirat(parent, name, Mode::S_IRWXU)?;
        let folder = openat(parent, name, FOLDER, Mode::empty())?;
        fchown(&folder, Some(Uid::from_raw(self.owner.0)), Some(Gid::from_raw(self.owner.1)))?;
        fchmod(&folder, Mode::from_bits_truncate(0o755))?;
        self.made.push(folder.try_clone()?);
        Ok(folder)
    }

    /// Gives folders that were made a time, once all is written into them.
    pub fn finish(&mut self, epoch: Option<i64>) -> io::Result<()> {
        for folder in self.made.drain(..) {
            if let Some(epoch) = epoch {
                let time = TimeSpec::new(epoch, 0);
                futimens(&folder, &time, &time)?;
            }
        }
        Ok(())
    }
}

/// WORKDIR: makes the folder and those above it where they are missing, for `owner`.
pub fn make_workdir(target: BorrowedFd<'_>, path: &[u8], owner: (u32, u32), epoch: Option<i64>) -> Result<(), Error> {
    let mut walk = Walk::new(target, owner);
    let path = [b"/", &parts(path).join(&b'/')[..]].concat();
    let made = walk.to(&path, true).and_then(|_| walk.finish(epoch));
    made.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOTDIR) => Error::OntoFile(super::shown(&path)),
        _ => Error::io(&path)(error),
    })
}

/// Opens a file to be read; a fifo put there instead holds nobody up.
pub const FILE: OFlag = OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);
