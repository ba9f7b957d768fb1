//! Containers: to make one, to read its log, to attach to it, to wait for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ContainerMount, ContainerPort, HealthCheck, Isolation, Limits, LogDriver, NetworkAttachment, NetworkMode,
    PortBinding, RestartPolicy, Rlimit, VolumesFrom,
};

/// Who the container's root is on the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserNamespace {
    /// Mapped to an id range of its own where the host can; host ids where it can't.
    #[default]
    Mapped,
    /// The host's ids.
    Host,
}

/// Which system call filter is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeccompProfile {
    /// Docker's default profile.
    #[default]
    Default,
    /// None.
    Unconfined,
}

/// How the container's log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// Bytes a segment may take before the next is begun.
    pub segment_bytes: u64,
    /// Segments kept, the one being written included; the oldest is dropped.
    pub segments: u32,
}

impl Default for LogLimits {
    /// 16 segments of 8 MiB.
    fn default() -> Self {
        Self { segment_bytes: 8 << 20, segments: 16 }
    }
}

/// A container to be made. Every field has Docker's meaning; what is `None` or empty comes from the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateContainer {
    /// Two random words when `None`.
    pub name: Option<String>,
    /// A reference, or an image id or unique id prefix.
    pub image: String,
    /// `os/arch[/variant]` the image must have.
    pub platform: Option<String>,
    /// Arguments after the entry point; `Some` also drops nothing of the entry point.
    pub command: Option<Vec<String>>,
    /// `Some(vec![])` or `Some(vec![""])` clears the image's entry point (and its command).
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=value`; a bare `NAME` removes the image's variable.
    pub env: Vec<String>,
    /// Absolute path.
    pub working_dir: Option<String>,
    /// `user[:group]` by name or number.
    pub user: Option<String>,
    /// Numbers or names of groups to add.
    pub group_add: Vec<String>,
    /// The short id when `None`.
    pub hostname: Option<String>,
    /// The NIS domain name.
    pub domainname: Option<String>,
    /// Labels added to the image's.
    pub labels: BTreeMap<String, String>,
    /// A terminal instead of pipes.
    pub tty: bool,
    /// Keep standard input open.
    pub open_stdin: bool,
    /// Close standard input when the first attached client leaves.
    pub stdin_once: bool,
    /// What the creating client said it would attach to; kept only to be shown again.
    pub attach_stdin: bool,
    /// See `attach_stdin`.
    pub attach_stdout: bool,
    /// See `attach_stdin`.
    pub attach_stderr: bool,
    /// `SIGTERM`, `TERM` or `15`.
    pub stop_signal: Option<String>,
    /// How long stop waits before it kills; 10 s when neither this nor the call says.
    pub stop_timeout: Option<Duration>,
    /// Ports said to be listened on, besides the image's.
    pub exposed_ports: BTreeSet<ContainerPort>,
    /// Ports to publish.
    pub ports: Vec<PortBinding>,
    /// Publish every exposed port on a free host port.
    pub publish_all: bool,
    /// The network.
    pub network: NetworkMode,
    /// Name servers for resolv.conf; the host's when empty.
    pub dns: Vec<String>,
    /// Search domains for resolv.conf.
    pub dns_search: Vec<String>,
    /// Options for resolv.conf.
    pub dns_options: Vec<String>,
    /// `name:address` lines for /etc/hosts; `host-gateway` is the bridge's address.
    pub extra_hosts: Vec<String>,
    /// Control group limits.
    pub limits: Limits,
    /// setrlimit(2) limits, clamped to what the host allows.
    pub rlimits: Vec<Rlimit>,
    /// Size of /dev/shm in bytes; 64 MiB when `None`.
    pub shm_size_bytes: Option<u64>,
    /// tmpfs mounts: path to mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// Mount the root file system read-only.
    pub read_only_rootfs: bool,
    /// Capabilities added to Docker's default set, with or without `CAP_`; `ALL`.
    pub cap_add: Vec<String>,
    /// Capabilities dropped; `ALL`.
    pub cap_drop: Vec<String>,
    /// prctl(2) `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: bool,
    /// The system call filter.
    pub seccomp: SeccompProfile,
    /// Who root is.
    pub userns: UserNamespace,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Kernel parameters of the container's namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Run an init that reaps and forwards signals as process 1.
    pub init: bool,
    /// Remove the container when it has exited.
    pub auto_remove: bool,
    /// How its log is kept.
    pub log: LogLimits,
    /// When the engine starts it again.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// What its creator noted; nobody reads it.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What is mounted into it.
    #[serde(default)]
    pub mounts: Vec<ContainerMount>,
    /// Containers whose mounts it gets too.
    #[serde(default)]
    pub volumes_from: Vec<VolumesFrom>,
    /// Paths that get a new volume each, besides the image's, where nothing else is mounted on them.
    #[serde(default)]
    pub volumes: BTreeSet<String>,
    /// How it is asked whether it is well; the image's way when `None`.
    #[serde(default)]
    pub health: Option<HealthCheck>,
    /// How far it is opened to the host or to another container.
    #[serde(default)]
    pub isolation: Isolation,
    /// Networks to be in besides the one of `network`, and the wishes for that one.
    #[serde(default)]
    pub networks: Vec<NetworkAttachment>,
    /// `CONTAINER:ALIAS`: others on the default bridge, named in /etc/hosts and the environment.
    #[serde(default)]
    pub links: Vec<String>,
    /// Who keeps its log.
    #[serde(default)]
    pub log_driver: LogDriver,
    /// What was asked of the log driver, as asked.
    #[serde(default)]
    pub log_options: BTreeMap<String, String>,
}

/// Which of a container's log a reader wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Go on as lines come, until the container ends.
    pub follow: bool,
    /// Only the last so many lines; `None` is all.
    pub tail: Option<u64>,
    /// Lines at or after this time.
    pub since: Option<Timestamp>,
    /// Lines before this time.
    pub until: Option<Timestamp>,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// How a client attaches to a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachContainer {
    /// Send input.
    pub stdin: bool,
    /// Receive standard output.
    pub stdout: bool,
    /// Receive standard error.
    pub stderr: bool,
    /// First replay what was logged before.
    pub replay: bool,
    /// Go on with what comes; without it only the replay is sent.
    pub stream: bool,
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// Returns at once unless it runs (Docker's `not-running`).
    #[default]
    NotRunning,
    /// The next time it exits, also if it has not started yet.
    NextExit,
    /// Until it is gone.
    Removed,
}
