//! [`LaunchSpec`]: everything the monitor needs to run one container, decided by the engine beforehand.
//!
//! It travels as one postcard blob in a sealed memory file. The monitor decides nothing: what isn't here doesn't happen.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

mod exec;
mod opened;

pub use exec::{EXEC_VERSION, ExecSpec};
pub use opened::{DeviceNode, Joined, Opened, Shared};

/// Number of the blob's layout; a monitor refuses any other.
pub const VERSION: u32 = 3;

/// How one container is run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// [`VERSION`].
    pub version: u32,
    /// The container's id; shown in the process list.
    pub id: String,
    /// The process.
    pub process: Process,
    /// Host name inside.
    pub hostname: String,
    /// NIS domain name inside; empty leaves it alone.
    pub domainname: String,
    /// The root file system.
    pub rootfs: Rootfs,
    /// The host ids that the container's ids from 0 up stand for; `None` is the host's own ids.
    pub id_map: Option<IdMap>,
    /// Host files bound into the root, such as /etc/hosts.
    pub files: Vec<FileMount>,
    /// More mounts, attached in this order after the files.
    pub mounts: Vec<Mount>,
    /// Which network namespace it is in.
    pub network: Network,
    /// Bytes of /dev/shm.
    pub shm_size_bytes: u64,
    /// Paths made unreadable, where they exist. See [`MASKED_PATHS`].
    pub masked_paths: Vec<String>,
    /// Paths made read-only, where they exist. See [`READONLY_PATHS`].
    pub readonly_paths: Vec<String>,
    /// Kernel parameters, dotted name to value.
    pub sysctls: BTreeMap<String, String>,
    /// The control groups the first process joins.
    pub cgroup: CgroupJoin,
    /// Where its output is kept.
    pub log: LogPlace,
    /// The file that says how the process ended.
    pub exit_file: PathBuf,
    /// An existing folder for this run alone; holds `sock`, `state` and a mount point.
    pub run_dir: PathBuf,
    /// What is not its own.
    pub opened: Opened,
}

impl LaunchSpec {
    /// The monitor's control socket.
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("sock")
    }
}

/// The container's first process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// Program and arguments; not empty.
    pub argv: Vec<String>,
    /// The whole environment, `NAME=value`. `HOME` is added from the passwd file when missing.
    pub env: Vec<String>,
    /// Working directory inside; made when missing.
    pub cwd: String,
    /// `user[:group]` by name or number, looked up in the container's own files; empty is root.
    pub user: String,
    /// Names or numbers of more groups.
    pub group_add: Vec<String>,
    /// A terminal instead of pipes.
    pub tty: Option<TtySize>,
    /// What standard input is.
    pub stdin: Stdin,
    /// Run a small init as process 1 that reaps and forwards signals.
    pub init: bool,
    /// Capabilities as a bit mask: bounding, permitted and effective.
    pub capabilities: u64,
    /// exec can't raise privileges.
    pub no_new_privileges: bool,
    /// A compiled filter (see the room `seccomp`); empty is none.
    pub seccomp: Vec<u8>,
    /// Resource limits, clamped to what the host allows.
    pub rlimits: Vec<ProcessLimit>,
    /// -1000 to 1000, clamped to what the host allows.
    pub oom_score_adj: i32,
}

/// A terminal's size in characters; zero leaves it unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtySize {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

/// What the process reads from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdin {
    /// Nothing: /dev/null, or a terminal nobody types at.
    #[default]
    Closed,
    /// Clients, one after the other.
    Open,
    /// The first client only; when it leaves, the input ends.
    Once,
}

/// One limit of setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    /// Soft limit; `u64::MAX` is unlimited.
    pub soft: u64,
    /// Hard limit; `u64::MAX` is unlimited.
    pub hard: u64,
}

/// An overlay of read-only layers and one writable folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rootfs {
    /// Read-only folders, topmost first; at least one.
    pub lowers: Vec<PathBuf>,
    /// A folder that holds `upper` and `work`.
    pub writable: PathBuf,
    /// The container can't write to it.
    pub read_only: bool,
    /// Written data need not survive a crash of the host: no sync when it is unmounted.
    pub volatile: bool,
}

/// A range of host ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// The host id of the container's 0, for users and groups.
    pub base: u32,
    /// How many ids.
    pub size: u32,
}

/// A host file bound into the root file system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileMount {
    /// On the host; the engine's own file.
    pub source: PathBuf,
    /// Inside; made when missing.
    pub target: String,
}

/// The network namespace of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// One of its own.
    #[default]
    Own,
    /// The engine's. /sys is then the host's, read-only, since a mapped root may not mount one for another's network; it
    /// has no rights over that network either: ports below 1024 are refused to it.
    Host,
    /// That of a running process, with as few rights.
    Joined {
        /// Its id.
        pid: i32,
    },
}

