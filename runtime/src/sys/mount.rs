//! The mount calls that work by descriptor: fsopen(2), open_tree(2), move_mount(2), mount_setattr(2).
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
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

fn set_attributes(mount: BorrowedFd<'_>, attr: &MountAttr) -> io::Result<()> {
    // SAFETY: `attr` has the size that is passed and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            AT_EMPTY_PATH,
            std::ptr::from_ref(attr),
            std::mem::size_of::<MountAttr>(),
        )
    })
    .map(drop)
}

/// Adds attributes to a mount.
pub fn add_attributes(mount: impl AsFd, attributes: u64) -> io::Result<()> {
    set_attributes(mount.as_fd(), &MountAttr { set: attributes, clear: 0, propagation: 0, userns_fd: 0 })
}

/// Maps the ids of a detached mount by a user namespace.
pub fn idmap(mount: impl AsFd, userns: impl AsFd) -> io::Result<()> {
    let userns_fd = userns.as_fd().as_raw_fd() as u64;
    set_attributes(mount.as_fd(), &MountAttr { set: IDMAP, clear: 0, propagation: 0, userns_fd })
}
