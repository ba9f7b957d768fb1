//! What the host's control groups can limit. Root groups lack files that others have, so a group below is looked at.

use std::path::{Path, PathBuf};

use super::{Layout, v1};

/// What can be limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one question to the kernel")]
pub struct Able {
    /// Memory.
    pub memory: bool,
    /// Memory and swap.
    pub swap: bool,
    /// Swappiness.
    pub swappiness: bool,
    /// The soft limit.
    pub reservation: bool,
    /// Turning the out-of-memory killer off.
    pub oom_kill_disable: bool,
    /// Processes.
    pub pids: bool,
    /// The CPU's weight.
    pub shares: bool,
    /// CPU time for each period.
    pub quota: bool,
    /// Which CPUs and memory nodes.
    pub cpuset: bool,
    /// The weight of block IO.
    pub io_weight: bool,
    /// The weight of block IO for single devices.
    pub io_weight_device: bool,
    /// Rates of single devices.
    pub io_rates: bool,
}

impl Layout {
    /// Asks the kernel. `probe` names a group that may be made and removed for it.
    pub fn able(&self, probe: &str) -> Able {
        match self {
            Self::V1(hierarchies) => v1_able(hierarchies, probe),
            Self::V2(root) => {
                // Nothing of a controller is there before it is passed on.
                let _ = super::v2::enable(root);
                let dir = Probe::make(root.join(probe));
                let has = |file: &str| dir.has(file);
                Able {
                    memory: has("memory.max"),
                    swap: has("memory.swap.max"),
                    swappiness: false,
                    reservation: has("memory.low"),
                    oom_kill_disable: false,
                    pids: has("pids.max"),
                    shares: has("cpu.weight"),
                    quota: has("cpu.max"),
                    cpuset: has("cpuset.cpus"),
                    io_weight: has("io.weight") || has("io.bfq.weight"),
                    io_weight_device: has("io.weight") || has("io.bfq.weight"),
                    io_rates: has("io.max"),
                }
            }
        }
    }
}

fn v1_able(hierarchies: &[v1::Hierarchy], probe: &str) -> Able {
    let dirs: Vec<_> = hierarchies.iter().map(|one| Probe::make(one.mount.join(probe))).collect();
    let has = |file: &str| dirs.iter().any(|dir| dir.has(file));
    Able {
        memory: has("memory.limit_in_bytes"),
        swap: has("memory.memsw.limit_in_bytes"),
        swappiness: has("memory.swappiness"),
        reservation: has("memory.soft_limit_in_bytes"),
        oom_kill_disable: has("memory.oom_control"),
        pids: has("pids.max"),
        shares: has("cpu.shares"),
        quota: has("cpu.cfs_quota_us"),
        cpuset: has("cpuset.cpus"),
        io_weight: has("blkio.weight") || has("blkio.bfq.weight"),
        io_weight_device: has("blkio.weight_device") || has("blkio.bfq.weight_device"),
        io_rates: has("blkio.throttle.read_bps_device"),
    }
}

/// A group that is there while it is looked at.
struct Probe(PathBuf);

impl Probe {
    fn make(dir: PathBuf) -> Self {
        let _ = super::files::make_dir(&dir);
        Self(dir)
    }

    fn has(&self, file: &str) -> bool {
        Path::exists(&self.0.join(file))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
