//! Writes what was selected. Descriptors of both folders are held on the way down, so a file costs a dozen calls however
//! deep it is.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io::{self, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    time::{SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat},
    sys::{
        stat::{
            FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, fstatat, futimens, mkdirat, mknodat,
            utimensat,
        },
        time::TimeSpec,
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat},
};

use super::{
    CopyRequest, Error, Kind,
    content::Content,
    pick::{Body, Pick},
    place::{FILE, Place, Walk},
    shown,
    walk::{Entry, FOLDER, Node},
};
use crate::{
    build::add,
    sys::{
        open::{IN_ROOT, NO_MAGICLINKS, NO_SYMLINKS, openat2},
        xattr,
    },
};

/// Mode of a here-document's file.
pub const INLINE_MODE: u32 = 0o644;

/// Writes all picks into `target`.
pub fn write(
    picks: &[Pick<'_>],
    request: &CopyRequest,
    target: BorrowedFd<'_>,
    epoch: Option<i64>,
) -> Result<(), Error> {
    let dest = request.destination();
    let owner = request.chown.unwrap_or((0, 0));
    let mut walk = Walk::new(target, owner);
    let mut writer = Writer { request, epoch, content: Content::new(), links: HashMap::new() };
    for pick in picks {
        let folder = dest.ends_with(b"/") || !matches!(pick.body, Body::File(_) | Body::Other(_) | Body::Inline(_));
        let place = walk.to(&dest, folder).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOTDIR) => Error::OntoFile(shown(&dest)),
            _ => Error::io(&dest)(error),
        })?;
        writer.pick(pick, place, target, &dest)?;
    }
    walk.finish(epoch).map_err(Error::io(&dest))
}

struct Writer<'a> {
    request: &'a CopyRequest,
    epoch: Option<i64>,
    content: Content,
    /// First path of files with several names, below the folder the tree is written into.
    links: HashMap<(u64, u64), Vec<u8>>,
}

/// A folder on the way down.
struct Level {
    from: OwnedFd,
    to: OwnedFd,
    /// Length of the path of the folder above.
    path: usize,
    /// Metadata to be put on it once all is written inside.
    node: Option<Node>,
}

