//! Build steps: one command run as an ordinary container over given layers, of which only what it wrote stays.
//!
//! ```text
//! containers/<id>/           without a record: after a crash the next start sweeps it, with what runs in it
//!   rootfs/upper             what the command wrote: the result
//!   mounts/<n>/              what it wrote to mounts whose writes are thrown away
//!   log/                     its output, as it is passed on
//! ```
//! Invariants: a step is in no list, has no name and tells no event; its layers are leased while it runs; it has ended and
//! nothing is mounted on its folder when [`Engine::run_step`] returns; what was made only to mount on is not in the result.

mod leftover;
mod mounts;
mod upper;

use std::{fs, io, ops::ControlFlow, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(in crate::engine) use self::upper::Home;
pub use self::{
    mounts::{StepMount, StepSource},
    upper::Upper,
};
use super::{
    Engine, Leave, blocking,
    start::{Around, Up},
    table::Container,
};
use crate::{
    container::{
        record::{Record, Status},
        resolve::{HostBounds, resolve},
    },
    digest::{ChainId, DiffId, Digest},
    durable,
    error::{Error, ErrorKind, Result},
    fault,
    id::ContainerId,
    logs::{self, Output, Position, Stop},
    monitor::protocol::{ExitReport, Made},
    request::{CreateContainer, Limits, LogLimits, NetworkMode, Rlimit, SeccompProfile},
    snapshot::inherit_root,
    spec,
    view::{ImageDefaults, Stream},
};

/// Output waits on disk for whoever reads it, 4 GiB of it; what is more is lost, the oldest first.
const LOG: LogLimits = LogLimits { segment_bytes: 8 << 20, segments: 512 };

/// How long the kernel may take to end a killed process before its whole group is killed.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// The network of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepNetwork {
    /// The default bridge.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's own. The step's root has no rights over it: it can't listen below port 1024 or change it.
    Host,
}

/// One command to run. Every field has the meaning it has for a container.
#[derive(Debug)]
pub struct Step {
    /// What it runs on, lowest first; none is an empty root file system.
    pub layers: Vec<DiffId>,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Absolute; made when missing, and then part of the result.
    pub cwd: String,
    /// `user[:group]` by name or number; empty is root.
    pub user: String,
    /// The short id when `None`.
    pub hostname: Option<String>,
    /// The network.
    pub network: StepNetwork,
    /// What is mounted, in any order; none of it is part of the result.
    pub mounts: Vec<StepMount>,
    /// All capabilities and no system call filter, within its own ids. The caller has made sure that this is allowed.
    pub insecure: bool,
    /// Control group limits.
    pub limits: Limits,
    /// setrlimit(2) limits.
    pub rlimits: Vec<Rlimit>,
    /// Size of /dev/shm.
    pub shm_size_bytes: Option<u64>,
    /// `name:address` lines for /etc/hosts.
    pub extra_hosts: Vec<String>,
    /// Gets the output, in order and whole. When full, output waits on disk; the command never waits for a reader. Closed
    /// before the end is told; a receiver that is gone loses the rest.
    pub output: mpsc::Sender<(Stream, Bytes)>,
    /// Kills it.
    pub cancel: CancellationToken,
}

/// How a step ended.
#[derive(Debug)]
pub struct StepEnd {
    /// 0 to 255; 128 + n after signal n.
    pub exit_code: i32,
    /// The kernel killed something of it for memory.
    pub oom_killed: bool,
    /// What it wrote.
    pub upper: Upper,
}

/// A step's id range, free again when dropped.
struct IdRange {
    engine: Engine,
    id: ContainerId,
}

impl Drop for IdRange {
    fn drop(&mut self) {
        super::lock(&self.engine.inner.id_ranges).remove(&self.id);
    }
}

