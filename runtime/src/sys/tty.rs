//! Pseudo-terminals, opened by descriptor in a devpts of one's own.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use super::{check, open};

/// Opens a new terminal of the devpts mounted at the handle `pts`: its master and its slave.
pub fn open_pair(pts: impl AsFd) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    let master = open::openat2(pts, "ptmx", flags, 0, open::NO_SYMLINKS | open::NO_XDEV)?;
    let unlocked: libc::c_int = 0;
    // SAFETY: the integer outlives the call.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) }.into())?;
    // SAFETY: plain integers; the call makes a descriptor that is owned at once.
    let slave = unsafe {
        let fd = check(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags | libc::O_CLOEXEC).into())?;
        OwnedFd::from_raw_fd(fd as i32)
    };
    Ok((master, slave))
}

/// Makes a terminal the controlling one of this session.
pub fn make_controlling(slave: impl AsFd) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::ioctl(slave.as_fd().as_raw_fd(), libc::TIOCSCTTY, 0) }.into()).map(drop)
}

/// Sets a terminal's size in characters.
pub fn set_size(tty: impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the struct outlives the call.
    check(unsafe { libc::ioctl(tty.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }.into()).map(drop)
}

/// Makes this process's group the foreground one of the terminal at descriptor 0, if that is one.
pub fn take_foreground() {
    // SAFETY: plain integers; SIGTTOU is ignored meanwhile, or a background group would stop itself here.
    unsafe {
        let old = libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        libc::tcsetpgrp(0, libc::getpgrp());
        libc::signal(libc::SIGTTOU, old);
    }
}
