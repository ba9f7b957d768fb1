//! `start`: everything around one process, each thing with its undo, until the monitor says it runs.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;

use super::{Engine, Leave, blocking, etc, plumb::Plumbed, table::Container};
use crate::{
    durable,
    error::{Error, ErrorKind, Result},
    fault,
    id::ContainerId,
    monitor::{
        client::{Client, LaunchError, Pending},
        protocol::Started,
    },
    spec::{self, FileMount, LaunchSpec, LogPlace, ProcessLimit, Rootfs, Stdin},
    undo::Undo,
    view::{ContainerState, Exit},
};

/// Docker's size of /dev/shm.
const SHM_BYTES: u64 = 64 << 20;

/// How long the last run's monitor may take to write its file system back.
const WRITE_BACK: Duration = Duration::from_mins(1);

impl Engine {
    /// Starts it.
    ///
    /// # Errors
    /// [`ErrorKind::NotModified`] when it runs; [`ErrorKind::Invalid`] with Docker's text when the program can't be run;
    /// what the host refused otherwise. Nothing of the attempt stays but the state `Exited` with the reason.
    pub fn start<'a>(&'a self, id: &'a ContainerId, leave: Leave) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.inner.table.get(id)?;
            let _verbs = container.verbs.lock().await;
            self.start_locked(&container, leave).await?;
            if container.replaced().is_some() && !self.is_replaced(&container) {
                // What took its place is gone: it is one like any other again.
                self.keep_replaced(&container, None).await?;
            }
            Ok(())
        }
        .boxed()
    }

    /// [`Engine::start`] for a verb that holds the container's `verbs`.
    pub(in crate::engine) async fn start_locked(&self, container: &Arc<Container>, leave: Leave) -> Result<()> {
        match container.state() {
            ContainerState::Running { paused: true, .. } => {
                return Err(Error::conflict("cannot start a paused container, try unpause instead"));
            }
            ContainerState::Running { .. } | ContainerState::Restarting(_) => {
                return Err(Error::new(ErrorKind::NotModified, "container is already running"));
            }
            ContainerState::Removing => {
                return Err(Error::conflict("container is marked for removal and cannot be started"));
            }
            ContainerState::Created | ContainerState::Exited(_) => {}
        }
        container.backoff().forget();
        container.set_status(|status| {
            status.restart_count = 0;
            status.stopped_by_hand = false;
        });
        self.run_locked(container, leave).await
    }

    /// Makes it run, whoever wants it; for who holds its `verbs` and knows that it doesn't run.
    pub(in crate::engine) async fn run_locked(&self, container: &Arc<Container>, leave: Leave) -> Result<()> {
        let world = container.world.lock().await;
        self.unmounted(container).await?;
        let outcome = match self.inner.images.lowers(container.record.image_id) {
            Ok(lowers) => match self.network_around(container) {
                Ok(around) => self.bring_up(container, Around { lowers, ..around }, leave).await,
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        };
        match outcome {
            Ok(started) => {
                drop(world);
                self.published(container, started).await;
                Ok(())
            }
            Err(failure) => {
                self.failed_to_start(container, &failure).await;
                drop(world);
                if container.record.request.auto_remove {
                    self.remove_after_exit(container.clone());
                }
                Err(failure.error)
            }
        }
    }

    /// The last run's monitor holds the root file system until written data is synced; two overlays on one writable folder
    /// would spoil it.
    pub(in crate::engine) async fn unmounted(&self, container: &Container) -> Result<()> {
        let Some(last) = container.take_last_client() else { return Ok(()) };
        let gone = tokio::time::timeout(WRITE_BACK, last.gone()).await;
        let slow =
            |_| Error::new(ErrorKind::Unavailable, "the last run's file system is still being written back; try again");
        gone.map_err(slow)?.map_err(failed)
    }

    /// Makes everything around its process and lets that run, once it may; on failure takes it all back.
    pub(in crate::engine) async fn bring_up(
        &self,
        container: &Arc<Container>,
        around: Around,
        leave: Leave,
    ) -> Result<Up, Failure> {
        let engine = self.clone();
        let record = container.current();
        let mut undo = Undo::new();
        let (spec, mut undo) = blocking(move || {
            let spec = engine.prepare(&record, around, &mut undo)?;
            fault::point("start.prepared").map_err(failed)?;
            Ok((spec, undo))
        })
        .await?;
        let outcome = match self.inner.launcher.launch(&spec).await {
            Ok(pending) => self.let_go(container, pending, leave, &mut undo).await,
            Err(error) => Err(error.into()),
        };
        match outcome {
            Ok(up) => {
                undo.disarm();
                Ok(up)
            }
            Err(failure) => {
                let taken_back = move || {
                    drop(undo);
                    Ok(())
                };
                blocking(taken_back).await?;
                Err(failure)
            }
        }
    }

    /// With the first process made: its network, then go. On failure the monitor is gone, or will be with its group.
    async fn let_go(
        &self,
        container: &Arc<Container>,
        pending: Pending,
        leave: Leave,
        undo: &mut Undo,
    ) -> Result<Up, Failure> {
        let plumbed = match self.plumb(container, &pending, undo).await {
            Ok(plumbed) => leave.take().await.map(|()| plumbed),
            Err(error) => Err(error),
        };
        let plumbed = match plumbed {
            Ok(plumbed) => plumbed,
            Err(error) => {
                pending.abort().await;
                return Err(error.into());
            }
        };
        let (client, started) = pending.go().await?;
        if let Err(error) = fault::point("start.go") {
            container.set_client(client);
            container.end_client();
            return Err(failed(error).into());
        }
        Ok(Up { client, plumbed, started })
    }

    /// Control group, run folder and the whole launch specification.
    fn prepare(
        &self,
        record: &crate::container::record::Record,
        around: Around,
        undo: &mut Undo,
    ) -> Result<LaunchSpec> {
        let paths = &self.inner.paths;
        durable::remove(&paths.exit(&record.id))?;
        let run_dir = paths.run_container(&record.id);
        let _ = fs::remove_dir_all(&run_dir);
        fs::create_dir(&run_dir).map_err(failed)?;
        let gone = run_dir.clone();
        undo.push("run folder", move || fs::remove_dir_all(gone));
        etc::write(paths, record, &etc::Surroundings::default()).map_err(failed)?;
        if around.network == spec::Network::Host {
            // Its name servers may be on the host's own loopback, which is the container's as well. Without a file there
            // is the one just written.
            let _ = fs::copy("/etc/resolv.conf", etc::path(&paths.container(&record.id), "resolv.conf"));
        }
        if record.request.auto_remove {
            // The kernel's mark that an unsynced folder must not be used again, meant for power loss: after that such a
            // container is removed, so a mark that is met here is of the run before, and the kernel still has its data.
            let _ = fs::remove_dir_all(paths.rootfs(&record.id).join("work/work/incompat/volatile"));
        }

        let opening = self.opening(record)?;
        let limits = &record.request.limits;
        let cgroup =
            self.inner.cgroups.create(&self.inner.cgroup_parent, record.id.as_str(), limits, &opening.devices)?;
        let (engine, id) = (self.clone(), record.id.clone());
        undo.push("cgroup", move || {
            let group = engine.cgroup(id.as_str());
            group.kill().and_then(|()| group.remove()).map_err(io::Error::other)
        });
        fault::point("start.cgroup").map_err(failed)?;

        let request = &record.request;
        let folder = paths.container(around.files_of.as_ref().unwrap_or(&record.id));
        let hostname = around.hostname.unwrap_or_else(|| record.resolved.hostname.clone());
        let mut env = record.resolved.env.clone();
        env.insert(1.min(env.len()), format!("HOSTNAME={hostname}"));
        env.extend(around.env);
        if request.tty && !env.iter().any(|entry| entry.starts_with("TERM=")) {
            env.push("TERM=xterm".to_owned());
        }
        Ok(LaunchSpec {
            version: spec::VERSION,
            id: record.id.to_string(),
            process: spec::Process {
                argv: record.resolved.argv.clone(),
                env,
                cwd: record.resolved.working_dir.clone(),
                user: record.resolved.user.clone(),
                group_add: request.group_add.clone(),
                tty: request.tty.then(spec::TtySize::default),
                stdin: match (request.open_stdin, request.stdin_once) {
                    (false, _) => Stdin::Closed,
                    (true, false) => Stdin::Open,
                    (true, true) => Stdin::Once,
                },
                init: request.init,
                capabilities: record.resolved.capabilities,
                no_new_privileges: request.no_new_privileges,
                seccomp: opening.seccomp,
                rlimits: request
                    .rlimits
                    .iter()
                    .map(|limit| ProcessLimit { name: limit.name.clone(), soft: limit.soft, hard: limit.hard })
                    .collect(),
                oom_score_adj: request.oom_score_adj.unwrap_or(0),
            },
            hostname,
            domainname: request.domainname.clone().unwrap_or_default(),
            rootfs: Rootfs {
                lowers: around.lowers,
                writable: paths.rootfs(&record.id),
                read_only: request.read_only_rootfs,
                volatile: request.auto_remove,
            },
            id_map: opening.id_map,
            files: etc::FILES
                .iter()
                .map(|file| FileMount { source: etc::path(&folder, file), target: format!("/etc/{file}") })
                .collect(),
            mounts: [around.mounts, self.launch_mounts(record, undo)?].concat(),
            network: around.network,
            shm_size_bytes: request.shm_size_bytes.unwrap_or(SHM_BYTES),
            masked_paths: opening.masked_paths,
            readonly_paths: opening.readonly_paths,
            sysctls: request.sysctls.clone(),
            cgroup: cgroup.join(),
            log: LogPlace {
                dir: paths.log(&record.id),
                segment_bytes: request.log.segment_bytes,
                segments: request.log.segments,
            },
            exit_file: paths.exit(&record.id),
            run_dir,
            opened: opening.opened,
        })
    }

    /// It runs: show it, and watch for its end.
    async fn published(&self, container: &Arc<Container>, up: Up) {
        for limit in &up.started.clamped {
            tracing::warn!(container = container.record.name, "{limit}");
        }
        let started_at = timestamp(up.started.started_at_ns);
        let state = ContainerState::Running { pid: up.started.pid, started_at, paused: false };
        container.set_client(up.client);
        container.set_proxy(up.plumbed.proxy);
        let (endpoint, also) = (up.plumbed.endpoint, up.plumbed.also);
        let status = container.set_status(|status| {
            status.state = state;
            status.endpoint = endpoint;
            status.also = also;
            status.health = Self::fresh_health(container);
        });
        // It runs, whatever becomes of the note: the next engine asks the monitor first.
        if let Err(error) = self.write_status(container, status.clone()).await {
            tracing::error!(container = container.record.name, "its state can't be written: {}", error.chain());
        }
        container.life.send_modify(|life| life.starts += 1);
        self.watch(container.clone());
        self.tell_mounts(&container.record);
        for endpoint in status.endpoints() {
            self.tell_network("connect", endpoint, container);
        }
        self.tell("start", container, []);
    }

    async fn failed_to_start(&self, container: &Arc<Container>, failure: &Failure) {
        let exit = Exit {
            code: failure.exit_code,
            oom_killed: false,
            started_at: None,
            finished_at: Timestamp::now(),
            error: Some(failure.error.message().to_owned()),
        };
        let status = container.set_status(|status| {
            status.state = ContainerState::Exited(exit.clone());
            status.unplug();
        });
        if let Err(error) = self.write_status(container, status).await {
            tracing::error!(container = container.record.name, "its state can't be written: {}", error.chain());
        }
        container.life.send_modify(|life| {
            life.ends += 1;
            life.last = Some(exit);
        });
    }
}

