//! Bridges on the host, and which addresses they may have.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
};

use super::{
    Config, Error, ipv6, is_link_name, leases,
    link::Links,
    mac_of,
    record::{Driver, Record},
    subnet::Subnet,
};

/// Networks that are tried in turn, when none is configured and none remembered.
const CANDIDATES: [&str; 10] = [
    "172.30.0.0/16",
    "172.29.0.0/16",
    "172.28.0.0/16",
    "172.27.0.0/16",
    "172.26.0.0/16",
    "172.25.0.0/16",
    "10.201.0.0/16",
    "10.202.0.0/16",
    "10.203.0.0/16",
    "192.168.201.0/24",
];

/// The default network's addresses.
pub(super) fn choose_subnet(links: &mut Links, state_dir: &Path, config: &Config) -> Result<Subnet, Error> {
    if let Some(subnet) = config.subnet {
        return Ok(subnet);
    }
    if let Some(subnet) = leases::remembered(state_dir)? {
        return Ok(subnet);
    }
    let candidates = CANDIDATES.iter().filter_map(|text| text.parse::<Subnet>().ok());
    let found = (|| {
        let bridge = links.find(&config.bridge)?.map(|link| link.index);
        let own = bridge.map_or_else(|| Ok(Vec::new()), |index| links.addresses(index))?;
        let routes = links.destinations::<Ipv4Addr>(bridge)?;
        let free: Vec<_> = candidates.filter(|subnet| !routes.iter().any(|route| route.overlaps(*subnet))).collect();
        // A bridge whose state was lost keeps its network: containers may be running on it.
        let kept = free.iter().find(|subnet| own.contains(&(subnet.gateway(), subnet.prefix_len())));
        Ok(kept.or(free.first()).copied())
    })();
    found.map_err(Error::kernel("the host's routes can't be listed"))?.ok_or(Error::NoSubnet)
}

/// Addresses for one more network: the first of Docker's pools that neither a route of the host nor another network has.
pub(super) fn free_subnet(links: &mut Links, taken: &[Subnet]) -> Result<Subnet, Error> {
    let routes = links.destinations::<Ipv4Addr>(None).map_err(Error::kernel("the host's routes can't be listed"))?;
    let large = (18..=31).map(|second| Subnet::containing(Ipv4Addr::new(172, second, 0, 0), 16));
    let small = (0..16).map(|block| Subnet::containing(Ipv4Addr::new(192, 168, block * 16, 0), 20));
    let many = (204..=223_u8)
        .flat_map(|second| (0..=255_u8).map(move |third| Subnet::containing(Ipv4Addr::new(10, second, third, 0), 24)));
    let mut all = large.chain(small).chain(many);
    all.find(|subnet| !routes.iter().chain(taken).any(|other| other.overlaps(*subnet))).ok_or(Error::NoSubnet)
}

/// Makes sure of a network's link on the host; returns its index.
pub(super) fn ensure_link(links: &mut Links, record: &Record) -> Result<u32, Error> {
    match record.driver {
        Driver::Bridge => ensure_bridge(links, record),
        Driver::Macvlan => ensure_parent(links, record),
    }
}

/// The link that a macvlan is upon, which somebody else's is only looked for.
fn ensure_parent(links: &mut Links, record: &Record) -> Result<u32, Error> {
    let name = &record.bridge;
    let mut ensure = || -> io::Result<Option<u32>> {
        if let Some(link) = links.find(name)? {
            return Ok(Some(link.index));
        }
        if !record.owns_link() {
            return Ok(None);
        }
        links.add_dummy(name)?;
        ipv6::switch_off(name)?;
        links.up(name)?;
        Ok(links.find(name)?.map(|link| link.index))
    };
    let found = match ensure() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            return Err(Error::Unsupported(
                "a macvlan network without an interface of the host needs interfaces of the kind dummy, which the kernel of \
                 this host does not have"
                    .to_owned(),
            ));
        }
        other => other.map_err(Error::kernel(format!("the interface {name} can't be set up")))?,
    };
    found.ok_or_else(|| {
        Error::Invalid(format!("the network {} needs the interface {name}, which this host does not have", record.name))
    })
}

/// Makes sure the bridge exists, is up and has its addresses and no others; returns its index.
fn ensure_bridge(links: &mut Links, record: &Record) -> Result<u32, Error> {
    let Record { bridge: name, subnet, gateway, .. } = record;
    let mut ensure = || {
        if links.find(name)?.is_none() {
            links.add_bridge(name, mac_of(*gateway))?;
        }
        let link = links.find(name)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        if link.kind != "bridge" {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{name} is not a bridge")));
        }
        match &record.v6 {
            None => ipv6::switch_off(name)?,
            Some(six) => {
                ipv6::switch_on(name)?;
                for (address, prefix_len) in links.addresses::<Ipv6Addr>(link.index)? {
                    if (address, prefix_len) != (six.gateway, six.subnet.prefix_len()) {
                        links.remove_address(link.index, address, prefix_len)?;
                    }
                }
                links.add_address(link.index, six.gateway, six.subnet)?;
                ipv6::forward()?;
            }
        }
        for (address, prefix_len) in links.addresses::<Ipv4Addr>(link.index)? {
            if (address, prefix_len) != (*gateway, subnet.prefix_len()) {
                links.remove_address(link.index, address, prefix_len)?;
            }
        }
        links.add_address(link.index, *gateway, *subnet)?;
        if let Some(mtu) = record.mtu() {
            links.set_mtu(link.index, mtu)?;
        }
        links.up(name)?;
        Ok(link.index)
    };
    ensure().map_err(Error::kernel(format!("the bridge {name} can't be set up")))
}

/// Removes links of containers that don't run from our bridges, and puts those that do back on theirs: `wanted` says which
/// that is, and whether others on it are kept from it.
pub(super) fn sweep(links: &mut Links, bridges: &[u32], wanted: &BTreeMap<String, (u32, bool)>) -> io::Result<()> {
    for link in links.list()? {
        let elsewhere = link.master.is_some_and(|master| !bridges.contains(&master));
        if link.kind != "veth" || !is_link_name(&link.name) || elsewhere {
            continue;
        }
        match wanted.get(&link.name) {
            Some((bridge, isolated)) if link.master.is_none() => {
                links.set_master(link.index, *bridge)?;
                links.set_hairpin(link.index)?;
                if *isolated {
                    links.isolate(link.index)?;
                }
            }
            Some(_) => {}
            None => links.remove(&link.name)?,
        }
    }
    Ok(())
}
