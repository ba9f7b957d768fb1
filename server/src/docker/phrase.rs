//! Docker's ways to say things: how long ago, how big.

use jiff::{SignedDuration, Timestamp};

pub(super) use crate::ops::spelled::bytes;

/// How Docker writes a moment that never was.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// A length of time in words, with the same roundings as Docker: `About an hour`, `3 weeks`.
pub(super) fn length(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    // Docker rounds to the nearest hour, but counts years in whole hours.
    let hours = (seconds + 30 * 60) / 3600;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ => match hours {
            ..2 => "About an hour".to_owned(),
            2..48 => format!("{hours} hours"),
            48..336 => format!("{} days", hours / 24),
            336..1440 => format!("{} weeks", hours / 24 / 7),
            1440..17520 => format!("{} months", hours / 24 / 30),
            _ => format!("{} years", seconds / 3600 / 24 / 365),
        },
    }
}

/// A moment with nine digits of a second, as log lines carry it.
pub(super) fn stamp(at: Timestamp) -> String {
    format!("{at:.9}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_dockers() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        for (seconds, words) in [
            (-5, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (3 * MINUTE, "3 minutes"),
            (59 * MINUTE + 59, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + 29 * MINUTE, "About an hour"),
            (HOUR + 30 * MINUTE, "2 hours"),
            (47 * HOUR, "47 hours"),
            (2 * DAY, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (59 * DAY, "8 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), words, "{seconds}");
        }
    }

    #[test]
    fn stamps_have_nine_digits() {
        let at = Timestamp::new(1_700_000_000, 5_000_000).unwrap();
        assert_eq!(stamp(at), "2023-11-14T22:13:20.005000000Z");
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.005Z");
    }
}