impl Engine {
    /// Runs one command to its end. Dropped or cancelled, the command is killed and all of it removed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the program can't be run, in Docker's words, or a value is wrong;
    /// [`ErrorKind::Cancelled`]; what the host refused.
    pub fn run_step(&self, step: Step) -> BoxFuture<'static, Result<StepEnd>> {
        self.run_step_as(ContainerId::random(), step)
    }

    /// [`Engine::run_step`] for who wants to know the container's id before.
    pub(in crate::engine) fn run_step_as(&self, id: ContainerId, step: Step) -> BoxFuture<'static, Result<StepEnd>> {
        let engine = self.clone();
        async move {
            let cancel = step.cancel.child_token();
            let _caller_left = cancel.clone().drop_guard();
            let work = tokio::spawn(async move { engine.step(id, step, cancel).await });
            work.await.map_err(|panic| Error::internal("this failed inside; see the log", panic))?
        }
        .boxed()
    }

    async fn step(&self, id: ContainerId, step: Step, cancel: CancellationToken) -> Result<StepEnd> {
        if cancel.is_cancelled() {
            return Err(cancelled());
        }
        let Step { layers, network, mounts, output, .. } = &step;
        let (_lease, lowers) = self.inner.images.hold_layers(layers)?;
        let mut leases = Vec::new();
        let mut sources = Vec::new();
        for mount in mounts {
            sources.push(mounts::resolve(self, mount, &mut leases)?);
        }
        let request = request(&step);
        let resolved = resolve(&id, &request, &ImageDefaults::default(), HostBounds { cpus: self.inner.host.cpus })?;
        let _range = IdRange { engine: self.clone(), id: id.clone() };
        let id_base = self.id_range(&request, &id);
        let record = Record {
            name: format!("build-{}", id.short()),
            id,
            created_at: Timestamp::now(),
            request,
            // It has none; nobody looks for it by this.
            image_id: ChainId::of(layers).map_or_else(|| Digest::of(b""), |chain| chain.0),
            resolved,
            id_base,
            mounts: Vec::new(),
        };
        let home = Home::new(self, self.inner.paths.container(&record.id));
        let container = Arc::new(Container::new(record, Status::created()));
        let network = if *network == StepNetwork::Host { spec::Network::Host } else { spec::Network::Own };
        let engine = self.clone();
        let id = container.id().clone();
        let (lowers, mounts) = blocking(move || {
            let mounts = engine.step_folders(&id, &lowers, sources)?;
            fault::point("step.folder").map_err(failed)?;
            let empty = engine.inner.paths.container(&id).join("empty");
            Ok((if lowers.is_empty() { vec![empty] } else { lowers }, mounts))
        })
        .await?;
        let around = Around { lowers: lowers.clone(), mounts, network, ..Around::default() };
        let up = match self.bring_up(&container, around, Leave::given()).await {
            Ok(up) => up,
            Err(failure) => {
                self.forget_step(&container).await;
                return Err(failure.error);
            }
        };
        let made = up.started.made.clone();
        let report = self.see_step_end(&container, up, output.clone(), &cancel).await;
        if cancel.is_cancelled() {
            return Err(cancelled());
        }
        fault::point("step.ended").map_err(failed)?;
        let report = report?;
        self.step_result(home, lowers, made, &report).await
    }

    /// Follows the command to its end; then nothing of it is left but its folder.
    async fn see_step_end(
        &self,
        container: &Arc<Container>,
        up: Up,
        output: mpsc::Sender<(Stream, Bytes)>,
        cancel: &CancellationToken,
    ) -> Result<ExitReport> {
        let client = up.client.clone();
        let injected = fault::point("step.started");
        let log = self.inner.paths.log(container.id());
        let reading = Reading::start(log, output);
        let report = if injected.is_err() || reading.is_err() {
            None
        } else {
            tokio::select! {
                report = client.exited() => Some(report),
                () = cancel.cancelled() => None,
            }
        };
        let report = if let Some(report) = report {
            report
        } else {
            // One that has ended just now is as good.
            let _ = client.signal(libc::SIGKILL).await;
            let ended = tokio::time::timeout(AFTER_KILL, client.exited()).await;
            ended.unwrap_or_else(|_| ExitReport::lost())
        };
        if report.monitor_lost {
            let (engine, id) = (self.clone(), container.id().clone());
            let killed = blocking(move || engine.cgroup(id.as_str()).kill().map_err(Into::into)).await;
            if let Err(error) = killed {
                tracing::warn!("the control group of a build step could not be emptied: {}", error.chain());
            }
            // Gone meanwhile is as wanted.
            let _ = client.end_monitor();
        }
        let gone = client.gone().await;
        if let Ok(reading) = reading {
            // Whoever cancels may not read any more.
            reading.finish(!cancel.is_cancelled()).await;
        }
        self.forget_step(container).await;
        injected.map_err(failed)?;
        gone.map_err(failed)?;
        if report.monitor_lost && !cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Internal, "the end of a build step was not seen: its monitor is gone"));
        }
        Ok(report)
    }

    async fn step_result(
        &self,
        home: Home,
        lowers: Vec<PathBuf>,
        made: Vec<Made>,
        report: &ExitReport,
    ) -> Result<StepEnd> {
        let upper = Upper::new(home.folder.join("rootfs/upper"), home);
        let upper = blocking(move || {
            leftover::clear(upper.path(), &lowers, &made).map_err(failed)?;
            Ok(upper)
        })
        .await?;
        Ok(StepEnd { exit_code: report.code, oom_killed: report.oom_killed, upper })
    }

    /// Frees what its process held and its address.
    async fn forget_step(&self, container: &Arc<Container>) {
        self.free_world(container).await;
        let (engine, id) = (self.clone(), container.id().clone());
        if let Err(error) = blocking(move || engine.inner.network.release(&id).map_err(Into::into)).await {
            tracing::warn!("the address of a build step could not be freed: {}", error.chain());
        }
    }

    /// Nothing is synced: a step is worth nothing after a crash.
    fn step_folders(
        &self,
        id: &ContainerId,
        lowers: &[PathBuf],
        mut sources: Vec<spec::Mount>,
    ) -> Result<Vec<spec::Mount>> {
        let home = self.inner.paths.container(id);
        let rootfs = self.inner.paths.rootfs(id);
        for folder in
            [&home, &rootfs, &rootfs.join("upper"), &rootfs.join("work"), &home.join("empty"), &home.join("mounts")]
        {
            fs::create_dir(folder).map_err(failed)?;
        }
        inherit_root(&rootfs.join("upper"), lowers).map_err(failed)?;
        inherit_root(&home.join("empty"), &[]).map_err(failed)?;
        fs::create_dir(self.inner.paths.log(id)).map_err(failed)?;
        for (number, mount) in sources.iter_mut().enumerate() {
            if let spec::MountSource::Overlay { writable: Some(writable), .. } = &mut mount.source {
                *writable = home.join("mounts").join(number.to_string());
                fs::create_dir(&*writable).map_err(failed)?;
            }
        }
        // What is mounted on a folder comes before what is mounted inside it.
        sources.sort_by_key(|mount| mount.target.split('/').filter(|part| !part.is_empty()).count());
        Ok(sources)
    }
}

