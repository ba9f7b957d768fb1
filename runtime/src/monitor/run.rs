//! The monitor's life, start to end, as one straight line.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::fs::FileExt,
    },
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CloneFlags, setns},
    sys::stat::{Mode, umask},
    unistd::setsid,
};

use super::{
    connections::{Connections, Subject},
    execs::Execs,
    join,
    output::Streams,
    prepare, probe,
    protocol::{self, ExitReport, Failure, Made, Reply, Request, Started, Status},
    report,
};
use crate::{
    fault,
    init::{
        self, Said,
        failure::{Result, Stage, refuse},
        join::Ground,
        limits,
    },
    logs::Writer,
    resolver,
    spec::{self, LaunchSpec, Stdin},
    sys::{
        packet, privilege,
        process::{self, Cloned, Ended},
    },
};

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// The monitor program: descriptor 0 is the channel to the server, over which the spec comes. With `probe FOLDER` it only
/// tries whether layers can be mapped; with `resolve SETTINGS` it is a container's name server.
pub fn main() -> ExitCode {
    // What the server's own parent left open is nobody's business here.
    let _ = process::close_from(3);
    let mut arguments = std::env::args_os().skip(1);
    let (word, path) = (arguments.next(), arguments.next());
    if let (Some(word), Some(settings)) = (&word, &path)
        && word == "resolve"
    {
        return resolver::main(settings.as_ref());
    }
    if let (Some(word), Some(folder)) = (word, path)
        && word == "probe"
    {
        return match probe::mapped_overlay(folder.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("{failure}");
                ExitCode::FAILURE
            }
        };
    }
    let Some(server) = process::inherited(0) else {
        eprintln!("darsena-monitor is started by darsena");
        return ExitCode::from(2);
    };
    match live(&server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = packet::send(&server, &protocol::encode(0, &Reply::Failed(failure)), &[], false);
            ExitCode::FAILURE
        }
    }
}

/// The first process, from its clone to its reaping. Dropped early, it is killed and reaped.
struct Child {
    pid: i32,
    pidfd: OwnedFd,
    reaped: bool,
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        let _ = process::pidfd_signal(&self.pidfd, libc::SIGKILL);
        let _ = wait_for(&[self.pidfd.as_fd()]);
        let _ = process::reap(&self.pidfd);
    }
}

