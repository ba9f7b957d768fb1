//! Namespaces of another container's first process, and a clone into them.

use std::{
    fs::{self, File},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    fcntl::AT_FDCWD,
    sched::{CloneFlags, setns},
    sys::{
        statfs::{TMPFS_MAGIC, fstatfs},
        wait::waitpid,
    },
    unistd::Pid,
};

use super::{prepare::namespace, protocol::Failure, report};
use crate::{
    init::{
        self,
        failure::{Result, Stage, refuse},
    },
    spec::{Joined, LaunchSpec, Opened, Shared},
    sys::{
        mount::open_tree,
        packet,
        process::{self, Cloned},
    },
};

/// What is joined, held open.
#[derive(Default)]
pub struct Joint {
    /// The user namespace.
    pub user: Option<OwnedFd>,
    pid: Option<OwnedFd>,
    ipc: Option<OwnedFd>,
    /// The other's /dev/shm, as a detached mount.
    pub shm: Option<OwnedFd>,
}

/// Opens what a container joins. The other's first process is held meanwhile, so it is of that process and no later one.
pub fn open(opened: &Opened) -> Result<Joint> {
    let mut joint = Joint::default();
    if let Some(other) = opened.user {
        joint.user = Some(of(other, "user")?);
    }
    if let Shared::Of(other) = opened.pid {
        joint.pid = Some(of(other, "pid")?);
    }
    if let Shared::Of(other) = opened.ipc {
        joint.ipc = Some(of(other, "ipc")?);
        joint.shm = Some(shm_of(other)?);
    }
    Ok(joint)
}

fn gone() -> Failure {
    refuse("join a container", "the container whose namespaces are to be joined has ended")
}

/// A namespace of exactly that process.
fn of(other: Joined, kind: &str) -> Result<OwnedFd> {
    let held = process::pidfd_open(other.pid).map_err(|_| gone())?;
    let namespace = namespace(other.pid, kind).map_err(|_| gone())?;
    // Read after both were opened: still the same process, so both are its.
    if report::start_time(other.pid).ok() != Some(other.start_time) || process::pidfd_signal(&held, 0).is_err() {
        return Err(gone());
    }
    Ok(namespace)
}

/// A copy of a mount can be made in its own mount namespace only; this process visits it and comes back.
fn shm_of(other: Joined) -> Result<OwnedFd> {
    let theirs = of(other, "mnt")?;
    let ours = File::open("/proc/self/ns/mnt").stage("open own mount namespace")?;
    let here = File::open(".").stage("open own folder")?;
    setns(&theirs, CloneFlags::CLONE_NEWNS).stage("enter mount namespace")?;
    let copy = open_tree(AT_FDCWD, c"/dev/shm", false);
    setns(&ours, CloneFlags::CLONE_NEWNS).stage("leave mount namespace")?;
    nix::unistd::fchdir(&here).stage("return to own folder")?;
    let copy = copy.stage("open the other's /dev/shm")?;
    if fstatfs(&copy).stage("look at the other's /dev/shm")?.filesystem_type() != TMPFS_MAGIC {
        return Err(refuse("join a container", "the other container has no /dev/shm to share"));
    }
    Ok(copy)
}

/// Clones the first process out of one that has joined; it is a child of this process all the same. The one between ends
/// at once.
pub fn clone_inside(
    joint: &Joint,
    flags: u64,
    unified: Option<&File>,
    (ours, theirs): (BorrowedFd<'_>, OwnedFd),
    tasks: Vec<OwnedFd>,
    spec: &LaunchSpec,
) -> Result<(i32, OwnedFd)> {
    let between = match process::clone3(0, unified).stage("clone")? {
        Cloned::Parent { pid, .. } => pid,
        Cloned::Child => between(joint, flags, theirs, tasks, spec),
    };
    drop((theirs, tasks));
    let heard = packet::receive(ours, true);
    let _ = waitpid(Pid::from_raw(between), None);
    let (message, mut fds) = heard.stage("hear from the process between")?;
    let Some(pidfd) = fds.pop() else {
        return Err(match init::Said::decode(&message) {
            Some(init::Said::Failed(failure)) => failure,
            _ => gone(),
        });
    };
    Ok((host_pid(&pidfd)?, pidfd))
}

/// The process's id in the namespace of our procfs.
fn host_pid(pidfd: &OwnedFd) -> Result<i32> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).stage("read a pidfd")?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")).and_then(|pid| pid.trim().parse().ok());
    pid.filter(|pid| *pid > 0).ok_or_else(gone)
}

fn between(joint: &Joint, flags: u64, channel: OwnedFd, tasks: Vec<OwnedFd>, spec: &LaunchSpec) -> ! {
    let cloned = inside(joint, flags, &tasks);
    drop(tasks);
    match cloned {
        Ok(Cloned::Child) => init::run(spec, channel, Vec::new()),
        Ok(Cloned::Parent { pidfd, .. }) => {
            let _ = packet::send(&channel, b"made", &[pidfd.as_raw_fd()], true);
            process::exit_now(0)
        }
        Err(failure) => {
            let _ = packet::send(&channel, &init::Said::Failed(failure).encode(), &[], true);
            process::exit_now(128)
        }
    }
}

/// Its control groups are joined first: what comes later has no right to.
fn inside(joint: &Joint, flags: u64, tasks: &[OwnedFd]) -> Result<Cloned> {
    use std::io::Write as _;
    for file in tasks {
        File::from(file.try_clone().stage("copy a descriptor")?).write_all(b"0").stage("join a control group")?;
    }
    // The process namespace before the user namespace: a right over both is needed, which only the host's root has. The
    // IPC namespace after it, which owns it.
    if let Some(pid) = &joint.pid {
        setns(pid, CloneFlags::CLONE_NEWPID).stage("join process namespace")?;
    }
    if let Some(user) = &joint.user {
        setns(user, CloneFlags::CLONE_NEWUSER).stage("join user namespace")?;
    }
    if let Some(ipc) = &joint.ipc {
        setns(ipc.as_fd(), CloneFlags::CLONE_NEWIPC).stage("join IPC namespace")?;
    }
    process::clone3_sibling(flags).stage("clone")
}
