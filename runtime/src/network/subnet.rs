//! An IPv4 network with its prefix.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Serialize};

/// An IPv4 network such as `172.30.0.0/16`. The first address is the gateway's, the last one broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    network: u32,
    prefix_len: u8,
}

/// A text that is not a usable network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IPv4 network of /8 to /29, such as 172.30.0.0/16")]
pub struct ParseSubnetError(String);

impl Subnet {
    /// The network that holds an address; a prefix over 32 counts as 32.
    pub fn containing(address: Ipv4Addr, prefix_len: u8) -> Self {
        let prefix_len = prefix_len.min(32);
        Self { network: u32::from(address) & mask_bits(prefix_len), prefix_len }
    }

    /// Where it begins.
    pub fn network(self) -> Ipv4Addr {
        self.network.into()
    }

    /// Its prefix's length.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Its netmask.
    pub fn mask(self) -> Ipv4Addr {
        mask_bits(self.prefix_len).into()
    }

    /// The bridge's address: the first.
    pub fn gateway(self) -> Ipv4Addr {
        (self.network + 1).into()
    }

    /// The last address.
    pub fn broadcast(self) -> Ipv4Addr {
        (self.network | !mask_bits(self.prefix_len)).into()
    }

    /// Whether an address is within.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask_bits(self.prefix_len) == self.network
    }

    /// Whether an address is one a container may have.
    pub fn is_usable(self, address: Ipv4Addr) -> bool {
        self.contains(address) && address > self.gateway() && address < self.broadcast()
    }

    /// Whether two networks share an address.
    pub fn overlaps(self, other: Self) -> bool {
        let mask = mask_bits(self.prefix_len.min(other.prefix_len));
        self.network & mask == other.network & mask
    }
}

fn mask_bits(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0)
}

impl FromStr for Subnet {
    type Err = ParseSubnetError;

    fn from_str(text: &str) -> Result<Self, ParseSubnetError> {
        let read = || {
            let (address, prefix_len) = text.split_once('/')?;
            let (address, prefix_len) = (address.parse().ok()?, prefix_len.parse().ok()?);
            let subnet = Self::containing(address, prefix_len);
            ((8..=29).contains(&prefix_len) && subnet.network() == address).then_some(subnet)
        };
        read().ok_or_else(|| ParseSubnetError(text.to_owned()))
    }
}

impl TryFrom<String> for Subnet {
    type Error = ParseSubnetError;

    fn try_from(text: String) -> Result<Self, ParseSubnetError> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_compared() {
        let subnet: Subnet = "172.30.0.0/16".parse().expect("a network");
        assert_eq!(subnet.to_string(), "172.30.0.0/16");
        assert_eq!(subnet.gateway(), Ipv4Addr::new(172, 30, 0, 1));
        assert_eq!(subnet.broadcast(), Ipv4Addr::new(172, 30, 255, 255));
        assert_eq!(subnet.mask(), Ipv4Addr::new(255, 255, 0, 0));
        assert!(subnet.overlaps(Subnet::containing(Ipv4Addr::new(172, 30, 4, 7), 32)));
        assert!(subnet.overlaps(Subnet::containing(Ipv4Addr::UNSPECIFIED, 0)));
        assert!(subnet.overlaps("172.16.0.0/12".parse().expect("a network")));
        assert!(!subnet.overlaps("172.31.0.0/16".parse().expect("a network")));
        for (address, usable) in [([172, 30, 0, 1], false), ([172, 30, 0, 2], true), ([172, 30, 255, 255], false)] {
            assert_eq!(subnet.is_usable(address.into()), usable, "{address:?}");
        }
        for wrong in ["", "172.30.0.0", "172.30.0.1/16", "172.30.0.0/30", "10.0.0.0/7", "::/16", "10.0.0.0/x"] {
            assert!(wrong.parse::<Subnet>().is_err(), "{wrong}");
        }
    }
}
