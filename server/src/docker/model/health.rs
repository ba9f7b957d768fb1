//! Health checks and what they found.

use std::time::Duration;

use runtime::{
    request::HealthCheck,
    view::{ContainerView, Health},
};
use serde::{Deserialize, Serialize};

/// A health check; times in nanoseconds, zero is not said.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct Check {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

impl Check {
    /// For inspect.
    pub(in crate::docker) fn of(check: &HealthCheck) -> Self {
        let nanos = |time: Option<Duration>| time.map(|time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        Self {
            test: Some(check.test.clone()),
            interval: nanos(check.interval),
            timeout: nanos(check.timeout),
            start_period: nanos(check.start_period),
            start_interval: nanos(check.start_interval),
            retries: check.retries.map(i64::from),
        }
    }
}

/// What inspect shows below `State`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Found<'a> {
    status: &'static str,
    failing_streak: u32,
    log: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    start: String,
    end: String,
    exit_code: i32,
    output: &'a str,
}

impl<'a> Found<'a> {
    /// For inspect.
    pub(in crate::docker) fn of(health: &'a Health) -> Self {
        let entry = |probe: &'a runtime::view::Probe| Entry {
            start: probe.started_at.to_string(),
            end: probe.ended_at.to_string(),
            exit_code: probe.code,
            output: &probe.output,
        };
        Self {
            status: health.state.word(),
            failing_streak: health.failing_streak,
            log: health.log.iter().map(entry).collect(),
        }
    }
}

/// Docker's word for a container's health; `none` without a check.
pub(in crate::docker) fn word(container: &ContainerView) -> &'static str {
    container.health.as_ref().map_or("none", |health| health.state.word())
}

/// The state in words, with the health of one that runs: `Up 3 minutes (healthy)`.
pub(in crate::docker) fn beside(status: String, container: &ContainerView) -> String {
    match word(container) {
        "none" => status,
        _ if container.state.word() != "running" => status,
        "starting" => format!("{status} (health: starting)"),
        word => format!("{status} ({word})"),
    }
}
