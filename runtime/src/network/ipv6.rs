//! IPv6: whether the host has it, the switches of a link, forwarding, and addresses for networks whose maker chose none.

use std::{fs, io, net::Ipv6Addr, path::Path};

use super::{Error, link::Links, subnet::Subnet};
use crate::id::NetworkId;

const SWITCHES: &str = "/proc/sys/net/ipv6/conf";

/// Why the calling thread's network namespace has no IPv6; `None` when it has.
pub fn lacking() -> Option<&'static str> {
    match fs::read_to_string(format!("{SWITCHES}/all/disable_ipv6")) {
        Ok(value) if value.trim() == "0" => None,
        Ok(_) => Some("IPv6 is switched off on this host (net.ipv6.conf.all.disable_ipv6 = 1)"),
        Err(_) => Some("the kernel of this host has no IPv6 (no module ipv6, or booted with ipv6.disable=1)"),
    }
}

/// Switches IPv6 off on a link of the calling thread's namespace: no addresses, no router advertisements taken. Where
/// the kernel has no IPv6 there is nothing to switch.
pub(super) fn switch_off(link: &str) -> io::Result<()> {
    match fs::write(format!("{SWITCHES}/{link}/disable_ipv6"), "1") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Switches it on, with the addresses that are given to it and no others: no router is listened to. Nobody else gives
/// addresses there, so none is probed for, which would take a second.
pub(super) fn switch_on(link: &str) -> io::Result<()> {
    for (switch, value) in [("accept_ra", "0"), ("accept_dad", "0"), ("disable_ipv6", "0")] {
        fs::write(format!("{SWITCHES}/{link}/{switch}"), value)?;
    }
    Ok(())
}

/// Lets the calling thread's namespace forward IPv6 packets, unless it does already. A link that listens to its router
/// goes on to do so, which the kernel takes for a mistake in who forwards unless it is told (accept_ra = 2).
pub(super) fn forward() -> io::Result<()> {
    let forwarding = format!("{SWITCHES}/all/forwarding");
    if fs::read(&forwarding)?.first() == Some(&b'1') {
        return Ok(());
    }
    for link in fs::read_dir(SWITCHES)?.flatten() {
        let listens = link.path().join("accept_ra");
        if link.file_name() != "all" && is_one(&listens) {
            fs::write(listens, "2")?;
        }
    }
    fs::write(forwarding, "1")
}

fn is_one(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|value| value.trim() == "1")
}

/// Addresses for one more network: the first /64 of this engine's own /48 (RFC 4193) that neither a route of the host nor
/// another network has. The /48 is drawn from an id that was drawn when the engine first ran.
pub(super) fn free_subnet(
    links: &mut Links,
    taken: &[Subnet<Ipv6Addr>],
    engine: &NetworkId,
) -> Result<Subnet<Ipv6Addr>, Error> {
    let routes =
        links.destinations::<Ipv6Addr>(None).map_err(Error::kernel("the host's IPv6 routes can't be listed"))?;
    let mut all = (0..=u16::MAX).map(|number| own_subnet(engine, number));
    all.find(|subnet| !routes.iter().chain(taken).any(|other| other.overlaps(*subnet))).ok_or(Error::NoSubnet)
}

fn own_subnet(engine: &NetworkId, number: u16) -> Subnet<Ipv6Addr> {
    let global = u128::from_str_radix(&engine.as_str()[..10], 16).unwrap_or_default();
    let address = 0xfd << 120 | global << 80 | u128::from(number) << 64;
    Subnet::containing(Ipv6Addr::from(address), 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_networks_are_unique_local() {
        let id: NetworkId = format!("{}{}", "123456789a", "0".repeat(54)).parse().expect("an id");
        assert_eq!(own_subnet(&id, 0).to_string(), "fd12:3456:789a::/64");
        assert_eq!(own_subnet(&id, 0x10).to_string(), "fd12:3456:789a:10::/64");
        let other = own_subnet(&NetworkId::random(), 0);
        assert_eq!((other.network().octets()[0], other.prefix_len()), (0xfd, 64));
    }
}
