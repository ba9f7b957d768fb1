//! Version 2: one tree.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    Cgroup, block_io, current, devices,
    files::{Error, Result, field, fields, make_dir, read, write},
    memory_and_swap, or_max, quota,
};
use crate::{
    request::{DeviceRule, Limits},
    spec::CgroupJoin,
    sys::bpf,
    view::Stats,
};

const CONTROLLERS: &[&str] = &["cpu", "cpuset", "io", "memory", "pids"];

/// A group's folder.
#[derive(Clone, Debug)]
pub struct Group {
    dir: PathBuf,
}

/// Makes controllers available to the groups below. Those the kernel doesn't have are left out.
pub(super) fn enable(dir: &Path) -> Result<()> {
    let there = read(&dir.join("cgroup.controllers"))?;
    for controller in CONTROLLERS.iter().filter(|name| there.split_whitespace().any(|known| known == **name)) {
        write(&dir.join("cgroup.subtree_control"), &format!("+{controller}"))?;
    }
    Ok(())
}

impl Group {
    pub(super) fn open(root: &Path, parent: &str, name: &str) -> Self {
        Self { dir: root.join(parent).join(name) }
    }

    /// The parent is below the root and holds no process itself, so controllers can be passed on (a group other than
    /// the root may have either processes or children with controllers).
    pub(super) fn create(
        root: &Path,
        parent: &str,
        name: &str,
        limits: &Limits,
        devices: &[DeviceRule],
    ) -> Result<Self> {
        let above = root.join(parent);
        make_dir(&above)?;
        enable(root)?;
        enable(&above)?;
        let group = Self::open(root, parent, name);
        make_dir(&group.dir)?;
        if !devices.contains(&DeviceRule::ALL) {
            group.limit_devices(devices)?;
        }
        group.limit(limits)?;
        Ok(group)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn join(&self) -> CgroupJoin {
        let oom = self.dir.join("memory.events");
        CgroupJoin {
            tasks: Vec::new(),
            unified: Some(self.dir.clone()),
            oom: oom.exists().then_some(oom),
            hierarchies: Vec::new(),
        }
    }

    fn limit_devices(&self, more: &[DeviceRule]) -> Result<()> {
        let failed = |error| Error::at("limit devices of", &self.dir, error);
        let dir = File::open(&self.dir).map_err(failed)?;
        let program = bpf::load_device_program(&devices::program(more)).map_err(failed)?;
        bpf::attach_device_program(&dir, program).map_err(failed)
    }

    fn set(&self, file: &str, value: &str) -> Result<()> {
        write(&self.dir.join(file), value)
    }

    pub(super) fn limit(&self, limits: &Limits) -> Result<()> {
        if let Some(memory) = limits.memory_bytes {
            self.set("memory.max", &or_max(Some(memory)))?;
            let swap =
                memory_and_swap(limits).map(|both| if both == u64::MAX { both } else { both - memory.min(both) });
            // Not there when the kernel doesn't count swap.
            if self.dir.join("memory.swap.max").exists() {
                self.set("memory.swap.max", &or_max(swap))?;
            }
        }
        if let Some(bytes) = limits.memory_reservation_bytes {
            self.set("memory.low", &if bytes == u64::MAX { 0 } else { bytes }.to_string())?;
        }
        if let Some((quota, period)) = quota(limits) {
            self.set("cpu.max", &format!("{} {period}", or_max(Some(quota))))?;
        }
        if let Some(shares) = limits.cpu_shares {
            self.set("cpu.weight", &weight(shares).to_string())?;
        }
        if let Some(cpus) = &limits.cpuset_cpus {
            self.set("cpuset.cpus", cpus)?;
        }
        if let Some(nodes) = &limits.cpuset_mems {
            self.set("cpuset.mems", nodes)?;
        }
        if limits.blkio_weight.is_some() || !limits.device_rates.is_empty() {
            block_io::weigh_v2(&self.dir, limits.blkio_weight, &limits.device_rates.weights)?;
            block_io::throttle_v2(&self.dir, &limits.device_rates)?;
        }
        if limits.pids.is_some() {
            self.set("pids.max", &or_max(limits.pids))?;
        }
        Ok(())
    }

    pub(super) fn stats(&self) -> Result<Stats> {
        let mut stats = Stats { cgroup_v2: true, ..Stats::default() };
        let cpu = read(&self.dir.join("cpu.stat"))?;
        let get = |name| field(&cpu, name).unwrap_or(0);
        stats.cpu_usage_ns = get("usage_usec") * 1000;
        stats.cpu_user_ns = get("user_usec") * 1000;
        stats.cpu_system_ns = get("system_usec") * 1000;
        stats.throttling = (get("nr_periods"), get("nr_throttled"), get("throttled_usec") * 1000);
        if self.dir.join("memory.stat").exists() {
            stats.memory_usage_bytes = current(&self.dir, "memory.current");
            stats.memory_peak_bytes = Some(current(&self.dir, "memory.peak")).filter(|peak| *peak > 0);
            stats.memory_limit_bytes = current(&self.dir, "memory.max");
            stats.memory_failures = field(&read(&self.dir.join("memory.events"))?, "max").unwrap_or(0);
            stats.memory_stat = fields(&read(&self.dir.join("memory.stat"))?);
            stats.memory_inactive_file_bytes = stats.memory_stat.get("inactive_file").copied().unwrap_or(0);
        }
        if let Ok(max) = read(&self.dir.join("pids.max")) {
            stats.pids = current(&self.dir, "pids.current");
            stats.pids_limit = max.trim().parse().ok();
        }
        if let Ok(io) = read(&self.dir.join("io.stat")) {
            stats.block_io = block_io(&io);
        }
        Ok(stats)
    }

    pub(super) fn kill(&self, all: &Cgroup) -> Result<()> {
        match write(&self.dir.join("cgroup.kill"), "1") {
            Err(error) if error.is_gone() && self.dir.is_dir() => all.signal_all(),
            Err(error) if error.is_gone() => Ok(()),
            done => done,
        }
    }
}

/// Docker's shares (2 to 262144) on the scale of v2 (1 to 10000).
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// Bytes read and written, of lines `8:0 rbytes=1 wbytes=2 …`.
fn block_io(text: &str) -> (u64, u64) {
    let sum = |name: &str| {
        let fields = text.split_whitespace().filter_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        fields.filter_map(|value| value.parse::<u64>().ok()).sum()
    };
    (sum("rbytes"), sum("wbytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_on_the_scale_of_v2() {
        assert_eq!((weight(2), weight(1024), weight(262_144)), (1, 39, 10_000));
        assert_eq!(block_io("8:0 rbytes=10 wbytes=2 rios=1\n9:0 rbytes=1 wbytes=0\n"), (11, 2));
    }
}
