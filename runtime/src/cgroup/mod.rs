//! Control groups: limits, use and membership of one container's processes, on v1 and v2.
//!
//! ```text
//! v1   <each hierarchy>/<parent>/<name>    cpu cpuacct cpuset memory pids devices freezer blkio
//! v2   <unified>/<parent>/<name>
//! ```
//!
//! It makes, reads and removes folders below `<parent>` only, and asks the kernel where hierarchies are mounted. It
//! moves no process: a container's first process joins by itself (see [`CgroupJoin`]), because a write from outside
//! waits for milliseconds.

mod able;
mod block_io;
mod devices;
mod files;
mod freeze;
mod v1;
mod v2;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use self::files::{Result, read, read_number, remove_dir};
pub use self::{able::Able, files::Error, freeze::Frozen};
use crate::{
    request::{DeviceRule, Limits},
    spec::CgroupJoin,
    view::Stats,
};

/// How long removal waits for the last processes to be gone.
const REMOVE_PATIENCE: Duration = Duration::from_secs(5);

/// Where the host's control groups are.
#[derive(Clone, Debug)]
pub enum Layout {
    /// Controllers on hierarchies of v1, also when a v2 hierarchy without them exists (hybrid).
    V1(Vec<v1::Hierarchy>),
    /// One tree.
    V2(PathBuf),
}

/// One container's control group.
#[derive(Clone, Debug)]
pub enum Cgroup {
    /// A folder per hierarchy.
    V1(v1::Group),
    /// One folder.
    V2(v2::Group),
}

impl Layout {
    /// Asks the kernel.
    pub fn detect() -> Result<Self> {
        Self::parse(&read(Path::new("/proc/self/mountinfo"))?)
    }

