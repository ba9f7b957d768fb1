//! A folder as a tar stream: the counterpart of `untar`.
//!
//! **Layer tar format 1.** Diff ids of layers whose tar isn't kept are hashes of what is written here, so the same
//! folder must give the same bytes for ever. A change is a new format beside this one, chosen per layer.
//! - ustar; PAX records (sorted by key) only for what doesn't fit: long paths and targets, sizes, ids, times before
//!   1970, attributes. Bytes that aren't UTF-8 stay as they are. No user or group names. Two empty blocks at the end.
//! - A folder comes before what is in it; names in a folder are sorted by their bytes.
//! - Whole seconds. Attributes: `security.capability` and `user.*`. Holes are zeros. Sockets are left out.
//! - A file with several names is written at its first one, the others are hard links to that.
//! - The root is written only where it is not what an empty layer has: 0755, 0:0, no attributes.
//! - Of a layer: a 0:0 device is `.wh.<name>`, an opaque folder has `.wh..wh..opq` first, both empty files with nothing
//!   but zeros; what itself is called `.wh.*` is left out, since it can't be told from those.
//!
//! What is read may be written to by a container meanwhile, so nothing is followed or crossed: every entry is opened in
//! its held folder without following links, a file that shrinks is filled up with zeros, what vanishes is left out.
//! Where strangers can make devices, read through a mount with `nodev`.

pub mod named;

use std::{
    collections::{BTreeSet, HashMap},
    ffi::{CString, OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, readlinkat},
    sys::{
        stat::{FileStat, Mode, SFlag, UtimensatFlags, fstat, fstatat, futimens, major, minor, utimensat},
        time::TimeSpec,
    },
};

use super::{
    header::{Header, Kind, padding},
    live,
    parents::{OPAQUE, is_whiteout},
    tree,
    untar::Limits,
};
use crate::sys::path::{remove_xattr, remove_xattr_at, xattr, xattr_names};

const BUFFER_BYTES: usize = 1 << 20;
const OVERLAY: &[u8] = b"trusted.overlay.";
/// What overlay sets on links and special files it copied up.
const ORIGIN: &std::ffi::CStr = c"trusted.overlay.origin";

/// Why a folder could not become a tar.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something can't be read.
    #[error("entry {entry:?}: {source}")]
    Entry {
        /// Its path.
        entry: String,
        /// Why.
        source: io::Error,
    },
    /// Something has no place in a tar.
    #[error("entry {entry:?}: {why}")]
    Refused {
        /// Its path.
        entry: String,
        /// Why.
        why: &'static str,
    },
    /// Whoever gets the tar takes no more.
    #[error("the tar can't be written: {0}")]
    Write(#[source] io::Error),
}

/// How a folder is to be understood.
#[derive(Clone, Copy, Debug)]
pub enum Dialect {
    /// As a layer of an overlay.
    Layer,
    /// As a layer that becomes the engine's own while it is read: overlay's bookkeeping is taken off, times later than
    /// this second become it.
    Adopted(Option<i64>),
    /// As a whole file system.
    Tree,
}

/// Writes everything below `root`.
pub fn pack(root: impl AsFd, dialect: Dialect, to: impl Write) -> Result<(), Error> {
    pack_without(root, dialect, &BTreeSet::new(), to)
}

