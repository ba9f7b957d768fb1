//! What a network that is asked for would be: its driver, link, options and addresses.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use jiff::Timestamp;

use super::{
    Error, Shared, State,
    bridge::free_subnet,
    ipv6, lock,
    record::{
        Driver, OPTION_BRIDGE, OPTION_HOST_IP, OPTION_ICC, OPTION_MASQUERADE, OPTION_MODE, OPTION_MTU, OPTION_PARENT,
        Record, Six, mode_number, switch,
    },
    subnet::{Address, Subnet},
};
use crate::{
    id::NetworkId,
    request::{AddressPool, CreateNetwork},
};

/// A network's addresses of one version.
struct Planned<A> {
    subnet: Subnet<A>,
    gateway: A,
    ip_range: Option<Subnet<A>>,
    reserved: BTreeSet<A>,
    chosen: bool,
}

impl Shared {
    /// The record of a network that is asked for.
    pub(super) fn planned(&self, state: &State, request: &CreateNetwork, driver: Driver) -> Result<Record, Error> {
        let id = NetworkId::random();
        let (bridge, parent) = match driver {
            Driver::Bridge => (request.options.get(OPTION_BRIDGE).cloned(), None),
            Driver::Macvlan => (None, request.options.get(OPTION_PARENT).filter(|name| !name.is_empty())),
        };
        let short = &id.as_str()[..11];
        let link = match (parent, bridge) {
            (Some(name), _) => name.clone(),
            (None, Some(name)) => name,
            (None, None) if driver == Driver::Bridge => format!("dbr-{short}"),
            (None, None) => format!("dm-{short}"),
        };
        let mut links = lock(&self.links);
        let found = links.find(&link).map_err(Error::kernel("the host's links can't be listed"))?;
        match (parent, found) {
            (None, Some(_)) => return Err(Error::Forbidden(format!("the host has an interface {link} already"))),
            (Some(name), None) => {
                return Err(Error::Invalid(format!("the macvlan parent interface {name} was not found on this host")));
            }
            (Some(name), Some(found)) => {
                if name == "lo" {
                    return Err(Error::Invalid("loopback interface is not a valid macvlan parent link".to_owned()));
                }
                if found.kind == "bridge" && state.networks.values().any(|one| one.record.bridge == *name) {
                    return Err(Error::Forbidden(format!("the interface {name} is another network's bridge")));
                }
            }
            (None, None) => {}
        }
        let records = || state.networks.values().map(|one| &one.record);
        if let Some(other) = records().find(|one| driver == Driver::Macvlan && one.bridge == link) {
            let text = format!("network {} is already using parent interface {link}", other.name);
            return Err(Error::Forbidden(text));
        }
        let asked = |v6: bool| request.pools.iter().find(|pool| is_v6(pool) == v6);
        let taken: Vec<_> = records().map(|one| one.subnet).collect();
        let v4 = plan(asked(false), &taken, || free_subnet(&mut links, &taken))?;
        let taken: Vec<_> = records().filter_map(|one| Some(one.v6.as_ref()?.subnet)).collect();
        let v6 = if request.ipv6 {
            let own = &self.predefined.bridge;
            let v6 = plan(asked(true), &taken, || ipv6::free_subnet(&mut links, &taken, own))?;
            let Planned { subnet, gateway, ip_range, reserved, chosen } = v6;
            Some(Six { subnet, gateway, ip_range, reserved, chosen })
        } else {
            None
        };
        Ok(Record {
            id,
            name: request.name.clone(),
            created_at: Timestamp::now(),
            bridge: link,
            subnet: v4.subnet,
            gateway: v4.gateway,
            ip_range: v4.ip_range,
            reserved: v4.reserved,
            chosen: v4.chosen,
            internal: request.internal,
            attachable: request.attachable,
            labels: request.labels.clone(),
            options: request.options.clone(),
            v6,
            driver,
        })
    }
}

fn is_v6(pool: &AddressPool) -> bool {
    [&pool.subnet, &pool.ip_range, &pool.gateway].into_iter().flatten().any(|text| text.contains(':'))
}

/// The addresses of one version.
fn plan<A: Address>(
    asked: Option<&AddressPool>,
    taken: &[Subnet<A>],
    free: impl FnOnce() -> Result<Subnet<A>, Error>,
) -> Result<Planned<A>, Error> {
    let none = AddressPool::default();
    let asked = asked.unwrap_or(&none);
    let subnet = match &asked.subnet {
        Some(subnet) => pool("subnet", subnet)?,
        None if asked.ip_range.is_some() || asked.gateway.is_some() => {
            return Err(wrong("no subnet: --ip-range and --gateway need a --subnet"));
        }
        None => free()?,
    };
    if taken.iter().any(|other| other.overlaps(subnet)) {
        return Err(Error::Overlap);
    }
    let ip_range = asked.ip_range.as_deref().map(|range| pool("ip-range", range)).transpose()?;
    if let Some(range) = ip_range
        && !(subnet.contains(range.network()) && subnet.contains(range.last()))
    {
        return Err(wrong(&format!("invalid ip-range {range}: it is not in the subnet {subnet}")));
    }
    let address = |what: &str, text: &str| match text.parse::<A>() {
        Ok(ip) if subnet.contains(ip) && ip != subnet.network() && ip != subnet.last() => Ok(ip),
        Ok(ip) => Err(wrong(&format!("invalid {what} {ip}: it is not an address of the subnet {subnet}"))),
        Err(_) => Err(wrong(&format!("invalid {what} {text:?}: it is not an {} address", A::FAMILY))),
    };
    let gateway = match &asked.gateway {
        Some(gateway) => address("gateway", gateway)?,
        None => subnet.gateway(),
    };
    let reserved = asked.reserved.iter().map(|text| address("auxiliary address", text)).collect::<Result<_, _>>()?;
    Ok(Planned { subnet, gateway, ip_range, reserved, chosen: asked.subnet.is_some() })
}

