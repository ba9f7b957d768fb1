//! Slows guessing: a wait that doubles with each failure, per account and per address.
//!
//! An attempt counts as a failure the moment it begins, so that many at once gain nothing; success takes it back.
//! Time is an argument.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Whose failures are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A login name, lower case.
    Account(String),
    /// A peer address.
    Address(String),
}

impl Key {
    /// Failures without a wait, and the longest wait. An account's is short: nobody may lock out another.
    fn policy(&self) -> (u32, Duration) {
        match self {
            Self::Account(_) => (5, Duration::from_mins(1)),
            Self::Address(_) => (10, Duration::from_mins(15)),
        }
    }
}

struct Failures {
    count: u32,
    last: Instant,
    until: Instant,
}

/// Failures are forgotten after this long without one.
const FORGET: Duration = Duration::from_hours(1);
/// Keys remembered at most; beyond that the oldest go.
const KEYS: usize = 20_000;

/// Failures so far.
#[derive(Default)]
pub struct Throttle {
    failures: HashMap<Key, Failures>,
}

impl Throttle {
    /// Begins an attempt, or says how long to wait.
    ///
    /// # Errors
    /// The wait that is left.
    pub fn attempt(&mut self, now: Instant, keys: &[Key]) -> Result<(), Duration> {
        self.failures.retain(|_, failures| now.saturating_duration_since(failures.last) < FORGET);
        let wait = keys
            .iter()
            .filter_map(|key| self.failures.get(key))
            .map(|failures| failures.until.saturating_duration_since(now))
            .max()
            .unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        for key in keys {
            let (free, longest) = key.policy();
            let failures = self.failures.entry(key.clone()).or_insert(Failures { count: 0, last: now, until: now });
            failures.count += 1;
            failures.last = now;
            if failures.count >= free {
                let wait = Duration::from_secs(1 << (failures.count - free).min(20));
                failures.until = now + wait.min(longest);
            }
        }
        if self.failures.len() > KEYS
            && let Some(oldest) =
                self.failures.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| key.clone())
        {
            self.failures.remove(&oldest);
        }
        Ok(())
    }

    /// The attempt was right: forgets what these keys did before.
    pub fn succeeded(&mut self, keys: &[Key]) {
        for key in keys {
            self.failures.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_begin_after_five_failures_double_and_end() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let keys = [Key::Account("ana".into())];
        for _ in 0..5 {
            assert_eq!(throttle.attempt(start, &keys), Ok(()));
        }
        assert_eq!(throttle.attempt(start, &keys), Err(Duration::from_secs(1)));
        let later = start + Duration::from_secs(1);
        assert_eq!(throttle.attempt(later, &keys), Ok(()));
        assert_eq!(throttle.attempt(later, &keys), Err(Duration::from_secs(2)));
        assert_eq!(throttle.attempt(later, &[Key::Account("eva".into())]), Ok(()), "others do not wait");
        let mut now = later;
        for _ in 0..20 {
            now += Duration::from_mins(1);
            assert_eq!(throttle.attempt(now, &keys), Ok(()), "no account waits longer than a minute");
        }
        throttle.succeeded(&keys);
        assert_eq!(throttle.attempt(now, &keys), Ok(()));
    }

    #[test]
    fn an_address_is_slowed_whatever_name_it_tries() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for name in 0..10 {
            let keys = [Key::Account(format!("user{name}")), Key::Address("192.0.2.7".into())];
            assert_eq!(throttle.attempt(now, &keys), Ok(()));
        }
        let next = [Key::Account("another".into()), Key::Address("192.0.2.7".into())];
        assert_eq!(throttle.attempt(now, &next), Err(Duration::from_secs(1)));
        assert_eq!(throttle.attempt(now + FORGET, &next), Ok(()));
    }
}
