//! Version 1: a hierarchy for each controller or few.

use std::path::{Path, PathBuf};

use super::{
    Cgroup, block_io, current, devices,
    files::{Error, Result, TICK_NS, field, fields, make_below, make_dir, read, write, write_each},
    memory_and_swap, or_max, quota,
};
use crate::{
    request::{DeviceRule, Limits},
    spec::CgroupJoin,
    view::Stats,
};

/// Controllers that are used where they exist.
const USED: &[&str] = &["cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio"];

/// A mounted hierarchy.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// Where.
    pub mount: PathBuf,
    controllers: Vec<String>,
}

impl Hierarchy {
    /// From a mount's options; `None` when no controller of interest is on it.
    pub(super) fn parse(mount: &str, options: &str) -> Option<Self> {
        let controllers: Vec<String> =
            options.split(',').filter(|option| USED.contains(option)).map(str::to_owned).collect();
        (!controllers.is_empty()).then(|| Self { mount: mount.into(), controllers })
    }

    /// Whether this controller is on it.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|known| known == controller)
    }
}

/// A group's folder on each hierarchy.
#[derive(Clone, Debug)]
pub struct Group {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    hierarchy: Hierarchy,
    dir: PathBuf,
}

impl Group {
    pub(super) fn open(hierarchies: &[Hierarchy], parent: &str, name: &str) -> Self {
        let part =
            |hierarchy: &Hierarchy| Part { dir: hierarchy.mount.join(parent).join(name), hierarchy: hierarchy.clone() };
        Self { parts: hierarchies.iter().map(part).collect() }
    }

