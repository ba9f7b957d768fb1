//! What may change while a container lives: its limits and when it is started again; and which ones a prune takes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DeviceLimit;

/// When the engine starts a container again that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// When its code is not 0, so many times; 0 is without end.
    OnFailure(u32),
    /// Always, but not after it was stopped by hand; then with the next start of the engine.
    Always,
    /// Always, but not after it was stopped by hand.
    UnlessStopped,
}

impl RestartPolicy {
    /// Docker's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure(_) => "on-failure",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
        }
    }

    /// How often at most; 0 is without end.
    pub fn retries(self) -> u32 {
        match self {
            Self::OnFailure(most) => most,
            _ => 0,
        }
    }

    /// From Docker's name and count.
    ///
    /// # Errors
    /// Docker's text for what it takes for wrong.
    pub fn parse(name: &str, retries: i64) -> Result<Self, String> {
        let policy = match name {
            "" => return Ok(Self::No),
            "on-failure" if retries < 0 => {
                return Err("invalid restart policy: maximum retry count cannot be negative".to_owned());
            }
            "on-failure" => return Ok(Self::OnFailure(u32::try_from(retries).unwrap_or(u32::MAX))),
            "no" => Self::No,
            "always" => Self::Always,
            "unless-stopped" => Self::UnlessStopped,
            other => {
                return Err(format!(
                    "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or \
                     'unless-stopped'"
                ));
            }
        };
        match retries {
            0 => Ok(policy),
            ..0 => Err("invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be \
                        negative"
                .to_owned()),
            _ => Err("invalid restart policy: maximum retry count can only be used with 'on-failure'".to_owned()),
        }
    }
}

/// What an update changes; `None` leaves a thing as it is, `u64::MAX` takes its limit away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateContainer {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Memory and swap together in bytes.
    pub memory_swap_bytes: Option<u64>,
    /// Soft memory limit in bytes.
    pub memory_reservation_bytes: Option<u64>,
    /// Billionths of one CPU.
    pub nano_cpus: Option<u64>,
    /// Relative weight.
    pub cpu_shares: Option<u64>,
    /// The period of the quota, in µs.
    pub cpu_period_us: Option<u64>,
    /// Processor time for each period, in µs.
    pub cpu_quota_us: Option<u64>,
    /// CPUs it may run on.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes it may use.
    pub cpuset_mems: Option<String>,
    /// Processes and threads together.
    pub pids: Option<u64>,
    /// Relative weight of its block IO, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// When it is started again.
    pub restart: Option<RestartPolicy>,
    /// Rates of single devices; `None` leaves all of them.
    pub device_rates: Option<DeviceRates>,
}

/// What single block devices may be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRates {
    /// Bytes read in a second.
    pub read_bps: Vec<DeviceLimit>,
    /// Bytes written in a second.
    pub write_bps: Vec<DeviceLimit>,
    /// Reads in a second.
    pub read_iops: Vec<DeviceLimit>,
    /// Writes in a second.
    pub write_iops: Vec<DeviceLimit>,
    /// Relative weights.
    pub weights: Vec<DeviceLimit>,
}

impl DeviceRates {
    /// Nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How an archive is put into a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyIn {
    /// Nothing but a folder takes a folder's place, and nothing but a file a file's.
    pub folders_stay: bool,
    /// Everything is owned by the container's user.
    pub owned_by_user: bool,
}

/// Which containers a prune takes of those that don't run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneContainers {
    /// Made before this moment.
    pub until: Option<Timestamp>,
    /// All of these labels: `name` or `name=value`.
    pub labels: Vec<String>,
    /// None of these labels.
    pub labels_not: Vec<String>,
}

impl PruneContainers {
    /// Whether it takes one that was made then and has these labels.
    pub fn chooses(&self, created_at: Timestamp, labels: &BTreeMap<String, String>) -> bool {
        let has = |label: &String| match label.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
            None => labels.contains_key(label),
        };
        self.until.is_none_or(|until| created_at < until)
            && self.labels.iter().all(has)
            && !self.labels_not.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_refused_in_docker_s_words() {
        assert_eq!(RestartPolicy::parse("on-failure", 3), Ok(RestartPolicy::OnFailure(3)));
        assert_eq!(RestartPolicy::parse("", 7), Ok(RestartPolicy::No));
        assert_eq!(RestartPolicy::parse("always", 0), Ok(RestartPolicy::Always));
        assert!(RestartPolicy::parse("always", 1).unwrap_err().ends_with("only be used with 'on-failure'"));
        assert!(RestartPolicy::parse("always", -1).unwrap_err().ends_with("and cannot be negative"));
        assert!(RestartPolicy::parse("on-failure", -1).unwrap_err().ends_with("count cannot be negative"));
        assert!(RestartPolicy::parse("sometimes", 0).unwrap_err().contains("unknown policy 'sometimes'"));
    }

    #[test]
    fn a_prune_takes_what_its_filters_say() {
        let labels = BTreeMap::from([("kind".to_owned(), "a".to_owned())]);
        let at = Timestamp::UNIX_EPOCH;
        let chooses = |wanted: &[&str], not: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
            PruneContainers { until: None, labels: own(wanted), labels_not: own(not) }.chooses(at, &labels)
        };
        assert!(chooses(&[], &[]) && chooses(&["kind"], &[]) && chooses(&["kind=a"], &["other"]));
        assert!(!chooses(&["kind=b"], &[]) && !chooses(&[], &["kind"]));
        let until = PruneContainers { until: Some(at), ..PruneContainers::default() };
        assert!(!until.chooses(at, &labels));
    }
}
