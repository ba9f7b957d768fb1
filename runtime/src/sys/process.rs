//! Processes: clone3(2), signals by descriptor, signal dispositions, names.
#![allow(unsafe_code)]

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use super::check;

/// Which side of a clone this is.
pub enum Cloned {
    /// The caller; the new process's id and a descriptor of it.
    Parent {
        /// Process id in the caller's namespace.
        pid: i32,
        /// pidfd, close-on-exec.
        pidfd: OwnedFd,
    },
    /// The new process.
    Child,
}

/// clone3(2) without shared memory: a fork into new namespaces, into a cgroup of v2 if one is given.
///
/// Only a process with one thread may call this: the child goes on with ordinary code, and a lock that another thread
/// held would stay locked in it for ever. The call fails with `EBUSY` when there are more.
pub fn clone3(flags: u64, into_cgroup: Option<&impl AsFd>) -> io::Result<Cloned> {
    clone(flags, libc::SIGCHLD as u64, into_cgroup.map(AsFd::as_fd))
}

/// [`clone3`] of a process whose parent is the caller's parent (`CLONE_PARENT`).
pub fn clone3_sibling(flags: u64) -> io::Result<Cloned> {
    clone(flags | libc::CLONE_PARENT as u64, 0, None)
}

fn clone(flags: u64, exit_signal: u64, into_cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid `clone_args`: no stack, no flags.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = exit_signal;
    if let Some(cgroup) = into_cgroup {
        args.flags |= 0x2_0000_0000;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the arguments outlive the call; memory is copied, not shared, and there is one thread (checked above),
    // so the child is in the same state as the parent.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, std::mem::size_of::<libc::clone_args>()) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the kernel wrote this new descriptor.
    Ok(Cloned::Parent { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// A descriptor of a running process.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: plain integers.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends a signal to exactly that process.
pub fn pidfd_signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    // SAFETY: plain integers and a null siginfo, which the call allows.
    check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_fd().as_raw_fd(), signal, std::ptr::null::<u8>(), 0)
    })
    .map(drop)
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

/// Reaps the child of this descriptor if it has ended.
pub fn reap(pidfd: impl AsFd) -> io::Result<Option<Ended>> {
    // SAFETY: all-zero is a valid siginfo to be written to.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let fd = pidfd.as_fd().as_raw_fd() as libc::id_t;
    // SAFETY: `info` outlives the call.
    check(unsafe { libc::waitid(libc::P_PIDFD, fd, &raw mut info, libc::WEXITED | libc::WNOHANG) }.into())?;
    // SAFETY: waitid filled in the fields of a SIGCHLD siginfo, or left it zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(match (pid, info.si_code) {
        (0, _) => None,
        (_, libc::CLD_EXITED) => Some(Ended::Exited(status)),
        _ => Some(Ended::Signaled(status)),
    })
}

/// Gives every signal its default effect and lets all through, as a new program expects.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: the default disposition runs no code of ours; a refused number (KILL, STOP) changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an empty set is initialised before it is used.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// The name ps(1) shows.
pub fn set_name(name: &CStr) {
    // SAFETY: a NUL-terminated string that the kernel copies.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Marks every descriptor from `first` up to be closed by exec.
pub fn close_from_on_exec(first: u32) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 4) }).map(drop)
}

/// Closes every descriptor from `first` up. The caller owns none of them any more.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: the caller gives up whatever it held there; it does nothing but exec or exit afterwards.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Takes over an inherited descriptor, made close-on-exec; `None` when it isn't open.
pub fn inherited(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: asks only.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: the descriptor is open, and the program that started this one gave it to us alone. A copy with a high
    // number leaves 0, 1 and 2 to standard streams.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    // SAFETY: as above.
    (copy >= 0).then(|| unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Puts a descriptor in the place of 0, 1 or 2.
pub fn place(fd: impl AsFd, at: RawFd) -> io::Result<()> {
    // SAFETY: plain integers; nobody owns the standard descriptors as values.
    check(unsafe { libc::dup3(fd.as_fd().as_raw_fd(), at, 0) }.into()).map(drop)
}

/// Forks. As with [`clone3`], for processes with one thread only.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: the callers have one thread, so the child's state is consistent.
    let pid = check(unsafe { libc::fork() }.into())?;
    Ok((pid != 0).then_some(pid as i32))
}

/// Ends this process without running anything else.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit runs no handlers and doesn't return.
    unsafe { libc::_exit(code) }
}

/// The NIS domain name of this UTS namespace.
pub fn set_domainname(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length are of the same text.
    check(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }.into()).map(drop)
}

/// Brings the loopback interface of this network namespace up.
pub fn loopback_up() -> io::Result<()> {
    // SAFETY: makes a descriptor that is owned at once; the request is zeroed and then filled with a short name, and
    // outlives both calls.
    unsafe {
        let socket = check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0).into())?;
        let socket = OwnedFd::from_raw_fd(socket as i32);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request).into())?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as i16;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request).into())?;
    }
    Ok(())
}

/// A session keyring of its own, so that none is inherited. Kernels without keys are fine.
pub fn new_session_keyring() {
    // SAFETY: plain integers and a null name, which means anonymous.
    unsafe { libc::syscall(libc::SYS_keyctl, 1, std::ptr::null::<u8>()) };
}

/// Signals that ask a program to end, or tell of a closed pipe, no longer do anything to this process.
pub fn ignore_termination() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
        // SAFETY: ignoring runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
