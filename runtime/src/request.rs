//! What a caller asks of the engine, as complete typed values. Pure data: nothing here looks at the host.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
    str::FromStr,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port inside a container, written `80/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerPort {
    /// 1 to 65535.
    pub port: u16,
    /// TCP unless said otherwise.
    pub protocol: Protocol,
}

impl fmt::Display for ContainerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// A text that is not a container port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid port {0:?}: write PORT or PORT/tcp or PORT/udp with a PORT from 1 to 65535")]
pub struct ParsePortError(String);

impl FromStr for ContainerPort {
    type Err = ParsePortError;

    fn from_str(text: &str) -> Result<Self, ParsePortError> {
        let wrong = || ParsePortError(text.to_owned());
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(wrong()),
        };
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self { port, protocol }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for ContainerPort {
    type Error = ParsePortError;

    fn try_from(text: String) -> Result<Self, ParsePortError> {
        text.parse()
    }
}

impl From<ContainerPort> for String {
    fn from(port: ContainerPort) -> Self {
        port.to_string()
    }
}

/// One published port as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortBinding {
    /// The port inside.
    pub container: ContainerPort,
    /// The host address; `None` is all of them (0.0.0.0).
    pub host_ip: Option<Ipv4Addr>,
    /// The host port; `None` lets the engine choose a free one from the host's ephemeral range.
    pub host_port: Option<u16>,
}

/// Which network a container gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// An interface of its own on the default bridge.
    #[default]
    Bridge,
    /// Loopback only.
    None,
}

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

/// One resource limit of the container's processes, as in setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Docker's name, without `RLIMIT_`, in lower case: `nofile`.
    pub name: String,
    /// Soft limit; `u64::MAX` is unlimited.
    pub soft: u64,
    /// Hard limit; `u64::MAX` is unlimited.
    pub hard: u64,
}

/// Limits the kernel enforces by control groups. `None` is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes; at least 6 MiB, as Docker asks.
    pub memory_bytes: Option<u64>,
    /// Memory and swap together in bytes; `u64::MAX` is unlimited swap. `None` with a memory limit is twice that limit.
    pub memory_swap_bytes: Option<u64>,
    /// Soft memory limit in bytes.
    pub memory_reservation_bytes: Option<u64>,
    /// Processor time in billionths of one CPU: 1.5 CPUs is 1 500 000 000.
    pub nano_cpus: Option<u64>,
    /// Relative weight, 2 to 262144; the kernel's own default is 1024.
    pub cpu_shares: Option<u64>,
    /// CPUs the container may run on: `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Processes and threads together.
    pub pids: Option<u64>,
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

/// Name and password for a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RegistryAuth {
    /// User name; empty with an identity token.
    pub username: String,
    /// Password.
    pub password: String,
    /// An OAuth2 refresh token used instead of name and password.
    pub identity_token: String,
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryAuth").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The network of a build's RUN steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildNetwork {
    /// An interface of its own on the default bridge.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's.
    Host,
}

/// Bytes that show nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// An image to build. Where the files come from is a [`BuildSource`].
#[derive(Clone, Debug, Default)]
pub struct BuildImage {
    /// Names the image gets; none is fine.
    pub names: Vec<String>,
    /// Path of the Dockerfile in the context; `Dockerfile` when `None`.
    pub dockerfile: Option<String>,
    /// Values for ARG; `None` takes a name's value away.
    pub build_args: BTreeMap<String, Option<String>>,
    /// Labels added to the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// Stage to stop at, by name or number; the last when `None`.
    pub target: Option<String>,
    /// `os/arch[/variant]` to build for; the host's when `None`.
    pub platform: Option<String>,
    /// Do every step again.
    pub no_cache: bool,
    /// Ask the registry for newer base images.
    pub pull: bool,
    /// Images whose steps count as known.
    pub cache_from: Vec<String>,
    /// Network of RUN steps that don't say.
    pub network: BuildNetwork,
    /// `name:address` lines for /etc/hosts of RUN steps.
    pub extra_hosts: Vec<String>,
    /// Size of /dev/shm of RUN steps in bytes; 64 MiB when `None`.
    pub shm_size_bytes: Option<u64>,
    /// setrlimit(2) limits of RUN steps.
    pub rlimits: Vec<Rlimit>,
    /// Control group limits of each RUN step.
    pub limits: Limits,
    /// Credentials by registry host, for base images.
    pub auths: BTreeMap<String, RegistryAuth>,
    /// What `RUN --mount=type=secret` can name, by id.
    pub secrets: BTreeMap<String, Secret>,
}

/// Where a build's files come from.
pub enum BuildSource {
    /// A tar archive, plain or compressed.
    Archive(Box<dyn std::io::Read + Send>),
    /// One Dockerfile and no other file.
    Dockerfile(Vec<u8>),
    /// The address of a git repository (`https://host/repo.git#ref:folder`), of an archive or of a Dockerfile.
    Remote(String),
}

impl fmt::Debug for BuildSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(_) => f.write_str("Archive"),
            Self::Dockerfile(bytes) => write!(f, "Dockerfile({} bytes)", bytes.len()),
            Self::Remote(address) => f.debug_tuple("Remote").field(address).finish(),
        }
    }
}

/// An image to pull.
#[derive(Clone, Debug, Default)]
pub struct PullImage {
    /// `name[:tag|@digest]` as the person wrote it; no tag means `latest`.
    pub reference: String,
    /// `os/arch[/variant]`; the host's when `None`.
    pub platform: Option<String>,
    /// Credentials for the registry.
    pub auth: Option<RegistryAuth>,
}

/// An image to push.
#[derive(Clone, Debug, Default)]
pub struct PushImage {
    /// `name[:tag]` as the person wrote it; no tag means `latest`.
    pub reference: String,
    /// Every tag this repository has here; the reference's own tag is not looked at.
    pub all_tags: bool,
    /// What the image must run on, `os/arch[/variant]`.
    pub platform: Option<String>,
    /// Credentials for the registry.
    pub auth: Option<RegistryAuth>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_docker_writes_them() {
        let tcp = ContainerPort { port: 80, protocol: Protocol::Tcp };
        assert_eq!("80".parse(), Ok(tcp));
        assert_eq!("80/TCP".parse(), Ok(tcp));
        assert_eq!("53/udp".parse(), Ok(ContainerPort { port: 53, protocol: Protocol::Udp }));
        for wrong in ["", "0", "65536", "80/", "80/icmp", "-1", "80/tcp/udp"] {
            assert!(wrong.parse::<ContainerPort>().is_err(), "{wrong}");
        }
    }
}
