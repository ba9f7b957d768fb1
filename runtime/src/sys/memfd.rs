//! Memory files, sealed: nobody can change them any more.
#![allow(unsafe_code)]

use std::{
    ffi::CStr,
    fs::File,
    io::{self, Seek, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use super::check;

const MFD_NOEXEC_SEAL: libc::c_uint = 8;
const MFD_EXEC: libc::c_uint = 16;

fn create(name: &CStr, flags: libc::c_uint) -> io::Result<File> {
    // SAFETY: a NUL-terminated string and flags.
    let fd = check(unsafe { libc::memfd_create(name.as_ptr(), flags) }.into())?;
    // SAFETY: the kernel just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }.into())
}

/// A sealed memory file with these bytes, positioned at its start.
pub fn sealed(name: &CStr, bytes: &[u8], executable: bool) -> io::Result<OwnedFd> {
    let base = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let wanted = if executable { MFD_EXEC } else { MFD_NOEXEC_SEAL };
    // Kernels before 6.3 know neither flag.
    let mut file = create(name, base | wanted).or_else(|_| create(name, base))?;
    file.write_all(bytes)?;
    file.rewind()?;
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: plain integers.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }.into())?;
    Ok(file.into())
}
