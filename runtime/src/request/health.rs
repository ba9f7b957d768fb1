//! How a container is asked whether it is well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A health check. What is `None` or zero is the image's, and else Docker's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `["NONE"]`, `["CMD", program, argument…]` or `["CMD-SHELL", line]`; empty is the image's.
    pub test: Vec<String>,
    /// Between two probes.
    pub interval: Option<Duration>,
    /// For one probe.
    pub timeout: Option<Duration>,
    /// After the start, failures do not count for so long.
    pub start_period: Option<Duration>,
    /// Between two probes while failures do not count.
    pub start_interval: Option<Duration>,
    /// Failures in a row that make it unhealthy.
    pub retries: Option<u32>,
}

/// Shorter times are refused, as by Docker.
const LEAST: Duration = Duration::from_millis(1);

impl HealthCheck {
    /// Between two probes.
    pub fn every(&self) -> Duration {
        self.interval.unwrap_or(Duration::from_secs(30))
    }

    /// For one probe.
    pub fn patience(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(30))
    }

    /// After the start, failures do not count for so long.
    pub fn grace(&self) -> Duration {
        self.start_period.unwrap_or_default()
    }

    /// Between two probes while failures do not count.
    pub fn every_at_start(&self) -> Duration {
        self.start_interval.unwrap_or(Duration::from_secs(5))
    }

    /// Failures in a row that make it unhealthy.
    pub fn most_failures(&self) -> u32 {
        self.retries.unwrap_or(3)
    }

    /// The command a probe runs; `None` when there is no check.
    pub fn command(&self, shell: &[String]) -> Option<Vec<String>> {
        let (kind, rest) = self.test.split_first()?;
        match kind.as_str() {
            "CMD" => Some(rest.to_vec()),
            "CMD-SHELL" => Some(shell.iter().chain(rest).cloned().collect()),
            _ => None,
        }
        .filter(|argv| !argv.is_empty())
    }

    /// What is asked for over what the image has; `None` where neither has anything.
    pub fn merged(asked: Option<&Self>, image: Option<&Self>) -> Option<Self> {
        let (Some(asked), Some(image)) = (asked, image) else { return asked.or(image).cloned() };
        Some(Self {
            test: if asked.test.is_empty() { image.test.clone() } else { asked.test.clone() },
            interval: asked.interval.or(image.interval),
            timeout: asked.timeout.or(image.timeout),
            start_period: asked.start_period.or(image.start_period),
            start_interval: asked.start_interval.or(image.start_interval),
            retries: asked.retries.or(image.retries),
        })
    }

    /// Judges what a person wrote.
    ///
    /// # Errors
    /// In Docker's words.
    pub fn check(&self) -> Result<()> {
        let known = ["NONE", "CMD", "CMD-SHELL"];
        if let Some(kind) = self.test.first().filter(|kind| !known.contains(&kind.as_str())) {
            return Err(Error::invalid(format!("unknown type {kind:?} of health check: use NONE, CMD or CMD-SHELL")));
        }
        for (name, time) in [
            ("Interval", self.interval),
            ("Timeout", self.timeout),
            ("StartPeriod", self.start_period),
            ("StartInterval", self.start_interval),
        ] {
            if time.is_some_and(|time| time < LEAST) {
                return Err(Error::invalid(format!("{name} in Healthcheck cannot be less than 1ms")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_goes_before_the_image_s() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let image = HealthCheck {
            test: words("CMD-SHELL true"),
            retries: Some(7),
            timeout: Some(LEAST),
            ..HealthCheck::default()
        };
        let asked = HealthCheck { retries: Some(2), ..HealthCheck::default() };
        let merged = HealthCheck::merged(Some(&asked), Some(&image)).unwrap();
        assert_eq!((merged.most_failures(), merged.patience()), (2, LEAST));
        assert_eq!(merged.command(&words("/bin/sh -c")), Some(words("/bin/sh -c true")));
        let none = HealthCheck { test: words("NONE"), ..HealthCheck::default() };
        assert_eq!(HealthCheck::merged(Some(&none), Some(&image)).unwrap().command(&[]), None);
        assert_eq!(HealthCheck::merged(None, None), None);
        assert!(none.check().is_ok() && image.check().is_ok());
        assert!(HealthCheck { test: words("true"), ..none.clone() }.check().is_err());
        assert!(HealthCheck { interval: Some(Duration::ZERO), ..none }.check().is_err());
    }
}
