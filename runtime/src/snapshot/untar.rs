//! Writes a tar stream into a folder as an overlay layer. The stream is hostile: whatever it says, nothing outside the
//! folder is touched.
//!
//! - Parents are resolved by openat2 inside the folder, so `/var/run -> /run` means the layer's own `/run`.
//! - The last part of a path is never followed; what is in the way is removed first (the last of duplicates wins).
//! - Whiteouts become what overlay understands: a 0:0 device, or `trusted.overlay.opaque`.
//! - Owner before mode before attributes (chown clears set-id bits and capabilities), folders' times last.
//! - What is not a layer (a build context, an archive to add) has rules of its own: [`Rules`].
//! - Entries, sizes, depth and the disk's last 5 % are limits.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat},
    sys::{
        stat::{Mode, SFlag, fchmod, futimens, makedev, mkdirat, mknodat},
        statvfs::fstatvfs,
        time::TimeSpec,
    },
    unistd::{Gid, Uid, fchown, linkat, symlinkat},
};
use tar::EntryType;

use super::{
    entries::{Entries, Head},
    live::Live,
    meta::{Meta, folder_meta, meta, node_meta, set_xattrs},
    parents::{OPAQUE, Parents, existing, is_whiteout},
    root, tree,
};
use crate::{
    meter::{Metered, TAR_HEADER_BYTES},
    sys::path::{open_in_root, set_xattr_at},
};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE_MARK: &[u8] = b".wh..wh..opq";
const COPY_BYTES: usize = 128 << 10;
/// What it takes to remember a folder's time, besides its name.
const FOLDER_BYTES: usize = 48;

/// What a layer may cost at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of all files, holes included.
    pub bytes: u64,
    /// Folders on the way to an entry.
    pub depth: usize,
    /// Bytes of memory for the names of folders, which are kept to the end.
    pub name_bytes: usize,
    /// Share of the file system to leave free, in percent.
    pub free_percent: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 256 << 30, depth: 256, name_bytes: 128 << 20, free_percent: 5 }
    }
}

/// Why a tar could not become a layer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream is broken or could not be read.
    #[error("invalid tar: {0}")]
    Read(io::Error),
    /// An entry that could not be written.
    #[error("entry {entry:?}: {source}")]
    Entry {
        /// Its name.
        entry: String,
        /// Why.
        source: io::Error,
    },
    /// An entry that is refused.
    #[error("entry {entry:?}: {why}")]
    Refused {
        /// Its name.
        entry: String,
        /// Why.
        why: &'static str,
    },
    /// Too much of something.
    #[error("layer exceeds the limit of {0}")]
    Limit(String),
    /// The disk is nearly full.
    #[error("no space left on device: {0} % must stay free")]
    Full(u64),
}

/// What entries mean where they are written to.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `.wh.` names are orders for overlay; else they are names like all others.
    pub whiteouts: bool,
    /// Character and block devices are made; else they are refused.
    pub devices: bool,
    /// Everything is owned by these ids, whatever the stream says.
    pub owner: Option<(u32, u32)>,
    /// Nothing is younger than this, in seconds of the epoch.
    pub newest: Option<i64>,
    /// The folder below the root that entries' paths start from.
    pub base: Vec<u8>,
    /// It is a container's file system, which may be running.
    pub live: Option<Live>,
}

impl Rules {
    /// A layer's.
    pub fn layer() -> Self {
        Self { whiteouts: true, devices: true, owner: None, newest: None, base: Vec::new(), live: None }
    }
}

/// Writes all entries of `from` below `root` as a layer. `trash` is an empty folder of the same file system.
pub fn untar(from: impl Read, root: &OwnedFd, trash: &OwnedFd, limits: Limits) -> Result<(), Error> {
    unpack(from, root, Some(trash), limits, Rules::layer())
}

