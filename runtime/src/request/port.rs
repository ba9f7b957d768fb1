//! Ports: inside, and published.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Serialize};

/// A transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port inside a container, written `80/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerPort {
    /// 1 to 65535.
    pub port: u16,
    /// TCP unless said otherwise.
    pub protocol: Protocol,
}

impl fmt::Display for ContainerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// A text that is not a container port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid port {0:?}: write PORT or PORT/tcp or PORT/udp with a PORT from 1 to 65535")]
pub struct ParsePortError(String);

impl FromStr for ContainerPort {
    type Err = ParsePortError;

    fn from_str(text: &str) -> Result<Self, ParsePortError> {
        let wrong = || ParsePortError(text.to_owned());
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(wrong()),
        };
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self { port, protocol }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for ContainerPort {
    type Error = ParsePortError;

    fn try_from(text: String) -> Result<Self, ParsePortError> {
        text.parse()
    }
}

impl From<ContainerPort> for String {
    fn from(port: ContainerPort) -> Self {
        port.to_string()
    }
}

/// One published port as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortBinding {
    /// The port inside.
    pub container: ContainerPort,
    /// The host address; `None` is all of them (0.0.0.0).
    pub host_ip: Option<Ipv4Addr>,
    /// The host port; `None` lets the engine choose a free one from the host's ephemeral range.
    pub host_port: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_docker_writes_them() {
        let tcp = ContainerPort { port: 80, protocol: Protocol::Tcp };
        assert_eq!("80".parse(), Ok(tcp));
        assert_eq!("80/TCP".parse(), Ok(tcp));
        assert_eq!("53/udp".parse(), Ok(ContainerPort { port: 53, protocol: Protocol::Udp }));
        for wrong in ["", "0", "65536", "80/", "80/icmp", "-1", "80/tcp/udp"] {
            assert!(wrong.parse::<ContainerPort>().is_err(), "{wrong}");
        }
    }
}
