//! How far a container is opened to its host, or to another container. Nothing here is the default.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a container shares or may do beyond the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Isolation {
    /// All capabilities, all devices, no system call filter, nothing hidden, /sys writable; with host ids.
    pub privileged: bool,
    /// Device nodes of the host.
    pub devices: Vec<Device>,
    /// Devices whose nodes may be used, whether or not a node is given.
    pub device_rules: Vec<DeviceRule>,
    /// Whose processes it sees.
    pub pid: PidMode,
    /// Whose System V IPC, message queues and /dev/shm it uses.
    pub ipc: IpcMode,
    /// The host's name instead of one of its own.
    pub host_uts: bool,
    /// The host's view of control groups.
    pub host_cgroups: bool,
    /// A profile in Docker's JSON instead of the default one.
    pub seccomp_profile: Option<String>,
    /// What is made unreadable instead of Docker's list.
    pub masked_paths: Option<Vec<String>>,
    /// What is made read-only instead of Docker's list.
    pub readonly_paths: Option<Vec<String>>,
}

/// Whose processes a container sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PidMode {
    /// Its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// Another container's, by name or id.
    Container(String),
}

/// Whose IPC a container uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpcMode {
    /// Its own, which no other can join.
    #[default]
    Private,
    /// Its own, without /dev/shm.
    None,
    /// Its own, which others can join.
    Shareable,
    /// The host's.
    Host,
    /// Another container's, by name or id.
    Container(String),
}

/// A device node given to a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// On the host: a node, or a folder of nodes.
    pub host: PathBuf,
    /// Inside.
    pub container: String,
    /// What may be done with it.
    pub access: Access,
}

/// What may be done with a device: `r`, `w` and `m` (make a node).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Access {
    /// Read.
    pub read: bool,
    /// Write.
    pub write: bool,
    /// Make a node of it.
    pub mknod: bool,
}

impl Access {
    /// All three.
    pub const ALL: Self = Self { read: true, write: true, mknod: true };
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, given) in [("r", self.read), ("w", self.write), ("m", self.mknod)] {
            if given {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// A text that is no rule for devices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDeviceError {
    /// Not one to three of `r`, `w`, `m`.
    #[error("invalid device mode: {0}")]
    Access(String),
    /// Not a rule.
    #[error("invalid device cgroup rule format: '{0}'")]
    Rule(String),
}

impl FromStr for Access {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<Self, ParseDeviceError> {
        let mut access = Self { read: false, write: false, mknod: false };
        for letter in text.chars() {
            let given = match letter {
                'r' => &mut access.read,
                'w' => &mut access.write,
                'm' => &mut access.mknod,
                _ => return Err(ParseDeviceError::Access(text.to_owned())),
            };
            if std::mem::replace(given, true) {
                return Err(ParseDeviceError::Access(text.to_owned()));
            }
        }
        if text.is_empty() { Err(ParseDeviceError::Access(String::new())) } else { Ok(access) }
    }
}

impl TryFrom<String> for Access {
    type Error = ParseDeviceError;

    fn try_from(text: String) -> Result<Self, ParseDeviceError> {
        text.parse()
    }
}

impl From<Access> for String {
    fn from(access: Access) -> Self {
        access.to_string()
    }
}

/// Which devices a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// Block devices.
    Block,
    /// Character devices.
    Character,
    /// Both.
    Any,
}

/// Devices that may be used: `c 189:* rwm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceRule {
    /// Block or character.
    pub kind: DeviceKind,
    /// Major number; `None` is all.
    pub major: Option<u32>,
    /// Minor number; `None` is all.
    pub minor: Option<u32>,
    /// What may be done.
    pub access: Access,
}

impl DeviceRule {
    /// Everything with every device.
    pub const ALL: Self = Self { kind: DeviceKind::Any, major: None, minor: None, access: Access::ALL };
}

impl fmt::Display for DeviceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DeviceKind::Block => "b",
            DeviceKind::Character => "c",
            DeviceKind::Any => "a",
        };
        let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        write!(f, "{kind} {}:{} {}", number(self.major), number(self.minor), self.access)
    }
}

impl FromStr for DeviceRule {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<Self, ParseDeviceError> {
        let wrong = || ParseDeviceError::Rule(text.to_owned());
        let words: Vec<&str> = text.split(' ').collect();
        let [kind, numbers, access] = words[..] else { return Err(wrong()) };
        let kind = match kind {
            "a" => DeviceKind::Any,
            "b" => DeviceKind::Block,
            "c" => DeviceKind::Character,
            _ => return Err(wrong()),
        };
        let (major, minor) = numbers.split_once(':').ok_or_else(wrong)?;
        let number = |text: &str| if text == "*" { Ok(None) } else { text.parse().map(Some).map_err(|_| wrong()) };
        let access = access.parse().map_err(|_| wrong())?;
        Ok(Self { kind, major: number(major)?, minor: number(minor)?, access })
    }
}

impl TryFrom<String> for DeviceRule {
    type Error = ParseDeviceError;

    fn try_from(text: String) -> Result<Self, ParseDeviceError> {
        text.parse()
    }
}

impl From<DeviceRule> for String {
    fn from(rule: DeviceRule) -> Self {
        rule.to_string()
    }
}

impl PidMode {
    /// The other container it shares with.
    pub fn other(&self) -> Option<&str> {
        if let Self::Container(other) = self { Some(other) } else { None }
    }
}

impl IpcMode {
    /// The other container it shares with.
    pub fn other(&self) -> Option<&str> {
        if let Self::Container(other) = self { Some(other) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_rules_are_read_and_written_as_docker_does() {
        for text in ["c 189:* rwm", "b 8:0 r", "a *:* m", "c 1:3 rw"] {
            assert_eq!(text.parse::<DeviceRule>().map(|rule| rule.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "c 1:3", "d 1:3 r", "c 1 r", "c 1:x r", "c 1:3 rr", "c 1:3 x", "c  1:3 r", "c 1:3 "] {
            assert!(wrong.parse::<DeviceRule>().is_err(), "{wrong:?}");
        }
    }
}
