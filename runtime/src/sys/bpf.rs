//! bpf(2), as far as device rules of cgroup v2 need it.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use super::check;

#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    program_type: u32,
    instructions: u32,
    instructions_at: u64,
    license_at: u64,
    log_level: u32,
    log_size: u32,
    log_at: u64,
    kernel_version: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct AttachAttr {
    target_fd: u32,
    program_fd: u32,
    attach_type: u32,
    flags: u32,
}

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;

/// Loads a program that decides on device access, one `u64` an instruction.
pub fn load_device_program(instructions: &[u64]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let attr = LoadAttr {
        program_type: PROG_TYPE_CGROUP_DEVICE,
        instructions: instructions.len() as u32,
        instructions_at: instructions.as_ptr() as u64,
        license_at: license.as_ptr() as u64,
        ..LoadAttr::default()
    };
    // SAFETY: the attribute has the size passed; what it points to outlives the call.
    let fd =
        check(unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attr, std::mem::size_of::<LoadAttr>()) })?;
    // SAFETY: the kernel just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches such a program to a cgroup directory for as long as that exists.
pub fn attach_device_program(cgroup: impl AsFd, program: impl AsFd) -> io::Result<()> {
    let attr = AttachAttr {
        target_fd: cgroup.as_fd().as_raw_fd() as u32,
        program_fd: program.as_fd().as_raw_fd() as u32,
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        flags: 0,
    };
    // SAFETY: the attribute has the size passed and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attr, std::mem::size_of::<AttachAttr>()) })
        .map(drop)
}
