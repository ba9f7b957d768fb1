//! What of a container is not its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Namespaces it shares, and what it gets of the host. Nothing of it is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The process namespace.
    pub pid: Shared,
    /// The IPC namespace, and with it /dev/shm and /dev/mqueue.
    pub ipc: Shared,
    /// No /dev/shm is mounted.
    pub no_shm: bool,
    /// The host's name is its own.
    pub host_uts: bool,
    /// The control groups of the host are shown.
    pub host_cgroups: bool,
    /// The user namespace it is in instead of one of its own, whose ids [`super::LaunchSpec::id_map`] says.
    pub user: Option<Joined>,
    /// /sys and the control groups below it can be written to.
    pub writable_system: bool,
    /// Every device node of the host is in /dev.
    pub all_devices: bool,
    /// Device nodes of the host.
    pub devices: Vec<DeviceNode>,
}

impl Opened {
    /// It joins a process.
    pub fn joins(&self) -> bool {
        self.user.is_some() || matches!(self.pid, Shared::Of(_)) || matches!(self.ipc, Shared::Of(_))
    }
}

/// Whose namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shared {
    /// One of its own.
    #[default]
    Own,
    /// The host's.
    Host,
    /// This process's.
    Of(Joined),
}

/// The first process of another container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Its id on the host.
    pub pid: i32,
    /// Its start time in clock ticks since boot (proc(5)), which tells it from a later process of the same id.
    pub start_time: u64,
}

/// A device node of the host, or a folder of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// On the host; links are followed.
    pub host: PathBuf,
    /// Inside.
    pub container: String,
}
