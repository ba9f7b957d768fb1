//! The mount calls that work by descriptor: fsopen(2), open_tree(2), move_mount(2), mount_setattr(2); and an overlay
//! that is attached nowhere.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open},
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        stat::{Mode, mkdirat},
        statvfs::{FsFlags, fstatvfs},
    },
    unistd::{fchdir, symlinkat},
};

use super::check;

/// Mount attribute: read-only.
pub const RDONLY: u64 = 0x01;
/// Mount attribute: set-user-ID bits don't count.
pub const NOSUID: u64 = 0x02;
/// Mount attribute: device nodes don't work.
pub const NODEV: u64 = 0x04;
/// Mount attribute: nothing can be executed.
pub const NOEXEC: u64 = 0x08;
const IDMAP: u64 = 0x0010_0000;

const OPEN_TREE_CLONE: u32 = 1;
const AT_RECURSIVE: u32 = 0x8000;
const AT_EMPTY_PATH: u32 = 0x1000;
const FROM_EMPTY_PATH: u32 = 0x04;
const TO_EMPTY_PATH: u32 = 0x40;

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A file system that is being set up.
pub struct NewFs(OwnedFd);

impl NewFs {
    /// fsopen(2) of a file system type.
    pub fn open(kind: &CStr) -> io::Result<Self> {
        // SAFETY: a NUL-terminated string and a flag.
        owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1) }).map(Self)
    }

    fn config(&self, command: u32, key: Option<&CStr>, value: Option<&CStr>) -> io::Result<()> {
        let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: both strings are NUL-terminated or null, as each command allows, and outlive the call.
        check(unsafe {
            libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, pointer(key), pointer(value), 0)
        })
        .map(drop)
    }

    /// Sets an option that has a value.
    pub fn set(&self, key: &str, value: &str) -> io::Result<()> {
        self.config(1, Some(&CString::new(key)?), Some(&CString::new(value)?))
    }

    /// Sets an option that has none.
    pub fn flag(&self, key: &str) -> io::Result<()> {
        self.config(0, Some(&CString::new(key)?), None)
    }

    /// Makes the file system and a mount of it that is attached nowhere yet.
    pub fn mount(self, attributes: u64) -> io::Result<OwnedFd> {
        self.config(6, None, None)?;
        // SAFETY: plain integers.
        owned(unsafe { libc::syscall(libc::SYS_fsmount, self.0.as_raw_fd(), 1, attributes) })
    }
}

/// A folder through a mount of its own, attached nowhere: read-only, and nothing in it is a device or a program.
pub fn detached_view(folder: &Path) -> io::Result<OwnedFd> {
    let folder =
        open(folder, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
    let view = open_tree(folder, c"", false)?;
    add_attributes(&view, RDONLY | NODEV | NOSUID | NOEXEC)?;
    Ok(view)
}

/// A detached copy of the mount at `path`, with what is mounted below when `recursive`.
pub fn open_tree(dir: impl AsFd, path: &CStr, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | AT_EMPTY_PATH;
    if recursive {
        flags |= AT_RECURSIVE;
    }
    // SAFETY: a NUL-terminated string and integers.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, dir.as_fd().as_raw_fd(), path.as_ptr(), flags) })
}

/// Attaches the mount `from` on what the handle `to` stands for.
pub fn attach(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    // SAFETY: empty NUL-terminated strings and integers.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            from.as_fd().as_raw_fd(),
            c"".as_ptr(),
            to.as_fd().as_raw_fd(),
            c"".as_ptr(),
            FROM_EMPTY_PATH | TO_EMPTY_PATH,
        )
    })
    .map(drop)
}

fn set_attributes(mount: BorrowedFd<'_>, attr: &MountAttr, recursive: bool) -> io::Result<()> {
    let flags = if recursive { AT_EMPTY_PATH | AT_RECURSIVE } else { AT_EMPTY_PATH };
    // SAFETY: `attr` has the size that is passed and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            std::mem::size_of::<MountAttr>(),
        )
    })
    .map(drop)
}

