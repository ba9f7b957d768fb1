//! Work inside another network namespace, on a thread that joins it and then dies.

use std::{io, os::fd::BorrowedFd, thread};

use nix::sched::{CloneFlags, setns};

/// Runs `work` on a new thread inside `netns` and waits for it. The caller's thread keeps its namespace.
///
/// Sockets that `work` opens stay in that namespace wherever they are used later.
pub fn within<T: Send>(netns: BorrowedFd<'_>, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let joined = thread::Builder::new().name("netns".into()).spawn_scoped(scope, move || {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            work()
        })?;
        joined.join().unwrap_or_else(|_| Err(io::Error::other("the thread inside the network namespace panicked")))
    })
}
