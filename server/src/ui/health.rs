//! Whether a container is well: its state's word, and its probes.

use jiff::Timestamp;
use runtime::view::{ContainerView, Health, HealthState};

use super::{containers::Standing, page::When};
use crate::i18n::Texts;

/// The state of one that runs and has a check: its health says more than that it runs.
pub(in crate::ui) fn standing(view: &ContainerView, t: Texts) -> Option<Standing> {
    let health = view.health.as_ref().filter(|_| view.state.word() == "running")?;
    let (class, word) = match health.state {
        HealthState::Starting => ("created", t.get("health-starting")),
        HealthState::Healthy => ("running", t.get("health-healthy")),
        HealthState::Unhealthy => ("unhealthy", t.get("health-unhealthy")),
    };
    Some(Standing { class, icon: class, word, remark: String::new() })
}

/// What a page says first of one that is not well.
pub(in crate::ui) fn trouble(view: &ContainerView, t: Texts) -> Option<(String, String)> {
    let health = view.health.as_ref().filter(|health| health.state == HealthState::Unhealthy)?;
    let title = t.one("health-trouble", "count", health.failing_streak);
    view.state.is_running().then(|| (title, health.log.last().map(|probe| probe.output.clone()).unwrap_or_default()))
}

/// The probes of one container.
pub struct Panel {
    pub(in crate::ui) command: String,
    pub(in crate::ui) every: String,
    pub(in crate::ui) probes: Vec<Line>,
}

/// One probe.
pub struct Line {
    pub(in crate::ui) when: When,
    pub(in crate::ui) took: String,
    pub(in crate::ui) is_good: bool,
    pub(in crate::ui) result: String,
    pub(in crate::ui) output: String,
}

impl Panel {
    /// From the engine's view; `None` without a check.
    pub(in crate::ui) fn new(view: &ContainerView, t: Texts, now: Timestamp) -> Option<Self> {
        let check = view.health_check.as_ref()?;
        let (kind, rest) = check.test.split_first()?;
        let command = match kind.as_str() {
            "CMD" => super::launch_form::shell_line(rest),
            "CMD-SHELL" => rest.join(" "),
            _ => return None,
        };
        let log = view.health.as_ref().map(|Health { log, .. }| log.as_slice()).unwrap_or_default();
        let line = |probe: &runtime::view::Probe| Line {
            when: When::ago(t, probe.started_at, now),
            took: t.one("health-ms", "ms", probe.ended_at.duration_since(probe.started_at).as_millis().to_string()),
            is_good: probe.code == 0,
            result: match probe.code {
                0 => t.get("health-good"),
                -1 => t.get("health-late"),
                code => t.one("health-bad", "code", code),
            },
            output: probe.output.trim().to_owned(),
        };
        let every = format!("{:?}", check.every());
        Some(Self {
            command,
            every: t.one("health-every", "time", every),
            probes: log.iter().rev().map(line).collect(),
        })
    }
}
