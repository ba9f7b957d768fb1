//! Networks that people make and remove.
//!
//! Making one: its record is staged, its bridge made, the firewall told, the record's folder renamed into place. Removing
//! one goes the same way back. Whatever the engine died in, the next one finds the staged folder and removes the bridge.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
};

use jiff::Timestamp;

use super::{
    Error, NAME, Network, One, Shared, State, Zone,
    bridge::{ensure_bridge, free_subnet},
    fault, lock, publications,
    record::{OPTION_BRIDGE, OPTION_HOST_IP, OPTION_ICC, OPTION_MASQUERADE, OPTION_MTU, Predefined, Record, switch},
    subnet::Subnet,
};
use crate::{
    id::NetworkId,
    request::{AddressPool, CreateNetwork},
    undo::Undo,
    view::{Endpoint, NetworkView},
};

/// Names that are always somebody's.
const PREDEFINED: [&str; 3] = [NAME, "host", "none"];

/// What the default network would have in its record.
pub(super) fn default_network(predefined: &Predefined, bridge: &str, subnet: Subnet) -> Record {
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Record {
        id: predefined.bridge.clone(),
        name: NAME.to_owned(),
        created_at: predefined.created_at,
        bridge: bridge.to_owned(),
        subnet,
        gateway: subnet.gateway(),
        ip_range: None,
        reserved: BTreeSet::new(),
        chosen: false,
        internal: false,
        attachable: false,
        labels: BTreeMap::new(),
        options: BTreeMap::from([
            option("com.docker.network.bridge.default_bridge", "true"),
            option(OPTION_BRIDGE, bridge),
            option(OPTION_ICC, "true"),
            option(OPTION_MASQUERADE, "true"),
            option(OPTION_HOST_IP, "0.0.0.0"),
            option(OPTION_MTU, "1500"),
        ]),
    }
}

impl Network {
    /// All networks, the engine's own first, the others by age. Who is in them is added by the caller.
    pub fn list(&self) -> Vec<NetworkView> {
        let state = self.shared.state();
        let Predefined { bridge, host, none, created_at } = &self.shared.predefined;
        let empty = |id: &NetworkId, name: &str, driver: &str| NetworkView {
            id: id.clone(),
            name: name.to_owned(),
            created_at: *created_at,
            driver: driver.to_owned(),
            internal: false,
            attachable: false,
            predefined: true,
            subnet: None,
            gateway: None,
            ip_range: None,
            bridge: None,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            members: Vec::new(),
        };
        let mut own = vec![empty(host, "host", "host"), empty(none, "none", "null")];
        let mut made = Vec::new();
        for One { record, .. } in state.networks.values() {
            let view = shown(record, record.id == *bridge);
            if view.predefined { own.insert(0, view) } else { made.push(view) }
        }
        made.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.name.cmp(&b.name)));
        own.append(&mut made);
        own
    }

    /// The endpoints in one network, now.
    pub fn members(&self, network: &NetworkId) -> Vec<(crate::id::ContainerId, Endpoint)> {
        let state = self.shared.state();
        let of_network = state.attached.iter().filter(|((_, of), _)| of == network);
        of_network.map(|((container, _), endpoint)| (container.clone(), endpoint.clone())).collect()
    }

    /// The containers may choose addresses there: its maker chose the subnet.
    pub fn has_chosen_subnet(&self, network: &NetworkId) -> bool {
        self.shared.state().networks.get(network).is_some_and(|one| one.record.chosen)
    }

    /// Makes a network.
    ///
    /// # Errors
    /// In Docker's words: the name or the addresses are another's, an option is wrong or not there.
    pub fn create(&self, request: &CreateNetwork) -> Result<NetworkView, Error> {
        check(request)?;
        let mut state = self.shared.state();
        let names = state.networks.values().map(|one| one.record.name.as_str());
        if PREDEFINED.into_iter().chain(names).any(|name| name == request.name) {
            return Err(Error::Exists(request.name.clone()));
        }
        let mut record = self.shared.planned(&state, request)?;
        record.options.remove(OPTION_BRIDGE);
        if let Some(bridge) = request.options.get(OPTION_BRIDGE) {
            record.options.insert(OPTION_BRIDGE.to_owned(), bridge.clone());
        }
        let one = self.shared.make(&mut state, record)?;
        let view = shown(&one.record, false);
        state.networks.insert(view.id.clone(), one);
        self.shared.write_names(&state, &view.id);
        Ok(view)
    }

    /// Removes a network that nobody is in. The caller has made sure that it isn't the engine's own.
    ///
    /// # Errors
    /// There is none, or somebody is in it.
    pub fn remove(&self, id: &NetworkId) -> Result<(), Error> {
        let mut state = self.shared.state();
        let one = state.networks.get(id).ok_or_else(|| Error::NotFound(id.to_string()))?;
        let bridge = one.record.bridge.clone();
        if state.attached.keys().any(|(_, network)| network == id) {
            return Err(Error::Forbidden(format!(
                "error while removing network: network {} has active endpoints",
                one.record.name
            )));
        }
        self.shared.store.withdraw(id)?;
        state.networks.remove(id);
        fault::point("network.withdrawn").map_err(Error::kernel("the network can't be removed"))?;
        state.tell_firewall()?;
        lock(&self.shared.links)
            .remove(&bridge)
            .map_err(Error::kernel(format!("the bridge {bridge} can't be removed")))?;
        fault::point("network.unlinked").map_err(Error::kernel("the network can't be removed"))?;
        if let Some(folder) = &self.shared.names {
            let _ = std::fs::remove_file(folder.join(id.as_str()));
        }
        self.shared.store.forget(id)
    }
}