/// Writes all entries of `from` below `root`. Without `trash` what is in the way is removed where it is, which is what
/// an overlay mount asks for: it can't rename folders of its lower layers.
pub fn unpack(
    from: impl Read,
    root: &OwnedFd,
    trash: Option<&OwnedFd>,
    limits: Limits,
    rules: Rules,
) -> Result<(), Error> {
    let (from, budget) = Metered::new(from);
    let mut entries = Entries::new(from);
    let mut writer = Writer {
        root,
        trash,
        limits,
        rules,
        parents: Parents::default(),
        folder_times: Vec::new(),
        folder_bytes: 0,
        root_is_said: false,
        entries: 0,
        bytes: 0,
        unchecked: u64::MAX,
        buffer: vec![0; COPY_BYTES],
    };
    loop {
        budget.set(TAR_HEADER_BYTES);
        let Some(head) = entries.next().map_err(Error::Read)? else { break };
        budget.lift();
        writer.entry(&head, &mut entries)?;
        // What an entry without content carries is not for us, and must not count as a header.
        entries.skip().map_err(Error::Read)?;
    }
    writer.finish()
}

struct Writer<'a> {
    root: &'a OwnedFd,
    trash: Option<&'a OwnedFd>,
    limits: Limits,
    rules: Rules,
    parents: Parents,
    folder_times: Vec<(Vec<u8>, TimeSpec)>,
    folder_bytes: usize,
    root_is_said: bool,
    entries: u64,
    bytes: u64,
    unchecked: u64,
    buffer: Vec<u8>,
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// The path below the root without `.`, with `..` resolved by name; `None` when it leads out.
fn clean(path: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts)
}

