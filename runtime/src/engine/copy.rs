//! `cp`: archives out of a container's file system and into it, running or not.
//!
//! A running one is entered by its first process's root, so that its mounts are seen; the process is the one its monitor
//! speaks of, looked at again after its root was opened. One that doesn't run gets an overlay of its own, attached nowhere,
//! with its volumes and host folders mounted on it, while its `verbs` are held. Every path is resolved inside that root by openat2(2).

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    io::Read,
    iter,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::Path,
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use nix::{
    fcntl::{AtFlags, OFlag, open, readlinkat},
    sys::{
        stat::{FileStat, Mode, SFlag, fstatat},
        statvfs::{FsFlags, fstatvfs},
    },
};
use tokio::sync::OwnedMutexGuard;

use super::{Engine, blocking, copy_mounts::assemble, outflow::Outflow, table::Container};
use crate::{
    durable,
    error::{Error, ErrorKind, Result},
    fault,
    id::ContainerId,
    monitor::report,
    request::CopyIn,
    snapshot::{self, Inflate, Limits, Live, Rules, UntarError, pack_named, unpack},
    sys::{
        mount::{Writable, detached_overlay},
        open::{IN_ROOT, NO_MAGICLINKS, inside, openat2},
        privilege::{no_setuid_fixup, set_fs_ids},
    },
    undo::Undo,
    view::{ContainerState, PathStat},
};

/// Links that are followed one after the other, as in the kernel.
const LINKS: usize = 40;

/// The largest passwd file that is read for a user's ids.
const PASSWD_BYTES: u64 = 1 << 20;

/// A container's file system, held.
struct Root {
    dir: OwnedFd,
    first_id: u32,
    /// The mounts on it, of one that doesn't run.
    mounts: Option<Mounts>,
    /// Held while it must not be started.
    verbs: Option<OwnedMutexGuard<()>>,
}

/// Let go in this order: the namespace, then what was mounted on the host for it.
struct Mounts {
    _namespace: OwnedFd,
    _undo: Undo,
}

/// A path inside: its parts, and whether it asks for a folder.
struct Inside {
    parts: Vec<Vec<u8>>,
    folder: bool,
}

/// What was found there.
struct Found {
    parent: OwnedFd,
    name: OsString,
    stat: FileStat,
}

