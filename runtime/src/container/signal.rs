//! Signals by name or number.

use crate::error::{Error, Result};

/// Names of signal(7) as x86, arm and riscv number them.
const NAMES: [(&str, i32); 33] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// First and last real-time signal as libc counts them.
const REAL_TIME: (i32, i32) = (34, 64);

/// SIGKILL.
pub const KILL: i32 = 9;

/// Reads `SIGTERM`, `term`, `15`, `RTMIN+3` or `RTMAX-1`.
///
/// # Errors
/// Docker's text.
pub fn parse(text: &str) -> Result<i32> {
    let wrong = || Error::invalid(format!("invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=REAL_TIME.1).contains(&number) { Ok(number) } else { Err(wrong()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(*number);
    }
    let offset = |digits: &str| digits.parse::<i32>().ok().filter(|n| (0..=30).contains(n));
    let real_time = if name == "RTMIN" {
        Some(REAL_TIME.0)
    } else if name == "RTMAX" {
        Some(REAL_TIME.1)
    } else if let Some(digits) = name.strip_prefix("RTMIN+") {
        offset(digits).map(|n| REAL_TIME.0 + n)
    } else if let Some(digits) = name.strip_prefix("RTMAX-") {
        offset(digits).map(|n| REAL_TIME.1 - n)
    } else {
        None
    };
    real_time.ok_or_else(wrong)
}

/// `SIGTERM` for 15; the number itself for those without a name.
pub fn name(number: i32) -> String {
    match NAMES.iter().find(|(_, known)| *known == number) {
        Some((name, _)) => format!("SIG{name}"),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_in_all_their_spellings() {
        for (text, number) in
            [("SIGTERM", 15), ("term", 15), ("15", 15), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("rtmin", 34)]
        {
            assert_eq!(parse(text).ok(), Some(number), "{text}");
        }
        for wrong in ["", "0", "65", "-9", "FOO", "RTMIN+31", "SIG"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(37), "37");
    }
}
