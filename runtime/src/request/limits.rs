//! What the kernel holds a container to.

use serde::{Deserialize, Serialize};

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