/// Something mounted into the root file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// The file or folder of the source that is mounted, resolved as inside it; empty is all of it.
    pub subpath: String,
    /// Where inside. Missing folders (and for a file the file) are made; links stay inside the root.
    pub target: String,
    /// It can't be written to.
    pub read_only: bool,
    /// Set-user-ID bits don't count.
    pub no_suid: bool,
    /// Nothing in it can be executed.
    pub no_exec: bool,
}

impl Mount {
    /// It is made by the monitor; anything else is by init itself.
    pub(crate) fn is_host_made(&self) -> bool {
        !matches!(self.source, MountSource::Tmpfs { .. })
    }
}

/// Where a [`Mount`] comes from. Paths are absolute and of the engine's choice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A folder, file or socket of the host.
    Bind {
        /// On the host.
        path: PathBuf,
        /// Files keep on disk the ids they have inside; a file system that can't do that is refused.
        mapped: bool,
        /// With what is mounted below.
        recursive: bool,
        /// Mounts made below later on the host show up inside; otherwise none does. Nothing passes the other way.
        follows_host: bool,
    },
    /// Read-only folders laid over each other, topmost first, with the ids inside that they have on disk.
    Overlay {
        /// The folders; none is an empty folder.
        lowers: Vec<PathBuf>,
        /// A folder for what is written, to be thrown away; without one it is read-only.
        writable: Option<PathBuf>,
    },
    /// Memory.
    Tmpfs {
        /// As in mount(8), after Docker's `noexec,nosuid,nodev`.
        options: String,
    },
    /// A file in memory alone.
    Content {
        /// What is in it.
        bytes: Vec<u8>,
        /// Permissions.
        mode: u32,
        /// Owner inside.
        uid: u32,
        /// Group inside.
        gid: u32,
    },
}

impl std::fmt::Debug for MountSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind { path, mapped, .. } => {
                f.debug_struct("Bind").field("path", path).field("mapped", mapped).finish_non_exhaustive()
            }
            Self::Overlay { lowers, writable } => {
                f.debug_struct("Overlay").field("lowers", lowers).field("writable", writable).finish()
            }
            Self::Tmpfs { options } => f.debug_struct("Tmpfs").field("options", options).finish(),
            // It may be a secret.
            Self::Content { bytes, .. } => {
                f.debug_struct("Content").field("length", &bytes.len()).finish_non_exhaustive()
            }
        }
    }
}

/// How the first process gets into its control groups.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CgroupJoin {
    /// v1: `tasks` files to write `0` to.
    pub tasks: Vec<PathBuf>,
    /// v2: the folder to be born in.
    pub unified: Option<PathBuf>,
    /// The file with an `oom_kill` line: `memory.oom_control` or `memory.events`.
    pub oom: Option<PathBuf>,
    /// v1: hierarchies shown below /sys/fs/cgroup: folder name and controllers, `("cpu", "cpu")`.
    pub hierarchies: Vec<(String, String)>,
}

/// Where and how much output is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogPlace {
    /// The folder; made when missing.
    pub dir: PathBuf,
    /// Bytes a segment may take.
    pub segment_bytes: u64,
    /// Segments kept.
    pub segments: u32,
}

/// Docker's list of paths that tell or do too much.
pub const MASKED_PATHS: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Docker's list of paths that can be read but not written.
pub const READONLY_PATHS: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Docker's default capabilities: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
/// net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap.
pub const DEFAULT_CAPABILITIES: u64 = 1
    | 1 << 1
    | 1 << 3
    | 1 << 4
    | 1 << 5
    | 1 << 6
    | 1 << 7
    | 1 << 8
    | 1 << 10
    | 1 << 13
    | 1 << 18
    | 1 << 27
    | 1 << 29
    | 1 << 31;

const CAPABILITY_NAMES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The bit of a capability named with or without `CAP_`, in any case; all of them for `ALL`.
pub fn capability(name: &str) -> Option<u64> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if bare == "ALL" {
        return Some((1 << CAPABILITY_NAMES.len()) - 1);
    }
    CAPABILITY_NAMES.iter().position(|known| *known == bare).map(|bit| 1 << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_capabilities_are_docker_s() {
        assert_eq!(DEFAULT_CAPABILITIES, 0xa804_25fb);
        assert_eq!(capability("cap_sys_admin"), Some(1 << 21));
        assert_eq!(capability("NET_RAW"), Some(1 << 13));
        assert_eq!(capability("ALL"), Some(0x1ff_ffff_ffff));
        assert_eq!(capability("CAP_NONSENSE"), None);
    }
}
