//! More programs in the container, each a child of the monitor: begun, told of, reaped.
//!
//! The client that asks for one gets its streams as descriptors and reads them itself; the monitor keeps copies, so that
//! the program goes on when that client is gone. Then the monitor throws away what it writes, until another client takes
//! it. Only the last ends that nobody was told of are kept.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read as _, Seek as _},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sched::{CloneFlags, setns},
    unistd::read,
};

use super::{
    connections::Told,
    protocol::{EXECS_EACH, ExecEnded, ExecStarted, ExecStatus, Failure, Reply},
    run::{adjust_oom_score, hear, init_died, now_ns, open_groups, wait_for},
};
use crate::{
    fault,
    init::{
        Said,
        failure::{Result, Stage, refuse},
        join::{self, Ground},
    },
    spec::{EXEC_VERSION, ExecSpec},
    sys::{
        packet,
        process::{self, Cloned, Ended},
    },
};

/// More at a time are refused: each takes four descriptors.
const MOST: usize = 200;
/// Ends that nobody was told of.
const KEPT_ENDS: usize = 64;

struct Exec {
    id: String,
    spec: OwnedFd,
    pidfd: OwnedFd,
    /// The connection that has it, by number.
    owner: u64,
    /// What it is said on before it is the program; and the number of the request.
    starting: Option<(OwnedFd, u32)>,
    failed: bool,
    has_tty: bool,
    /// Copies of what the owner reads.
    sources: Vec<OwnedFd>,
    /// The writing end of its input, until it is handed over.
    input: Option<OwnedFd>,
    started: ExecStarted,
}

/// All of one container.
pub struct Execs {
    ground: Ground,
    first: OwnedFd,
    /// The monitor's children are born in the container's process namespace.
    is_inside: bool,
    running: Vec<Exec>,
    ended: VecDeque<(String, OwnedFd, ExecEnded)>,
}

impl Execs {
    /// Of the container with this first process.
    pub fn new(ground: Ground, first: OwnedFd) -> Self {
        Self { ground, first, is_inside: false, running: Vec::new(), ended: VecDeque::new() }
    }

    /// Begins one; the answer comes when it runs or can't.
    pub fn begin(&mut self, owner: u64, number: u32, mut fds: Vec<OwnedFd>) -> Result<()> {
        if self.running.len() >= MOST {
            return Err(refuse("exec", format_args!("{MOST} execs run in this container: no more at a time")));
        }
        let Some(blob) = fds.pop() else { return Err(refuse("read the exec", "no exec came along")) };
        let spec = parse(&blob)?;
        let tasks = open_groups(&self.ground.cgroup.tasks)?;
        let unified = self.ground.cgroup.unified.as_ref().map(File::open).transpose().stage("open control group")?;
        if !self.is_inside {
            // For children alone; the monitor itself stays outside.
            setns(&self.first, CloneFlags::CLONE_NEWPID).stage("join the container's processes")?;
            self.is_inside = true;
        }
        let (ours, theirs) = packet::pair().stage("make a channel")?;
        let (pid, pidfd) = match process::clone3(0, unified.as_ref()) {
            // The namespace takes nobody after the end of its first process.
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {
                return Err(refuse("exec", "the container has ended"));
            }
            cloned => match cloned.stage("clone")? {
                Cloned::Child => {
                    drop((ours, unified, blob));
                    join::run(&self.first, &self.ground, &spec, theirs, tasks)
                }
                Cloned::Parent { pid, pidfd } => (pid, pidfd),
            },
        };
        let clamped = adjust_oom_score(pid, self.ground.oom_score_adj()).into_iter().collect();
        let begun = fault::point("monitor.exec_cloned").stage("failpoint");
        self.running.push(Exec {
            id: spec.id,
            spec: blob,
            pidfd,
            owner,
            starting: begun.is_ok().then_some((ours, number)),
            failed: begun.is_err(),
            has_tty: spec.tty.is_some(),
            sources: Vec::new(),
            input: None,
            started: ExecStarted { pid, started_at_ns: now_ns(), clamped },
        });
        if begun.is_err()
            && let Some(exec) = self.running.last()
        {
            let _ = process::pidfd_signal(&exec.pidfd, libc::SIGKILL);
        }
        begun
    }

