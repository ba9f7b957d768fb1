//! Extended attributes of open files.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, AsRawFd},
};

/// What an attribute, and a list of names, may be at most (xattr(7)).
const MOST: usize = 64 << 10;

/// All attributes but those that steer the host itself (`trusted.`, labels of its security modules). A file system
/// without attributes has none.
pub fn all(file: impl AsFd) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let fd = file.as_fd().as_raw_fd();
    let mut found = Vec::new();
    // SAFETY: no memory is passed; the kernel says how many bytes there are.
    let mut size = unsafe { libc::flistxattr(fd, std::ptr::null_mut(), 0) };
    if size > 0 {
        let mut names = vec![0_u8; MOST];
        // SAFETY: pointer and length describe `names`.
        size = unsafe { libc::flistxattr(fd, names.as_mut_ptr().cast(), names.len()) };
        names.truncate(usize::try_from(size).unwrap_or_default());
        for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            if name.starts_with(b"trusted.") || name == b"security.selinux" || name == b"security.ima" {
                continue;
            }
            let name = CString::new(name)?;
            if let Some(value) = get(fd, &name)? {
                found.push((name, value));
            }
        }
    }
    match usize::try_from(size) {
        Ok(_) => {
            found.sort_unstable();
            Ok(found)
        }
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENOTSUP) => Ok(found),
            error => Err(error),
        },
    }
}

fn get(fd: i32, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0_u8; MOST];
    // SAFETY: the name is NUL-terminated and outlives the call; pointer and length describe `value`.
    let size = unsafe { libc::fgetxattr(fd, name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
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

/// Sets attributes; one the file system can't keep is left out.
pub fn set_all(file: impl AsFd, attributes: &[(CString, Vec<u8>)]) -> io::Result<()> {
    for (name, value) in attributes {
        // SAFETY: the name is NUL-terminated and outlives the call; pointer and length describe `value`.
        let result =
            unsafe { libc::fsetxattr(file.as_fd().as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
        if result != 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::ENOTSUP) {
                return Err(error);
            }
        }
    }
    Ok(())
}
