//! The health check of a container to be made.

use std::time::Duration;

use runtime::request::HealthCheck;

use super::{Failure, Result};
use crate::docker::model::health::Check;

/// As the engine's; `None` when nothing is said.
pub(super) fn check(sent: Option<Check>) -> Result<Option<HealthCheck>> {
    let Some(sent) = sent else { return Ok(None) };
    let time = |name: &str, nanos: Option<i64>| match nanos.unwrap_or(0) {
        0 => Ok(None),
        nanos => u64::try_from(nanos)
            .map(|nanos| Some(Duration::from_nanos(nanos)))
            .map_err(|_| Failure::invalid(format!("{name} in Healthcheck cannot be negative"))),
    };
    let retries = match sent.retries.unwrap_or(0) {
        0 => None,
        count => {
            let count = u32::try_from(count);
            Some(count.map_err(|_| Failure::invalid("Retries in Healthcheck cannot be negative"))?)
        }
    };
    let check = HealthCheck {
        test: sent.test.unwrap_or_default(),
        interval: time("Interval", sent.interval)?,
        timeout: time("Timeout", sent.timeout)?,
        start_period: time("StartPeriod", sent.start_period)?,
        start_interval: time("StartInterval", sent.start_interval)?,
        retries,
    };
    Ok(Some(check).filter(|check| *check != HealthCheck::default()))
}