/// What a run has around it that its container's record doesn't say.
#[derive(Default)]
pub(in crate::engine) struct Around {
    /// Its layers' folders, topmost first.
    pub lowers: Vec<PathBuf>,
    /// Mounts.
    pub mounts: Vec<spec::Mount>,
    /// Another network than one of its own.
    pub network: spec::Network,
    /// The container whose /etc/hosts and the like it has; its own when `None`.
    pub files_of: Option<ContainerId>,
    /// The host name; its own when `None`.
    pub hostname: Option<String>,
    /// More of the environment.
    pub env: Vec<String>,
}

/// A container that came up.
pub(in crate::engine) struct Up {
    pub client: Client,
    plumbed: Plumbed,
    pub started: Started,
}

/// A container that did not, and the code Docker gives for it.
pub(in crate::engine) struct Failure {
    pub error: Error,
    exit_code: i32,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, exit_code: 128 }
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let exit_code = error.exit_code();
        let error = match &error {
            // Docker answers 400 for what the person got wrong; its CLI reads the text.
            LaunchError::Failed(failure) if failure.is_of_request() => Error::invalid(failure.message.clone()),
            LaunchError::Failed(failure) => Error::with_source(ErrorKind::Internal, failure.message.clone(), error),
            LaunchError::Timeout => Error::new(ErrorKind::Unavailable, error.to_string()),
            LaunchError::Spawn(_) | LaunchError::Lost => {
                Error::internal("the container's monitor could not be started", error)
            }
        };
        Self { error, exit_code }
    }
}

pub(in crate::engine) fn timestamp(ns: u64) -> Timestamp {
    Timestamp::from_nanosecond(ns.into()).unwrap_or_else(|_| Timestamp::now())
}

fn failed(error: io::Error) -> Error {
    durable::io_error("the container could not be started", error.kind(), error)
}
