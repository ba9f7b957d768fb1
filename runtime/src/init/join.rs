//! One more program in a container that runs: what its process does from its clone up to exec.
//!
//! It is born in the container's process namespace and on v2 in its control group, and joins the rest by the descriptor
//! of the first process, which can't be another one meanwhile: the monitor has not reaped it. Nothing of the host is
//! opened after that, and no path is walked but as inside the container's root. Its memory can't be read from inside: the
//! monitor's isn't dumpable, and changing ids keeps it so until exec.

use std::{
    collections::HashSet,
    fs::File,
    io::Write,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sched::{CloneFlags, setns},
    sys::{
        stat::{Mode, SFlag, fstat, makedev, umask},
        statfs::{FsType, fstatfs},
    },
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};

use super::{
    Never, Said,
    failure::{PREFIX, Result, Stage, refuse},
    finish, limits, pipes, terminal, user,
};
use crate::{
    monitor::protocol::Failure,
    spec::{CgroupJoin, ExecSpec, LaunchSpec, Process},
    sys::{open, packet, process},
};

const DEVPTS: FsType = FsType(0x1cd1);

/// What every exec has from its container.
pub(crate) struct Ground {
    process: Process,
    /// The groups to join.
    pub(crate) cgroup: CgroupJoin,
    is_mapped: bool,
}

impl Ground {
    /// Of a container that is started like this.
    pub(crate) fn of(spec: &LaunchSpec) -> Self {
        let process = Process { argv: Vec::new(), init: false, ..spec.process.clone() };
        Self { process, cgroup: spec.cgroup.clone(), is_mapped: spec.id_map.is_some() || spec.opened.user.is_some() }
    }

    /// Less than this the host allows itself.
    pub(crate) fn oom_score_adj(&self) -> i32 {
        self.process.oom_score_adj
    }

    fn with(&self, spec: &ExecSpec) -> Process {
        let own = |own: &str, other: &String| if own.is_empty() { other.clone() } else { own.to_owned() };
        let mut process = Process {
            argv: spec.argv.clone(),
            cwd: own(&spec.cwd, &self.process.cwd),
            user: own(&spec.user, &self.process.user),
            tty: spec.tty,
            env: environment(&self.process.env, &spec.env, spec.tty.is_some()),
            ..self.process.clone()
        };
        if spec.privileged {
            process.capabilities = u64::MAX;
        }
        process
    }
}

/// The container's variables, replaced by those of the exec.
fn environment(container: &[String], own: &[String], has_tty: bool) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let replaced: HashSet<String> = own.iter().map(|entry| name(entry)).collect();
    let mut env: Vec<String> = container.iter().filter(|entry| !replaced.contains(&name(entry))).cloned().collect();
    // The last word on a variable counts; a bare name takes it away.
    for (at, entry) in own.iter().enumerate() {
        if entry.contains('=') && !own[at + 1..].iter().any(|later| name(later) == name(entry)) {
            env.push(entry.clone());
        }
    }
    if has_tty && !env.iter().any(|entry| entry.starts_with("TERM=")) {
        env.push("TERM=xterm".to_owned());
    }
    env
}

/// Runs in the child of the clone: joins the container of `first` and becomes the program. Never returns.
pub(crate) fn run(first: &OwnedFd, ground: &Ground, spec: &ExecSpec, channel: OwnedFd, tasks: Vec<OwnedFd>) -> ! {
    let spare = channel.try_clone();
    let failure = match steps(first, ground, spec, channel, tasks) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    if let Ok(channel) = spare {
        let _ = packet::send(&channel, &Said::Failed(failure).encode(), &[], true);
    }
    process::exit_now(128)
}