fn live(server: &OwnedFd) -> Result<()> {
    settle()?;
    let Some(spec) = await_spec(server)? else { return Ok(()) };
    let listener = packet::listen_at(&spec.socket()).stage("listen on the control socket")?;
    let oom = spec.cgroup.oom.as_ref().map(File::open).transpose().stage("open memory events")?;
    let log = &spec.log;
    let mut log = Writer::open(&log.dir, log.segment_bytes, log.segments, now_ns()).stage("open the log")?;
    match fs::remove_file(&spec.exit_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).stage("remove an old exit file"),
        _ => {}
    }
    let joined = join::open(&spec.opened)?;
    let (mut child, channel) = clone(&spec, &joined)?;
    let mut clamped = Vec::new();

    let netns = prepare::namespace(child.pid, "net").stage("open network namespace")?;
    let told = protocol::encode(0, &Reply::Cloned { pid: child.pid });
    packet::send(server, &told, &[netns.as_raw_fd()], true).stage("tell the server")?;
    drop(netns);
    fault::point("monitor.cloned").stage("failpoint")?;

    let userns = match (spec.id_map, &joined.user) {
        (Some(_), Some(user)) => Some(user.try_clone().stage("copy a descriptor")?),
        (map, _) => map.map(|map| prepare::map_ids(child.pid, map)).transpose()?,
    };
    tell_init(&channel, init::MAPPED, &[])?;
    clamped.extend(adjust_oom_score(child.pid, spec.process.oom_score_adj));
    let mounts = prepare::mounts(&spec, userns.as_ref(), joined)?;
    let raw: Vec<_> = mounts.iter().map(AsRawFd::as_raw_fd).collect();
    for some in raw.chunks(packet::MAX_FDS) {
        tell_init(&channel, init::MOUNTS, some)?;
    }
    drop((mounts, userns));
    show(&spec.id);

    let Some((streams, made)) = await_go(server, &channel, &spec, &mut clamped)? else { return Ok(()) };
    fault::point("monitor.go").stage("failpoint")?;
    tell_init(&channel, init::GO, &[])?;
    await_exec(&channel)?;
    drop(channel);
    fault::point("monitor.exec").stage("failpoint")?;

    let status = Status {
        pid: child.pid,
        start_time: report::start_time(child.pid).stage("read start time")?,
        started_at_ns: now_ns(),
        tty: spec.process.tty.is_some(),
        monitor_pid: nix::unistd::getpid().as_raw(),
    };
    report::write_state(&spec.run_dir.join("state"), &status).stage("write the state file")?;
    let started = Started { pid: child.pid, started_at_ns: status.started_at_ns, clamped, made };
    let _ = packet::send(server, &protocol::encode(0, &Reply::Started(started)), &[], false);
    let server = server.try_clone().stage("copy a descriptor")?;
    let mut connections = Connections::new(listener, server);
    let (exit_file, stdin) = (spec.exit_file.clone(), spec.process.stdin);
    let first = child.pidfd.try_clone().stage("copy a descriptor")?;
    let mut execs = Execs::new(Ground::of(&spec), first);
    drop(spec);
    let ended = watch(&mut child, &status, streams, stdin, &mut log, &mut connections, &mut execs)?;
    execs.end_all(&mut connections);
    let report = exit_report(ended, oom, status.started_at_ns);
    log.end(report.finished_at_ns);
    fault::point("monitor.exit_before_file").stage("failpoint")?;
    // Unwritten (a full disk), the end is still told to whoever is connected; the engine then writes it down.
    let _ = report::write_exit(&exit_file, &report);
    fault::point("monitor.exit_after_file").stage("failpoint")?;
    connections.tell(&Reply::Exited(report));
    Ok(())
}

/// Becomes a process of its own.
fn settle() -> Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null").stage("open /dev/null")?;
    for standard in 0..=2 {
        process::place(&null, standard).stage("place standard streams")?;
    }
    process::set_name(c"darsena-monitor");
    process::ignore_termination();
    privilege::set_dumpable(false).stage("set dumpable")?;
    // Fails only for a group's leader, which is as good.
    let _ = setsid();
    umask(Mode::empty());
    Ok(())
}

/// Waits for a container to care for; `None` when the server went away without one.
fn await_spec(server: &OwnedFd) -> Result<Option<LaunchSpec>> {
    let Ok((_, mut fds)) = packet::receive(server, true) else { return Ok(None) };
    let Some(spec) = fds.pop() else { return Ok(None) };
    let mut bytes = Vec::new();
    File::from(spec).read_to_end(&mut bytes).stage("read the spec")?;
    match postcard::from_bytes::<LaunchSpec>(&bytes) {
        Ok(spec) if spec.version == spec::VERSION => Ok(Some(spec)),
        _ => Err(refuse("read the spec", "the monitor and the server don't fit together")),
    }
}

/// Lets ps(1) show whose monitor this is, in the place [`protocol::TITLE`] has left for it. Only people read it.
fn show(id: &str) {
    let write = || {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // proc(5): field 48 is where the arguments are; the second field ends with the last parenthesis.
        let start = stat.rsplit_once(')')?.1.split_whitespace().nth(45)?.parse().ok()?;
        let name = format!("darsena-monitor {}", id.get(..12)?);
        File::options().write(true).open("/proc/self/mem").ok()?.write_at(name.as_bytes(), start).ok()
    };
    let _ = write();
}