/// Adds attributes to a mount.
pub fn add_attributes(mount: impl AsFd, attributes: u64) -> io::Result<()> {
    set_attributes(mount.as_fd(), &MountAttr { set: attributes, clear: 0, propagation: 0, userns_fd: 0 }, false)
}

/// Maps the ids of a detached mount by a user namespace.
pub fn idmap(mount: impl AsFd, userns: impl AsFd) -> io::Result<()> {
    let userns_fd = userns.as_fd().as_raw_fd() as u64;
    set_attributes(mount.as_fd(), &MountAttr { set: IDMAP, clear: 0, propagation: 0, userns_fd }, false)
}

/// What a detached mount becomes before it is attached, in one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    /// Attributes to add.
    pub attributes: u64,
    /// The user namespace that maps its ids.
    pub userns: Option<&'a OwnedFd>,
    /// Mounts made on the host later show up in it; otherwise nothing passes.
    pub follows_host: bool,
    /// The same for everything mounted below.
    pub recursive: bool,
}

/// Changes a detached mount.
pub fn change(mount: impl AsFd, change: Change<'_>) -> io::Result<()> {
    let (idmap, userns_fd) = change.userns.map_or((0, 0), |userns| (IDMAP, userns.as_raw_fd() as u64));
    let propagation = if change.follows_host { libc::MS_SLAVE } else { libc::MS_PRIVATE };
    let attr = MountAttr { set: change.attributes | idmap, clear: 0, propagation, userns_fd };
    set_attributes(mount.as_fd(), &attr, change.recursive)
}

/// The writable top of an overlay: two folders of one file system, nothing else using them.
#[derive(Clone, Copy, Debug)]
pub struct Writable<'a> {
    /// Where changes go.
    pub upper: &'a Path,
    /// Overlay's own scratch, empty.
    pub work: &'a Path,
    /// Nothing is synced, not even at the end; a crash leaves the upper unusable. `work/incompat/volatile` stays and
    /// must go before the same folders are mounted again.
    pub volatile: bool,
}

