//! Whether a container is well, as its probes say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the probes say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// None has succeeded since the start, and not too many have failed.
    #[default]
    Starting,
    /// The last one succeeded, or not enough have failed since.
    Healthy,
    /// Too many in a row have failed.
    Unhealthy,
}

impl HealthState {
    /// Docker's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The health of a container that has a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What the probes say together.
    pub state: HealthState,
    /// Failures in a row, those that count.
    pub failing_streak: u32,
    /// The last probes, oldest first.
    pub log: Vec<Probe>,
}

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it had ended.
    pub ended_at: Timestamp,
    /// Its code; -1 when it took too long.
    pub code: i32,
    /// The beginning of what it printed.
    pub output: String,
}