/// The files by which a process joins groups of v1.
pub(super) fn open_groups(tasks: &[PathBuf]) -> Result<Vec<OwnedFd>> {
    let open = |path| fs::OpenOptions::new().write(true).open(path).map(OwnedFd::from);
    tasks.iter().map(open).collect::<io::Result<_>>().stage("open control groups")
}

fn clone(spec: &LaunchSpec, joined: &join::Joint) -> Result<(Child, OwnedFd)> {
    let tasks = open_groups(&spec.cgroup.tasks)?;
    let unified = spec.cgroup.unified.as_ref().map(File::open).transpose().stage("open control group")?;
    limits::raise(&spec.process.rlimits);
    if let spec::Network::Joined { pid } = spec.network {
        let theirs = prepare::namespace(pid, "net").stage("open the other container's network namespace")?;
        setns(theirs, CloneFlags::CLONE_NEWNET).stage("join the other container's network")?;
    }
    let (ours, theirs) = packet::pair().stage("make a channel")?;
    let flags = new_namespaces(spec);
    if spec.opened.joins() {
        let (pid, pidfd) = join::clone_inside(joined, flags, unified.as_ref(), (ours.as_fd(), theirs), tasks, spec)?;
        return Ok((Child { pid, pidfd, reaped: false }, ours));
    }
    match process::clone3(flags, unified.as_ref()).stage("clone")? {
        Cloned::Child => {
            drop((ours, unified));
            init::run(spec, theirs, tasks)
        }
        Cloned::Parent { pid, pidfd } => Ok((Child { pid, pidfd, reaped: false }, ours)),
    }
}

/// The namespaces it gets of its own, as flags of clone(2).
fn new_namespaces(spec: &LaunchSpec) -> u64 {
    let opened = &spec.opened;
    let wanted = [
        (true, libc::CLONE_NEWNS),
        (opened.pid == spec::Shared::Own, libc::CLONE_NEWPID),
        (opened.ipc == spec::Shared::Own, libc::CLONE_NEWIPC),
        (!opened.host_uts, libc::CLONE_NEWUTS),
        (spec.network == spec::Network::Own, libc::CLONE_NEWNET),
        (spec.id_map.is_some() && opened.user.is_none(), libc::CLONE_NEWUSER),
    ];
    wanted.iter().filter(|(is_new, _)| *is_new).fold(0, |flags, (_, flag)| flags | *flag as u64)
}

/// What was clamped, in words.
pub(super) fn adjust_oom_score(pid: i32, wanted: i32) -> Option<String> {
    let path = format!("/proc/{pid}/oom_score_adj");
    if fs::write(&path, wanted.to_string()).is_ok() {
        return None;
    }
    let present = fs::read_to_string(&path).unwrap_or_default();
    Some(format!("oom_score_adj {wanted}: the host does not allow less than {}", present.trim()))
}

/// Waits until one of these can be read or has ended.
pub(super) fn wait_for(fds: &[std::os::fd::BorrowedFd<'_>]) -> io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    loop {
        match poll(&mut polled, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(polled.iter().map(|fd| fd.any().unwrap_or(true)).collect()),
        }
    }
}

/// Waits until init is ready and the server says go; `None` when the server wants to have it undone.
fn await_go(
    server: &OwnedFd,
    channel: &OwnedFd,
    spec: &LaunchSpec,
    clamped: &mut Vec<String>,
) -> Result<Option<(Streams, Vec<Made>)>> {
    let mut streams = None;
    let mut go = false;
    loop {
        if go && let Some(streams) = streams.take() {
            return Ok(Some(streams));
        }
        let ready = wait_for(&[server.as_fd(), channel.as_fd()]).stage("wait")?;
        if ready[1] {
            let (bytes, fds) = hear(channel, true).stage("hear from init")?;
            match Said::decode(&bytes) {
                Some(Said::Ready { clamped: more, made }) => {
                    clamped.extend(more);
                    let open_input = spec.process.stdin != Stdin::Closed;
                    let taken = Streams::new(fds, spec.process.tty.is_some(), open_input);
                    streams = Some((taken.stage("take over the streams")?, made));
                }
                Some(Said::Failed(failure)) => return Err(failure),
                None => return Err(init_died()),
            }
        }
        if ready[0] {
            match packet::receive(server, true).map(|(bytes, _)| protocol::decode(&bytes)) {
                Ok(Some((_, Request::Go))) => go = true,
                // Abort, a server that is gone, nonsense: nobody wants this container.
                _ => return Ok(None),
            }
        }
    }
}

