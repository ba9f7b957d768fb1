//! Which addresses a build may make the engine connect to.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    time::Duration,
};

/// What may be fetched for a build.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Loopback and private networks too.
    pub private: bool,
    /// Bytes of one source.
    pub most_bytes: u64,
    /// How long nothing may come.
    pub stall: Duration,
}

impl Default for Reach {
    fn default() -> Self {
        Self { private: false, most_bytes: 16 << 30, stall: Duration::from_secs(30) }
    }
}

/// How near an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Public,
    /// Loopback or a private network.
    Private,
    /// Link-local, a cloud's metadata, multicast, nowhere: never.
    Never,
}

impl Reach {
    /// This address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        match range(address) {
            Range::Public => true,
            Range::Private => self.private,
            Range::Never => false,
        }
    }

    /// The addresses of a host that may be connected to; a host of which none may is refused.
    pub fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        self.filter(host, (bare, port).to_socket_addrs()?)
    }

    /// Like [`Self::resolve`], of addresses found already.
    pub fn filter(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let allowed: Vec<_> = found.filter(|address| self.allows(address.ip())).collect();
        if allowed.is_empty() {
            let why = format!("{host} is at no address that builds may reach");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(allowed)
    }
}

fn range(address: IpAddr) -> Range {
    match address {
        IpAddr::V4(address) => range4(address),
        IpAddr::V6(address) => range6(address),
    }
}

fn range4(address: Ipv4Addr) -> Range {
    match address.octets() {
        // Nowhere, many, link-local; and the metadata of clouds that have it elsewhere.
        [0 | 224..=255, ..] | [169, 254, ..] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => {
            Range::Never
        }
        [10 | 127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [192, 0, 0, _]
        | [198, 18 | 19, ..] => Range::Private,
        _ => Range::Public,
    }
}

fn range6(address: Ipv6Addr) -> Range {
    let parts = address.segments();
    let last4 = || Ipv4Addr::from((u32::from(parts[6]) << 16) | u32::from(parts[7]));
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 1] => Range::Private,
        // Mapped, compatible, translated: what counts is the address inside.
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            range4(last4())
        }
        [0x2002, high, low, ..] => range4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        // Teredo and local translation hide where they lead; metadata; link-local and many.
        [0x2001, 0, ..] | [0x64, 0xff9b, 1, ..] | [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfe80..=0xffff, ..] => {
            Range::Never
        }
        [0xfc00..=0xfdff, ..] => Range::Private,
        _ => Range::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_in_all_spellings() {
        let says = |text: &str| text.parse().map(range).ok();
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert_eq!(says(public), Some(Range::Public), "{public}");
        }
        for private in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"] {
            assert_eq!(says(private), Some(Range::Private), "{private}");
        }
        for private in ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::ffff:0:10.0.0.1"] {
            assert_eq!(says(private), Some(Range::Private), "{private}");
        }
        for never in ["169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "fe80::1", "fd00:ec2::254"] {
            assert_eq!(says(never), Some(Range::Never), "{never}");
        }
        for never in ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "ff02::1", "100.100.100.200"]
        {
            assert_eq!(says(never), Some(Range::Never), "{never}");
        }
    }

    #[test]
    fn a_host_is_known_by_its_addresses() {
        let strict = Reach::default();
        let lax = Reach { private: true, ..strict };
        for host in ["localhost", "127.1", "0x7f.1", "[::1]", "[::ffff:7f00:1]"] {
            assert!(strict.resolve(host, 80).is_err(), "{host}");
        }
        assert!(lax.resolve("localhost", 80).is_ok_and(|all| all[0].ip().is_loopback()));
        assert!(lax.resolve("169.254.169.254", 80).is_err() && lax.resolve("0xa9fea9fe", 80).is_err());
    }
}
