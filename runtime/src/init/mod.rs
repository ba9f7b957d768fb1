//! What runs inside the new namespaces, from the clone up to exec.
//!
//! It is the monitor's own code, forked: one thread, so ordinary Rust works. The monitor does what needs the host (ids,
//! overlay, device nodes); this does the rest and never touches a path outside the root it was handed. Failures go back
//! over the channel as one message; the channel closing without one says that exec succeeded.
//!
//! Order matters and is argued where it does: see [`run`].

mod exec;
pub(crate) mod failure;
pub(crate) mod join;
pub(crate) mod limits;
pub(crate) mod mounts;
mod reaper;
pub(crate) mod rootfs;
pub mod user;

use std::{
    ffi::CString,
    fs::File,
    io::Write,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use nix::{
    sched::{CloneFlags, unshare},
    sys::stat::{Mode, umask},
    unistd::{Gid, Uid, fchdir, fchown, setgroups, setresgid, setresuid, setsid},
};
use serde::{Deserialize, Serialize};

use self::{
    failure::{Result, Stage, refuse},
    rootfs::{Attached, Detached},
    user::Identity,
};
use crate::{
    monitor::protocol::{Failure, Made},
    spec::{LaunchSpec, Network, Process, Shared, Stdin, TtySize},
    sys::{open, packet, privilege, process, tty},
};

/// The monitor says: your ids are mapped.
pub const MAPPED: &[u8] = b"mapped";
/// The monitor hands over, in as many messages as it takes: root, /dev, what is shown of the host or shared with another
/// container, and one mount for each file and each mount of the spec but tmpfs.
pub const MOUNTS: &[u8] = b"mounts";
/// The monitor says: become the program.
pub const GO: &[u8] = b"go";

/// What init says to the monitor.
#[derive(Debug, Serialize, Deserialize)]
pub enum Said {
    /// All is made but the last steps. Comes with descriptors: the terminal's master and slave, or the reading ends of
    /// stdout and stderr and, where input is open, the writing end of stdin.
    Ready {
        /// What the host allowed only in part.
        clamped: Vec<String>,
        /// What was made to mount on.
        made: Vec<Made>,
    },
    /// It can't be done.
    Failed(Failure),
}

impl Said {
    /// As one packet.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// From one packet.
    pub fn decode(packet: &[u8]) -> Option<Self> {
        postcard::from_bytes(packet).ok()
    }
}

/// The process's standard streams as it will have them.
struct Streams {
    at: [OwnedFd; 3],
    tty: Option<OwnedFd>,
}

/// Runs in the child of the clone: prepares and becomes the container's program. Never returns.
pub fn run(spec: &LaunchSpec, channel: OwnedFd, tasks: Vec<OwnedFd>) -> ! {
    // After a fork for `init` the failing side is the child, which holds a channel of its own.
    let spare = channel.try_clone();
    let failure = match steps(spec, channel, tasks) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    if let Ok(channel) = spare {
        let _ = packet::send(&channel, &Said::Failed(failure).encode(), &[], true);
    }
    process::exit_now(128)
}

enum Never {}

fn await_message(channel: impl AsFd, wanted: &[u8]) -> Result<Vec<OwnedFd>> {
    let (message, fds) = packet::receive(channel, true).stage("hear from the monitor")?;
    if message != wanted {
        return Err(refuse("hear from the monitor", "the monitor went away"));
    }
    Ok(fds)
}

/// What the monitor hands over, told apart.
struct Handed {
    root: OwnedFd,
    dev: OwnedFd,
    /// The host's /sys.
    sys: Option<OwnedFd>,
    /// The host's /proc.
    proc: Option<OwnedFd>,
    /// /dev/shm of the host or of the other container.
    shm: Option<OwnedFd>,
    /// The host's /dev/mqueue.
    mqueue: Option<OwnedFd>,
    /// The host's control groups.
    cgroup: Option<OwnedFd>,
    files: Vec<OwnedFd>,
    mounts: Vec<OwnedFd>,
}

fn await_mounts(channel: &OwnedFd, spec: &LaunchSpec) -> Result<Handed> {
    let opened = &spec.opened;
    let host_ipc = opened.ipc == Shared::Host;
    let shown = [
        spec.network != Network::Own,
        opened.pid == Shared::Host,
        opened.ipc != Shared::Own,
        host_ipc,
        opened.host_cgroups,
    ];
    let host_made = shown.iter().filter(|is_shown| **is_shown).count();
    let sources = spec.mounts.iter().filter(|mount| mount.is_host_made()).count();
    let count = 2 + host_made + spec.files.len() + sources;
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let more = await_message(channel, MOUNTS)?;
        if more.is_empty() {
            return Err(refuse("hear from the monitor", "the monitor sent too few mounts"));
        }
        all.extend(more);
    }
    let mounts = all.split_off(all.len() - sources);
    let mut rest = all.into_iter();
    let (Some(root), Some(dev)) = (rest.next(), rest.next()) else {
        return Err(refuse("hear from the monitor", "the monitor sent no mounts"));
    };
    let [sys, proc, shm, mqueue, cgroup] = shown.map(|is_shown| if is_shown { rest.next() } else { None });
    Ok(Handed { root, dev, sys, proc, shm, mqueue, cgroup, files: rest.collect(), mounts })
}