impl State {
    fn zones(&self) -> Vec<Zone> {
        self.networks.values().map(One::zone).collect()
    }

    /// Tells the firewall which networks there are.
    fn tell_firewall(&mut self) -> Result<(), Error> {
        let zones = self.zones();
        self.rebuild_with(zones)
    }

    fn rebuild_with(&mut self, zones: Vec<Zone>) -> Result<(), Error> {
        let published: Vec<_> = self.attached.values().flat_map(publications).collect();
        self.firewall.set_zones(zones);
        self.firewall.rebuild(&published).map_err(Error::kernel("the firewall can't be rebuilt"))
    }
}

impl Shared {
    /// The record of a network that is asked for.
    fn planned(&self, state: &State, request: &CreateNetwork) -> Result<Record, Error> {
        let id = NetworkId::random();
        let bridge = match request.options.get(OPTION_BRIDGE) {
            Some(name) => name.clone(),
            None => format!("dbr-{}", &id.as_str()[..11]),
        };
        let mut links = lock(&self.links);
        if links.find(&bridge).map_err(Error::kernel("the host's links can't be listed"))?.is_some() {
            return Err(Error::Forbidden(format!("the host has an interface {bridge} already")));
        }
        let taken: Vec<_> = state.networks.values().map(|one| one.record.subnet).collect();
        let none = AddressPool::default();
        let asked = request.pools.first().unwrap_or(&none);
        let subnet = match &asked.subnet {
            Some(subnet) => pool("subnet", subnet)?,
            None if asked.ip_range.is_some() || asked.gateway.is_some() => {
                return Err(Error::Invalid(
                    "invalid network config:\nno subnet: --ip-range and --gateway need a --subnet".to_owned(),
                ));
            }
            None => free_subnet(&mut links, &taken)?,
        };
        if taken.iter().any(|other| other.overlaps(subnet)) {
            return Err(Error::Overlap);
        }
        let ip_range = asked.ip_range.as_deref().map(|range| pool("ip-range", range)).transpose()?;
        if let Some(range) = ip_range
            && !(subnet.contains(range.network()) && subnet.contains(range.broadcast()))
        {
            return Err(wrong(&format!("invalid ip-range {range}: it is not in the subnet {subnet}")));
        }
        let address = |what: &str, text: &str| match text.parse::<Ipv4Addr>() {
            Ok(ip) if subnet.contains(ip) && ip != subnet.network() && ip != subnet.broadcast() => Ok(ip),
            Ok(ip) => Err(wrong(&format!("invalid {what} {ip}: it is not an address of the subnet {subnet}"))),
            Err(_) => Err(wrong(&format!("invalid {what} {text:?}: it is not an IPv4 address"))),
        };
        let gateway = match &asked.gateway {
            Some(gateway) => address("gateway", gateway)?,
            None => subnet.gateway(),
        };
        let reserved =
            asked.reserved.iter().map(|text| address("auxiliary address", text)).collect::<Result<_, _>>()?;
        Ok(Record {
            id,
            name: request.name.clone(),
            created_at: Timestamp::now(),
            bridge,
            subnet,
            gateway,
            ip_range,
            reserved,
            chosen: asked.subnet.is_some(),
            internal: request.internal,
            attachable: request.attachable,
            labels: request.labels.clone(),
            options: request.options.clone(),
        })
    }