fn wrong(text: &str) -> Error {
    Error::Invalid(format!("invalid network config:\n{text}"))
}

/// A subnet or part of one, with Docker's words for one that is no network.
fn pool<A: Address>(what: &str, text: &str) -> Result<Subnet<A>, Error> {
    let Some((address, subnet)) = Subnet::<A>::read(text) else {
        return Err(wrong(&format!("invalid {what} {text}: invalid CIDR address: {text}")));
    };
    if subnet.network() != address {
        return Err(wrong(&format!("invalid {what} {text}: it should be {subnet}")));
    }
    let least = if what == "subnet" { A::BITS - 2 } else { A::BITS };
    if !(8..=least).contains(&subnet.prefix_len()) {
        return Err(wrong(&format!("invalid {what} {text}: its prefix must be of /8 to /{least}")));
    }
    let first: IpAddr = subnet.network().into();
    let is_usual = match first {
        IpAddr::V4(_) => true,
        IpAddr::V6(first) => !(first.is_multicast() || first.is_unicast_link_local() || first.is_loopback()),
    };
    if !is_usual {
        return Err(wrong(&format!("invalid {what} {text}: these are no addresses of a network")));
    }
    Ok(subnet)
}

/// What can be said of a request without looking at anything else; and its driver.
pub(super) fn check(request: &CreateNetwork) -> Result<Driver, Error> {
    let unsupported = |what: String| Err(Error::Unsupported(format!("Darsena does not support {what} yet")));
    let first = request.name.bytes().next();
    if first.is_none_or(|byte| !byte.is_ascii_alphanumeric()) || !request.name.bytes().all(valid) {
        return Err(Error::Invalid(format!(
            "invalid network name {:?}: only letters, digits, \"_\", \".\" and \"-\", with a letter or digit first",
            request.name
        )));
    }
    let driver = match request.driver.as_str() {
        "" | "bridge" => Driver::Bridge,
        "macvlan" => Driver::Macvlan,
        "host" | "null" => {
            let text = format!("only one instance of \"{}\" network is allowed", request.driver);
            return Err(Error::Forbidden(text));
        }
        "ipvlan" | "overlay" => return unsupported(format!("the network driver {:?}", request.driver)),
        other => return Err(Error::NotFound(format!("plugin {other:?}"))),
    };
    let of_v6 = request.pools.iter().filter(|pool| is_v6(pool)).count();
    if of_v6 > 1 || request.pools.len() - of_v6 > 1 {
        // In Docker's words; there too each version has one.
        return match driver {
            Driver::Bridge => Err(Error::Forbidden("bridge driver doesn't support multiple subnets".to_owned())),
            Driver::Macvlan => unsupported("macvlan networks with several subnets of one version".to_owned()),
        };
    }
    if of_v6 > 0 && !request.ipv6 {
        return Err(wrong("a subnet of IPv6 needs a network with IPv6 (--ipv6)"));
    }
    for (name, value) in &request.options {
        let right = match (driver, name.as_str()) {
            (Driver::Bridge, OPTION_BRIDGE) | (Driver::Macvlan, OPTION_PARENT) => is_link_name(value),
            (Driver::Macvlan, OPTION_MODE) => mode_number(value).is_some(),
            (Driver::Bridge, OPTION_ICC | OPTION_MASQUERADE) => switch(value).is_some(),
            (Driver::Bridge, OPTION_HOST_IP) => value.parse::<Ipv4Addr>().is_ok(),
            (_, OPTION_MTU) => value.parse::<u32>().is_ok_and(|mtu| (68..=65_535).contains(&mtu)),
            (_, other) if other.starts_with("com.docker.network.") => {
                return unsupported(format!("the network option {other}"));
            }
            _ => true,
        };
        if !right {
            return Err(Error::Invalid(format!("invalid value of the network option {name}: {value:?}")));
        }
    }
    // A bridge can't carry IPv6 by shorter packets (RFC 8200, 5): the kernel would switch it off there.
    let mtu = request.options.get(OPTION_MTU).and_then(|mtu| mtu.parse::<u32>().ok());
    if request.ipv6 && mtu.is_some_and(|mtu| mtu < 1280) {
        return Err(Error::Invalid(format!("invalid value of the network option {OPTION_MTU}: IPv6 needs 1280")));
    }
    if driver == Driver::Macvlan && !request.internal && !request.options.contains_key(OPTION_PARENT) {
        return Err(Error::Invalid(
            "a macvlan network needs an interface of the host: -o parent=INTERFACE (or --internal, without one)"
                .to_owned(),
        ));
    }
    Ok(driver)
}

fn valid(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn is_link_name(name: &str) -> bool {
    (1..=15).contains(&name.len()) && name.bytes().all(valid) && name != "." && name != ".."
}
