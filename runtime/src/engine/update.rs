//! `update`: other limits, at once where it runs, and another restart policy.
//!
//! The record is written first, then the kernel told. An engine that dies between leaves a record that is applied when the
//! container is adopted; when the kernel refuses, both are put back.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Engine, blocking, table::Container};
use crate::{
    container::{bounds::check_limits, resolve::HostBounds},
    error::{Error, Result},
    fault,
    id::ContainerId,
    request::{Limits, RestartPolicy, UpdateContainer},
    view::ContainerState,
};

impl Engine {
    /// Changes its limits and restart policy. Answers what this host can't do of it.
    ///
    /// # Errors
    /// Docker's texts for what contradicts itself or what there is; what the kernel refuses.
    pub fn update<'a>(&'a self, id: &'a ContainerId, change: UpdateContainer) -> BoxFuture<'a, Result<Vec<String>>> {
        async move {
            let container = self.inner.table.get(id)?;
            let _verbs = container.verbs.lock().await;
            let cannot = |error: Error| {
                Error::with_source(error.kind(), format!("Cannot update container {id}: {}", error.message()), error)
            };
            if matches!(container.state(), ContainerState::Removing) || container.life.borrow().removed {
                return Err(cannot(Error::conflict("container is marked for removal and cannot be \"update\"")));
            }
            let before = container.changeable();
            let mut after = before.clone();
            if let Some(restart) = change.restart {
                if container.record.request.auto_remove && restart != RestartPolicy::No {
                    return Err(Error::conflict(
                        "Restart policy cannot be updated because AutoRemove is enabled for the container",
                    ));
                }
                after.restart = restart;
            }
            apply(&mut after.limits, &change).map_err(cannot)?;
            check_limits(&after.limits, HostBounds { cpus: self.inner.host.cpus }).map_err(cannot)?;
            let warnings = self.discard(&mut after.limits);
            self.write_record(container.with(after.clone())).await?;
            let told = match fault::point("update.record").map_err(Error::from_fault) {
                Ok(()) if after.limits != before.limits => {
                    self.limit(&container, before.limits.clone(), after.limits.clone()).await
                }
                other => other,
            };
            if let Err(error) = told {
                if let Err(again) = self.limit(&container, after.limits, before.limits.clone()).await {
                    tracing::warn!(container = before.name, "not all old limits are back: {}", again.chain());
                }
                self.write_record(container.with(before)).await?;
                return Err(cannot(error));
            }
            container.change(after);
            self.tell("update", &container, []);
            Ok(warnings)
        }
        .boxed()
    }

    /// Tells the kernel, if there is a group to tell it of.
    async fn limit(&self, container: &Arc<Container>, old: Limits, new: Limits) -> Result<()> {
        if !container.state().is_running() {
            return Ok(());
        }
        let group = self.cgroup(container.id().as_str());
        blocking(move || {
            group.update(&instead_of(&old, new))?;
            fault::point("update.kernel").map_err(Error::from_fault)
        })
        .await
    }

    /// The limits of one that is found running are what its record says, whatever an update was doing.
    pub(in crate::engine) fn limit_again(&self, container: &Container) {
        let unlimited = u64::MAX;
        let any = Limits {
            memory_bytes: Some(unlimited),
            memory_reservation_bytes: Some(unlimited),
            pids: Some(unlimited),
            cpu_quota_us: Some(unlimited),
            ..Limits::default()
        };
        let limits = instead_of(&any, container.changeable().limits);
        if let Err(error) = self.cgroup(container.id().as_str()).update(&limits) {
            // Where the host can't limit something at all, there is nothing to lift either.
            tracing::debug!(container = container.name(), %error, "its limits can't be set again");
        }
    }
}

/// The new limits, with those that are gone spelled out.
fn instead_of(old: &Limits, mut new: Limits) -> Limits {
    let lifted = |old: bool, new: &mut Option<u64>| {
        if old && new.is_none() {
            *new = Some(u64::MAX);
        }
    };
    lifted(old.memory_bytes.is_some(), &mut new.memory_bytes);
    lifted(old.memory_reservation_bytes.is_some(), &mut new.memory_reservation_bytes);
    lifted(old.pids.is_some(), &mut new.pids);
    if new.nano_cpus.is_none() {
        lifted(old.nano_cpus.is_some() || old.cpu_quota_us.is_some(), &mut new.cpu_quota_us);
    }
    new
}