    /// Makes it real.
    fn make(&self, state: &mut State, record: Record) -> Result<One, Error> {
        let step = |name| fault::point(name).map_err(Error::kernel("the network can't be made"));
        let mut undo = Undo::new();
        let (store, id) = (self.store.clone(), record.id.clone());
        undo.push("network record", move || store.forget(&id).map_err(io::Error::other));
        self.store.stage(&record)?;
        step("network.staged")?;
        let mut made = || {
            ensure_bridge(&mut lock(&self.links), &record)?;
            step("network.bridge")?;
            let mut zones = state.zones();
            let one = One::open(self.store.staged(&record.id), record.clone())?;
            zones.push(one.zone());
            state.rebuild_with(zones)?;
            step("network.firewall")?;
            self.store.publish(&record.id)?;
            Ok(())
        };
        if let Err(error) = made() {
            if let Err(second) = state.tell_firewall() {
                tracing::warn!(error = %second, "the firewall still knows a network that could not be made");
            }
            if let Err(second) = lock(&self.links).remove(&record.bridge) {
                tracing::warn!(error = %second, bridge = record.bridge, "a bridge is left over");
            }
            return Err(error);
        }
        undo.disarm();
        One::open(self.store.folder(&record.id), record)
    }
}

fn shown(record: &Record, predefined: bool) -> NetworkView {
    NetworkView {
        id: record.id.clone(),
        name: record.name.clone(),
        created_at: record.created_at,
        driver: "bridge".to_owned(),
        internal: record.internal,
        attachable: record.attachable,
        predefined,
        subnet: Some(record.subnet.to_string()),
        gateway: Some(record.gateway),
        ip_range: record.ip_range.map(|range| range.to_string()),
        bridge: Some(record.bridge.clone()),
        labels: record.labels.clone(),
        options: record.options.clone(),
        members: Vec::new(),
    }
}

fn wrong(text: &str) -> Error {
    Error::Invalid(format!("invalid network config:\n{text}"))
}

/// A subnet or part of one, with Docker's words for one that is no network.
fn pool(what: &str, text: &str) -> Result<Subnet, Error> {
    if text.contains(':') {
        return Err(Error::Unsupported("Darsena does not support IPv6 networks yet".to_owned()));
    }
    let read = || {
        let (address, prefix_len) = text.split_once('/')?;
        let (address, prefix_len) = (address.parse::<Ipv4Addr>().ok()?, prefix_len.parse::<u8>().ok()?);
        (prefix_len <= 32).then(|| (address, Subnet::containing(address, prefix_len)))
    };
    let Some((address, subnet)) = read() else {
        return Err(wrong(&format!("invalid {what} {text}: invalid CIDR address: {text}")));
    };
    if subnet.network() != address {
        return Err(wrong(&format!("invalid {what} {text}: it should be {subnet}")));
    }
    let least = if what == "subnet" { 30 } else { 32 };
    if !(8..=least).contains(&subnet.prefix_len()) {
        return Err(wrong(&format!("invalid {what} {text}: its prefix must be of /8 to /{least}")));
    }
    Ok(subnet)
}

/// What can be said of a request without looking at anything else.
fn check(request: &CreateNetwork) -> Result<(), Error> {
    let unsupported = |what: String| Err(Error::Unsupported(format!("Darsena does not support {what} yet")));
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let first = request.name.bytes().next();
    if first.is_none_or(|byte| !byte.is_ascii_alphanumeric()) || !request.name.bytes().all(valid) {
        return Err(Error::Invalid(format!(
            "invalid network name {:?}: only letters, digits, \"_\", \".\" and \"-\", with a letter or digit first",
            request.name
        )));
    }
    match request.driver.as_str() {
        "" | "bridge" => {}
        "host" | "null" => {
            let text = format!("only one instance of \"{}\" network is allowed", request.driver);
            return Err(Error::Forbidden(text));
        }
        "macvlan" | "ipvlan" | "overlay" => return unsupported(format!("the network driver {:?}", request.driver)),
        other => return Err(Error::NotFound(format!("plugin {other:?}"))),
    }
    if request.ipv6 {
        return unsupported("IPv6 networks (--ipv6)".to_owned());
    }
    if request.pools.len() > 1 {
        return unsupported("networks with several subnets".to_owned());
    }
    for (name, value) in &request.options {
        let right = match name.as_str() {
            OPTION_BRIDGE => {
                (1..=15).contains(&value.len()) && value.bytes().all(valid) && value != "." && value != ".."
            }
            OPTION_ICC | OPTION_MASQUERADE => switch(value).is_some(),
            OPTION_HOST_IP => value.parse::<Ipv4Addr>().is_ok(),
            OPTION_MTU => value.parse::<u32>().is_ok_and(|mtu| (68..=65_535).contains(&mtu)),
            other if other.starts_with("com.docker.network.") => {
                return unsupported(format!("the network option {other}"));
            }
            _ => true,
        };
        if !right {
            return Err(Error::Invalid(format!("invalid value of the network option {name}: {value:?}")));
        }
    }
    Ok(())
}