fn steps(spec: &LaunchSpec, channel: OwnedFd, tasks: Vec<OwnedFd>) -> Result<Never> {
    process::reset_signals();
    // Written by the process itself, and `0`: a pid from outside takes a lock that costs milliseconds.
    for file in tasks {
        File::from(file).write_all(b"0").stage("join a control group")?;
    }
    await_message(&channel, MAPPED)?;
    setgroups(&[]).stage("drop groups")?;
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).stage("become root of the container")?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).stage("become root of the container")?;
    umask(Mode::empty());
    // After joining: the namespace's root is the group one is in.
    if !spec.opened.host_cgroups {
        unshare(CloneFlags::CLONE_NEWCGROUP).stage("make a control group namespace")?;
    }
    if spec.network == Network::Own {
        process::loopback_up().stage("bring up loopback")?;
    }
    if !spec.opened.host_uts {
        nix::unistd::sethostname(&spec.hostname).stage("set host name")?;
        if !spec.domainname.is_empty() {
            process::set_domainname(&spec.domainname).stage("set domain name")?;
        }
    }
    let made = Detached::make(spec)?;

    let handed = await_mounts(&channel, spec)?;
    let mut attached = rootfs::assemble(spec, handed, made)?;
    attached.set_sysctls(spec)?;
    attached.mask(spec)?;
    let identity = user::resolve_in(&attached.root, &spec.process.user, &spec.process.group_add)?;
    let (streams, outside) = open_streams(spec, &attached, &identity)?;
    let cwd = attached.working_dir(&spec.process.cwd)?;
    attached.enter(spec)?;
    let made = attached.made();
    let clamped = limits::apply(&spec.process.rlimits)?;

    let raw: Vec<_> = outside.iter().map(AsRawFd::as_raw_fd).collect();
    packet::send(&channel, &Said::Ready { clamped, made }.encode(), &raw, true).stage("tell the monitor")?;
    drop((outside, attached));
    await_message(&channel, GO)?;
    finish(&spec.process, channel, &identity, streams, &cwd)
}

/// The streams, and what the monitor gets of them.
fn open_streams(spec: &LaunchSpec, attached: &Attached, identity: &Identity) -> Result<(Streams, Vec<OwnedFd>)> {
    if let Some(size) = spec.process.tty {
        let (streams, master, slave) = terminal(&attached.pts, size, identity)?;
        attached.bind_console(&slave)?;
        return Ok((streams, vec![master, slave]));
    }
    let null = if spec.process.stdin == Stdin::Closed {
        let opened = open::openat2(&attached.dev, "null", libc::O_RDONLY, 0, open::NO_SYMLINKS);
        Some(opened.stage("open /dev/null")?)
    } else {
        None
    };
    pipes(null, identity)
}

/// A new terminal of this devpts as all three streams; with its master and slave.
fn terminal(pts: &OwnedFd, size: TtySize, identity: &Identity) -> Result<(Streams, OwnedFd, OwnedFd)> {
    let copy = |fd: &OwnedFd| fd.try_clone().stage("copy a descriptor");
    let (master, slave) = tty::open_pair(pts).stage("open a terminal")?;
    fchown(&slave, Some(Uid::from_raw(identity.uid)), None).stage("give the terminal to the user")?;
    if size.rows > 0 && size.columns > 0 {
        tty::set_size(&slave, size.rows, size.columns).stage("set terminal size")?;
    }
    let at = [copy(&slave)?, copy(&slave)?, copy(&slave)?];
    Ok((Streams { at, tty: Some(copy(&slave)?) }, master, slave))
}