impl Writer<'_> {
    fn entry(&mut self, head: &Head, content: &mut impl Read) -> Result<(), Error> {
        let path = &head.path[..];
        let refused = |why| Error::Refused { entry: shown(path), why };
        let failed = |source: io::Error| Error::Entry { entry: shown(path), source };

        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Error::Limit(format!("{} entries", self.limits.entries)));
        }
        // Of whatever kind it is: the holes of a sparse one cost nothing to claim, and time to read.
        if head.size > self.limits.bytes.saturating_sub(self.bytes) {
            return Err(Error::Limit(format!("{} bytes", self.limits.bytes)));
        }
        self.bytes += head.size;
        let kind = head.header.entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        if path.contains(&0) {
            return Err(refused("its name has a NUL byte"));
        }
        let mut parts = clean(path).ok_or_else(|| refused("its path leads out of the layer"))?;
        if parts.len() > self.limits.depth {
            return Err(refused("too many folders deep"));
        }
        let mut meta = meta(head).map_err(&failed)?;
        if let Some((uid, gid)) = self.rules.owner {
            (meta.uid, meta.gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        }
        if let Some(newest) = self.rules.newest.filter(|newest| *newest < meta.mtime.tv_sec()) {
            meta.mtime = TimeSpec::new(newest, 0);
        }
        let Some(name) = parts.pop() else {
            return match kind {
                EntryType::Directory => {
                    let base = self.rules.base.clone();
                    let folder = self.parents.get(self.root, &base).map_err(failed)?;
                    if let Some(live) = self.rules.live {
                        live.admit(folder.as_fd(), None, kind, &mut meta).map_err(failed)?;
                    }
                    folder_meta(folder.as_fd(), OsStr::new("."), &meta).map_err(failed)?;
                    self.root_is_said = true;
                    self.remember_time(base, meta.mtime)
                }
                _ => Err(refused("the root must be a folder")),
            };
        };
        let dir = self.below_base(&parts);
        let parent = self.parents.get(self.root, &dir).map_err(failed)?;
        let parent = parent.as_fd();
        if self.rules.whiteouts && name.starts_with(WHITEOUT) {
            return whiteout(parent, name).map_err(failed)?.map_err(refused);
        }
        let name = OsStr::from_bytes(name);
        if let Some(live) = self.rules.live {
            live.admit(parent, Some(name), kind, &mut meta).map_err(failed)?;
        }
        match kind {
            EntryType::Directory => {
                self.folder(parent, name, &meta).map_err(failed)?;
                let mut whole = dir;
                if !whole.is_empty() {
                    whole.push(b'/');
                }
                whole.extend_from_slice(name.as_bytes());
                self.remember_time(whole, meta.mtime)?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(parent, name, head, content, &meta)?;
            }
            EntryType::Link => {
                let target = link_target(head).ok_or_else(|| refused("a hard link without target"))?;
                let mut parts = clean(&target).ok_or_else(|| refused("its target is outside the layer"))?;
                let Some(old) = parts.pop() else { return Err(refused("a hard link to the root")) };
                let old_parent = self.below_base(&parts);
                let old_parent = self.parents.get(self.root, &old_parent).map_err(failed)?;
                let old = OsStr::from_bytes(old);
                self.link(old_parent.as_fd(), old, parent, name).map_err(failed)?;
            }
            EntryType::Symlink => {
                let target = link_target(head).ok_or_else(|| refused("a symbolic link without target"))?;
                let target = OsStr::from_bytes(&target);
                self.make(parent, name, || symlinkat(target, parent, name)).map_err(failed)?;
                node_meta(parent, name, &meta, false).map_err(failed)?;
            }
            EntryType::Char | EntryType::Block if !self.rules.devices => {
                return Err(refused("devices are not allowed"));
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                let (flag, device) = match kind {
                    EntryType::Fifo => (SFlag::S_IFIFO, 0),
                    kind => {
                        let header = &head.header;
                        let major = header.device_major().map_err(failed)?.unwrap_or_default();
                        let minor = header.device_minor().map_err(failed)?.unwrap_or_default();
                        let flag = if kind == EntryType::Char { SFlag::S_IFCHR } else { SFlag::S_IFBLK };
                        (flag, makedev(major.into(), minor.into()))
                    }
                };
                self.make(parent, name, || mknodat(parent, name, flag, Mode::empty(), device)).map_err(failed)?;
                node_meta(parent, name, &meta, true).map_err(failed)?;
            }
            _ => return Err(refused("its kind is not known")),
        }
        Ok(())
    }

    /// A folder's time is set when nothing more is written into it.
    fn remember_time(&mut self, folder: Vec<u8>, mtime: TimeSpec) -> Result<(), Error> {
        self.folder_bytes += folder.len() + FOLDER_BYTES;
        if self.folder_bytes > self.limits.name_bytes {
            return Err(Error::Limit(format!("{} bytes of folder names", self.limits.name_bytes)));
        }
        self.folder_times.push((folder, mtime));
        Ok(())
    }

    /// The path of a folder from the root.
    fn below_base(&self, parts: &[&[u8]]) -> Vec<u8> {
        let base = Some(&self.rules.base[..]).filter(|base| !base.is_empty());
        base.into_iter().chain(parts.iter().copied()).collect::<Vec<_>>().join(&b'/')
    }

    /// Creates what the name is not yet; removes what is in the way.
    fn make<T>(&mut self, parent: BorrowedFd<'_>, name: &OsStr, create: impl Fn() -> nix::Result<T>) -> io::Result<T> {
        match create() {
            Err(Errno::EEXIST) => {
                self.clear(parent, name)?;
                Ok(create()?)
            }
            result => Ok(result?),
        }
    }

    fn clear(&mut self, parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        // Descriptors of folders that are gone, or were reached through a link that is gone, must not be used again.
        self.parents.forget();
        match self.trash {
            Some(trash) => tree::remove(parent, name, trash),
            None => tree::remove_in_place(parent, name),
        }
    }

    fn folder(&mut self, parent: BorrowedFd<'_>, name: &OsStr, meta: &Meta) -> io::Result<()> {
        match mkdirat(parent, name, Mode::S_IRWXU) {
            Err(Errno::EEXIST) => {
                let there = existing(parent, name)?;
                if there.is_none_or(|stat| tree::kind(&stat) != SFlag::S_IFDIR) {
                    let whiteout = there.is_some_and(|stat| is_whiteout(&stat));
                    self.clear(parent, name)?;
                    mkdirat(parent, name, Mode::S_IRWXU)?;
                    if whiteout {
                        set_xattr_at(parent, name, OPAQUE, b"y")?;
                    }
                }
            }
            result => result?,
        }
        folder_meta(parent, name, meta)
    }

    fn file(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        head: &Head,
        content: &mut impl Read,
        meta: &Meta,
    ) -> Result<(), Error> {
        let failed = |source: io::Error| Error::Entry { entry: shown(&head.path), source };
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let create = || openat(parent, name, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        let mut file = File::from(self.make(parent, name, create).map_err(failed)?);
        let sparse = head.header.entry_type().is_gnu_sparse();
        let size = head.size;
        let mut done = 0;
        loop {
            let n = content.read(&mut self.buffer).map_err(Error::Read)?;
            if n == 0 {
                break;
            }
            let bytes = &self.buffer[..n];
            if sparse && bytes.iter().all(|b| *b == 0) {
                file.seek(SeekFrom::Current(n as i64)).map_err(failed)?;
            } else {
                file.write_all(bytes).map_err(failed)?;
                self.unchecked = self.unchecked.saturating_add(n as u64);
            }
            done += n as u64;
            if self.unchecked > 64 << 20 {
                self.unchecked = 0;
                let space = fstatvfs(self.root).map_err(|errno| failed(errno.into()))?;
                if space.blocks_available() * 100 < space.blocks() * self.limits.free_percent {
                    return Err(Error::Full(self.limits.free_percent));
                }
            }
        }
        if done != size {
            return Err(Error::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        (|| {
            if sparse {
                file.set_len(size)?;
            }
            fchown(&file, Some(meta.uid), Some(meta.gid))?;
            fchmod(&file, meta.mode)?;
            set_xattrs(parent, name, &meta.xattrs)?;
            Ok(futimens(&file, &TimeSpec::UTIME_OMIT, &meta.mtime)?)
        })()
        .map_err(failed)
    }

    fn link(
        &mut self,
        old_parent: BorrowedFd<'_>,
        old: &OsStr,
        parent: BorrowedFd<'_>,
        name: &OsStr,
    ) -> io::Result<()> {
        let create = || linkat(old_parent, old, parent, name, AtFlags::empty());
        if let (Some(from), Some(to)) = (existing(old_parent, old)?, existing(parent, name)?)
            && (from.st_dev, from.st_ino) == (to.st_dev, to.st_ino)
        {
            return Ok(()); // already the same file: removing the name first would remove the target
        }
        self.make(parent, name, create)
    }

    fn finish(self) -> Result<(), Error> {
        if self.rules.whiteouts && !self.root_is_said {
            root::leave_unsaid(self.root).map_err(|source| Error::Entry { entry: "/".to_owned(), source })?;
        }
        for (path, mtime) in self.folder_times.iter().rev() {
            let path = if path.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(path) };
            // A folder may have been replaced by a later entry: then there is nothing to do.
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
            if let Ok(folder) = open_in_root(self.root, path, flags) {
                futimens(&folder, &TimeSpec::UTIME_OMIT, mtime)
                    .map_err(|errno| Error::Entry { entry: shown(path.as_bytes()), source: errno.into() })?;
            }
        }
        Ok(())
    }
}

/// The inner result is a refusal.
fn whiteout(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<Result<(), &'static str>> {
    if name == OPAQUE_MARK {
        set_xattr_at(parent, OsStr::new("."), OPAQUE, b"y")?;
        return Ok(Ok(()));
    }
    let hidden = &name[WHITEOUT.len()..];
    if hidden.starts_with(WHITEOUT) {
        return Ok(Ok(())); // aufs's own bookkeeping
    }
    if matches!(hidden, b"" | b"." | b"..") {
        return Ok(Err("a whiteout of nothing"));
    }
    let hidden = OsStr::from_bytes(hidden);
    // A whiteout hides what lower layers have; what this layer has of that name stays (OCI image spec, "Whiteouts").
    match existing(parent, hidden)? {
        None => mknodat(parent, hidden, SFlag::S_IFCHR, Mode::empty(), 0)?,
        Some(stat) if tree::kind(&stat) == SFlag::S_IFDIR => set_xattr_at(parent, hidden, OPAQUE, b"y")?,
        Some(_) => {}
    }
    Ok(Ok(()))
}

fn link_target(head: &Head) -> Option<Vec<u8>> {
    head.link.clone().filter(|target| !target.is_empty() && !target.contains(&0))
}

#[cfg(test)]
#[path = "untar_tests.rs"]
mod tests;