impl Writer<'_> {
    fn pick(&mut self, pick: &Pick<'_>, place: Place, target: BorrowedFd<'_>, dest: &[u8]) -> Result<(), Error> {
        let (parent, name, path) = match place {
            Place::Name(parent, name) => (parent, name, dest.to_vec()),
            Place::Folder(folder, path) => match &pick.body {
                Body::Tree(entries) => return self.tree(pick, entries, folder, dest),
                Body::Archive(_) => return self.archive(pick, path, target, dest),
                _ => (folder, OsStr::from_bytes(&pick.name).to_owned(), under(dest, &pick.name)),
            },
        };
        let path = &path[..];
        match &pick.body {
            Body::File(node) => {
                let mut from = pick.open().map_err(Error::io(&pick.from))?;
                self.file(pick.kind, &mut from, parent.as_fd(), &name, node, path)
            }
            Body::Other(node) => self.node(pick.kind, parent.as_fd(), &name, node, &[], path),
            Body::Inline(content) => self.inline(content, parent.as_fd(), &name, path),
            // Both are only written into folders.
            Body::Tree(_) | Body::Archive(_) => Err(Error::OntoFile(shown(path))),
        }
    }

    fn archive(&self, pick: &Pick<'_>, base: Vec<u8>, target: BorrowedFd<'_>, dest: &[u8]) -> Result<(), Error> {
        let from = pick.open().map_err(Error::io(&pick.from))?;
        add::extract(from, target, base, self.request.chown, self.epoch).map_err(|error| match error {
            add::Failure::Io(source) => Error::Io { path: shown(dest), source },
            add::Failure::Archive(source) => Error::Archive { path: shown(&pick.from), source },
        })
    }

    fn tree(&mut self, pick: &Pick<'_>, entries: &[Entry], into: OwnedFd, dest: &[u8]) -> Result<(), Error> {
        self.links.clear();
        let top = pick.open().map_err(Error::io(&pick.from))?;
        let mut path = Vec::new();
        let base = into.try_clone().map_err(Error::io(dest))?;
        let mut levels = vec![Level { from: top.into(), to: into, path: 0, node: None }];
        for entry in entries {
            while levels.len() > entry.depth + 1 {
                self.leave(pick.kind, levels.pop(), &mut path, dest)?;
            }
            let Some(level) = levels.last() else { break };
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&entry.name);
            let name = OsStr::from_bytes(&entry.name);
            let whole = || under(dest, &path);
            match entry.node.kind {
                SFlag::S_IFDIR => {
                    let (to, made) = folder(level.to.as_fd(), name, &whole)?;
                    let from = openat(&level.from, name, FOLDER, Mode::empty())
                        .map_err(|errno| Error::io(&whole())(errno.into()))?;
                    let node = (made || !entry.implied).then_some(entry.node);
                    levels.push(Level { from, to, path: length, node });
                    continue;
                }
                SFlag::S_IFREG => {
                    let first = entry.node.linked.then(|| self.links.get(&entry.node.identity)).flatten();
                    if let Some(first) = first {
                        link(&base, first, level.to.as_fd(), name, &whole())?;
                    } else {
                        let mut from: File = openat(&level.from, name, FILE, Mode::empty())
                            .map_err(|errno| Error::io(&whole())(errno.into()))?
                            .into();
                        self.file(pick.kind, &mut from, level.to.as_fd(), name, &entry.node, &whole())?;
                        if entry.node.linked {
                            self.links.insert(entry.node.identity, path.clone());
                        }
                    }
                }
                _ => self.node(pick.kind, level.to.as_fd(), name, &entry.node, &entry.link, &whole())?,
            }
            path.truncate(length);
        }
        while levels.len() > 1 {
            self.leave(pick.kind, levels.pop(), &mut path, dest)?;
        }
        Ok(())
    }

    /// Metadata of a folder comes last: writing inside changes its time.
    fn leave(&self, kind: Kind, level: Option<Level>, path: &mut Vec<u8>, dest: &[u8]) -> Result<(), Error> {
        let Some(level) = level else { return Ok(()) };
        if let Some(node) = level.node {
            self.metadata(kind, level.from.as_fd(), level.to.as_fd(), &node).map_err(Error::io(&under(dest, path)))?;
        }
        path.truncate(level.path);
        Ok(())
    }

    /// Owner before mode before attributes: a change of owner takes set-id bits and capabilities away.
    fn metadata(&self, kind: Kind, from: BorrowedFd<'_>, to: BorrowedFd<'_>, node: &Node) -> io::Result<()> {
        let (uid, gid) = owner(self.request, kind, node);
        fchown(to, Some(uid), Some(gid))?;
        fchmod(to, Mode::from_bits_truncate(mode(self.request, node)))?;
        let attributes = xattr::all(from)?;
        if !attributes.is_empty() {
            xattr::set_all(to, &attributes)?;
        }
        let time = self.time(node);
        Ok(futimens(to, &time, &time)?)
    }

    fn time(&self, node: &Node) -> TimeSpec {
        let (seconds, nanos) = node.mtime;
        match self.epoch {
            Some(epoch) if epoch < seconds => TimeSpec::new(epoch, 0),
            _ => TimeSpec::new(seconds, nanos),
        }
    }

    fn file(
        &mut self,
        kind: Kind,
        from: &mut File,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        node: &Node,
        path: &[u8],
    ) -> Result<(), Error> {
        let mut to = create(parent, name, path)?;
        self.content
            .copy(from, &mut to, node)
            .and_then(|()| self.metadata(kind, from.as_fd(), to.as_fd(), node))
            .map_err(Error::io(path))
    }

    fn inline(&self, content: &[u8], parent: BorrowedFd<'_>, name: &OsStr, path: &[u8]) -> Result<(), Error> {
        let mut to = create(parent, name, path)?;
        let (uid, gid) = self.request.chown.unwrap_or((0, 0));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        let time = TimeSpec::new(self.epoch.map_or(now, |epoch| epoch.min(now)), 0);
        (|| {
            to.write_all(content)?;
            fchown(&to, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            fchmod(&to, Mode::from_bits_truncate(inline_mode(self.request)))?;
            Ok(futimens(&to, &time, &time)?)
        })()
        .map_err(Error::io(path))
    }

    /// A link, a device or a fifo.
    fn node(
        &self,
        kind: Kind,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        node: &Node,
        link: &[u8],
        path: &[u8],
    ) -> Result<(), Error> {
        let is_link = node.kind == SFlag::S_IFLNK;
        make(parent, name, path, || {
            if is_link {
                symlinkat(OsStr::from_bytes(link), parent, name)
            } else {
                mknodat(parent, name, node.kind, Mode::empty(), node.rdev)
            }
        })?;
        let (uid, gid) = owner(self.request, kind, node);
        let time = self.time(node);
        (|| {
            fchownat(parent, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if !is_link {
                let mode = Mode::from_bits_truncate(mode(self.request, node));
                fchmodat(parent, name, mode, FchmodatFlags::FollowSymlink)?;
            }
            utimensat(parent, name, &time, &time, UtimensatFlags::NoFollowSymlink)
        })()
        .map_err(|errno| Error::io(path)(errno.into()))
    }
}

/// A path below the destination, as people see it.
fn under(dest: &[u8], path: &[u8]) -> Vec<u8> {
    [dest.strip_suffix(b"/").unwrap_or(dest), b"/", path].concat()
}

/// Who will own it.
pub fn owner(request: &CopyRequest, kind: Kind, node: &Node) -> (Uid, Gid) {
    let (uid, gid) = request.chown.unwrap_or(match kind {
        Kind::Context => (0, 0),
        Kind::Layers => (node.uid, node.gid),
    });
    (Uid::from_raw(uid), Gid::from_raw(gid))
}

/// The permissions it will have.
pub fn mode(request: &CopyRequest, node: &Node) -> u32 {
    let is_folder = node.kind == SFlag::S_IFDIR;
    request.chmod.as_ref().map_or(node.mode, |chmod| chmod.apply(node.mode, is_folder))
}

/// The permissions a here-document's file will have.
pub fn inline_mode(request: &CopyRequest) -> u32 {
    request.chmod.as_ref().map_or(INLINE_MODE, |chmod| chmod.apply(INLINE_MODE, false))
}

/// Opens the folder of that name, making it where there is none; says whether it did.
fn folder(parent: BorrowedFd<'_>, name: &OsStr, path: &dyn Fn() -> Vec<u8>) -> Result<(OwnedFd, bool), Error> {
    let made = match mkdirat(parent, name, Mode::S_IRWXU) {
        Ok(()) => true,
        Err(Errno::EEXIST) => false,
        Err(errno) => return Err(Error::io(&path())(errno.into())),
    };
    match openat(parent, name, FOLDER, Mode::empty()) {
        Ok(folder) => Ok((folder, made)),
        Err(Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO) => Err(Error::OntoFile(shown(&path()))),
        Err(errno) => Err(Error::io(&path())(errno.into())),
    }
}

/// Creates what the name is not yet; anything but a folder makes room.
fn make<T>(parent: BorrowedFd<'_>, name: &OsStr, path: &[u8], create: impl Fn() -> nix::Result<T>) -> Result<T, Error> {
    let failed = |errno: Errno| Error::io(path)(errno.into());
    match create() {
        Err(Errno::EEXIST) => {
            let stat = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?;
            if Node::from(&stat).kind == SFlag::S_IFDIR {
                return Err(Error::OntoFolder(shown(path)));
            }
            unlinkat(parent, name, UnlinkatFlags::NoRemoveDir).map_err(failed)?;
            create().map_err(failed)
        }
        made => made.map_err(failed),
    }
}

fn create(parent: BorrowedFd<'_>, name: &OsStr, path: &[u8]) -> Result<File, Error> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(make(parent, name, path, || openat(parent, name, flags, Mode::S_IRUSR | Mode::S_IWUSR))?.into())
}

/// Another name for the file at `first` below `base`.
fn link(base: &OwnedFd, first: &[u8], parent: BorrowedFd<'_>, name: &OsStr, path: &[u8]) -> Result<(), Error> {
    let cut = first.iter().rposition(|b| *b == b'/');
    let (above, old) = cut.map_or((&b"."[..], first), |cut| (&first[..cut], &first[cut + 1..]));
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let above = openat2(base, OsStr::from_bytes(above), flags, 0, IN_ROOT | NO_SYMLINKS | NO_MAGICLINKS)
        .map_err(Error::io(path))?;
    make(parent, name, path, || linkat(&above, OsStr::from_bytes(old), parent, name, AtFlags::empty()))
}
