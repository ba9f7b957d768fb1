//! `open`: takes the data root and brings disk, memory and kernel to agree, whatever the last engine was doing.
//!
//! Every half-done state has one continuation. Per container folder:
//! no record: never a container, or a build step's, swept. Monitor answers: adopted. An exit file newer than the last status: the end it
//! reports. Neither, though the status says running: ended, nobody saw how. Then what no container owns is swept: control
//! groups, run folders, links, rules, addresses. One bad container never stops the start.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{self, StreamExt as _},
};
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

use super::{
    Config, Engine, Inner, blocking,
    images::Images,
    journal::Journal,
    proxy::Proxy,
    scratch,
    start::timestamp,
    supervise::{exit_of, left_behind},
    table::{Container, Table},
    trash::Trash,
    volume_fill,
};
use crate::{
    cgroup,
    container::record::{Record, Status, VERSION},
    digest::Digest,
    durable::{self, RootLock},
    error::{Error, ErrorKind, Result},
    id::ContainerId,
    monitor::{
        self,
        client::{Client, Launcher},
        protocol::ExitReport,
    },
    network::{self, Network},
    paths::Paths,
    registry,
    view::{ContainerState, Endpoint, HostInfo, Verdict},
    volume,
};

/// Containers that are asked after at a time: a monitor that hangs or a state that is slow to sync keeps few others waiting.
const AT_ONCE: usize = 128;

/// How long a monitor that is going may take for it.
const GOING: Duration = Duration::from_secs(5);

/// engine.json.
#[derive(Serialize, Deserialize)]
struct Identity {
    id: String,
}

