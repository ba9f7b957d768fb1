//! Capabilities, securebits, file-system ids, seccomp filters.
#![allow(unsafe_code)]

use std::io;

use super::check;

/// CAP_SYS_ADMIN's number.
pub const CAP_SYS_ADMIN: u32 = 21;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Sets the effective and permitted capabilities; inheritable become none (so ambient ones do as well).
pub fn set_capabilities(set: u64) -> io::Result<()> {
    let header = Header { version: 0x2008_0522, pid: 0 };
    let half = |bits: u64| Data { effective: bits as u32, permitted: bits as u32, inheritable: 0 };
    let data = [half(set), half(set >> 32)];
    // SAFETY: version 3 of the interface takes two data elements; all outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// The capabilities this process could have: the permitted set.
pub fn permitted() -> io::Result<u64> {
    let header = Header { version: 0x2008_0522, pid: 0 };
    let mut data = [Data { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: as in `set_capabilities`; the kernel writes two elements.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) })?;
    Ok(u64::from(data[0].permitted) | u64::from(data[1].permitted) << 32)
}

fn prctl(option: i32, argument: libc::c_ulong) -> io::Result<i32> {
    // SAFETY: all options used here take integers only.
    check(unsafe { libc::prctl(option, argument, 0, 0, 0) }.into()).map(|value| value as i32)
}

/// Drops every capability outside `keep` from the bounding set.
pub fn limit_bounding(keep: u64) -> io::Result<()> {
    for capability in 0..64_u32 {
        match prctl(libc::PR_CAPBSET_READ, capability.into()) {
            Ok(1) if keep >> capability & 1 == 0 => drop(prctl(libc::PR_CAPBSET_DROP, capability.into())?),
            Ok(_) => {}
            // Beyond the last capability of this kernel.
            Err(_) => break,
        }
    }
    Ok(())
}

/// Whether changing the user id keeps the permitted capabilities.
pub fn keep_capabilities(keep: bool) -> io::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, keep.into()).map(drop)
}

/// Changing the file-system user id no longer takes capabilities away.
pub fn no_setuid_fixup() -> io::Result<()> {
    prctl(libc::PR_SET_SECUREBITS, 1 << 2).map(drop)
}

/// exec can't raise privileges from here on.
pub fn no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map(drop)
}

/// Whether others may trace this process and read its memory.
pub fn set_dumpable(dumpable: bool) -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, dumpable.into()).map(drop)
}

/// The signal this process gets when its parent dies.
pub fn set_parent_death_signal(signal: i32) -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong).map(drop)
}

/// Creates and opens files as these ids until it is called again.
pub fn set_fs_ids(uid: u32, gid: u32) {
    // SAFETY: plain integers; the calls can't fail in a way that is told.
    unsafe {
        libc::setfsuid(uid);
        libc::setfsgid(gid);
    }
}

/// Loads a compiled seccomp filter: an array of `sock_filter` in memory order, 8 bytes each.
pub fn load_seccomp(program: &[u8]) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> = program
        .as_chunks::<8>()
        .0
        .iter()
        .map(|raw| libc::sock_filter {
            code: u16::from_ne_bytes([raw[0], raw[1]]),
            jt: raw[2],
            jf: raw[3],
            k: u32::from_ne_bytes([raw[4], raw[5], raw[6], raw[7]]),
        })
        .collect();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: length and pointer are of the same array, which outlives the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, 1, 0, &raw const program) }).map(drop)
}
