//! Container names: which are allowed, and the two words given to those who ask for none.

use crate::error::{Error, Result};

const FIRST: [&str; 64] = [
    "amber", "anchored", "ample", "balmy", "blue", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid",
    "cheery", "civil", "clear", "clever", "coastal", "copper", "coral", "cosy", "crisp", "daring", "deep", "eager",
    "early", "earnest", "fair", "fleet", "fond", "free", "fresh", "gentle", "glad", "golden", "grand", "hardy",
    "hearty", "honest", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucky", "mellow", "merry", "mild",
    "misty", "noble", "patient", "placid", "proud", "quick", "quiet", "ready", "salty", "serene", "silver", "sound",
    "steady", "sunny", "swift", "tidal",
];

const SECOND: [&str; 64] = [
    "anchor",
    "ballast",
    "barge",
    "bay",
    "beacon",
    "bollard",
    "bow",
    "breakwater",
    "bridge",
    "buoy",
    "cable",
    "canal",
    "capstan",
    "cargo",
    "chart",
    "compass",
    "cove",
    "crane",
    "cutter",
    "deck",
    "delta",
    "dinghy",
    "dock",
    "ferry",
    "fjord",
    "foghorn",
    "galley",
    "gangway",
    "gull",
    "harbour",
    "haven",
    "hawser",
    "helm",
    "heron",
    "hull",
    "inlet",
    "jetty",
    "kayak",
    "keel",
    "lagoon",
    "lantern",
    "lighter",
    "lock",
    "lugger",
    "mast",
    "mooring",
    "oar",
    "pelican",
    "pier",
    "pilot",
    "pontoon",
    "quay",
    "reef",
    "rigging",
    "rudder",
    "sail",
    "schooner",
    "sextant",
    "slipway",
    "sloop",
    "spar",
    "tender",
    "tiller",
    "wharf",
];

/// `Ok` for a name Docker would take: a letter or digit, then letters, digits, `_`, `.` and `-`.
///
/// # Errors
/// Docker's text with the rule.
pub fn validate(name: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    let goes_on = name.len() > 1 && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if starts && goes_on && name.len() <= 255 {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")))
}

/// Two words that no container has yet; a number is added when luck is bad.
pub fn random(taken: impl Fn(&str) -> bool) -> String {
    for attempt in 0_u32.. {
        let mut bytes = [0_u8; 4];
        getrandom::fill(&mut bytes).expect("the kernel's random source");
        let (first, second) = (FIRST[usize::from(bytes[0] % 64)], SECOND[usize::from(bytes[1] % 64)]);
        let name = match attempt {
            0..4 => format!("{first}_{second}"),
            _ => format!("{first}_{second}{}", u16::from_le_bytes([bytes[2], bytes[3]])),
        };
        if !taken(&name) {
            return name;
        }
    }
    unreachable!("the loop ends only by returning")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_docker_does() {
        for good in ["a1", "web.1", "A_b-c", "0x"] {
            assert!(validate(good).is_ok(), "{good}");
        }
        for wrong in ["", "a", "-a", ".a", "a b", "a/b", "ñu", "a\n"] {
            assert!(validate(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_random_name_is_valid_and_free() {
        let mut asked = 0;
        let name = random(|_| false);
        validate(&name).expect("valid");
        let counter = std::cell::Cell::new(0);
        let late = random(|_| {
            counter.set(counter.get() + 1);
            counter.get() < 9
        });
        asked += counter.get();
        assert_eq!(asked, 9);
        validate(&late).expect("valid");
    }
}
