//! Who keeps a container's log.

use serde::{Deserialize, Serialize};

/// A log driver, by Docker's name. Two of them are one and the same way to keep a log: which was asked for is only said back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    /// The engine's own.
    Local,
    /// As [`LogDriver::Local`]; the default, because libraries ask for logs by this name only.
    #[default]
    JsonFile,
    /// Nobody: output goes to who is attached, and is gone.
    None,
}

impl LogDriver {
    /// Docker's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::JsonFile => "json-file",
            Self::None => "none",
        }
    }

    /// Whether there is a log to read.
    pub fn keeps(self) -> bool {
        self != Self::None
    }
}
