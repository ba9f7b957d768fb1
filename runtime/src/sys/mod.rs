//! System calls the standard library and `nix` don't offer safely. All `unsafe` of the project is in this room.
//!
//! Every function is a thin, typed wrapper: descriptors are owned or borrowed, failures are [`std::io::Error`] with the
//! kernel's errno, nothing retries and nothing logs. It must know nothing of containers.

pub mod bpf;
#[cfg(feature = "engine")]
pub mod iptables;
pub mod memfd;
pub mod mount;
#[cfg(feature = "engine")]
pub mod netlink;
#[cfg(feature = "engine")]
pub mod netns;
pub mod open;
pub mod packet;
pub mod path;
pub mod privilege;
pub mod process;
#[cfg(feature = "engine")]
pub mod readiness;
pub mod tty;
#[cfg(feature = "engine")]
pub mod xattr;

use std::io;

/// The result of a raw system call as an [`io::Result`].
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
