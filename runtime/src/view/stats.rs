//! What a container uses.

use std::collections::BTreeMap;

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
