//! Networks: to make one, and to be in one.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Which network a container gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// An interface of its own on the default bridge.
    #[default]
    Bridge,
    /// Loopback only.
    None,
    /// The host's own, without rights over it.
    Host,
    /// That of another container, by name or id.
    Container(String),
    /// A network that somebody made, by name or id.
    Named(String),
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge => f.write_str("bridge"),
            Self::None => f.write_str("none"),
            Self::Host => f.write_str("host"),
            Self::Container(name) => write!(f, "container:{name}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl From<&str> for NetworkMode {
    /// Docker's words; what is none of them is a network's name.
    fn from(mode: &str) -> Self {
        match mode {
            "" | "default" | "bridge" => Self::Bridge,
            "none" => Self::None,
            "host" => Self::Host,
            other => match other.strip_prefix("container:") {
                Some(name) => Self::Container(name.to_owned()),
                None => Self::Named(other.to_owned()),
            },
        }
    }
}

/// A network to be made. Every field has Docker's meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateNetwork {
    /// Its name.
    pub name: String,
    /// `bridge`, also when empty; or `macvlan`.
    pub driver: String,
    /// Without a way out.
    pub internal: bool,
    /// Kept only to be shown again.
    pub attachable: bool,
    /// With IPv6.
    pub ipv6: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Its addresses, one of each version at most; chosen when there is none.
    pub pools: Vec<AddressPool>,
}

/// The addresses of a network as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPool {
    /// `172.30.0.0/16`.
    pub subnet: Option<String>,
    /// Part of the subnet that containers get addresses from, unless they ask for one.
    pub ip_range: Option<String>,
    /// The bridge's address; the subnet's first when `None`.
    pub gateway: Option<String>,
    /// Addresses that are somebody else's.
    pub reserved: Vec<String>,
}

/// A container's wishes for its place in one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkAttachment {
    /// The network, by name or id.
    pub network: String,
    /// An address of its own choice.
    pub ip: Option<Ipv4Addr>,
    /// A hardware address of its own choice.
    pub mac: Option<Mac>,
    /// More names in this network.
    pub aliases: Vec<String>,
    /// `CONTAINER:ALIAS`: names that only this container uses for others.
    pub links: Vec<String>,
    /// An IPv6 address of its own choice.
    pub ip6: Option<Ipv6Addr>,
    /// Of those that lead out, the highest is the container's way out; among equals the first.
    pub gw_priority: i64,
}

/// An Ethernet address, `02:42:ac:11:00:02`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// A text that is no Ethernet address a container may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid MAC address: {0}")]
pub struct ParseMacError(String);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|byte| format!("{byte:02x}")).join(":"))
    }
}

impl FromStr for Mac {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let bytes: Vec<u8> = text
            .split([':', '-'])
            .map(|byte| if byte.len() == 2 { u8::from_str_radix(byte, 16).ok() } else { None })
            .collect::<Option<_>>()
            .unwrap_or_default();
        // A group address, or none at all, is nobody's own.
        match <[u8; 6]>::try_from(bytes) {
            Ok(bytes) if bytes[0] & 1 == 0 && bytes != [0; 6] => Ok(Self(bytes)),
            _ => Err(ParseMacError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = ParseMacError;

    fn try_from(text: String) -> Result<Self, ParseMacError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_read() {
        let mac: Mac = "02:42:AC:11:00:02".parse().expect("an address");
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        for wrong in
            ["", "02:42:ac:11:00", "02:42:ac:11:00:0g", "01:00:5e:00:00:01", "00:00:00:00:00:00", "2:42:ac:11:00:02"]
        {
            assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn modes_are_docker_s_words() {
        for word in ["bridge", "none", "host", "container:web", "shop"] {
            assert_eq!(NetworkMode::from(word).to_string(), word);
        }
        assert_eq!(NetworkMode::from("default"), NetworkMode::Bridge);
        let kept = serde_json::to_string(&NetworkMode::Bridge).expect("written");
        assert_eq!(kept, "\"bridge\"", "as records of before have it");
    }
}
