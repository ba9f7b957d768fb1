//! Paths that strangers chose: resolved inside a folder only, by descriptors, never by strings alone; and extended
//! attributes, which the standard library lacks.
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

/// Most bytes that one attribute, or the list of all names, may take (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const XATTR_BYTES: usize = 64 << 10;

/// Calls again with the largest possible buffer when the small one doesn't do.
fn sized(call: impl Fn(&mut [u8]) -> isize) -> io::Result<Vec<u8>> {
    let mut small = [0_u8; 512];
    if let Ok(size) = usize::try_from(call(&mut small)) {
        return Ok(small[..size].to_vec());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::ERANGE) {
        return Err(error);
    }
    let mut large = vec![0; XATTR_BYTES];
    match usize::try_from(call(&mut large)) {
        Ok(size) => {
            large.truncate(size);
            Ok(large)
        }
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// The names of all extended attributes of an open file or folder; none where the file system has no such thing.
pub fn xattr_names(file: impl AsFd) -> io::Result<Vec<CString>> {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: pointer and length describe the buffer.
    let list = match sized(|into| unsafe { libc::flistxattr(fd, into.as_mut_ptr().cast(), into.len()) }) {
        Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => return Ok(Vec::new()),
        list => list?,
    };
    Ok(list.split(|b| *b == 0).filter(|name| !name.is_empty()).filter_map(|name| CString::new(name).ok()).collect())
}

/// An extended attribute of an open file or folder; `None` when it has none.
pub fn xattr(file: impl AsFd, key: &CStr) -> io::Result<Option<Vec<u8>>> {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: `key` is NUL-terminated; pointer and length describe the buffer.
    match sized(|into| unsafe { libc::fgetxattr(fd, key.as_ptr(), into.as_mut_ptr().cast(), into.len()) }) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENODATA | libc::ENOTSUP)) => Ok(None),
        value => value.map(Some),
    }
}

/// Removes an extended attribute of an open file or folder; absent is success.
pub fn remove_xattr(file: impl AsFd, key: &CStr) -> io::Result<()> {
    // SAFETY: `key` is NUL-terminated and outlives the call.
    let result = unsafe { libc::fremovexattr(file.as_fd().as_raw_fd(), key.as_ptr()) };
    removed(result)
}

/// Removes an extended attribute of `name` in the folder `dir`, of a link itself too; absent is success.
pub fn remove_xattr_at(dir: impl AsFd, name: &OsStr, key: &CStr) -> io::Result<()> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name.as_bytes());
    let path = CString::new(path)?;
    // SAFETY: both texts are NUL-terminated and outlive the call.
    let result = unsafe { libc::lremovexattr(path.as_ptr(), key.as_ptr()) };
    removed(result)
}

fn removed(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::ENODATA | libc::ENOTSUP)) => Ok(()),
            error => Err(error),
        },
    }
}