/// As [`pack`], leaving out these paths and what is below them.
pub fn pack_without(
    root: impl AsFd,
    dialect: Dialect,
    omitted: &BTreeSet<Vec<u8>>,
    to: impl Write,
) -> Result<(), Error> {
    let root = tree::open_folder(root, OsStr::new(".")).map_err(|errno| failed(b".", errno.into()))?;
    let out = Out { to, buffer: vec![0; BUFFER_BYTES], filled: 0 };
    let mut packer = Packer { out, dialect, links: HashMap::new(), path: Vec::new(), header: Vec::new(), first_id: 0 };
    packer.root(&root)?;
    let mut levels = vec![Level::read(root, 0).map_err(|errno| failed(b".", errno.into()))?];
    while let Some(level) = levels.last_mut() {
        packer.path.truncate(level.path_len);
        let Some(name) = level.names.pop() else {
            levels.pop();
            continue;
        };
        if !packer.path.is_empty() {
            packer.path.push(b'/');
        }
        packer.path.extend_from_slice(name.as_bytes());
        if omitted.contains(&packer.path) {
            continue;
        }
        if let Some(folder) = packer.entry(level.folder.as_fd(), &name)? {
            if levels.len() > Limits::default().depth {
                return Err(Error::Refused { entry: shown(&packer.path), why: "too many folders deep" });
            }
            let level = Level::read(folder, packer.path.len());
            levels.push(level.map_err(|errno| failed(&packer.path, errno.into()))?);
        }
    }
    packer.out.zeros(2 * super::header::BLOCK)?;
    packer.out.flush()
}

/// A folder being written, and which of its names are still to come, last first.
struct Level {
    folder: OwnedFd,
    names: Vec<OsString>,
    path_len: usize,
}

impl Level {
    fn read(folder: OwnedFd, path_len: usize) -> nix::Result<Self> {
        let mut names = tree::names(tree::open_folder(&folder, OsStr::new("."))?)?;
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self { folder, names, path_len })
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn failed(path: &[u8], source: io::Error) -> Error {
    Error::Entry { entry: shown(path), source }
}

struct Packer<W> {
    out: Out<W>,
    dialect: Dialect,
    links: HashMap<(u64, u64), Vec<u8>>,
    path: Vec<u8>,
    header: Vec<u8>,
    /// The host's id of the tree's id 0.
    first_id: u32,
}

/// Attributes that are written, and whether the folder is opaque.
#[derive(Default)]
struct Attributes {
    kept: Vec<(Vec<u8>, Vec<u8>)>,
    opaque: bool,
}

impl<W: Write> Packer<W> {
    fn is_layer(&self) -> bool {
        !matches!(self.dialect, Dialect::Tree)
    }

    fn fail(&self, error: impl Into<io::Error>) -> Error {
        failed(&self.path, error.into())
    }

    fn root(&mut self, root: &OwnedFd) -> Result<(), Error> {
        let stat = fstat(root).map_err(|errno| self.fail(errno))?;
        let attributes = self.attributes(root)?;
        let mtime = self.clamp(&stat, |time| futimens(root, &TimeSpec::UTIME_OMIT, time))?;
        if (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid) != (0o755, 0, 0) || !attributes.kept.is_empty() {
            self.header(Kind::Folder, &stat, mtime, &attributes.kept)?;
        }
        if attributes.opaque { self.mark(b".wh..wh..opq") } else { Ok(()) }
    }

    /// Writes one entry. Returns the folder if it is one.
    fn entry(&mut self, parent: BorrowedFd<'_>, name: &OsStr) -> Result<Option<OwnedFd>, Error> {
        if self.is_layer() && name.as_bytes().starts_with(b".wh.") {
            return Ok(None);
        }
        let stat = match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(None),
            stat => stat.map_err(|errno| self.fail(errno))?,
        };
        match tree::kind(&stat) {
            SFlag::S_IFDIR => return self.folder(parent, name),
            SFlag::S_IFREG => self.file(parent, name)?,
            _ if is_whiteout(&stat) => {
                if self.is_layer() {
                    let at = self.path.len() - name.len();
                    self.path.splice(at..at, *b".wh.");
                    self.empty()?;
                }
            }
            SFlag::S_IFSOCK => {}
            kind => self.node(parent, name, &stat, kind)?,
        }
        Ok(None)
    }