/// Docker's rules for what may be changed into what.
fn apply(limits: &mut Limits, change: &UpdateContainer) -> Result<()> {
    let conflict = |text: &str| Err(Error::conflict(text));
    let set = |value: Option<u64>| value.is_some_and(|value| value != u64::MAX);
    let had_nano = limits.nano_cpus.is_some();
    if set(change.nano_cpus) && limits.cpu_period_us.is_some() {
        return conflict("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
    }
    if set(change.nano_cpus) && limits.cpu_quota_us.is_some() {
        return conflict("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
    }
    if set(change.cpu_period_us) && had_nano {
        return conflict("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
    }
    if set(change.cpu_quota_us) && had_nano {
        return conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
    }
    if let Some(memory) = change.memory_bytes.filter(|memory| *memory != u64::MAX) {
        let swap = limits.memory_swap_bytes.or(limits.memory_bytes.map(|memory| memory.saturating_mul(2)));
        if change.memory_swap_bytes.is_none() && swap.is_some_and(|swap| memory > swap) {
            return conflict(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
            );
        }
        // What was twice the old limit stays what it was, as in Docker.
        limits.memory_swap_bytes = limits.memory_swap_bytes.or(swap);
    }
    let merge = |old: &mut Option<u64>, new: Option<u64>| match new {
        None => {}
        Some(u64::MAX) => *old = None,
        some => *old = some,
    };
    merge(&mut limits.memory_bytes, change.memory_bytes);
    if change.memory_bytes == Some(u64::MAX) {
        limits.memory_swap_bytes = None;
    }
    if change.memory_swap_bytes.is_some() {
        limits.memory_swap_bytes = change.memory_swap_bytes;
    }
    merge(&mut limits.memory_reservation_bytes, change.memory_reservation_bytes);
    merge(&mut limits.nano_cpus, change.nano_cpus);
    merge(&mut limits.cpu_shares, change.cpu_shares);
    merge(&mut limits.cpu_period_us, change.cpu_period_us);
    merge(&mut limits.cpu_quota_us, change.cpu_quota_us);
    merge(&mut limits.pids, change.pids);
    limits.cpuset_cpus = change.cpuset_cpus.clone().or(limits.cpuset_cpus.take());
    limits.cpuset_mems = change.cpuset_mems.clone().or(limits.cpuset_mems.take());
    limits.blkio_weight = change.blkio_weight.or(limits.blkio_weight);
    if let Some(rates) = &change.device_rates {
        limits.device_rates = rates.clone();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_change_by_docker_s_rules() {
        let mut limits = Limits { memory_bytes: Some(10 << 20), pids: Some(5), ..Limits::default() };
        let more = UpdateContainer { memory_bytes: Some(30 << 20), ..UpdateContainer::default() };
        assert!(apply(&mut limits, &more).unwrap_err().message().contains("update the memoryswap at the same time"));
        apply(&mut limits, &UpdateContainer { memory_bytes: Some(16 << 20), ..UpdateContainer::default() }).unwrap();
        assert_eq!((limits.memory_bytes, limits.memory_swap_bytes), (Some(16 << 20), Some(20 << 20)));
        let both = UpdateContainer { memory_swap_bytes: Some(u64::MAX), pids: Some(u64::MAX), ..more };
        apply(&mut limits, &both).unwrap();
        assert_eq!((limits.memory_swap_bytes, limits.pids), (Some(u64::MAX), None));
        limits.cpu_quota_us = Some(5000);
        let cpus = UpdateContainer { nano_cpus: Some(1), ..UpdateContainer::default() };
        assert!(apply(&mut limits, &cpus).unwrap_err().message().contains("CPU Quota has already been set"));
    }

    #[test]
    fn what_is_gone_is_lifted() {
        let old = Limits { pids: Some(5), nano_cpus: Some(9), ..Limits::default() };
        let new = instead_of(&old, Limits::default());
        assert_eq!((new.pids, new.cpu_quota_us, new.memory_bytes), (Some(u64::MAX), Some(u64::MAX), None));
    }
}
