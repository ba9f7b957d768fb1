//! The engine's side of execs: each has a connection of its own, which is told of its end.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    os::fd::{AsRawFd, OwnedFd},
};

use tokio::time::timeout;

use super::{Channel, Client, LAUNCH_PATIENCE, LaunchError, PATIENCE, unexpected};
use crate::{
    monitor::protocol::{self, EXECS_EACH, ExecEnded, ExecStarted, ExecStatus, Reply, Request},
    spec::ExecSpec,
    sys::{memfd, packet},
};

/// An exec that runs, and what is held of it.
pub struct RunningExec {
    /// Its process.
    pub started: ExecStarted,
    /// Where its output is read: a terminal, or stdout and stderr. Non-blocking.
    pub output: Vec<OwnedFd>,
    /// Where its input is written, unless that is a terminal or was not asked for.
    pub input: Option<OwnedFd>,
    channel: Channel,
}

/// The end of an exec, to be waited for.
pub struct ExecEnd(Channel);

/// An exec of a monitor that outlived its engine.
pub enum Held {
    /// It goes on.
    Running(ExecSpec, RunningExec),
    /// It has ended meanwhile.
    Ended(ExecSpec, ExecEnded),
}

impl RunningExec {
    /// Its end alone: everything else is let go.
    pub fn into_end(self) -> ExecEnd {
        ExecEnd(self.channel)
    }
}

impl ExecEnd {
    /// Waits for it; `None` when the monitor vanished without telling it.
    pub async fn seen(&self) -> Option<ExecEnded> {
        loop {
            match self.0.receive_numbered().await {
                Ok((_, Reply::ExecEnded(end), _)) => return Some(end),
                // The container's end is told to everybody.
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

impl Client {
    fn fresh(&self) -> io::Result<Channel> {
        Channel::new(packet::connect_to(&self.socket)?)
    }

    /// Runs one more program in the container.
    ///
    /// # Errors
    /// [`LaunchError::Failed`] in Docker's words when it can't be run.
    pub async fn exec(&self, spec: &ExecSpec) -> Result<RunningExec, LaunchError> {
        let bytes = postcard::to_allocvec(spec).map_err(|error| io::Error::other(error.to_string()))?;
        let blob = memfd::sealed(c"darsena-exec", &bytes, false)?;
        let channel = self.fresh()?;
        channel.send_with(&protocol::encode(1, &Request::Exec), &[blob.as_raw_fd()]).await?;
        let answer = timeout(LAUNCH_PATIENCE, channel.receive()).await.map_err(|_| LaunchError::Timeout)?;
        match answer? {
            (Reply::ExecStarted(started), fds) => Ok(held(started, fds, spec.tty.is_some(), channel)),
            (Reply::ExecFailed(failure), _) => Err(LaunchError::Failed(failure)),
            _ => Err(LaunchError::Lost),
        }
    }

    /// Signals the program of an exec. `ESRCH` when it has ended.
    pub async fn signal_exec(&self, id: &str, signal: i32) -> io::Result<()> {
        self.shared.ask(&Request::SignalExec { id: id.to_owned(), signal }).await.map(drop)
    }

    /// Takes over what an earlier engine began, and the ends it was not told of.
    pub async fn take_execs(&self) -> io::Result<Vec<Held>> {
        // A connection of its own: a monitor from before there were execs closes it.
        let channel = self.fresh()?;
        let mut listed: Vec<ExecStatus> = Vec::new();
        loop {
            let from = listed.len() as u32;
            channel.send(&protocol::encode(1, &Request::Execs { from })).await?;
            match patient(&channel).await? {
                (Reply::Execs(some), _) => {
                    let last = some.len() < EXECS_EACH;
                    listed.extend(some);
                    if last {
                        break;
                    }
                }
                (other, _) => return Err(unexpected(&other)),
            }
        }
        let mut taken = Vec::new();
        for status in listed {
            let channel = self.fresh()?;
            channel.send(&protocol::encode(1, &Request::TakeExec { id: status.id })).await?;
            let (reply, mut fds) = patient(&channel).await?;
            let Some(spec) = (!fds.is_empty()).then(|| fds.remove(0)).and_then(read) else { continue };
            taken.push(match reply {
                Reply::ExecTaken(started) => {
                    let has_tty = spec.tty.is_some();
                    Held::Running(spec, held(started, fds, has_tty, channel))
                }
                Reply::ExecEnded(end) => Held::Ended(spec, end),
                // It ended meanwhile, or was never begun.
                _ => continue,
            });
        }
        Ok(taken)
    }
}

async fn patient(channel: &Channel) -> io::Result<(Reply, Vec<OwnedFd>)> {
    let answer = timeout(PATIENCE, channel.receive_numbered()).await;
    let (_, reply, fds) = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok((reply, fds))
}

fn held(started: ExecStarted, mut output: Vec<OwnedFd>, has_tty: bool, channel: Channel) -> RunningExec {
    let input = if !has_tty && output.len() > 2 { output.pop() } else { None };
    RunningExec { started, output, input, channel }
}

fn read(blob: OwnedFd) -> Option<ExecSpec> {
    let mut file = File::from(blob);
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).ok()?;
    postcard::from_bytes(&bytes).ok()
}
