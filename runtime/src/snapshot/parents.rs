//! The folders a layer is written into: found inside the layer only, made where absent, kept open for a while.

use std::{
    collections::HashMap,
    ffi::{CStr, OsStr},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    rc::Rc,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag},
    sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstatat, mkdirat},
    unistd::{UnlinkatFlags, unlinkat},
};

use super::tree;
use crate::sys::path::{open_in_root, set_xattr_at};

/// Tells overlay that nothing of the folders below shows through.
pub const OPAQUE: &CStr = c"trusted.overlay.opaque";
const KEPT_PARENTS: usize = 64;

/// What has that name, links not followed.
pub fn existing(parent: BorrowedFd<'_>, name: &OsStr) -> nix::Result<Option<FileStat>> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Overlay's mark for: not there any more.
pub fn is_whiteout(stat: &FileStat) -> bool {
    tree::kind(stat) == SFlag::S_IFCHR && stat.st_rdev == 0
}

/// Descriptors of the folders written to most recently, by their path.
#[derive(Default)]
pub struct Parents {
    open: HashMap<Vec<u8>, (Rc<OwnedFd>, u64)>,
    tick: u64,
}

impl Parents {
    /// Descriptors of folders that may be gone, or were reached through what may be gone, are used no more.
    pub fn forget(&mut self) {
        self.open.clear();
    }

    /// The folder at `path`, made with those above it where absent.
    pub fn get(&mut self, root: &OwnedFd, path: &[u8]) -> io::Result<Rc<OwnedFd>> {
        self.tick += 1;
        if let Some((folder, used)) = self.open.get_mut(path) {
            *used = self.tick;
            return Ok(Rc::clone(folder));
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let open =
            || open_in_root(root, if path.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(path) }, flags);
        let folder = match open() {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
                    && !path.is_empty() =>
            {
                let cut = path.iter().rposition(|b| *b == b'/');
                let (above, name) = cut.map_or((&b""[..], path), |cut| (&path[..cut], &path[cut + 1..]));
                let above = self.get(root, above)?;
                let name = OsStr::from_bytes(name);
                let hidden = existing(above.as_fd(), name)?.is_some_and(|stat| is_whiteout(&stat));
                if hidden {
                    unlinkat(&above, name, UnlinkatFlags::NoRemoveDir)?;
                }
                match mkdirat(&above, name, Mode::S_IRWXU) {
                    Ok(()) if hidden => set_xattr_at(&above, name, OPAQUE, b"y")?,
                    Ok(()) => {}
                    Err(Errno::EEXIST) if error.kind() == io::ErrorKind::NotADirectory => return Err(error),
                    // It is there and can't be opened: a link to nothing. Nothing is created through it.
                    Err(Errno::EEXIST) => return Err(io::Error::other("a folder on the way is a dangling link")),
                    Err(errno) => return Err(errno.into()),
                }
                fchmodat(&above, name, Mode::from_bits_truncate(0o755), FchmodatFlags::FollowSymlink)?;
                open()?
            }
            result => result?,
        };
        if self.open.len() >= KEPT_PARENTS
            && let Some(oldest) = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(path, _)| path.clone())
        {
            self.open.remove(&oldest);
        }
        let folder = Rc::new(folder);
        self.open.insert(path.to_vec(), (Rc::clone(&folder), self.tick));
        Ok(folder)
    }
}