/// Pipes as streams, and their other ends. Input is what is given, or a pipe.
fn pipes(input: Option<OwnedFd>, identity: &Identity) -> Result<(Streams, Vec<OwnedFd>)> {
    let uid = Some(Uid::from_raw(identity.uid));
    let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).stage("make a pipe");
    let ((out_r, out_w), (err_r, err_w)) = (pipe()?, pipe()?);
    let mut outside = vec![out_r, err_r];
    let input = if let Some(input) = input {
        input
    } else {
        let (in_r, in_w) = pipe()?;
        fchown(&in_r, uid, None).stage("give a pipe to the user")?;
        outside.push(in_w);
        in_r
    };
    // Programs that open /dev/stdout anew need to own the pipe.
    for end in [&out_w, &err_w] {
        fchown(end, uid, None).stage("give a pipe to the user")?;
    }
    Ok((Streams { at: [input, out_w, err_w], tty: None }, outside))
}

fn c_strings(texts: &[String], what: &str) -> Result<Vec<CString>> {
    let convert = |text: &String| CString::new(text.as_str());
    texts.iter().map(convert).collect::<Result<_, _>>().map_err(|_| refuse(what, "a text contains a NUL byte"))
}

/// From here on the process turns, step by step, into the container's program.
fn finish(process: &Process, channel: OwnedFd, identity: &Identity, streams: Streams, cwd: &OwnedFd) -> Result<Never> {
    setsid().stage("make a session")?;
    if let Some(slave) = &streams.tty {
        tty::make_controlling(slave).stage("take the terminal")?;
    }
    for (at, fd) in streams.at.iter().enumerate() {
        process::place(fd, at as i32).stage("place a standard stream")?;
    }
    let has_tty = streams.tty.is_some();
    drop(streams);
    process::new_session_keyring();

    let mut env = process.env.clone();
    if !env.iter().any(|pair| pair.starts_with("HOME=")) {
        env.push(format!("HOME={}", identity.home));
    }
    let (argv, c_env) = (c_strings(&process.argv, "arguments")?, c_strings(&env, "environment")?);
    let Some(name) = process.argv.first() else { return Err(refuse("exec", "no command specified")) };

    // The bounding set needs CAP_SETPCAP, so first. A filter without no_new_privileges needs CAP_SYS_ADMIN, so that
    // one is kept across the change of user and dropped last, by a call that the filter allows.
    privilege::limit_bounding(process.capabilities).stage("limit capabilities")?;
    privilege::keep_capabilities(true).stage("keep capabilities")?;
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    setgroups(&groups).stage("set groups")?;
    setresgid(gid, gid, gid).stage("set group")?;
    setresuid(uid, uid, uid).stage("set user")?;
    privilege::keep_capabilities(false).stage("keep capabilities")?;
    let allowed = process.capabilities & privilege::permitted().stage("read capabilities")?;
    privilege::set_capabilities(allowed | 1 << privilege::CAP_SYS_ADMIN).stage("set capabilities")?;
    if process.no_new_privileges {
        privilege::no_new_privileges().stage("set no_new_privs")?;
    }
    umask(Mode::from_bits_truncate(0o022));
    fchdir(cwd).stage("enter the working directory")?;
    check_cwd()?;
    let program = exec::find(name, &env)?;
    process::close_from_on_exec(3).stage("mark descriptors")?;
    // Only now: every change of ids resets it. If the monitor dies, nobody would keep the output or see the end.
    privilege::set_parent_death_signal(libc::SIGKILL).stage("tie to the monitor")?;

    let channel = if process.init { reaper::split(channel, has_tty)? } else { channel };
    if !process.seccomp.is_empty() {
        privilege::load_seccomp(&process.seccomp).stage("load the system call filter")?;
    }
    privilege::set_capabilities(allowed).stage("set capabilities")?;
    let failure = exec::exec(&program, &argv, &c_env);
    drop(channel);
    Err(failure)
}

/// A working directory that is reachable from the root has a path that starts there.
fn check_cwd() -> Result<()> {
    let outside = || refuse("working directory", "the working directory is outside of the container");
    let path = nix::unistd::getcwd().map_err(|_| outside())?;
    if path.is_absolute() { Ok(()) } else { Err(outside()) }
}
