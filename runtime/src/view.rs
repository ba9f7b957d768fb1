//! What the engine shows of its objects: plain values, complete, safe to keep.

use std::{collections::BTreeMap, net::Ipv4Addr};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::{DiffId, Digest, ImageId},
    id::ContainerId,
    request::{ContainerPort, CreateContainer, Protocol},
};

mod host;

pub use host::{HostCheck, HostInfo, Verdict};

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
    },
    /// Its process has ended, or could not be started.
    Exited(Exit),
    /// Being removed; only ever in memory.
    Removing,
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

    /// Docker's word for the state.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Exited(_) => "exited",
            Self::Removing => "removing",
        }
    }
}

/// One port that is published now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The port inside.
    pub container: ContainerPort,
    /// The host address it is bound to; 0.0.0.0 is all.
    pub host_ip: Ipv4Addr,
    /// The host port.
    pub host_port: u16,
}

/// A container's place in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The network's name, `bridge`.
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
}

/// A container as lists and pages need it. All of it is memory: making it touches neither disk nor kernel.
#[derive(Clone, Debug)]
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

/// An image as lists need it.
#[derive(Clone, Debug)]
pub struct ImageSummary {
    /// The config's digest.
    pub id: ImageId,
    /// `name:tag`, familiar form, sorted.
    pub tags: Vec<String>,
    /// `name@sha256:…`, familiar form, sorted.
    pub digests: Vec<String>,
    /// When it was built, if it says.
    pub created_at: Option<Timestamp>,
    /// When it came here.
    pub added_at: Timestamp,
    /// Its layers' unpacked bytes.
    pub size_bytes: u64,
    /// Of these, bytes of layers no other image has.
    pub unique_bytes: u64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// One line of an image's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryView {
    /// When.
    pub created_at: Option<Timestamp>,
    /// The instruction.
    pub created_by: String,
    /// A remark.
    pub comment: String,
    /// Unpacked bytes of its layer; 0 when it has none.
    pub size_bytes: u64,
    /// Its layer, if it made one.
    pub diff_id: Option<DiffId>,
}

/// An image in full.
#[derive(Clone, Debug)]
pub struct ImageView {
    /// The part lists show.
    pub summary: ImageSummary,
    /// `amd64`.
    pub architecture: String,
    /// `v8`, often empty.
    pub variant: String,
    /// `linux`.
    pub os: String,
    /// Who made it.
    pub author: String,
    /// The config as stored, for inspect: exactly the blob.
    pub config: serde_json::Value,
    /// How containers of it run by default.
    pub defaults: ImageDefaults,
    /// Layers, lowest first.
    pub layers: Vec<DiffId>,
    /// History, oldest first.
    pub history: Vec<HistoryView>,
    /// Digest of its manifest, where one was stored.
    pub manifest: Option<Digest>,
}

/// What an image says of the containers made from it (OCI image spec, `config`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDefaults {
    /// `user[:group]`.
    pub user: String,
    /// Exposed ports.
    pub exposed_ports: Vec<ContainerPort>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub cmd: Vec<String>,
    /// Paths declared as volumes.
    pub volumes: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Signal name or number.
    pub stop_signal: String,
}

/// What removing an image did, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRemoval {
    /// This name no longer points to it.
    Untagged(String),
    /// The image, or a layer of it, is gone.
    Deleted(Digest),
}

/// An image that an archive brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    /// Its id.
    pub id: ImageId,
    /// The names it got, familiar form; may be empty.
    pub tags: Vec<String>,
}

/// What `pull` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledImage {
    /// Its id.
    pub id: ImageId,
    /// Digest of the manifest or index the name pointed to.
    pub digest: Digest,
    /// The name it has here, familiar form.
    pub reference: String,
    /// It was here already, under this name.
    pub up_to_date: bool,
}

/// What `push` answers for one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The image.
    pub id: ImageId,
    /// The name it was pushed under, familiar form.
    pub reference: String,
    /// Its tag.
    pub tag: String,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Bytes of its manifest.
    pub size: u64,
}

