//! The part of `create` that bears on a container's whole life: its limits and when it is started again.

use runtime::request::{DeviceLimit, DeviceRates, Limits, RestartPolicy};

use super::{amount, said, unless_unlimited};
use crate::docker::{
    error::{Failure, Result},
    model::{create::HostConfig, life::Rates},
};

/// Everything the kernel is to hold it to.
pub(in crate::docker) fn limits(host: &HostConfig) -> Result<Limits> {
    let (nano_cpus, cpu_period_us, cpu_quota_us) = cpus(host.nano_cpus, host.cpu_period, host.cpu_quota)?;
    let more = &host.more;
    Ok(Limits {
        memory_bytes: unless_unlimited("Memory", host.memory)?,
        memory_swap_bytes: match host.memory_swap {
            Some(-1) => Some(u64::MAX),
            swap => amount("MemorySwap", swap)?,
        },
        memory_reservation_bytes: unless_unlimited("MemoryReservation", host.memory_reservation)?,
        nano_cpus,
        cpu_shares: amount("CpuShares", host.cpu_shares)?,
        cpuset_cpus: said(host.cpuset_cpus.clone()),
        pids: unless_unlimited("PidsLimit", host.pids_limit)?,
        cpuset_mems: said(more.cpuset_mems.clone()),
        cpu_period_us,
        cpu_quota_us,
        memory_swappiness: swappiness(more.memory_swappiness)?,
        oom_kill_disable: more.oom_kill_disable.unwrap_or_default(),
        blkio_weight: more.blkio_weight.filter(|weight| *weight != 0),
        device_rates: rates(&more.rates),
    })
}

/// When it is started again.
pub(in crate::docker) fn restart(host: &HostConfig) -> Result<RestartPolicy> {
    let Some(policy) = &host.restart_policy else { return Ok(RestartPolicy::No) };
    let name = policy.name.as_deref().unwrap_or_default();
    RestartPolicy::parse(name, policy.maximum_retry_count.unwrap_or_default()).map_err(Failure::invalid)
}

/// Rates and weights of single devices.
pub(in crate::docker) fn rates(rates: &Rates) -> DeviceRates {
    let read = |list: &Option<Vec<crate::docker::model::life::Rate>>| {
        list.iter().flatten().map(|one| DeviceLimit { path: one.path.clone(), value: one.rate }).collect()
    };
    let weights = rates.blkio_weight_device.iter().flatten();
    DeviceRates {
        read_bps: read(&rates.blkio_device_read_bps),
        write_bps: read(&rates.blkio_device_write_bps),
        read_iops: read(&rates.blkio_device_read_iops),
        write_iops: read(&rates.blkio_device_write_iops),
        weights: weights.map(|one| DeviceLimit { path: one.path.clone(), value: one.weight }).collect(),
    }
}

fn swappiness(value: Option<i64>) -> Result<Option<u64>> {
    match value {
        None | Some(-1) => Ok(None),
        Some(value) => u64::try_from(value)
            .map(Some)
            .map_err(|_| Failure::invalid(format!("Invalid value: {value}, valid memory swappiness range is 0-100"))),
    }
}

type Cpus = (Option<u64>, Option<u64>, Option<u64>);

fn cpus(nano: Option<i64>, period: Option<i64>, quota: Option<i64>) -> Result<Cpus> {
    let (nano, period, quota) =
        (amount("NanoCpus", nano)?, amount("CpuPeriod", period)?, unless_unlimited("CpuQuota", quota)?);
    match (nano, period, quota) {
        (Some(_), Some(_), _) => {
            Err(Failure::invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set"))
        }
        (Some(_), _, Some(_)) => {
            Err(Failure::invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set"))
        }
        all => Ok(all),
    }
}