impl Engine {
    /// Takes the data root, finishes what was half done, adopts what runs.
    ///
    /// # Errors
    /// When another engine has the root, or the host can't run one; the text says what to do.
    pub fn open(config: Config) -> BoxFuture<'static, Result<Self>> {
        async move {
            let paths = Paths::new(absolute(&config.data_root)?, absolute(&config.run_root)?);
            let host_config = config.clone();
            let (paths, records, inner) = blocking(move || {
                for folder in [
                    paths.data_root(),
                    &paths.containers(),
                    &paths.trash(),
                    &paths.network(),
                    &paths.scratch(),
                    paths.run_root(),
                    &paths.run_containers(),
                    &paths.names(),
                ] {
                    durable::create_dir(folder)?;
                }
                let lock = RootLock::take(&paths.lock())?;
                let mut host = Self::check(&host_config);
                able(&host)?;
                paths.data_root().clone_into(&mut host.data_root);
                host.engine_id = identity(&paths)?;
                scratch::sweep(&paths);
                let records = records(&paths)?;
                let in_use: Vec<_> = records.iter().map(|(record, _)| record.image_id).collect();
                let volumes = records.iter().map(|(record, _)| (record.id.clone(), record.volume_names())).collect();
                let volumes = volume::Store::open(paths.clone(), volumes)?;
                volume_fill::take_back(&volumes, &paths)?;
                let mut certificates = vec![PathBuf::from("/etc/docker/certs.d")];
                certificates.extend(host_config.registry_certificates);
                let registry = registry::Config {
                    certificates,
                    mirrors: host_config.registry_mirrors,
                    insecure: host_config.insecure_registries,
                    ..registry::Config::default()
                };
                let networks = network::Config {
                    names: Some(paths.names()),
                    metadata: host_config.metadata,
                    ..network::Config::default()
                };
                let failed = |error: io::Error| Error::internal("the engine can't be started", error);
                let inner = Inner {
                    images: Images::open(paths.clone(), registry, &in_use)?,
                    volumes,
                    network: Network::open(paths.network(), networks)?,
                    cgroups: cgroup::Layout::detect()?,
                    cgroup_parent: cgroup_name(&paths),
                    launcher: Launcher::new(host_config.monitor).map_err(failed)?,
                    table: Table::default(),
                    id_ranges: Mutex::new(
                        records
                            .iter()
                            .filter_map(|(record, _)| Some((record.id.clone(), record.id_base?)))
                            .collect::<BTreeMap<_, _>>(),
                    ),
                    events: Journal::default(),
                    trash: Trash::start(paths.trash()).map_err(failed)?,
                    tasks: TaskTracker::new(),
                    private_sources: host_config.private_sources,
                    able: OnceLock::new(),
                    execs: super::exec::Execs::default(),
                    _lock: lock,
                    host,
                    paths: paths.clone(),
                };
                Ok((paths, records, inner))
            })
            .await?;
            let engine = Self { inner: Arc::new(inner) };
            let containers: Vec<_> = records
                .into_iter()
                .map(|(record, status)| {
                    let container = Arc::new(Container::new(record, status));
                    engine.remember_networks(&container);
                    engine.remember_replaced(&container);
                    engine.inner.table.insert(Arc::clone(&container));
                    container
                })
                .collect();
            let asked = stream::iter(containers).map(|container| {
                let engine = engine.clone();
                async move { engine.adopt(&container).await.map(|endpoints| (container, endpoints)) }
            });
            let adopted: Vec<_> = asked.buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
            engine.sweep(&paths, &adopted).await?;
            engine.reconnect(&adopted).await;
            for (container, _) in &adopted {
                engine.complete_networks(container).await;
            }
            let returning = engine.settle_replacements().await;
            for container in engine.inner.table.all() {
                if container.state().is_running() {
                    engine.watch(container);
                } else if container.replaced().is_some() || returning.contains(container.id()) {
                    // It is kept as it was, or started below.
                } else if container.record.request.auto_remove {
                    engine.remove_after_exit(container);
                } else {
                    engine.revive(&container);
                }
            }
            engine.bring_back(returning).await;
            Ok(engine)
        }
        .boxed()
    }

    /// Lets go of everything; containers go on.
    pub fn close(&self) {
        self.inner.tasks.close();
        // The watchers only wait; they end with the process. A group that still holds containers can't be removed.
        let _ = self.inner.cgroups.remove_parent(&self.inner.cgroup_parent);
    }

    /// Finds out what became of one container while no engine looked. Answers its endpoints when it runs.
    async fn adopt(&self, container: &Arc<Container>) -> Option<Vec<Endpoint>> {
        let paths = &self.inner.paths;
        let id = container.id();
        if let Some((client, running)) = self.answering(container).await {
            let paused = self.as_it_was(container);
            self.limit_again(container);
            let started_at = timestamp(running.started_at_ns);
            let state = ContainerState::Running { pid: running.pid, started_at, paused };
            let status = container.set_status(|status| status.state = state);
            container.set_client(client);
            self.note(container, status.clone()).await;
            tracing::info!(container = container.record.name, pid = running.pid, "goes on running");
            self.adopt_execs(container).await;
            return Some(Self::endpoints_to_keep(container, &status));
        }
        let report = left_behind(&paths.exit(id));
        let before = container.status();
        let was_running = before.state.is_running();
        let news = report.filter(|report| match &before.state {
            ContainerState::Exited(exit) => timestamp(report.finished_at_ns) > exit.finished_at,
            _ => true,
        });
        if was_running || news.is_some() {
            let started_at = match before.state {
                ContainerState::Running { started_at, .. } => Some(started_at),
                _ => None,
            };
            let report = news.unwrap_or_else(ExitReport::lost);
            let exit = exit_of(&report, started_at);
            container.backoff().unseen = true;
            let status = container.set_status(|status| {
                status.remember(&exit);
                status.state = ContainerState::Exited(exit);
                status.unplug();
            });
            container.life.send_modify(|life| {
                if let ContainerState::Exited(exit) = &status.state {
                    life.last = Some(exit.clone());
                }
            });
            self.note(container, status).await;
        } else if before.endpoints().next().is_some() {
            // A start that came to nothing.
            let status = container.set_status(Status::unplug);
            self.note(container, status).await;
        }
        self.forget_output(container).await;
        None
    }

    /// Its monitor, if one is there and answers. One that hangs is ended: nothing can be known or asked of its container.
    async fn answering(&self, container: &Container) -> Option<(Client, monitor::protocol::Status)> {
        let paths = &self.inner.paths;
        let client = Client::reach(&paths.monitor_socket(container.id()), &paths.exit(container.id())).ok()?;
        match client.status().await {
            Ok(status) => Some((client, status)),
            Err(error) => {
                if error.kind() == io::ErrorKind::TimedOut {
                    tracing::error!(container = container.record.name, "its monitor does not answer; it is ended");
                    let _ = client.end_monitor();
                }
                // What it holds of the root file system must be free before the next start.
                let _ = tokio::time::timeout(GOING, client.gone()).await;
                None
            }
        }
    }

    async fn note(&self, container: &Container, status: Status) {
        if let Err(error) = self.write_status(container, status).await {
            tracing::error!(container = container.record.name, "its state can't be written: {}", error.chain());
        }
    }

    /// Frees what no running container owns.
    async fn sweep(&self, paths: &Paths, adopted: &[(Arc<Container>, Vec<Endpoint>)]) -> Result<()> {
        let running: Vec<ContainerId> = adopted.iter().map(|(container, _)| container.id().clone()).collect();
        let live: Vec<(ContainerId, Endpoint)> = adopted
            .iter()
            .flat_map(|(container, endpoints)| {
                endpoints.iter().map(|endpoint| (container.id().clone(), endpoint.clone()))
            })
            .collect();
        let known: Vec<ContainerId> = self.inner.table.all().iter().map(|container| container.id().clone()).collect();
        let (engine, paths) = (self.clone(), paths.clone());
        blocking(move || {
            for container in engine.inner.table.all().iter().filter(|container| running.contains(container.id())) {
                for name in container.record.volume_names() {
                    // Mounted already: this only notes who uses it.
                    if let Err(error) = engine.inner.volumes.mount(container.id(), &name) {
                        tracing::warn!(volume = name, %error, "a volume of a running container is not there");
                    }
                }
            }
            if let Err(error) = engine.inner.volumes.sweep_mounts() {
                tracing::warn!(%error, "volumes that nobody uses may still be mounted");
            }
            let is_running = |name: &str| running.iter().any(|id| id.as_str() == name);
            for group in engine.inner.cgroups.children(&engine.inner.cgroup_parent)? {
                if !is_running(&group) {
                    let group = engine.cgroup(&group);
                    group.kill()?;
                    group.remove()?;
                }
            }
            let wanted: Vec<PathBuf> = running.iter().map(|id| paths.run_container(id)).collect();
            for entry in fs::read_dir(paths.run_containers()).into_iter().flatten().flatten() {
                if !wanted.contains(&entry.path()) {
                    let _ = fs::remove_dir_all(entry.path());
                }
            }
            engine.inner.network.reconcile(&live, &known).map_err(Into::into)
        })
        .await
    }

    /// Holds the published ports of adopted containers again.
    async fn reconnect(&self, adopted: &[(Arc<Container>, Vec<Endpoint>)]) {
        for (container, endpoints) in adopted {
            // Its way out: ports are published nowhere else.
            let Some(endpoint) = endpoints.first().cloned() else { continue };
            let (engine, id) = (self.clone(), container.id().clone());
            let held = blocking(move || engine.inner.network.readopt(&id, &endpoint).map_err(Into::into)).await;
            match held {
                Ok(reservations) if reservations.is_empty() => {}
                Ok(reservations) => match Proxy::start(reservations) {
                    Ok(proxy) => drop(container.set_proxy(Some(proxy))),
                    Err(error) => {
                        tracing::warn!(container = container.record.name, %error, "its ports on loopback are not served");
                    }
                },
                Err(error) => {
                    tracing::warn!(
                        container = container.record.name,
                        "its ports on loopback are not served: {}",
                        error.chain()
                    );
                }
            }
        }
    }
}