    fn folder(&mut self, parent: BorrowedFd<'_>, name: &OsStr) -> Result<Option<OwnedFd>, Error> {
        let folder = match tree::open_folder(parent, name) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
            folder => folder.map_err(|errno| self.fail(errno))?,
        };
        let stat = fstat(&folder).map_err(|errno| self.fail(errno))?;
        let attributes = self.attributes(&folder)?;
        let mtime = self.clamp(&stat, |time| futimens(&folder, &TimeSpec::UTIME_OMIT, time))?;
        self.header(Kind::Folder, &stat, mtime, &attributes.kept)?;
        if attributes.opaque {
            self.mark(b"/.wh..wh..opq")?;
        }
        Ok(Some(folder))
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = match openat(parent, name, flags, Mode::empty()) {
            // Gone, or now a link or a socket.
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENXIO) => return Ok(()),
            file => File::from(file.map_err(|errno| self.fail(errno))?),
        };
        let stat = fstat(&file).map_err(|errno| self.fail(errno))?;
        if tree::kind(&stat) != SFlag::S_IFREG {
            return Ok(());
        }
        if self.linked(&stat)? {
            return Ok(());
        }
        let attributes = self.attributes(&file)?;
        let mtime = self.clamp(&stat, |time| futimens(&file, &TimeSpec::UTIME_OMIT, time))?;
        let size = stat.st_size.unsigned_abs();
        self.header(Kind::File(size), &stat, mtime, &attributes.kept)?;
        self.out.content(&file, size, &self.path)?;
        self.out.zeros(padding(size))
    }

    /// A link or a special file.
    fn node(&mut self, parent: BorrowedFd<'_>, name: &OsStr, stat: &FileStat, kind: SFlag) -> Result<(), Error> {
        if self.linked(stat)? {
            return Ok(());
        }
        let target;
        let device = (major(stat.st_rdev), minor(stat.st_rdev));
        let kind = match kind {
            SFlag::S_IFLNK => {
                target = match readlinkat(parent, name) {
                    Err(Errno::ENOENT | Errno::EINVAL) => return Ok(()),
                    target => target.map_err(|errno| self.fail(errno))?.into_vec(),
                };
                Kind::Symlink(&target)
            }
            SFlag::S_IFCHR => Kind::Char(device.0, device.1),
            SFlag::S_IFBLK => Kind::Block(device.0, device.1),
            SFlag::S_IFIFO => Kind::Fifo,
            _ => return Err(Error::Refused { entry: shown(&self.path), why: "its kind is not known" }),
        };
        if matches!(self.dialect, Dialect::Adopted(_)) {
            remove_xattr_at(parent, name, ORIGIN).map_err(|error| self.fail(error))?;
        }
        let set =
            |time: &TimeSpec| utimensat(parent, name, &TimeSpec::UTIME_OMIT, time, UtimensatFlags::NoFollowSymlink);
        let mtime = self.clamp(stat, set)?;
        self.header(kind, stat, mtime, &[])
    }

    /// Writes a hard link if the file was written under another name.
    fn linked(&mut self, stat: &FileStat) -> Result<bool, Error> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let identity = (stat.st_dev, stat.st_ino);
        let Some(first) = self.links.get(&identity) else {
            self.links.insert(identity, self.path.clone());
            return Ok(false);
        };
        let mtime = self.clamped(stat);
        let header = header(&self.path, Kind::Link(first), &self.owned(stat), mtime, &[]);
        header.encode(&mut self.header);
        self.send()?;
        Ok(true)
    }

    fn attributes(&self, file: impl AsFd) -> Result<Attributes, Error> {
        let mut found = Attributes::default();
        let mut names = xattr_names(&file).map_err(|error| self.fail(error))?;
        names.sort_unstable();
        for name in names {
            let bytes = name.as_bytes();
            if bytes == b"security.capability" || bytes.starts_with(b"user.") {
                // PAX can't say a name that has an equals sign in it.
                if !bytes.contains(&b'=')
                    && let Some(value) = xattr(&file, &name).map_err(|error| self.fail(error))?
                {
                    found.kept.push((bytes.to_vec(), value));
                }
            } else if bytes.starts_with(OVERLAY) && self.is_layer() {
                self.overlay(&file, &name, &mut found)?;
            }
        }
        Ok(found)
    }

    fn overlay(&self, file: impl AsFd, name: &CString, found: &mut Attributes) -> Result<(), Error> {
        match &name.as_bytes()[OVERLAY.len()..] {
            b"opaque" => {
                let value = xattr(&file, OPAQUE).map_err(|error| self.fail(error))?;
                found.opaque = value.as_deref() == Some(b"y");
            }
            b"metacopy" | b"redirect" => {
                let why = "overlay keeps a part of it elsewhere";
                return Err(Error::Refused { entry: shown(&self.path), why });
            }
            _ if matches!(self.dialect, Dialect::Adopted(_)) => {
                remove_xattr(file, name).map_err(|error| self.fail(error))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn owned(&self, stat: &FileStat) -> FileStat {
        let mut own = *stat;
        own.st_uid = live::inside(self.first_id, stat.st_uid);
        own.st_gid = live::inside(self.first_id, stat.st_gid);
        own
    }

    fn clamped(&self, stat: &FileStat) -> i64 {
        match self.dialect {
            Dialect::Adopted(Some(latest)) => stat.st_mtime.min(latest),
            _ => stat.st_mtime,
        }
    }

    /// The time to write; set on the file too where that differs.
    fn clamp(&self, stat: &FileStat, set: impl FnOnce(&TimeSpec) -> nix::Result<()>) -> Result<i64, Error> {
        let mtime = self.clamped(stat);
        if mtime != stat.st_mtime {
            set(&TimeSpec::new(mtime, 0)).map_err(|errno| self.fail(errno))?;
        }
        Ok(mtime)
    }

    fn header(
        &mut self,
        kind: Kind<'_>,
        stat: &FileStat,
        mtime: i64,
        xattrs: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<(), Error> {
        header(&self.path, kind, &self.owned(stat), mtime, xattrs).encode(&mut self.header);
        self.send()
    }

    /// An empty file at a path below the present one.
    fn mark(&mut self, name: &[u8]) -> Result<(), Error> {
        let len = self.path.len();
        self.path.extend_from_slice(name);
        self.empty()?;
        self.path.truncate(len);
        Ok(())
    }

    fn empty(&mut self) -> Result<(), Error> {
        let header = Header { path: &self.path, kind: Kind::File(0), mode: 0, uid: 0, gid: 0, mtime: 0, xattrs: &[] };
        header.encode(&mut self.header);
        self.send()
    }

    fn send(&mut self) -> Result<(), Error> {
        self.out.bytes(&self.header)?;
        self.header.clear();
        Ok(())
    }
}

fn header<'a>(
    path: &'a [u8],
    kind: Kind<'a>,
    stat: &FileStat,
    mtime: i64,
    xattrs: &'a [(Vec<u8>, Vec<u8>)],
) -> Header<'a> {
    Header { path, kind, mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, mtime, xattrs }
}

/// A buffer that files are read into directly.
struct Out<W> {
    to: W,
    buffer: Vec<u8>,
    filled: usize,
}

impl<W: Write> Out<W> {
    fn send(&mut self) -> Result<(), Error> {
        self.to.write_all(&self.buffer[..self.filled]).map_err(Error::Write)?;
        self.filled = 0;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.send()?;
        self.to.flush().map_err(Error::Write)
    }

    fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.filled == self.buffer.len() {
                self.send()?;
            }
            let n = bytes.len().min(self.buffer.len() - self.filled);
            self.buffer[self.filled..self.filled + n].copy_from_slice(&bytes[..n]);
            self.filled += n;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    fn zeros(&mut self, count: usize) -> Result<(), Error> {
        self.bytes(&[0; 2 * super::header::BLOCK][..count])
    }

    fn content(&mut self, mut file: &File, size: u64, path: &[u8]) -> Result<(), Error> {
        let mut left = size;
        let mut ended = false;
        while left > 0 {
            if self.filled == self.buffer.len() {
                self.send()?;
            }
            let end = self.buffer.len().min(self.filled.saturating_add(usize::try_from(left).unwrap_or(usize::MAX)));
            let into = &mut self.buffer[self.filled..end];
            let n = if ended {
                into.fill(0);
                into.len()
            } else {
                match file.read(into) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.map_err(|error| failed(path, error))?,
                }
            };
            ended |= n == 0;
            self.filled += n;
            left -= n as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
