//! The engine's door: one verb a file, each short enough to read aloud.
//!
//! An [`Engine`] owns a data root and a run root. What it shows is always whole: a container appears when its record is
//! synced and vanishes by one rename. Containers outlive it; `recover` adopts them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;

use crate::{
    cgroup::{self, Cgroup},
    container::record::{Status, VERSION},
    durable::{self, RootLock},
    error::{Error, Result},
    id::ContainerId,
    monitor::client::Launcher,
    network::Network,
    paths::Paths,
    request::{ContainerPort, PortBinding, RestartPolicy},
    view::{ContainerSize, ContainerView, Event, HostInfo},
    volume,
};

mod abilities;
mod again;
mod attach;
mod build;
mod build_cache;
mod check;
mod commit;
mod connect;
mod copy;
mod copy_mounts;
mod create;
mod current;
mod etc;
mod exec;
mod export;
mod health;
mod image;
pub mod images;
mod import;
mod instructions;
mod isolation;
mod journal;
mod leave;
mod load;
mod logs;
mod made;
mod mounts;
mod networks;
mod outflow;
mod pause;
mod plumb;
pub mod proxy;
mod prune;
mod prune_containers;
mod pull;
mod push;
mod recover;
mod remove;
mod rename;
mod replace;
mod replaced;
mod resolver;
mod save;
pub mod scratch;
pub mod serving;
mod start;
mod stats;
pub mod step;
mod stop;
mod supervise;
mod table;
mod top;
mod trash;
mod turns;
mod unkept;
mod update;
mod volume_files;
mod volume_fill;
mod volumes;
mod wait;

pub use attach::Attachment;
pub use build_cache::PrunedCache;
pub use leave::{Giver, Leave};
pub use outflow::Outflow;

use images::Images;
use journal::Journal;
use table::{Container, Table};
use trash::Trash;

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Durable root.
    pub data_root: PathBuf,
    /// Alive-only root.
    pub run_root: PathBuf,
    /// Mirrors for Docker Hub, tried in order before it: `http://127.0.0.1:5000`.
    pub registry_mirrors: Vec<String>,
    /// `host[:port]` plain http and unknown certificates are allowed for; loopback always is.
    pub insecure_registries: Vec<String>,
    /// Builds may fetch files from loopback and private networks too.
    pub private_sources: bool,
    /// Folders with certificates by registry host, beside `/etc/docker/certs.d`.
    pub registry_certificates: Vec<PathBuf>,
    /// The monitor's program, to be run from a sealed memory file.
    pub monitor: &'static [u8],
    /// Containers may reach link-local addresses, a cloud's metadata service among them.
    pub metadata: bool,
}

/// The engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    paths: Paths,
    host: HostInfo,
    images: Images,
    network: Network,
    volumes: volume::Store,
    cgroups: cgroup::Layout,
    /// The group all containers' groups are in.
    cgroup_parent: String,
    launcher: Launcher,
    table: Table,
    id_ranges: Mutex<BTreeMap<ContainerId, u32>>,
    events: Journal,
    trash: Trash,
    tasks: TaskTracker,
    private_sources: bool,
    /// What the host's control groups can limit; asked once.
    able: OnceLock<cgroup::Able>,
    execs: exec::Execs,
    /// Held as long as the engine is.
    _lock: RootLock,
}

impl Engine {
    /// The host and this engine.
    pub fn info(&self) -> HostInfo {
        let mut info = self.inner.host.clone();
        info.disk_bytes = check::disk_bytes(self.inner.paths.data_root());
        info
    }

    /// Events from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// The events that are remembered, oldest first, and those from now on: none is in both, none is missed.
    pub fn events_so_far(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        self.inner.events.so_far()
    }

    /// All containers, newest first.
    pub fn containers(&self) -> Vec<ContainerView> {
        let mut views: Vec<_> = self.inner.table.all().iter().map(|one| self.view(one)).collect();
        views.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.name.cmp(&b.name)));
        views
    }

    /// One container by name, id or unique id prefix.
    ///
    /// # Errors
    /// `No such container: NAME`.
    pub fn container(&self, name: &str) -> Result<ContainerView> {
        self.inner.table.find(name).map(|container| self.view(&container))
    }

    /// Counts what it takes on disk.
    ///
    /// # Errors
    /// No such container.
    pub async fn container_size(&self, id: &ContainerId) -> Result<ContainerSize> {
        let container = self.inner.table.get(id)?;
        let engine = self.clone();
        blocking(move || {
            let upper = engine.inner.paths.rootfs(container.id()).join("upper");
            let writable_bytes = crate::snapshot::disk_usage(&upper).unwrap_or(0);
            let image_bytes = engine.inner.images.size(container.record.image_id).unwrap_or(0);
            Ok(ContainerSize { writable_bytes, rootfs_bytes: writable_bytes + image_bytes })
        })
        .await
    }

    fn cgroup(&self, name: &str) -> Cgroup {
        self.inner.cgroups.open(&self.inner.cgroup_parent, name)
    }

    fn view(&self, container: &Container) -> ContainerView {
        let view = container.current().view(&container.status(), self.inner.paths.log(container.id()));
        let exec_ids = self.inner.execs.of(container.id());
        let attachments = container.attachments();
        let replaced_by = container.replaced().map(|replaced| replaced.by);
        ContainerView { volumes_path: self.inner.paths.volumes(), exec_ids, attachments, replaced_by, ..view }
    }

    /// Writes the status beside the record, unless a newer one is there already (see [`crate::container::record`]).
    async fn write_status(&self, container: &Container, status: Status) -> Result<()> {
        let path = self.inner.paths.container_status(container.id());
        let mut written = Arc::clone(&container.written).lock_owned().await;
        if status.revision < *written {
            return Ok(());
        }
        let survives = container.restart_policy() != RestartPolicy::No;
        blocking(move || {
            if survives {
                durable::write_json(&path, VERSION, &status)?;
            } else {
                durable::replace_json(&path, VERSION, &status)?;
            }
            *written = status.revision;
            Ok(())
        })
        .await
    }

    fn tell<const N: usize>(&self, action: &str, container: &Container, more: [(&str, String); N]) {
        let mut attributes = container.record.resolved.labels.clone();
        attributes.insert("image".to_owned(), container.record.request.image.clone());
        attributes.insert("name".to_owned(), container.name());
        attributes.extend(more.map(|(key, value)| (key.to_owned(), value)));
        self.publish("container", action, container.id().to_string(), attributes);
    }

    fn publish(&self, object: &'static str, action: &str, id: String, attributes: BTreeMap<String, String>) {
        self.inner.events.add(Event { at: Timestamp::now(), object, action: action.to_owned(), id, attributes });
    }
}

/// Every exposed port that no binding names gets one, on a port of the engine's choice.
fn publish_exposed(ports: &mut Vec<PortBinding>, exposed: &[ContainerPort]) {
    let named: BTreeSet<_> = ports.iter().map(|port| port.container).collect();
    for container in exposed.iter().filter(|port| !named.contains(*port)) {
        ports.push(PortBinding { container: *container, host_ip: None, host_port: None, host_port_end: None });
    }
}

/// Runs work that waits for disk or kernel where it holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| Error::internal("this failed inside; see the log", panic))?
}

/// A poisoned lock means a panic elsewhere; what these guard is changed by single insertions and stays whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