/// Says something to init. One that has left said why, which is what counts.
fn tell_init(channel: &OwnedFd, message: &[u8], fds: &[RawFd]) -> Result<()> {
    let Err(error) = packet::send(channel, message, fds, true) else { return Ok(()) };
    match hear(channel, true).ok().and_then(|(bytes, _)| Said::decode(&bytes)) {
        Some(Said::Failed(failure)) => Err(failure),
        _ if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Err(init_died()),
        _ => Err(error).stage("tell init"),
    }
}

/// One message of init's. That it left with a message of ours unread is told once; its last words come after.
pub(super) fn hear(channel: &OwnedFd, wait: bool) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    match packet::receive(channel, wait) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => packet::receive(channel, wait),
        heard => heard,
    }
}

pub(super) fn init_died() -> Failure {
    refuse("init", "the container's first process was killed while it was being set up (out of memory?)")
}

/// Waits until init has become the program.
fn await_exec(channel: &OwnedFd) -> Result<()> {
    match packet::receive(channel, true) {
        Ok((bytes, _)) if bytes.is_empty() => Ok(()),
        Ok((bytes, _)) => match Said::decode(&bytes) {
            Some(Said::Failed(failure)) => Err(failure),
            _ => Err(init_died()),
        },
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error).stage("hear from init"),
    }
}

/// Keeps output and answers clients until the program has ended and all it wrote is in the log.
fn watch(
    child: &mut Child,
    status: &Status,
    mut streams: Streams,
    stdin: Stdin,
    log: &mut Writer,
    connections: &mut Connections,
    execs: &mut Execs,
) -> Result<Ended> {
    loop {
        let mut fds: Vec<_> =
            std::iter::once(child.pidfd.as_fd()).chain(connections.readable()).chain(streams.readable()).collect();
        fds.extend(execs.readable(connections));
        let ready = wait_for(&fds).stage("wait")?;
        let asked = 2..2 + connections.len();
        if ready[asked.clone()].contains(&true) {
            let mut subject = Subject { pidfd: &child.pidfd, status, streams: &mut streams, stdin, execs };
            connections.serve(&ready[asked], &mut subject);
        }
        if ready[1] {
            connections.accept();
        }
        execs.progress(connections);
        streams.pump(log);
        if ready[0]
            && let Some(ended) = process::reap(&child.pidfd).stage("wait for the first process")?
        {
            child.reaped = true;
            // All its processes ended before it could be reaped, so what is in the pipes now is all there is.
            while streams.pump(log) {}
            return Ok(ended);
        }
    }
}

fn exit_report(ended: Ended, oom: Option<File>, started_at_ns: u64) -> ExitReport {
    let mut events = String::new();
    // Opened before the container ran: the group itself may be removed by now, which reads as nothing.
    let _ = oom.map(|mut file| file.read_to_string(&mut events));
    let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
    let (code, signal) = match ended {
        Ended::Exited(code) => (code, None),
        Ended::Signaled(signal) => (128 + signal, Some(signal)),
    };
    ExitReport {
        code,
        signal,
        oom_killed: kills.is_some_and(|count| count.trim() != "0"),
        started_at_ns,
        finished_at_ns: now_ns(),
        monitor_lost: false,
    }
}
