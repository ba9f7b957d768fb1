//! Containers, their state and their place in networks.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::ImageId,
    id::{ContainerId, ExecId, NetworkId},
    request::{ContainerMount, ContainerPort, CreateContainer, HealthCheck, NetworkAttachment, Protocol},
    view::{Health, Inet6},
};

/// Where a container stands in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
pub enum ContainerState {
    /// Ready for its first start.
    Created,
    /// Its process runs.
    Running {
        /// Process id on the host.
        pid: i32,
        /// When it was started.
        started_at: Timestamp,
        /// Its processes stand still.
        #[serde(default)]
        paused: bool,
    },
    /// Its process has ended, or could not be started.
    Exited(Exit),
    /// Being removed; only ever in memory.
    Removing,
    /// Its process has ended like this, and is started again after a while.
    Restarting(Exit),
}

/// How a container's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// 0 to 255; 128 + n after signal n; 126 or 127 when it could not be started.
    pub code: i32,
    /// The kernel killed it for memory.
    pub oom_killed: bool,
    /// When it was started; `None` when it never ran.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Why it could not be started, or that its end was not seen.
    pub error: Option<String>,
}

impl ContainerState {
    /// Its process exists.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Its processes exist and stand still.
    pub fn is_paused(&self) -> bool {
        matches!(self, Self::Running { paused: true, .. })
    }

    /// Docker's word for the state.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { paused: true, .. } => "paused",
            Self::Running { .. } => "running",
            Self::Exited(_) => "exited",
            Self::Removing => "removing",
            Self::Restarting(_) => "restarting",
        }
    }
}

/// One port that is published now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The port inside.
    pub container: ContainerPort,
    /// The host address it is bound to; 0.0.0.0 and :: are all of a version.
    pub host_ip: IpAddr,
    /// The host port.
    pub host_port: u16,
}

/// A container's place in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The network's name.
    pub network: String,
    /// Address inside.
    pub ip: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix_len: u8,
    /// The way out.
    pub gateway: Ipv4Addr,
    /// `02:42:ac:11:00:02`.
    pub mac: String,
    /// Name of the host's end of the pair.
    pub host_interface: String,
    /// What is published.
    pub ports: Vec<PublishedPort>,
    /// The network; `None` is the default one, as before there were others.
    #[serde(default)]
    pub network_id: Option<NetworkId>,
    /// The interface inside; `eth0` when empty.
    #[serde(default)]
    pub interface: String,
    /// What others in this network may call it.
    #[serde(default)]
    pub names: Vec<String>,
    /// Its own id.
    #[serde(default)]
    pub id: String,
    /// Its address of IPv6, where the network has any.
    #[serde(default)]
    pub v6: Option<Inet6>,
}

impl Endpoint {
    /// The interface inside.
    pub fn interface(&self) -> &str {
        if self.interface.is_empty() { "eth0" } else { &self.interface }
    }
}

/// A container as lists and pages need it. All of it is memory: making it touches neither disk nor kernel.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerView {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without Docker's slash.
    pub name: String,
    /// The state.
    pub state: ContainerState,
    /// When its record was written.
    pub created_at: Timestamp,
    /// What was asked for, as asked.
    pub request: CreateContainer,
    /// The image it was made from.
    pub image_id: ImageId,
    /// Entry point and arguments after image and request were joined.
    pub argv: Vec<String>,
    /// Length of the entry point within `argv`.
    pub entrypoint_len: usize,
    /// Environment after image and request were joined.
    pub env: Vec<String>,
    /// Working directory after image and request were joined.
    pub working_dir: String,
    /// User after image and request were joined.
    pub user: String,
    /// Host name.
    pub hostname: String,
    /// Labels after image and request were joined.
    pub labels: BTreeMap<String, String>,
    /// Ports the image and the request expose.
    pub exposed_ports: Vec<ContainerPort>,
    /// Signal number `stop` sends first.
    pub stop_signal: i32,
    /// Its place in the network while it runs.
    pub endpoint: Option<Endpoint>,
    /// First host id of its range; `None` with host ids.
    pub id_base: Option<u32>,
    /// How often the engine restarted it.
    pub restart_count: u32,
    /// Folder of its log's segments.
    pub log_path: std::path::PathBuf,
    /// How its last runs ended, the latest first.
    pub past: Vec<Exit>,
    /// What is mounted into it, outer targets first.
    pub mounts: Vec<ContainerMount>,
    /// Folder of all volumes.
    pub volumes_path: std::path::PathBuf,
    /// Execs that run in it or are about to.
    pub exec_ids: Vec<ExecId>,
    /// Its health, where it has a check and was started.
    pub health: Option<Health>,
    /// How it is asked whether it is well, after image and request were joined.
    pub health_check: Option<HealthCheck>,
    /// Its places in further networks while it runs.
    pub also: Vec<Endpoint>,
    /// The networks it is in when it runs, in their order.
    pub attachments: Vec<NetworkAttachment>,
    /// What took its place, if it is kept to go back to.
    pub replaced_by: Option<ContainerId>,
}

impl ContainerView {
    /// All its places in networks while it runs; the first is its way out.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoint.iter().chain(&self.also)
    }
}

/// What is at a path in a container; a link is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStat {
    /// The path's last part.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// As in stat(2): kind and permissions.
    pub mode: u32,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// Where a link leads in the end, from the container's root; empty for what is no link.
    pub link_target: String,
}

/// What a prune removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedContainers {
    /// The containers.
    pub ids: Vec<ContainerId>,
    /// Bytes their writable layers took.
    pub reclaimed_bytes: u64,
}

/// Bytes a container takes on disk; counted on demand, slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerSize {
    /// Its writable layer.
    pub writable_bytes: u64,
    /// With its image's layers.
    pub rootfs_bytes: u64,
}

/// What `create` answers.
#[derive(Clone, Debug)]
pub struct Created {
    /// The new id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// What was asked for and could not be given in full.
    pub warnings: Vec<String>,
}

/// A container's processes as a table, like ps(1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTable {
    /// Column heads.
    pub titles: Vec<String>,
    /// One row a process.
    pub rows: Vec<Vec<String>>,
}

impl PublishedPort {
    /// TCP or UDP.
    pub fn protocol(&self) -> Protocol {
        self.container.protocol
    }
}
