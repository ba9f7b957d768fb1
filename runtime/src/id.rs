//! Ids as types: a [`ContainerId`] can't be passed where another id is meant.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {wanted}")]
pub struct ParseIdError {
    text: String,
    wanted: &'static str,
}

/// A container's id: 64 lower-case hex digits, as Docker's clients expect.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

impl ContainerId {
    /// A new id from the kernel's random source.
    ///
    /// # Panics
    /// When the kernel has no random source, which no supported host lacks.
    pub fn random() -> Self {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).expect("the kernel's random source");
        Self(hex(&bytes))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, as people see it.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for ContainerId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseIdError { text: text.to_owned(), wanted: "container id" })
        }
    }
}

impl TryFrom<String> for ContainerId {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerId({})", self.short())
    }
}

/// An exec's id: 64 lower-case hex digits, made like a container's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ExecId(ContainerId);

impl ExecId {
    /// A new id from the kernel's random source.
    pub fn random() -> Self {
        Self(ContainerId::random())
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for ExecId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(Self).map_err(|error: ParseIdError| ParseIdError { wanted: "exec id", ..error })
    }
}

impl fmt::Display for ExecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network's id: 64 lower-case hex digits, made like a container's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetworkId(ContainerId);

impl NetworkId {
    /// A new id from the kernel's random source.
    pub fn random() -> Self {
        Self(ContainerId::random())
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The first 12 digits, as people see it.
    pub fn short(&self) -> &str {
        self.0.short()
    }
}

impl FromStr for NetworkId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(Self).map_err(|error: ParseIdError| ParseIdError { wanted: "network id", ..error })
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Lower-case hex of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_lower_case_hex_digits_are_a_container_id() {
        let id = ContainerId::random();
        assert_eq!(id.as_str().parse::<ContainerId>().as_ref(), Ok(&id));
        for wrong in ["", "abc", &"A".repeat(64), &"g".repeat(64), &"0".repeat(65), "../../../etc"] {
            assert!(wrong.parse::<ContainerId>().is_err(), "{wrong}");
        }
    }
}