/// A step of a pull, push or load, for progress bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The name was resolved: tag or digest and repository, familiar form.
    Pulling {
        /// `latest`.
        tag: String,
        /// `busybox` or `127.0.0.1:5000/web`.
        repository: String,
    },
    /// One layer moved on.
    Layer {
        /// The blob's digest.
        digest: Digest,
        /// Where it stands.
        step: LayerStep,
    },
    /// A whole image of an archive was stored.
    Loaded(LoadedImage),
    /// One of several tags was pulled.
    Pulled(PulledImage),
    /// A push begins: the repository, canonical form.
    PushingTo(String),
    /// One layer of a push moved on.
    Push {
        /// The layer's digest when unpacked, which is known before it is compressed.
        layer: DiffId,
        /// Where it stands.
        step: PushStep,
    },
    /// A tag was pushed.
    Pushed(Pushed),
}

/// Where a layer of a push stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushStep {
    /// Looked at, and compressed if need be.
    Preparing,
    /// Bytes so far and in all.
    Uploading {
        /// Compressed bytes sent.
        current: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// The repository has it already.
    Exists,
    /// The registry took it from another repository of its own.
    Mounted(String),
    /// Uploaded.
    Done,
}

/// Where a layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerStep {
    /// Queued.
    Waiting,
    /// Another request is fetching it already.
    Exists,
    /// Bytes so far and in all.
    Downloading {
        /// Compressed bytes received.
        current: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// Received whole and its digest agrees.
    Downloaded,
    /// Bytes so far and in all.
    Extracting {
        /// Compressed bytes unpacked.
        current: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// Unpacked and recorded.
    Complete,
}

/// Which of a process's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stream {
    /// Standard output; a terminal has only this one.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
}

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written.
    pub stream: Stream,
    /// When its first byte came.
    pub at: Timestamp,
    /// The bytes, with the newline if there was one.
    pub bytes: Bytes,
}

/// What a log reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A line.
    Line(LogLine),
    /// So many bytes were rotated away before this reader came to them.
    Skipped(u64),
}

/// Processor, memory, process, network and disk use of one container at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processor time used, in ns.
    pub cpu_usage_ns: u64,
    /// In user mode, in ns.
    pub cpu_user_ns: u64,
    /// In the kernel, in ns.
    pub cpu_system_ns: u64,
    /// Time all CPUs of the host have run, busy and idle, in ns.
    pub host_cpu_ns: u64,
    /// CPUs online.
    pub online_cpus: u32,
    /// Periods, throttled periods, throttled ns (CFS quota).
    pub throttling: (u64, u64, u64),
    /// Memory in use with page cache, in bytes.
    pub memory_usage_bytes: u64,
    /// Page cache that would be given up first, in bytes; the CLI subtracts it.
    pub memory_inactive_file_bytes: u64,
    /// Highest use so far, in bytes, where the host counts it.
    pub memory_peak_bytes: Option<u64>,
    /// The limit, or the host's memory, in bytes.
    pub memory_limit_bytes: u64,
    /// The kernel's memory.stat.
    pub memory_stat: BTreeMap<String, u64>,
    /// How often the limit was hit.
    pub memory_failures: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Their limit.
    pub pids_limit: Option<u64>,
    /// Bytes read from and written to block devices.
    pub block_io: (u64, u64),
    /// Per interface inside: name and counters.
    pub networks: BTreeMap<String, NetworkStats>,
    /// The kernel counts by cgroup v2.
    pub cgroup_v2: bool,
}

/// Counters of one interface, as seen from inside the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Receive errors.
    pub rx_errors: u64,
    /// Packets dropped on receipt.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Send errors.
    pub tx_errors: u64,
    /// Packets dropped on sending.
    pub tx_dropped: u64,
}

/// A container's processes as a table, like ps(1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTable {
    /// Column heads.
    pub titles: Vec<String>,
    /// One row a process.
    pub rows: Vec<Vec<String>>,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// `container` or `image` or `network`.
    pub object: &'static str,
    /// Docker's verb: `create start attach die stop kill oom destroy pull load tag untag delete`.
    pub action: String,
    /// The object's id.
    pub id: String,
    /// Docker's attributes: `name`, `image`, `exitCode`, `signal`, labels.
    pub attributes: BTreeMap<String, String>,
}

impl PublishedPort {
    /// TCP or UDP.
    pub fn protocol(&self) -> Protocol {
        self.container.protocol
    }
}