    pub(super) fn create(
        hierarchies: &[Hierarchy],
        parent: &str,
        name: &str,
        limits: &Limits,
        devices: &[DeviceRule],
    ) -> Result<Self> {
        let group = Self::open(hierarchies, parent, name);
        for part in &group.parts {
            if part.skipped(limits) {
                continue;
            }
            let above = part.hierarchy.mount.join(parent);
            make_below(&above, &part.dir)?;
            if part.hierarchy.has("cpuset") {
                // Without these no process may join; new groups have none.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    inherit(&part.hierarchy.mount, &above, file)?;
                    inherit(&above, &part.dir, file)?;
                }
            }
            if part.hierarchy.has("devices") && !devices.contains(&DeviceRule::ALL) {
                write(&part.dir.join("devices.deny"), "a")?;
                let rules = devices::allowed().into_iter().chain(devices.iter().flat_map(devices::lines));
                write_each(&part.dir.join("devices.allow"), rules)?;
            }
        }
        group.limit(limits)?;
        Ok(group)
    }

    /// A group that was made without a cpuset gets one with its processes in it.
    pub(super) fn add_cpuset(&self, limits: &Limits) -> Result<()> {
        if limits.cpuset_cpus.is_none() && limits.cpuset_mems.is_none() {
            return Ok(());
        }
        let missing = |part: &&Part| part.hierarchy.has("cpuset") && !part.dir.is_dir();
        let Some(part) = self.parts.iter().find(missing) else { return Ok(()) };
        let above = part.dir.parent().unwrap_or(&part.hierarchy.mount);
        make_dir(above)?;
        make_dir(&part.dir)?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            inherit(&part.hierarchy.mount, above, file)?;
            inherit(above, &part.dir, file)?;
        }
        // Those that are made meanwhile by one that is not moved yet are found by the next look.
        loop {
            let there = read(&part.dir.join("cgroup.procs"))?;
            let all = read(&self.any().join("cgroup.procs"))?;
            let mut left = all.lines().filter(|pid| !there.lines().any(|known| known == *pid)).peekable();
            if left.peek().is_none() {
                return Ok(());
            }
            for pid in left {
                match write(&part.dir.join("cgroup.procs"), pid) {
                    Err(Error::File { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => {}
                    done => done?,
                }
            }
        }
    }

    fn dir_of(&self, controller: &str) -> Option<&Path> {
        let part = self.parts.iter().find(|part| part.hierarchy.has(controller))?;
        part.dir.is_dir().then_some(&*part.dir)
    }

    fn need(&self, controller: &str) -> Result<&Path> {
        let text = || Error::Unsupported(format!("the host has no {controller} control group for this container"));
        self.dir_of(controller).ok_or_else(text)
    }

    /// All its folders.
    pub(super) fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(|part| &*part.dir)
    }

    /// A folder that knows the processes: the freezer's, or any.
    pub(super) fn any(&self) -> &Path {
        self.dir_of("freezer").or_else(|| self.dir_of("pids")).unwrap_or(&self.parts[0].dir)
    }

    pub(super) fn freezer(&self) -> Option<&Path> {
        self.dir_of("freezer")
    }

    pub(super) fn join(&self) -> CgroupJoin {
        let present: Vec<&Part> = self.parts.iter().filter(|part| part.dir.is_dir()).collect();
        let shown = |part: &&Part| {
            let name = part.hierarchy.mount.file_name()?.to_str()?.to_owned();
            Some((name, part.hierarchy.controllers.join(",")))
        };
        CgroupJoin {
            tasks: present.iter().map(|part| part.dir.join("tasks")).collect(),
            unified: None,
            oom: self.dir_of("memory").map(|dir| dir.join("memory.oom_control")),
            hierarchies: present.iter().filter_map(shown).collect(),
        }
    }

    pub(super) fn limit(&self, limits: &Limits) -> Result<()> {
        if let Some(memory) = limits.memory_bytes {
            self.limit_memory(memory, memory_and_swap(limits))?;
        }
        if let Some(bytes) = limits.memory_reservation_bytes {
            write(&self.need("memory")?.join("memory.soft_limit_in_bytes"), &or_minus_one(bytes))?;
        }
        if let Some(value) = limits.memory_swappiness {
            write(&self.need("memory")?.join("memory.swappiness"), &value.to_string())?;
        }
        if limits.oom_kill_disable {
            write(&self.need("memory")?.join("memory.oom_control"), "1")?;
        }
        if let Some((quota, period)) = quota(limits) {
            let dir = self.need("cpu")?;
            write(&dir.join("cpu.cfs_period_us"), &period.to_string())?;
            write(&dir.join("cpu.cfs_quota_us"), &or_minus_one(quota))?;
        }
        if let Some(shares) = limits.cpu_shares {
            write(&self.need("cpu")?.join("cpu.shares"), &shares.to_string())?;
        }
        if let Some(cpus) = &limits.cpuset_cpus {
            write(&self.need("cpuset")?.join("cpuset.cpus"), cpus)?;
        }
        if let Some(nodes) = &limits.cpuset_mems {
            write(&self.need("cpuset")?.join("cpuset.mems"), nodes)?;
        }
        if limits.blkio_weight.is_some() || !limits.device_rates.is_empty() {
            let dir = self.need("blkio")?;
            block_io::weigh_v1(dir, limits.blkio_weight, &limits.device_rates.weights)?;
            block_io::throttle_v1(dir, &limits.device_rates)?;
        }
        if limits.pids.is_some() {
            write(&self.need("pids")?.join("pids.max"), &or_max(limits.pids))?;
        }
        Ok(())
    }

    /// Memory must never be above memory and swap, also in between.
    fn limit_memory(&self, memory: u64, both: Option<u64>) -> Result<()> {
        let dir = self.need("memory")?;
        let set = |file: &str, value: u64| write(&dir.join(file), &or_minus_one(value));
        let swap_file = "memory.memsw.limit_in_bytes";
        let Some(both) = both.filter(|_| dir.join(swap_file).exists()) else {
            return set("memory.limit_in_bytes", memory);
        };
        if memory > current(dir, swap_file) {
            set(swap_file, both)?;
            set("memory.limit_in_bytes", memory)
        } else {
            set("memory.limit_in_bytes", memory)?;
            set(swap_file, both)
        }
    }

    pub(super) fn stats(&self) -> Result<Stats> {
        let mut stats = Stats::default();
        if let Some(dir) = self.dir_of("cpuacct") {
            let split = read(&dir.join("cpuacct.stat"))?;
            stats.cpu_usage_ns = current(dir, "cpuacct.usage");
            stats.cpu_user_ns = field(&split, "user").unwrap_or(0) * TICK_NS;
            stats.cpu_system_ns = field(&split, "system").unwrap_or(0) * TICK_NS;
        }
        if let Some(dir) = self.dir_of("cpu") {
            let text = read(&dir.join("cpu.stat"))?;
            let get = |name| field(&text, name).unwrap_or(0);
            stats.throttling = (get("nr_periods"), get("nr_throttled"), get("throttled_time"));
        }
        if let Some(dir) = self.dir_of("memory") {
            stats.memory_usage_bytes = current(dir, "memory.usage_in_bytes");
            stats.memory_peak_bytes = Some(current(dir, "memory.max_usage_in_bytes"));
            stats.memory_limit_bytes = current(dir, "memory.limit_in_bytes");
            stats.memory_failures = current(dir, "memory.failcnt");
            stats.memory_stat = fields(&read(&dir.join("memory.stat"))?);
            stats.memory_inactive_file_bytes = stats.memory_stat.get("total_inactive_file").copied().unwrap_or(0);
        }
        if let Some(dir) = self.dir_of("pids") {
            stats.pids = current(dir, "pids.current");
            stats.pids_limit = read(&dir.join("pids.max"))?.trim().parse().ok();
        }
        if let Some(dir) = self.dir_of("blkio") {
            stats.block_io = block_io(&read(&dir.join("blkio.throttle.io_service_bytes_recursive"))?);
        }
        Ok(stats)
    }

    /// Frozen processes can't fork away while they are listed.
    pub(super) fn kill(&self, all: &Cgroup) -> Result<()> {
        let state = self.dir_of("freezer").map(|dir| dir.join("freezer.state"));
        if let Some(state) = &state {
            write(state, "FROZEN")?;
        }
        let done = all.signal_all();
        if let Some(state) = &state {
            write(state, "THAWED")?;
        }
        done
    }
}

impl Part {
    /// A cpuset that carries no setting only costs time.
    fn skipped(&self, limits: &Limits) -> bool {
        limits.cpuset_cpus.is_none() && limits.cpuset_mems.is_none() && self.hierarchy.controllers == ["cpuset"]
    }
}

/// v1's word for no limit.
fn or_minus_one(value: u64) -> String {
    if value == u64::MAX { "-1".to_owned() } else { value.to_string() }
}

fn inherit(from: &Path, to: &Path, file: &str) -> Result<()> {
    if read(&to.join(file))?.trim().is_empty() {
        write(&to.join(file), read(&from.join(file))?.trim())?;
    }
    Ok(())
}

/// Bytes read and written, of lines `8:0 Read 4096`.
fn block_io(text: &str) -> (u64, u64) {
    let sum = |verb: &str| {
        let fields = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        fields.filter(|f| f.len() == 3 && f[1] == verb).filter_map(|f| f[2].parse::<u64>().ok()).sum()
    };
    (sum("Read"), sum("Write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_io_is_summed_over_devices() {
        let text = "8:0 Read 4096\n8:0 Write 10\n8:0 Total 4106\n254:0 Read 4\n254:0 Write 1\nTotal 4111\n";
        assert_eq!(block_io(text), (4100, 11));
    }
}