impl Engine {
    /// What is at a path.
    ///
    /// # Errors
    /// Docker's text when there is nothing.
    pub fn path_stat<'a>(&'a self, id: &'a ContainerId, path: &'a str) -> BoxFuture<'a, Result<PathStat>> {
        async move {
            let container = self.inner.table.get(id)?;
            let root = self.root(&container, false).await?;
            let (path, name) = (path.to_owned(), container.name());
            blocking(move || look(&root, &path, &name).map(|(stat, _)| stat)).await
        }
        .boxed()
    }

    /// A tar of what is at a path, named as its last part is.
    ///
    /// # Errors
    /// As [`Engine::path_stat`].
    pub fn copy_out<'a>(&'a self, id: &'a ContainerId, path: &'a str) -> BoxFuture<'a, Result<(PathStat, Outflow)>> {
        async move {
            let container = self.inner.table.get(id)?;
            let root = self.root(&container, false).await?;
            let (path, name) = (path.to_owned(), container.name());
            let (stat, found, root, base) = blocking(move || {
                let (stat, found) = look(&root, &path, &name)?;
                Ok((stat, found, root, base(&path)))
            })
            .await?;
            self.tell("archive-path", &container, []);
            let archive = Outflow::of(move |to| {
                let live = Live { first_id: root.first_id, folders_stay: false };
                let packed = pack_named(found.parent.as_fd(), &found.name, &base, live, to);
                packed.map_err(|error| snapshot::Error::from(error).into())
            });
            Ok((stat, archive))
        }
        .boxed()
    }

    /// Unpacks a tar, compressed or not, into a folder. As in Docker, what was written before an entry that is refused
    /// stays.
    ///
    /// # Errors
    /// No such folder, a read-only file system, or what is wrong with the tar.
    pub fn copy_in<'a>(
        &'a self,
        id: &'a ContainerId,
        path: &'a str,
        how: CopyIn,
        from: impl Read + Send + 'static,
    ) -> BoxFuture<'a, Result<()>> {
        let from: Box<dyn Read + Send> = Box::new(from);
        async move {
            let container = self.inner.table.get(id)?;
            let root = self.root(&container, true).await?;
            let (path, holder) = (path.to_owned(), Arc::clone(&container));
            blocking(move || {
                fault::point("copy.rooted").map_err(Error::from_fault)?;
                put(&root, &path, &holder, how, from)?;
                fault::point("copy.written").map_err(Error::from_fault)
            })
            .await?;
            self.tell("extract-to-dir", &container, []);
            Ok(())
        }
        .boxed()
    }

    async fn root(&self, container: &Arc<Container>, write: bool) -> Result<Root> {
        if let Some(root) = self.running_root(container).await? {
            return Ok(root);
        }
        let verbs = Arc::clone(&container.verbs).lock_owned().await;
        match container.state() {
            ContainerState::Removing => {
                return Err(Error::not_found(format!("No such container: {}", container.id())));
            }
            // It was started while this waited.
            ContainerState::Running { .. } => {
                drop(verbs);
                let gone = || Error::conflict(format!("container {} is not running", container.id()));
                return self.running_root(container).await?.ok_or_else(gone);
            }
            _ => {}
        }
        self.unmounted(container).await?;
        let (engine, record) = (self.clone(), container.current());
        blocking(move || {
            let rootfs = engine.inner.paths.rootfs(&record.id);
            let (upper, work) = (rootfs.join("upper"), rootfs.join("work"));
            let lowers = engine.inner.images.lowers(record.image_id)?;
            let writable = || {
                let writable = Writable { upper: &upper, work: &work, volatile: false };
                detached_overlay(&lowers, Some(writable)).map_err(failed)
            };
            let read_only = || {
                let all: Vec<_> = iter::once(&upper).chain(&lowers).cloned().collect();
                detached_overlay(&all, None).map_err(failed)
            };
            let mut undo = Undo::new();
            let mounts = engine.launch_mounts(&record, &mut undo)?;
            let may_write = write && !record.request.read_only_rootfs;
            let open = || if may_write { writable() } else { read_only() };
            let on = |dir: &OwnedFd, make: bool| assemble(dir, &rootfs, &mounts, make).map_err(failed);
            let mut root = Root { dir: open()?, first_id: 0, mounts: None, verbs: None };
            if !mounts.is_empty() {
                let (mut namespace, left_out) = on(&root.dir, false)?;
                if left_out > 0 {
                    // It never ran: what it mounts on is made now, as its start would.
                    drop((namespace, root.dir));
                    on(&writable()?, true)?;
                    root.dir = open()?;
                    namespace = on(&root.dir, false)?.0;
                }
                root.mounts = Some(Mounts { _namespace: namespace, _undo: undo });
            }
            if write || root.mounts.is_some() {
                root.verbs = Some(verbs);
            }
            Ok(root)
        })
        .await
    }

    async fn running_root(&self, container: &Arc<Container>) -> Result<Option<Root>> {
        let Some(client) = container.client() else { return Ok(None) };
        let Ok(status) = client.status().await else { return Ok(None) };
        let first_id = container.record.id_base.unwrap_or(0);
        blocking(move || {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let Ok(dir) = open(format!("/proc/{}/root", status.pid).as_str(), flags, Mode::empty()) else {
                return Ok(None);
            };
            // Another process may have got the number meanwhile.
            let same = report::start_time(status.pid).is_ok_and(|time| time == status.start_time);
            Ok(same.then_some(Root { dir, first_id, mounts: None, verbs: None }))
        })
        .await
    }
}

fn failed(error: io::Error) -> Error {
    durable::io_error("the container's file system can't be opened", error.kind(), error)
}

