//! Ports: inside, and published.

use std::{fmt, net::IpAddr, str::FromStr};

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
    /// The host address; `None` is all of them, 0.0.0.0 and :: all of one version.
    pub host_ip: Option<IpAddr>,
    /// The host port; `None` lets the engine choose a free one from the host's ephemeral range.
    pub host_port: Option<u16>,
    /// With a host port: the last of a range the engine chooses a free one from.
    #[serde(default)]
    pub host_port_end: Option<u16>,
}

impl PortBinding {
    /// The host ports as they are asked for: `8080`, `8000-8010`, nothing where the engine chooses.
    pub fn host_ports(&self) -> String {
        match (self.host_port, self.host_port_end) {
            (Some(first), Some(last)) => format!("{first}-{last}"),
            (Some(port), None) => port.to_string(),
            (None, _) => String::new(),
        }
    }
}

/// Reads `8080` or `8000-8010`: the first, and the last where there are several. `None` where it is neither.
pub fn parse_host_ports(text: &str) -> Option<(u16, Option<u16>)> {
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    let Some((first, last)) = text.split_once('-') else { return Some((number(text)?, None)) };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, Some(last).filter(|last| *last > first)))
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

    #[test]
    fn host_ports_are_one_or_a_range() {
        let container = ContainerPort { port: 80, protocol: Protocol::Tcp };
        for (text, read, shown) in [
            ("8080", (8080, None), "8080"),
            ("8000-8010", (8000, Some(8010)), "8000-8010"),
            ("8000-8000", (8000, None), "8000"),
            ("1-65535", (1, Some(65535)), "1-65535"),
        ] {
            assert_eq!(parse_host_ports(text), Some(read), "{text}");
            let (first, host_port_end) = read;
            let binding = PortBinding { container, host_ip: None, host_port: Some(first), host_port_end };
            assert_eq!(binding.host_ports(), shown);
        }
        for wrong in ["", "0", "0-5", "9-5", "5-", "-5", "1-2-3", "+1", "1-65536", "a-b"] {
            assert_eq!(parse_host_ports(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bindings_of_before_ranges_are_read() {
        let old = r#"{"container":"80/tcp","host_ip":null,"host_port":8080}"#;
        assert_eq!(serde_json::from_str::<PortBinding>(old).expect("a binding").host_port_end, None);
    }
}
