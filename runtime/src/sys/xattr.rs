//! Extended attributes of open files, all at once.
#![allow(unsafe_code)]

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, AsRawFd},
};

use super::path::{xattr, xattr_names};

/// All attributes but those that steer the host itself (`trusted.`, labels of its security modules), in order. A file
/// system without attributes has none.
pub fn all(file: impl AsFd) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in xattr_names(&file)? {
        let text = name.to_bytes();
        if text.starts_with(b"trusted.") || text == b"security.selinux" || text == b"security.ima" {
            continue;
        }
        if let Some(value) = xattr(&file, &name)? {
            found.push((name, value));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Sets attributes; one the file system can't keep is left out.
pub fn set_all(file: impl AsFd, attributes: &[(CString, Vec<u8>)]) -> io::Result<()> {
    for (name, value) in attributes {
        let fd = file.as_fd().as_raw_fd();
        // SAFETY: the name is NUL-terminated and outlives the call; pointer and length describe `value`.
        let result = unsafe { libc::fsetxattr(fd, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
        if result != 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::ENOTSUP) {
                return Err(error);
            }
        }
    }
    Ok(())
}
