//! What the kernel holds a container to.

use serde::{Deserialize, Serialize};

use super::DeviceRates;

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
    /// Memory nodes the container may use: `0-1`.
    pub cpuset_mems: Option<String>,
    /// The period of the CFS quota in µs; 100 ms when `None`.
    pub cpu_period_us: Option<u64>,
    /// Processor time for each period in µs, instead of `nano_cpus`.
    pub cpu_quota_us: Option<u64>,
    /// How readily memory is swapped out, 0 to 100; v1 only.
    pub memory_swappiness: Option<u64>,
    /// At its memory limit the container waits instead of being killed; v1 only.
    #[serde(default)]
    pub oom_kill_disable: bool,
    /// Relative weight of its block IO, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// What single block devices may be asked for.
    #[serde(default)]
    pub device_rates: DeviceRates,
}

/// A limit of one block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimit {
    /// Its node on the host.
    pub path: String,
    /// The rate or weight.
    pub value: u64,
}