    /// What to wait on.
    pub fn readable(&self, told: &impl Told) -> Vec<BorrowedFd<'_>> {
        let mut fds = Vec::new();
        for exec in &self.running {
            fds.push(exec.pidfd.as_fd());
            match &exec.starting {
                Some((channel, _)) => fds.push(channel.as_fd()),
                None if !told.is_there(exec.owner) => fds.extend(exec.sources.iter().map(AsFd::as_fd)),
                None => {}
            }
        }
        fds
    }

    /// Goes on with every one that has news.
    pub fn progress(&mut self, told: &mut impl Told) {
        let mut ended = Vec::new();
        self.running.retain_mut(|exec| {
            exec.go_on_starting(told, false);
            if exec.starting.is_none() && !told.is_there(exec.owner) {
                exec.throw_away();
            }
            let Ok(Some(end)) = process::reap(&exec.pidfd) else { return true };
            exec.go_on_starting(told, true);
            ended.extend(exec.end(end, told));
            false
        });
        self.ended.extend(ended);
        while self.ended.len() > KEPT_ENDS {
            self.ended.pop_front();
        }
    }

    /// The container has ended: so has everything in it.
    pub fn end_all(&mut self, told: &mut impl Told) {
        for exec in &self.running {
            // In a process namespace of the container's own they are dead already.
            let _ = process::pidfd_signal(&exec.pidfd, libc::SIGKILL);
            let _ = wait_for(&[exec.pidfd.as_fd()]);
        }
        self.progress(told);
    }

    /// Some of them, running ones first.
    pub fn list(&self, from: u32) -> Vec<ExecStatus> {
        let running = self.running.iter().filter(|exec| exec.starting.is_none() && !exec.failed);
        let running = running.map(|exec| ExecStatus { id: exec.id.clone(), running: true });
        let ended = self.ended.iter().map(|(id, ..)| ExecStatus { id: id.clone(), running: false });
        running.chain(ended).skip(from as usize).take(EXECS_EACH).collect()
    }

    /// Gives one to a connection; the descriptors live as long as the loan.
    pub fn take(&mut self, id: &str, owner: u64) -> io::Result<(Reply, Vec<OwnedFd>)> {
        if let Some(at) = self.ended.iter().position(|(known, ..)| known == id)
            && let Some((_, spec, end)) = self.ended.remove(at)
        {
            return Ok((Reply::ExecEnded(end), vec![spec]));
        }
        let exec = self.running.iter_mut().find(|exec| exec.id == id && exec.starting.is_none());
        let exec = exec.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        let mut fds = vec![exec.spec.try_clone()?];
        for source in &exec.sources {
            fds.push(source.try_clone()?);
        }
        exec.owner = owner;
        Ok((Reply::ExecTaken(exec.started.clone()), fds))
    }

    /// Signals the program of one.
    pub fn signal(&self, id: &str, signal: i32) -> io::Result<()> {
        let exec = self.running.iter().find(|exec| exec.id == id);
        process::pidfd_signal(&exec.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?.pidfd, signal)
    }
}

fn parse(blob: &OwnedFd) -> Result<ExecSpec> {
    let mut file = File::from(blob.try_clone().stage("copy a descriptor")?);
    let mut bytes = Vec::new();
    file.rewind().stage("read the exec")?;
    file.read_to_end(&mut bytes).stage("read the exec")?;
    match postcard::from_bytes::<ExecSpec>(&bytes) {
        Ok(spec) if spec.version == EXEC_VERSION => Ok(spec),
        _ => Err(refuse("read the exec", "the container's monitor is of another version than the server")),
    }
}

impl Exec {
    /// Hears what its process says on the way to its program, and passes it on. `is_over`: it has ended, so all was said.
    fn go_on_starting(&mut self, told: &mut impl Told, is_over: bool) {
        while let Some((channel, number)) = &self.starting {
            let number = *number;
            let heard = match hear(channel, is_over) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Left with a message unread, or closed by exec.
                Err(_) => None,
                Ok((bytes, _)) if bytes.is_empty() => None,
                Ok((bytes, fds)) => Some((Said::decode(&bytes), fds)),
            };
            match heard {
                Some((Some(Said::Ready { clamped, .. }), fds)) => match self.keep(fds) {
                    Ok(()) => self.started.clamped.extend(clamped),
                    Err(error) => self.fail(told, number, refuse("exec", error)),
                },
                Some((Some(Said::Failed(failure)), _)) => self.fail(told, number, failure),
                None if !self.sources.is_empty() => self.run(told, number),
                Some((None, _)) | None => self.fail(told, number, init_died()),
            }
        }
    }

    fn keep(&mut self, fds: Vec<OwnedFd>) -> io::Result<()> {
        let mut fds = fds.into_iter();
        let sources = if self.has_tty { 1 } else { 2 };
        for fd in fds.by_ref().take(sources) {
            let access = if self.has_tty { OFlag::O_RDWR } else { OFlag::empty() };
            fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | access))?;
            self.sources.push(fd);
        }
        if let Some(input) = fds.next() {
            fcntl(&input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            self.input = Some(input);
        }
        if self.sources.len() == sources { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn fail(&mut self, told: &mut impl Told, number: u32, failure: Failure) {
        self.starting = None;
        self.failed = true;
        let _ = process::pidfd_signal(&self.pidfd, libc::SIGKILL);
        told.tell(self.owner, number, &Reply::ExecFailed(failure), &[]);
    }

    fn run(&mut self, told: &mut impl Told, number: u32) {
        if let Err(error) = fault::point("monitor.exec_started") {
            return self.fail(told, number, refuse("exec", error));
        }
        self.starting = None;
        let input = self.input.take();
        let fds: Vec<_> = self.sources.iter().chain(&input).map(AsRawFd::as_raw_fd).collect();
        told.tell(self.owner, number, &Reply::ExecStarted(self.started.clone()), &fds);
    }

    /// Nobody reads: what it writes must not hold it up.
    fn throw_away(&mut self) {
        let mut buffer = [0; 4096];
        self.sources.retain(|fd| {
            // Some at a time: the container's own output has its turn in between.
            for _ in 0..16 {
                match read(fd, &mut buffer) {
                    Ok(0) => return false,
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(Errno::EAGAIN) => return true,
                    Err(_) => return false,
                }
            }
            true
        });
    }

    /// What is to be kept of its end: all of it, when nobody could be told.
    fn end(&mut self, end: Ended, told: &mut impl Told) -> Option<(String, OwnedFd, ExecEnded)> {
        if self.failed {
            return None;
        }
        let code = match end {
            Ended::Exited(code) => code,
            Ended::Signaled(signal) => 128 + signal,
        };
        let end = ExecEnded { code, finished_at_ns: now_ns() };
        if told.tell(self.owner, 0, &Reply::ExecEnded(end.clone()), &[]) {
            return None;
        }
        Some((std::mem::take(&mut self.id), self.spec.try_clone().ok()?, end))
    }
}
