//! Process 1 of a container with `init`: reaps orphans, forwards signals, ends as its child ends.

use std::os::fd::OwnedFd;

use nix::{
    sys::{
        signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, setpgid},
};

use super::failure::{Result, Stage};
use crate::sys::{process, tty};

/// Splits: returns in the child, which becomes the program; the parent never returns.
///
/// `channel` is closed in the parent, so that its end tells of the child's exec.
pub fn split(channel: OwnedFd, has_tty: bool) -> Result<OwnedFd> {
    let every = SigSet::all();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&every), None).stage("block signals")?;
    match process::fork().stage("fork")? {
        None => {
            setpgid(Pid::from_raw(0), Pid::from_raw(0)).stage("make a process group")?;
            if has_tty {
                tty::take_foreground();
            }
            process::reset_signals();
            Ok(channel)
        }
        Some(child) => {
            drop(channel);
            // Nothing of the outside may stay open here; the standard streams are the container's own.
            let _ = process::close_from(3);
            keep(child, &every)
        }
    }
}

fn keep(child: i32, every: &SigSet) -> ! {
    loop {
        match every.wait() {
            Ok(Signal::SIGCHLD) => reap_all(child),
            // A background read or write of the program's own is not for it to be told; a real-time signal, which has
            // no name here, is not forwarded.
            Ok(Signal::SIGTTIN | Signal::SIGTTOU) | Err(_) => {}
            Ok(signal) => drop(kill(Pid::from_raw(child), signal)),
        }
    }
}

fn reap_all(child: i32) {
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == child => process::exit_now(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == child => process::exit_now(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
