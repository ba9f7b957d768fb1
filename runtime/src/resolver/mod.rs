//! The name server of one container: a small process that answers at 127.0.0.11 and outlives the server.
//!
//! ```text
//! <run dir>/resolver     what it serves, written by the engine (see [`Settings`])
//!           resolver.lock  locked by the process that serves
//! <names>/<network id>   who is called what there (see [`crate::names`])
//! ```
//!
//! The engine opens its sockets inside the container's network namespace and hands them over; questions of the outside
//! it asks from the host's. It has one thread and no async code, gives up all capabilities, trusts nothing that it is
//! asked, and ends with the container's first process. Files that changed are read again at the next question.

mod answer;
mod flow;
mod serve;
mod settings;

use std::{fs::File, io, os::fd::OwnedFd, path::Path, process::ExitCode};

use nix::fcntl::{Flock, FlockArg};

pub use self::settings::Settings;
use crate::sys::{packet, privilege, process};

/// What the engine hands over, with the sockets and the container's first process.
pub const HAND_OVER: &[u8] = b"serve";

/// What is answered.
pub const SERVING: &[u8] = b"serving";

/// The resolver program: descriptor 0 is the channel the sockets come by.
pub fn main(settings: &Path) -> ExitCode {
    match live(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Takes the lock that says who serves; `None` when somebody does.
pub fn lock(settings: &Path) -> io::Result<Option<Flock<File>>> {
    let path = settings.with_extension("lock");
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

fn live(settings: &Path) -> io::Result<()> {
    let channel = process::inherited(0).ok_or(io::ErrorKind::NotFound)?;
    process::set_name(c"darsena-resolve");
    process::ignore_termination();
    privilege::set_dumpable(false)?;
    // Fails only for a group's leader, which is as good.
    let _ = nix::unistd::setsid();
    let (message, fds) = packet::receive(&channel, true)?;
    let Ok([udp, tcp, container]) = <[OwnedFd; 3]>::try_from(fds) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    if message != HAND_OVER {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let Some(_lock) = lock(settings)? else { return Ok(()) };
    packet::send(&channel, SERVING, &[], true)?;
    drop(channel);
    let null = File::open("/dev/null")?;
    process::place(&null, 0)?;
    privilege::no_new_privileges()?;
    privilege::set_capabilities(0)?;
    serve::serve(udp.into(), tcp.into(), &container, settings)
}