fn request(step: &Step) -> CreateContainer {
    CreateContainer {
        command: Some(step.argv.clone()),
        entrypoint: Some(Vec::new()),
        env: step.env.clone(),
        working_dir: Some(step.cwd.clone()),
        user: Some(step.user.clone()),
        hostname: step.hostname.clone(),
        network: if step.network == StepNetwork::Default { NetworkMode::Bridge } else { NetworkMode::None },
        extra_hosts: step.extra_hosts.clone(),
        limits: step.limits.clone(),
        rlimits: step.rlimits.clone(),
        shm_size_bytes: step.shm_size_bytes,
        cap_add: if step.insecure { vec!["ALL".to_owned()] } else { Vec::new() },
        seccomp: if step.insecure { SeccompProfile::Unconfined } else { SeccompProfile::Default },
        auto_remove: true,
        log: LOG,
        ..CreateContainer::default()
    }
}

/// Passes a log on as it is written.
struct Reading {
    stop: Stop,
    reader: tokio::task::JoinHandle<()>,
}

impl Reading {
    fn start(log: PathBuf, output: mpsc::Sender<(Stream, Bytes)>) -> Result<Self> {
        let stop = Stop::new().map_err(failed)?;
        let stopped = stop.clone();
        let reader = tokio::task::spawn_blocking(move || {
            let read = logs::follow_raw(&log, Position::default(), true, &stopped, |piece| {
                let (stream, bytes) = match piece {
                    Output::Bytes(stream, bytes) => (stream, bytes),
                    Output::Skipped(count) => (Stream::Stderr, format!("[{count} bytes of output were lost]\n").into()),
                    Output::Ended => return ControlFlow::Continue(()),
                };
                if output.blocking_send((stream, bytes)).is_err() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            if let Err(error) = read {
                tracing::warn!(log = %log.display(), %error, "the output of a build step could not be read to its end");
            }
        });
        Ok(Self { stop, reader })
    }

    /// After the end: all there is was passed on when this returns.
    async fn finish(self, wait: bool) {
        // Without an end in it (the monitor was killed) the log would be followed for ever.
        self.stop.stop();
        if wait {
            let _ = self.reader.await;
        }
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the build step was cancelled")
}

fn failed(error: io::Error) -> Error {
    durable::io_error("a build step could not be run", error.kind(), error)
}
