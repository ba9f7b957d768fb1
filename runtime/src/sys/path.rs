//! Paths that strangers chose: resolved inside a folder only, by descriptors, never by strings alone.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, OsStr},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// Opens `path` below `root`: absolute links and `..` stay inside, links of procfs are refused.
pub fn open_in_root(root: impl AsFd, path: &OsStr, flags: OFlag) -> io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    // EAGAIN: something was renamed on the way while `..` was resolved (openat2(2)); nobody else writes here for long.
    for _ in 0..64 {
        match openat2(root.as_fd(), path, how) {
            Err(nix::errno::Errno::EAGAIN) => {}
            result => return Ok(result?),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// Sets an extended attribute of `name` in the folder `dir`, of a link itself too.
pub fn set_xattr_at(dir: impl AsFd, name: &OsStr, key: &CStr, value: &[u8]) -> io::Result<()> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name.as_bytes());
    let path = CString::new(path)?;
    // SAFETY: both texts are NUL-terminated and outlive the call; pointer and length describe `value`.
    let result = unsafe { libc::lsetxattr(path.as_ptr(), key.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an extended attribute of `name` in the folder `dir`, of a link itself too; `None` when it has none.
pub fn get_xattr_at(dir: impl AsFd, name: &OsStr, key: &CStr) -> io::Result<Option<Vec<u8>>> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name.as_bytes());
    let path = CString::new(path)?;
    let mut value = vec![0_u8; 64 << 10]; // XATTR_SIZE_MAX
    // SAFETY: both texts are NUL-terminated and outlive the call; pointer and length describe `value`.
    let size = unsafe { libc::lgetxattr(path.as_ptr(), key.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    match usize::try_from(size) {
        Ok(size) => {
            value.truncate(size);
            Ok(Some(value))
        }
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENODATA) => Ok(None),
            error => Err(error),
        },
    }
}