    fn parse(mountinfo: &str) -> Result<Self> {
        let (mut hierarchies, mut unified) = (Vec::new(), None);
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(point) = left.split(' ').nth(4) else { continue };
            let mut right = right.split(' ');
            match (right.next(), right.nth(1)) {
                (Some("cgroup2"), _) if unified.is_none() => unified = Some(PathBuf::from(point)),
                (Some("cgroup"), Some(options)) => hierarchies.extend(v1::Hierarchy::parse(point, options)),
                _ => {}
            }
        }
        let has = |wanted: &str| hierarchies.iter().any(|hierarchy| hierarchy.has(wanted));
        match unified {
            Some(root) if !has("memory") && !has("pids") => Ok(Self::V2(root)),
            _ if has("memory") || has("pids") => Ok(Self::V1(hierarchies)),
            _ => Err(Error::Missing),
        }
    }

    /// 1 or 2.
    pub fn version(&self) -> u8 {
        match self {
            Self::V1(_) => 1,
            Self::V2(_) => 2,
        }
    }

    /// Makes a group with these limits, which may use these devices besides the usual ones. One that is left over of the
    /// same name is used again.
    pub fn create(&self, parent: &str, name: &str, limits: &Limits, devices: &[DeviceRule]) -> Result<Cgroup> {
        let made = match self {
            Self::V1(hierarchies) => v1::Group::create(hierarchies, parent, name, limits, devices).map(Cgroup::V1),
            Self::V2(root) => v2::Group::create(root, parent, name, limits, devices).map(Cgroup::V2),
        };
        if made.is_err() {
            // What could be made must not stay.
            let _ = self.open(parent, name).remove();
        }
        made
    }

    /// A group that was made before, whether it still exists or not.
    pub fn open(&self, parent: &str, name: &str) -> Cgroup {
        match self {
            Self::V1(hierarchies) => Cgroup::V1(v1::Group::open(hierarchies, parent, name)),
            Self::V2(root) => Cgroup::V2(v2::Group::open(root, parent, name)),
        }
    }

    fn parents(&self, parent: &str) -> Vec<PathBuf> {
        match self {
            Self::V1(hierarchies) => hierarchies.iter().map(|hierarchy| hierarchy.mount.join(parent)).collect(),
            Self::V2(root) => vec![root.join(parent)],
        }
    }

    /// Names of all groups below a parent.
    pub fn children(&self, parent: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for dir in self.parents(parent) {
            match fs::read_dir(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::at("list", &dir, error)),
                Ok(entries) => {
                    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
                    names.extend(folders.filter_map(|entry| entry.file_name().into_string().ok()));
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Removes a parent that has no groups any more.
    pub fn remove_parent(&self, parent: &str) -> Result<()> {
        self.parents(parent).iter().try_for_each(|dir| remove_dir(dir, Instant::now()))
    }
}

/// The host's part of a reading.
#[derive(Clone, Copy, Debug)]
pub struct HostUse {
    /// Time all processors have run, in ns, and how many there are.
    cpu: (u64, u32),
    memory_bytes: u64,
}

impl HostUse {
    /// As it is now.
    pub fn read() -> Result<Self> {
        Ok(Self { cpu: files::host_cpu()?, memory_bytes: files::host_memory()? })
    }
}

impl Cgroup {
    /// How a process gets in.
    pub fn join(&self) -> CgroupJoin {
        match self {
            Self::V1(group) => group.join(),
            Self::V2(group) => group.join(),
        }
    }

    /// Changes the limits of a group that exists.
    pub fn update(&self, limits: &Limits) -> Result<()> {
        match self {
            Self::V1(group) => {
                group.add_cpuset(limits)?;
                group.limit(limits)
            }
            Self::V2(group) => group.limit(limits),
        }
    }

    /// What its processes use and have used. Network counters are not the kernel's to know here; they stay empty.
    pub fn stats(&self) -> Result<Stats> {
        self.stats_beside(&HostUse::read()?)
    }

    /// The same, when the host's part is known: it is the same for all that are read at the same time.
    pub fn stats_beside(&self, host: &HostUse) -> Result<Stats> {
        let mut stats = match self {
            Self::V1(group) => group.stats(),
            Self::V2(group) => group.stats(),
        }?;
        (stats.host_cpu_ns, stats.online_cpus) = host.cpu;
        if stats.memory_limit_bytes == 0 || stats.memory_limit_bytes > host.memory_bytes {
            stats.memory_limit_bytes = host.memory_bytes;
        }
        Ok(stats)
    }

    fn procs_file(&self) -> PathBuf {
        match self {
            Self::V1(group) => group.any().join("cgroup.procs"),
            Self::V2(group) => group.dir().join("cgroup.procs"),
        }
    }

    /// Ids of its processes; none when it is gone.
    pub fn procs(&self) -> Result<Vec<i32>> {
        match read(&self.procs_file()) {
            Err(error) if error.is_gone() => Ok(Vec::new()),
            text => Ok(text?.lines().filter_map(|line| line.parse().ok()).collect()),
        }
    }

    /// Kills all of them at once. They may take a moment to be gone; [`Cgroup::remove`] waits for that.
    pub fn kill(&self) -> Result<()> {
        match self {
            Self::V1(group) => group.kill(self),
            Self::V2(group) => group.kill(self),
        }
    }

    fn signal_all(&self) -> Result<()> {
        for pid in self.procs()? {
            // Gone meanwhile is as wanted.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        Ok(())
    }

    /// How many of its processes the kernel killed for memory.
    pub fn oom_kills(&self) -> Result<u64> {
        match self.join().oom {
            Some(file) => Ok(files::field(&read(&file)?, "oom_kill").unwrap_or(0)),
            None => Ok(0),
        }
    }

    /// Removes it; gone already is fine. Waits a little for killed processes to leave.
    pub fn remove(&self) -> Result<()> {
        let until = Instant::now() + REMOVE_PATIENCE;
        match self {
            Self::V1(group) => group.dirs().try_for_each(|dir| remove_dir(dir, until)),
            Self::V2(group) => remove_dir(group.dir(), until),
        }
    }
}

/// The pids file's word for no limit.
fn or_max(value: Option<u64>) -> String {
    match value {
        None | Some(u64::MAX) => "max".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// Memory and swap together, by Docker's rule for what isn't said.
fn memory_and_swap(limits: &Limits) -> Option<u64> {
    limits.memory_bytes.map(|memory| limits.memory_swap_bytes.unwrap_or(memory.saturating_mul(2)))
}

/// CFS quota, [`u64::MAX`] for none, and period, in µs; `None` when neither is said.
fn quota(limits: &Limits) -> Option<(u64, u64)> {
    let period = limits.cpu_period_us.unwrap_or(PERIOD_US);
    match (limits.nano_cpus, limits.cpu_quota_us) {
        (Some(nano), _) => Some(((nano / (1_000_000_000 / PERIOD_US)).max(1000), PERIOD_US)),
        (None, Some(quota)) => Some((quota, period)),
        (None, None) => limits.cpu_period_us.map(|period| (u64::MAX, period)),
    }
}

const PERIOD_US: u64 = 100_000;

fn current(dir: &Path, file: &str) -> u64 {
    read_number(&dir.join(file)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn a_hybrid_host_counts_as_v1_and_a_unified_one_as_v2() {
        let Layout::V1(found) = Layout::parse(HYBRID).unwrap() else { panic!("v1") };
        assert_eq!(found.len(), 2);
        assert!(found[0].has("cpuacct") && found[1].has("memory"));
        let unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert!(matches!(Layout::parse(unified).unwrap(), Layout::V2(root) if root == Path::new("/sys/fs/cgroup")));
        assert!(Layout::parse("").is_err());
    }

    #[test]
    fn limits_follow_docker_s_rules() {
        let limits = Limits { memory_bytes: Some(10 << 20), nano_cpus: Some(1_500_000_000), ..Limits::default() };
        assert_eq!(memory_and_swap(&limits), Some(20 << 20));
        assert_eq!(quota(&limits), Some((150_000, 100_000)));
        let limits = Limits { cpu_period_us: Some(50_000), ..Limits::default() };
        assert_eq!(quota(&limits), Some((u64::MAX, 50_000)));
        assert_eq!(or_max(Some(u64::MAX)), "max");
    }
}