fn steps(first: &OwnedFd, ground: &Ground, spec: &ExecSpec, channel: OwnedFd, tasks: Vec<OwnedFd>) -> Result<Never> {
    process::reset_signals();
    // As in a start: written by the process itself.
    for file in tasks {
        File::from(file).write_all(b"0").stage("join a control group")?;
    }
    join(first, ground.is_mapped)?;
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setgroups(&[]).stage("drop groups")?;
    setresgid(gid, gid, gid).stage("become root of the container")?;
    setresuid(uid, uid, uid).stage("become root of the container")?;
    umask(Mode::empty());

    let root = File::open("/").stage("open the root")?;
    let process = ground.with(spec);
    let identity = user::resolve_in(&root, &process.user, &process.group_add)?;
    let (streams, outside) = if let Some(size) = process.tty {
        let (streams, master, slave) = terminal(&pts(&root)?, size, &identity)?;
        drop(slave);
        (streams, vec![master])
    } else {
        let null = if spec.open_stdin { None } else { Some(null(&root)?) };
        pipes(null, &identity)?
    };
    let cwd = working_dir(&root, &process.cwd)?;
    let clamped = limits::apply(&process.rlimits)?;
    let raw: Vec<_> = outside.iter().map(AsRawFd::as_raw_fd).collect();
    packet::send(&channel, &Said::Ready { clamped, made: Vec::new() }.encode(), &raw, true)
        .stage("tell the monitor")?;
    drop((outside, root));
    finish(&process, channel, &identity, streams, &cwd)
}

/// All namespaces but that of processes, which a process can only be born in.
fn join(first: &OwnedFd, is_mapped: bool) -> Result<()> {
    let mut namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    // One's own can't be joined again.
    namespaces.set(CloneFlags::CLONE_NEWUSER, is_mapped);
    match setns(first, namespaces) {
        Err(Errno::ESRCH) => Err(refuse("join the container", "the container has ended")),
        joined => joined.stage("join the container's namespaces"),
    }
}

/// The container's devpts; something else mounted there by the container is refused.
fn pts(root: &File) -> Result<OwnedFd> {
    let pts = open::inside(root, "dev/pts", libc::O_DIRECTORY).stage("open /dev/pts")?;
    if fstatfs(&pts).stage("open /dev/pts")?.filesystem_type() == DEVPTS {
        Ok(pts)
    } else {
        Err(refuse("open a terminal", "/dev/pts of the container is no file system of terminals"))
    }
}

/// The container's /dev/null, if it is that; never waited for.
fn null(root: &File) -> Result<OwnedFd> {
    let stage = "open /dev/null";
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = open::openat2(root, "dev/null", flags, 0, open::IN_ROOT | open::NO_MAGICLINKS).stage(stage)?;
    let found = fstat(&file).stage(stage)?;
    let is_device = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
    if !is_device || found.st_rdev != makedev(1, 3) {
        return Err(refuse(stage, "/dev/null of the container is something else"));
    }
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty())).stage(stage)?;
    Ok(file)
}

fn working_dir(root: &File, cwd: &str) -> Result<OwnedFd> {
    let cwd = if cwd.is_empty() { "/" } else { cwd };
    if !cwd.starts_with('/') {
        return Err(refuse("working directory", format_args!("Cwd must be an absolute path: {cwd:?}")));
    }
    open::inside(root, cwd, libc::O_DIRECTORY).map_err(|error| {
        let errno = error.raw_os_error().unwrap_or(0);
        let words = Errno::from_raw(errno).desc().to_lowercase();
        Failure {
            stage: "working directory".to_owned(),
            errno,
            message: format!("{PREFIX}chdir to cwd ({cwd:?}) set in config.json failed: {words}"),
            exit_code: if errno == libc::ENOENT { 127 } else { 126 },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exec_s_variables_replace_the_container_s() {
        let text = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let container = text(&["PATH=/bin", "A=1", "B=2", "TERMINAL=x"]);
        let own = text(&["A=3", "C=4", "A=5", "B"]);
        assert_eq!(environment(&container, &own, false), ["PATH=/bin", "TERMINAL=x", "C=4", "A=5"]);
        assert_eq!(environment(&[], &[], true), ["TERM=xterm"]);
        assert_eq!(environment(&[], &text(&["TERM=vt100"]), true), ["TERM=vt100"]);
    }
}