/// An overlay that is attached nowhere: it lives as long as the descriptor (O_PATH, of its root) or what is opened
/// through it. `lowers` come topmost first; without `writable` it is read-only. Paths must be absolute.
///
/// A running container's upper may be the topmost lower: what is read through this mount is then what is there at that
/// moment.
pub fn detached_overlay(lowers: &[PathBuf], writable: Option<Writable<'_>>) -> io::Result<OwnedFd> {
    if lowers.is_empty() || lowers.iter().any(|path| !path.is_absolute()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // A mount namespace can only be left by a thread that ends.
    std::thread::scope(|scope| {
        let made = std::thread::Builder::new().name("overlay".to_owned()).spawn_scoped(scope, || {
            unshare(CloneFlags::CLONE_NEWNS)?;
            overlay_in_own_namespace(lowers, writable)
        })?;
        made.join().unwrap_or_else(|_| Err(io::Error::other("the mounting thread panicked")))
    })
}

/// Layers go by short links in a tmpfs, so that hundreds fit the one page that mount options may take; fsconfig(2)
/// takes 255 bytes for all of them before Linux 6.13.
fn overlay_in_own_namespace(lowers: &[PathBuf], writable: Option<Writable<'_>>) -> io::Result<OwnedFd> {
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_SLAVE | MsFlags::MS_REC, nothing)?;
    let folder = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let scratch = NewFs::open(c"tmpfs")?.mount(NOSUID | NODEV | NOEXEC)?;
    // What covers the root is not entered by absolute paths, so those still lead to the layers.
    attach(&scratch, open("/", folder, Mode::empty())?)?;
    fchdir(&scratch)?;
    let mut names = Vec::with_capacity(lowers.len());
    for (number, lower) in lowers.iter().enumerate() {
        symlinkat(lower.as_path(), &scratch, number.to_string().as_str())?;
        names.push(number.to_string());
    }
    if writable.is_none() && lowers.len() == 1 {
        // Nothing to merge is refused.
        mkdirat(&scratch, "nothing", Mode::from_bits_truncate(0o755))?;
        names.push("nothing".to_owned());
    }
    let mut options = format!("lowerdir={},redirect_dir=off,index=off,metacopy=off", names.join(":"));
    let mut flags = MsFlags::MS_RDONLY;
    if let Some(writable) = writable {
        symlinkat(writable.upper, &scratch, "upper")?;
        symlinkat(writable.work, &scratch, "work")?;
        options.push_str(",upperdir=upper,workdir=work");
        if writable.volatile {
            options.push_str(",volatile");
        }
        flags = MsFlags::empty();
    }
    mkdirat(&scratch, "root", Mode::S_IRWXU)?;
    mount(Some("overlay"), "root", Some("overlay"), flags, Some(options.as_str()))?;
    let root = open_tree(open("root", folder, Mode::empty())?, c"", false)?;
    if writable.is_none() {
        // Strangers' device nodes may be in there, and whoever reads a tree opens what it finds.
        add_attributes(&root, NODEV | NOSUID | NOEXEC)?;
    }
    if writable.is_some() && fstatvfs(&root)?.flags().contains(FsFlags::ST_RDONLY) {
        return Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the kernel mounted the overlay read-only"));
    }
    Ok(root)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sys::open::{IN_ROOT, openat2};

    fn read(root: &OwnedFd, name: &str) -> io::Result<String> {
        let file = openat2(root, name, libc::O_RDONLY, 0, IN_ROOT)?;
        io::read_to_string(fs::File::from(file))
    }

    #[test]
    fn many_layers_with_awkward_names_are_merged_and_written_to() {
        let place = tempfile::tempdir().unwrap();
        let lowers: Vec<PathBuf> =
            (0..150).map(|n| place.path().join(format!("layer: {n},\\ with a long name"))).collect();
        for (n, lower) in lowers.iter().enumerate() {
            fs::create_dir(lower).unwrap();
            fs::write(lower.join("who"), n.to_string()).unwrap();
            fs::write(lower.join(format!("only-{n}")), "x").unwrap();
        }
        let merged = detached_overlay(&lowers, None).unwrap();
        assert_eq!((read(&merged, "who").unwrap(), read(&merged, "only-149").unwrap()), ("0".into(), "x".into()));
        let touched = openat2(&merged, "new", libc::O_CREAT | libc::O_WRONLY, 0o600, IN_ROOT);
        assert_eq!(touched.unwrap_err().raw_os_error(), Some(libc::EROFS));

        let (upper, work) = (place.path().join("upper"), place.path().join("work"));
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&work).unwrap();
        let writable = Writable { upper: &upper, work: &work, volatile: true };
        let root = detached_overlay(&lowers[..2], Some(writable)).unwrap();
        drop(openat2(&root, "new", libc::O_CREAT | libc::O_WRONLY, 0o600, IN_ROOT).unwrap());
        nix::unistd::unlinkat(&root, "who", nix::unistd::UnlinkatFlags::NoRemoveDir).unwrap();
        assert!(upper.join("new").is_file());
        // Readable while it is in use as an upper, and what it hides stays hidden.
        let view = [vec![upper.clone()], lowers[..2].to_vec()].concat();
        let seen = detached_overlay(&view, None).unwrap();
        assert_eq!(read(&seen, "new").unwrap(), "");
        assert_eq!(read(&seen, "who").unwrap_err().kind(), io::ErrorKind::NotFound);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(place.path().to_str().unwrap()), "nothing is attached");
        let one = detached_overlay(&lowers[7..8], None).unwrap();
        assert_eq!(read(&one, "who").unwrap(), "7");
        assert!(detached_overlay(&[], None).is_err() && detached_overlay(&["a".into()], None).is_err());
    }
}