fn read_only(place: &Inside, container: &Container) -> Error {
    let below = |target: &str| Path::new("/").join(place.path()).starts_with(target);
    let volume = container.record.mounts.iter().any(|mount| below(&mount.target));
    let what = if volume { "mounted volume" } else { "container rootfs" };
    Error::new(ErrorKind::Forbidden, format!("{what} is marked read-only"))
}

impl Inside {
    /// Cleaned by name, as Docker does: `..` is taken off before links are looked at.
    fn parse(path: &str) -> Self {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part.as_bytes().to_vec()),
            }
        }
        Self { folder: parts.is_empty() || path.ends_with('/') || path.ends_with("/."), parts }
    }

    fn path(&self) -> OsString {
        OsString::from_vec(self.parts.join(&b'/'))
    }
}

/// What its entries are called: the path's last part, as Go's `filepath.Base` says it.
fn base(path: &str) -> Vec<u8> {
    if path.ends_with("/.") {
        return b".".to_vec();
    }
    Inside::parse(path).parts.pop().unwrap_or_else(|| b"/".to_vec())
}

fn look(root: &Root, path: &str, container: &str) -> Result<(PathStat, Found)> {
    let not_found = || Error::not_found(format!("Could not find the file {path} in container {container}"));
    let missing = |error: io::Error| match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => not_found(),
        None if error.kind() == io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Forbidden, format!("{path} can't be copied: {error}"))
        }
        _ => failed(error),
    };
    let place = Inside::parse(path);
    let found = find(root, &place).map_err(missing)?;
    if place.folder && kind(&found.stat) != SFlag::S_IFDIR {
        return Err(Error::invalid(format!("{path}: not a directory")));
    }
    let link_target = match kind(&found.stat) {
        SFlag::S_IFLNK => target(root, &place),
        _ => String::new(),
    };
    let name = place.parts.last().map_or_else(|| "/".into(), |name| String::from_utf8_lossy(name).into_owned());
    let nanos = i32::try_from(found.stat.st_mtime_nsec).unwrap_or(0);
    let stat = PathStat {
        name,
        size: found.stat.st_size.unsigned_abs(),
        mode: found.stat.st_mode,
        changed_at: Timestamp::new(found.stat.st_mtime, nanos).unwrap_or(Timestamp::UNIX_EPOCH),
        link_target,
    };
    Ok((stat, found))
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn find(root: &Root, place: &Inside) -> io::Result<Found> {
    let (parent, name) = if place.folder {
        // Whatever leads there, the folder itself is meant.
        match inside(&root.dir, place.path(), libc::O_DIRECTORY) {
            Ok(folder) => (folder, OsString::from(".")),
            Err(error) if error.raw_os_error() == Some(libc::ENOTDIR) => last(root, place)?,
            Err(error) => return Err(error),
        }
    } else {
        last(root, place)?
    };
    Live::check(parent.as_fd())?;
    let stat = fstatat(&parent, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(Found { parent, name, stat })
}

fn last(root: &Root, place: &Inside) -> io::Result<(OwnedFd, OsString)> {
    let Some((name, above)) = place.parts.split_last() else { return Err(io::ErrorKind::NotFound.into()) };
    let parent = inside(&root.dir, OsStr::from_bytes(&above.join(&b'/')), libc::O_DIRECTORY)?;
    Ok((parent, OsString::from_vec(name.clone())))
}

/// Where a link leads in the end, whether there is something or not.
fn target(root: &Root, place: &Inside) -> String {
    let mut at = String::from_utf8_lossy(place.path().as_bytes()).into_owned();
    for _ in 0..LINKS {
        let here = Inside { folder: false, ..Inside::parse(&at) };
        let Ok((parent, name)) = last(root, &here) else { break };
        let Ok(link) = readlinkat(&parent, name.as_os_str()) else { break };
        let link = link.to_string_lossy().into_owned();
        let above = at.rsplit_once('/').map_or("", |(above, _)| above);
        at = if link.starts_with('/') { link } else { format!("{above}/{link}") };
    }
    let clean = Inside::parse(&at).path();
    format!("/{}", clean.to_string_lossy())
}

fn put(root: &Root, path: &str, container: &Container, how: CopyIn, from: Box<dyn Read + Send>) -> Result<()> {
    let place = Inside { folder: true, ..Inside::parse(path) };
    let folder = inside(&root.dir, place.path(), libc::O_DIRECTORY).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOTDIR) => Error::invalid("extraction point is not a directory"),
        Some(libc::ENOENT | libc::ELOOP) => {
            Error::not_found(format!("Could not find the file {path} in container {}", container.name()))
        }
        _ => failed(error),
    })?;
    let is_read_only = fstatvfs(&folder).map_err(|errno| failed(errno.into()))?.flags().contains(FsFlags::ST_RDONLY);
    if is_read_only {
        return Err(read_only(&place, container));
    }
    let owner = if how.owned_by_user { owner(root, &container.record.resolved.user)? } else { None };
    let rules = Rules {
        whiteouts: false,
        devices: true,
        owner,
        newest: None,
        base: place.path().into_vec(),
        live: Some(Live { first_id: root.first_id, folders_stay: how.folders_stay }),
    };
    let dir = &root.dir;
    as_ids(root.first_id, move || {
        let plain = Inflate::new(from).map_err(|error| Error::invalid(format!("invalid tar: {error}")))?;
        unpack(plain, dir, None, Limits::default(), rules).map_err(refused)
    })
}