/// A host that lacks something is told what, before anything of it is touched.
fn able(host: &HostInfo) -> Result<()> {
    let missing = host.checks.iter().find(|check| check.verdict == Verdict::Missing);
    let Some(check) = missing else { return Ok(()) };
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("this host can't run the engine: {}; {}", check.found, check.remedy),
    ))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::invalid(format!("{} can't be made absolute: {error}", path.display())))
}

/// `darsena` for the usual data root; others get a name of their own, so that two engines on one host don't sweep each other.
fn cgroup_name(paths: &Paths) -> String {
    let root = paths.data_root();
    if root == Path::new("/var/lib/darsena") {
        return "darsena".to_owned();
    }
    format!("darsena-{}", &Digest::of(root.as_os_str().as_bytes()).hex()[..8])
}

fn identity(paths: &Paths) -> Result<String> {
    if let Some(identity) = durable::read_json::<Identity>(&paths.engine(), VERSION)? {
        return Ok(identity.id);
    }
    let id = durable::fresh_name("");
    durable::write_json(&paths.engine(), VERSION, &Identity { id: id.clone() })?;
    Ok(id)
}

/// Every container that has a record; folders without one, and those that were still being filled, go to the trash.
fn records(paths: &Paths) -> Result<Vec<(Record, Status)>> {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(paths.containers()).map_err(|error| Error::internal("the containers can't be listed", error))?;
    for entry in entries.flatten() {
        let discard = || {
            let _ = fs::rename(entry.path(), paths.trash().join(durable::fresh_name("")));
        };
        if entry.file_name().as_bytes().starts_with(durable::TMP_PREFIX.as_bytes()) {
            discard();
            continue;
        }
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<ContainerId>().ok()) else {
            tracing::warn!(path = %entry.path().display(), "not a container's folder; left alone");
            continue;
        };
        match durable::read_json::<Record>(&paths.container_record(&id), VERSION) {
            Ok(Some(record)) => {
                // Not synced, so it may be torn after power loss: then nothing runs, and nothing more is known.
                let status = durable::read_json(&paths.container_status(&id), VERSION).ok().flatten();
                found.push((record, status.unwrap_or_else(Status::created)));
            }
            Ok(None) => discard(),
            Err(error) => tracing::error!(%error, "a container's record can't be read; it is left alone and not shown"),
        }
    }
    Ok(found)
}
