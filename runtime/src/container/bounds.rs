//! Which limits make sense, in Docker's words where they don't.

use super::resolve::HostBounds;
use crate::{
    error::{Error, Result},
    request::{CreateContainer, DeviceLimit, Limits, RestartPolicy},
};

/// Docker's least memory limit.
const LEAST_MEMORY_BYTES: u64 = 6 << 20;

/// Judges the part of a request that bears on its whole life.
pub fn check_life(request: &CreateContainer, host: HostBounds) -> Result<()> {
    if request.auto_remove && request.restart != RestartPolicy::No {
        return Err(Error::invalid("can't create 'AutoRemove' container with restart policy"));
    }
    check_limits(&request.limits, host)
}

/// Judges limits by themselves and by how many CPUs there are.
pub fn check_limits(limits: &Limits, host: HostBounds) -> Result<()> {
    memory(limits)?;
    if limits.nano_cpus.is_some_and(|nano| nano < 10_000_000 || nano > u64::from(host.cpus) * 1_000_000_000) {
        let cpus = host.cpus;
        return Err(Error::invalid(format!(
            "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
        )));
    }
    if limits.cpu_shares.is_some_and(|shares| !(2..=262_144).contains(&shares)) {
        return Err(Error::invalid("CPU shares must be from 2 to 262144"));
    }
    if limits.cpu_period_us.is_some_and(|period| !(1000..=1_000_000).contains(&period)) {
        return Err(Error::invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ));
    }
    if limits.cpu_quota_us.is_some_and(|quota| quota < 1000) {
        return Err(Error::invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)"));
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        set(cpus, Some(host.cpus), "cpus")?;
    }
    if let Some(nodes) = &limits.cpuset_mems {
        set(nodes, None, "mems")?;
    }
    if limits.blkio_weight.is_some_and(|weight| !(10..=1000).contains(&weight)) {
        return Err(Error::invalid("Range of blkio weight is from 10 to 1000"));
    }
    let rates = &limits.device_rates;
    if let Some(DeviceLimit { path, value }) = rates.weights.iter().find(|one| !(10..=1000).contains(&one.value)) {
        return Err(Error::invalid(format!("Range of blkio weight is from 10 to 1000: {path}:{value}")));
    }
    let all = [&rates.weights, &rates.read_bps, &rates.write_bps, &rates.read_iops, &rates.write_iops];
    if let Some(wrong) = all.into_iter().flatten().find(|one| !one.path.starts_with("/dev/") || one.path.contains(".."))
    {
        return Err(Error::invalid(format!("bad format for device path: {}", wrong.path)));
    }
    Ok(())
}

fn memory(limits: &Limits) -> Result<()> {
    if limits.memory_bytes.is_some_and(|bytes| bytes < LEAST_MEMORY_BYTES) {
        return Err(Error::invalid("Minimum memory limit allowed is 6MB"));
    }
    match (limits.memory_bytes, limits.memory_swap_bytes) {
        (None, Some(swap)) if swap != u64::MAX => {
            return Err(Error::invalid(
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ));
        }
        (Some(memory), Some(swap)) if swap < memory => {
            return Err(Error::invalid("Minimum memoryswap limit should be larger than memory limit, see usage"));
        }
        _ => {}
    }
    if limits.memory_reservation_bytes.is_some_and(|bytes| bytes < LEAST_MEMORY_BYTES) {
        return Err(Error::invalid("Minimum memory reservation allowed is 6MB"));
    }
    if let (Some(memory), Some(reserved)) = (limits.memory_bytes, limits.memory_reservation_bytes)
        && reserved > memory
    {
        return Err(Error::invalid("Minimum memory limit can not be less than memory reservation limit, see usage"));
    }
    if let Some(value) = limits.memory_swappiness.filter(|value| *value > 100) {
        return Err(Error::invalid(format!("Invalid value: {value}, valid memory swappiness range is 0-100")));
    }
    Ok(())
}

/// Numbers and ranges, `0-2,4`.
fn set(text: &str, available: Option<u32>, what: &str) -> Result<()> {
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) else {
            return Err(Error::invalid(format!("Invalid value {text} for cpuset {what}")));
        };
        if from > to {
            return Err(Error::invalid(format!("Invalid value {text} for cpuset {what}")));
        }
        if let Some(cpus) = available.filter(|cpus| to >= *cpus) {
            let text = format!("Requested CPUs are not available - requested {text}, available: 0-{}", cpus - 1);
            return Err(Error::invalid(text));
        }
    }
    Ok(())
}
