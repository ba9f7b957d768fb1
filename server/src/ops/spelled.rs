//! Sizes and times as people write them for Docker: `1.5g`, `1m30s`; and the other way round, without loss.

use std::{fmt::Write as _, time::Duration};

/// Units of time in ns, the longest first.
const UNITS: &[(&str, u64)] = &[
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Bytes written as `10m`, `1.5GiB`, `512`; the units are powers of 1024.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let value = number.parse::<f64>().ok()? * f64::from(2.0_f32).powi(power);
    (value < u64::MAX as f64).then_some(value as u64)
}

/// Bytes as [`bytes()`] reads them, in the largest unit that says them whole.
pub fn from_bytes(size: u64) -> String {
    for (power, unit) in [(40, "t"), (30, "g"), (20, "m"), (10, "k")] {
        if size > 0 && size.is_multiple_of(1 << power) {
            return format!("{}{unit}", size >> power);
        }
    }
    size.to_string()
}

/// A time written as `1m30s`, `500ms`, `1.5h`; a bare number is seconds.
pub fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let (mut rest, mut total) = (text, 0_f64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit || (*name == "us" && unit == "µs"))?;
        total += number.parse::<f64>().ok()? * *nanos as f64;
        rest = after;
    }
    (total < u64::MAX as f64).then(|| Duration::from_nanos(total.round() as u64))
}

/// A time as [`time()`] and Docker read it.
pub fn from_time(time: Duration) -> String {
    let mut left = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, nanos) in UNITS {
        if left >= *nanos {
            // A text can always be written to.
            let _ = write!(text, "{}{unit}", left / nanos);
            left %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        for (text, size) in [
            ("10m", 10 << 20),
            ("1k", 1024),
            ("1.5g", 3 << 29),
            ("512", 512),
            ("2KiB", 2048),
            ("3 MB", 3 << 20),
            ("7b", 7),
        ] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "m", "-1", "10x", "1.2.3m"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for size in [1, 512, 1024, 1536, 6 << 20, (64 << 20) + 5, 3 << 30, 1 << 40] {
            assert_eq!(bytes(&from_bytes(size)), Some(size));
        }
        assert_eq!((from_bytes(64 << 20), from_bytes(1536)), ("64m".into(), "1536".into()));
        for (text, millis) in [("30s", 30_000), ("1m30s", 90_000), ("500ms", 500), ("1.5h", 5_400_000), ("7", 7000)] {
            assert_eq!(time(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["1m30s", "500ms", "1h", "2h1ns", "0s", "10us"] {
            assert_eq!(time(text).map(from_time).as_deref(), Some(text));
        }
        for wrong in ["", "s", "1x", "1s2", "-1s", "1..5s"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }
}
