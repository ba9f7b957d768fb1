//! What a request asks of the kernel that this host can't give is left out, and said in Docker's words.

use super::Engine;
use crate::{cgroup::Able, request::Limits};

impl Engine {
    /// Leaves out what this host can't limit; answers what was left out.
    pub(in crate::engine) fn discard(&self, limits: &mut Limits) -> Vec<String> {
        let able = self.inner.able.get_or_init(|| {
            // Beside the parent of the containers' groups: what is below that is theirs.
            self.inner.cgroups.able(&format!("{}-probe", self.inner.cgroup_parent))
        });
        discard(limits, *able)
    }
}

fn discard(limits: &mut Limits, able: Able) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut said = |text: &str| warnings.push(text.to_owned());
    if !able.memory && limits.memory_bytes.take().is_some() {
        limits.memory_swap_bytes = None;
        said(
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
        );
    }
    if !able.swap
        && limits.memory_bytes.is_some()
        && limits.memory_swap_bytes.take_if(|swap| *swap != u64::MAX).is_some()
    {
        said(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
        );
    }
    if !able.swappiness && limits.memory_swappiness.take().is_some() {
        said(
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
        );
    }
    if !able.reservation && limits.memory_reservation_bytes.take().is_some() {
        said(
            "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
        );
    }
    if limits.oom_kill_disable && !able.oom_kill_disable {
        limits.oom_kill_disable = false;
        said("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    }
    if limits.oom_kill_disable && limits.memory_bytes.is_none() {
        said(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
        );
    }
    if !able.pids && limits.pids.take().is_some() {
        said(
            "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
        );
    }
    if !able.shares && limits.cpu_shares.take().is_some() {
        said("Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.");
    }
    if !able.quota {
        let asked = [limits.nano_cpus.take(), limits.cpu_period_us.take(), limits.cpu_quota_us.take()];
        if asked.iter().any(Option::is_some) {
            said("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
        }
    }
    if !able.cpuset && (limits.cpuset_cpus.take().is_some() | limits.cpuset_mems.take().is_some()) {
        said("Your kernel does not support cpuset or the cgroup is not mounted. CpusetCpus/CpusetMems discarded.");
    }
    if !able.io_weight && limits.blkio_weight.take().is_some() {
        said("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
    }
    let rates = &mut limits.device_rates;
    for (able, list, words) in [
        (
            able.io_weight_device,
            &mut rates.weights,
            "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
        ),
        (
            able.io_rates,
            &mut rates.read_bps,
            "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.",
        ),
        (
            able.io_rates,
            &mut rates.write_bps,
            "Your kernel does not support BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded.",
        ),
        (
            able.io_rates,
            &mut rates.read_iops,
            "Your kernel does not support IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded.",
        ),
        (
            able.io_rates,
            &mut rates.write_iops,
            "Your kernel does not support IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded.",
        ),
    ] {
        if !able && !list.is_empty() {
            list.clear();
            said(words);
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_cannot_do_is_left_out_and_said() {
        let asked = || Limits {
            memory_bytes: Some(64 << 20),
            memory_swappiness: Some(5),
            blkio_weight: Some(100),
            cpuset_cpus: Some("0".into()),
            ..Limits::default()
        };
        let mut limits = asked();
        let warnings = discard(&mut limits, Able { memory: true, cpuset: true, ..Able::default() });
        assert_eq!(limits, Limits { memory_swappiness: None, blkio_weight: None, ..asked() });
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        let all = Able { memory: true, swappiness: true, cpuset: true, io_weight: true, ..Able::default() };
        assert!(discard(&mut asked(), all).is_empty());
    }
}
