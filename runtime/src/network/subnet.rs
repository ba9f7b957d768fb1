//! A network with its prefix, of either family.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// An address of one family.
pub trait Address:
    Copy + Ord + fmt::Debug + fmt::Display + FromStr + Into<IpAddr> + Serialize + DeserializeOwned
{
    /// Its length.
    const BITS: u8;
    /// The family's name.
    const FAMILY: &str;

    /// As a number.
    fn bits(self) -> u128;

    /// The address of a number; what is beyond the family's length is cut off.
    fn of_bits(bits: u128) -> Self;
}

impl Address for Ipv4Addr {
    const BITS: u8 = 32;
    const FAMILY: &str = "IPv4";

    fn bits(self) -> u128 {
        u32::from(self).into()
    }

    fn of_bits(bits: u128) -> Self {
        Self::from(bits as u32)
    }
}

impl Address for Ipv6Addr {
    const BITS: u8 = 128;
    const FAMILY: &str = "IPv6";

    fn bits(self) -> u128 {
        self.into()
    }

    fn of_bits(bits: u128) -> Self {
        Self::from(bits)
    }
}

/// A network such as `172.30.0.0/16` or `fd00:1::/64`. The first address is the gateway's; nobody has the last one, which
/// broadcasts in IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet<A = Ipv4Addr> {
    network: A,
    prefix_len: u8,
}

/// A text that is not a usable network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IPv4 network of /8 to /29, such as 172.30.0.0/16")]
pub struct ParseSubnetError(String);

impl<A: Address> Subnet<A> {
    /// The network that holds an address; a prefix longer than an address counts as long as one.
    pub fn containing(address: A, prefix_len: u8) -> Self {
        let prefix_len = prefix_len.min(A::BITS);
        Self { network: A::of_bits(address.bits() & mask_bits::<A>(prefix_len)), prefix_len }
    }

    /// What a text says: an address and the network that holds it.
    pub(super) fn read(text: &str) -> Option<(A, Self)> {
        let (address, prefix_len) = text.split_once('/')?;
        let (address, prefix_len) = (address.parse::<A>().ok()?, prefix_len.parse::<u8>().ok()?);
        (prefix_len <= A::BITS).then(|| (address, Self::containing(address, prefix_len)))
    }

    /// Where it begins.
    pub fn network(self) -> A {
        self.network
    }

    /// Its prefix's length.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Its netmask.
    pub fn mask(self) -> A {
        A::of_bits(mask_bits::<A>(self.prefix_len))
    }

    /// The bridge's address: the first.
    pub fn gateway(self) -> A {
        A::of_bits(self.network.bits() + 1)
    }

    /// The last address.
    pub fn last(self) -> A {
        A::of_bits(self.network.bits() | !mask_bits::<A>(self.prefix_len))
    }

    /// Whether an address is within.
    pub fn contains(self, address: A) -> bool {
        address.bits() & mask_bits::<A>(self.prefix_len) == self.network.bits()
    }

    /// Whether an address is one a container may have.
    pub fn is_usable(self, address: A) -> bool {
        self.contains(address) && address > self.gateway() && address < self.last()
    }

    /// Whether two networks share an address.
    pub fn overlaps(self, other: Self) -> bool {
        let mask = mask_bits::<A>(self.prefix_len.min(other.prefix_len));
        self.network.bits() & mask == other.network.bits() & mask
    }
}

fn mask_bits<A: Address>(prefix_len: u8) -> u128 {
    let whole = u128::MAX >> (128 - u32::from(A::BITS));
    u128::MAX.checked_shl(u32::from(A::BITS) - u32::from(prefix_len)).unwrap_or(0) & whole
}

impl FromStr for Subnet {
    type Err = ParseSubnetError;

    fn from_str(text: &str) -> Result<Self, ParseSubnetError> {
        let read = Self::read(text).filter(|(address, subnet)| *address == subnet.network);
        let subnet = read.map(|(_, subnet)| subnet).filter(|subnet| (8..=29).contains(&subnet.prefix_len));
        subnet.ok_or_else(|| ParseSubnetError(text.to_owned()))
    }
}

impl<A: Address> Serialize for Subnet<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, A: Address> Deserialize<'de> for Subnet<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = Self::read(&text).filter(|(address, subnet)| *address == subnet.network);
        read.map(|(_, subnet)| subnet).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a network")))
    }
}

impl<A: Address> fmt::Display for Subnet<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix_len)
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
        assert_eq!(subnet.last(), Ipv4Addr::new(172, 30, 255, 255));
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

    #[test]
    fn networks_of_ipv6_are_the_same() {
        let read = |text: &str| Subnet::<Ipv6Addr>::read(text).map(|(_, subnet)| subnet);
        let subnet = read("fd00:1::7/64").expect("a network");
        assert_eq!(subnet.to_string(), "fd00:1::/64");
        assert_eq!(subnet.gateway(), "fd00:1::1".parse::<Ipv6Addr>().expect("an address"));
        assert_eq!(subnet.last(), "fd00:1::ffff:ffff:ffff:ffff".parse::<Ipv6Addr>().expect("an address"));
        assert_eq!(subnet.mask(), "ffff:ffff:ffff:ffff::".parse::<Ipv6Addr>().expect("an address"));
        assert!(subnet.overlaps(read("fd00::/8").expect("a network")) && subnet.overlaps(read("::/0").expect("all")));
        assert!(!subnet.overlaps(read("fd00:1:0:1::/64").expect("a network")));
        assert!(subnet.contains(Ipv6Addr::from(0xfd00_0001_u128 << 96 | 9)));
        let kept = serde_json::to_string(&subnet).expect("written");
        assert_eq!(kept, "\"fd00:1::/64\"");
        assert_eq!(serde_json::from_str::<Subnet<Ipv6Addr>>(&kept).expect("read"), subnet);
        let small = serde_json::from_str::<Subnet>("\"10.0.0.4/30\"").expect("as somebody asked for");
        assert_eq!(small.last(), Ipv4Addr::new(10, 0, 0, 7));
        for wrong in ["", "fd00::", "fd00::/129", "10.0.0.0/8", "fd00::/x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