fn refused(error: UntarError) -> Error {
    let kind = match &error {
        UntarError::Full(_) | UntarError::Limit(_) => ErrorKind::Exhausted,
        UntarError::Entry { source, .. } => match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
            _ => ErrorKind::Invalid,
        },
        UntarError::Read(_) | UntarError::Refused { .. } => ErrorKind::Invalid,
    };
    Error::with_source(kind, error.to_string(), error)
}

/// What is made is made as the container's root: of the host's the container's mounts know nothing.
fn as_ids(first: u32, work: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    if first == 0 {
        return work();
    }
    std::thread::scope(|scope| {
        let within = move || {
            no_setuid_fixup().map_err(failed)?;
            set_fs_ids(first, first);
            work()
        };
        // The ids are this thread's alone, and go with it.
        let worker = std::thread::Builder::new().name("copy".to_owned()).spawn_scoped(scope, within).map_err(failed)?;
        worker.join().unwrap_or_else(|_| Err(failed(io::Error::other("the copying thread panicked"))))
    })
}

/// The ids of the container's user by its own passwd file; `None` where it has no other than root.
fn owner(root: &Root, user: &str) -> Result<Option<(u32, u32)>> {
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    if user.is_empty() {
        return Ok(None);
    }
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut passwd = String::new();
    if let Ok(file) = openat2(&root.dir, "etc/passwd", flags, 0, IN_ROOT | NO_MAGICLINKS) {
        let _ = fs::File::from(file).take(PASSWD_BYTES).read_to_string(&mut passwd);
    }
    let line = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() > 3 && (fields[0] == user || fields[2] == user));
    let ids = line.and_then(|fields| Some((fields[2].parse().ok()?, fields[3].parse().ok()?)));
    let (uid, gid) = match (ids, user.parse()) {
        (Some(ids), _) => ids,
        (None, Ok(uid)) => (uid, 0),
        (None, Err(_)) => {
            return Err(Error::invalid(format!("unable to find user {user}: no matching entries in passwd file")));
        }
    };
    Ok(Some((uid, group.parse().unwrap_or(gid))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_named_as_docker_does() {
        let place = Inside::parse("/a/./b//../c");
        assert_eq!((place.path(), place.folder), ("a/c".into(), false));
        assert!(Inside::parse("/a/").folder && Inside::parse("a/.").folder && Inside::parse("/").folder);
        assert_eq!(Inside::parse("../../etc").path(), "etc");
        for (path, name) in [("/etc/hosts", "hosts"), ("/etc/", "etc"), ("/etc/.", "."), ("/", "/"), ("x", "x")] {
            assert_eq!(base(path), name.as_bytes(), "{path}");
        }
    }
}
