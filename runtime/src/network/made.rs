//! Networks that people make and remove.
//!
//! Making one: its record is staged, its bridge made, the firewall told, the record's folder renamed into place. Removing
//! one goes the same way back. Whatever the engine died in, the next one finds the staged folder and removes the bridge.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::{
    Error, NAME, Network, One, Shared, State, Zone,
    bridge::ensure_link,
    fault, ipv6,
    link::Links,
    lock,
    plan::check,
    publications,
    record::{Driver, OPTION_BRIDGE, OPTION_HOST_IP, OPTION_ICC, OPTION_MASQUERADE, OPTION_MTU, Predefined, Record},
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
        v6: None,
        driver: Driver::Bridge,
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
            ipv6: false,
            pools: Vec::new(),
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

    /// The containers may choose addresses there, of IPv4 and of IPv6: its maker chose the subnet.
    pub fn has_chosen_subnet(&self, network: &NetworkId) -> (bool, bool) {
        let state = self.shared.state();
        let Some(One { record, .. }) = state.networks.get(network) else { return (false, false) };
        (record.chosen, record.v6.as_ref().is_some_and(|six| six.chosen))
    }

    /// Makes a network.
    ///
    /// # Errors
    /// In Docker's words: the name or the addresses are another's, an option is wrong or not there.
    pub fn create(&self, request: &CreateNetwork) -> Result<NetworkView, Error> {
        let driver = check(request)?;
        let mut state = self.shared.state();
        if request.ipv6 && driver == Driver::Bridge {
            let missing = match ipv6::lacking() {
                None if !state.firewall.has_ipv6() => Some("its kernel does not filter IPv6 (nf_tables)"),
                why => why,
            };
            if let Some(why) = missing {
                return Err(Error::Unsupported(format!("IPv6 networks can't be made on this host: {why}")));
            }
        }
        let names = state.networks.values().map(|one| one.record.name.as_str());
        if PREDEFINED.into_iter().chain(names).any(|name| name == request.name) {
            return Err(Error::Exists(request.name.clone()));
        }
        let mut record = self.shared.planned(&state, request, driver)?;
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
        let record = one.record.clone();
        if state.attached.keys().any(|(_, network)| network == id) {
            return Err(Error::Forbidden(format!(
                "error while removing network: network {} has active endpoints",
                record.name
            )));
        }
        self.shared.store.withdraw(id)?;
        state.networks.remove(id);
        fault::point("network.withdrawn").map_err(Error::kernel("the network can't be removed"))?;
        state.tell_firewall()?;
        remove_link(&mut lock(&self.shared.links), &record)?;
        fault::point("network.unlinked").map_err(Error::kernel("the network can't be removed"))?;
        if let Some(folder) = &self.shared.names {
            let _ = std::fs::remove_file(folder.join(id.as_str()));
        }
        self.shared.store.forget(id)
    }
}

/// Removes what the host has of a network, unless it is somebody else's.
pub(super) fn remove_link(links: &mut Links, record: &Record) -> Result<(), Error> {
    if !record.owns_link() {
        return Ok(());
    }
    links.remove(&record.bridge).map_err(Error::kernel(format!("the interface {} can't be removed", record.bridge)))
}

impl State {
    fn zones(&self) -> Vec<Zone> {
        self.networks.values().filter_map(One::zone).collect()
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
    /// Makes it real.
    fn make(&self, state: &mut State, record: Record) -> Result<One, Error> {
        let step = |name| fault::point(name).map_err(Error::kernel("the network can't be made"));
        let mut undo = Undo::new();
        let (store, id) = (self.store.clone(), record.id.clone());
        undo.push("network record", move || store.forget(&id).map_err(io::Error::other));
        self.store.stage(&record)?;
        step("network.staged")?;
        let mut made = || {
            ensure_link(&mut lock(&self.links), &record)?;
            step("network.bridge")?;
            let mut zones = state.zones();
            let one = One::open(self.store.staged(&record.id), record.clone())?;
            zones.extend(one.zone());
            state.rebuild_with(zones)?;
            step("network.firewall")?;
            self.store.publish(&record.id)?;
            Ok(())
        };
        if let Err(error) = made() {
            if let Err(second) = state.tell_firewall() {
                tracing::warn!(error = %second, "the firewall still knows a network that could not be made");
            }
            if let Err(second) = remove_link(&mut lock(&self.links), &record) {
                tracing::warn!(error = %second, bridge = record.bridge, "an interface is left over");
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
        driver: record.driver.name().to_owned(),
        internal: record.internal,
        attachable: record.attachable,
        predefined,
        subnet: Some(record.subnet.to_string()),
        gateway: Some(record.gateway),
        ip_range: record.ip_range.map(|range| range.to_string()),
        bridge: (record.driver == Driver::Bridge).then(|| record.bridge.clone()),
        labels: record.labels.clone(),
        options: record.options.clone(),
        members: Vec::new(),
        ipv6: record.v6.is_some(),
        pools: [AddressPool {
            subnet: Some(record.subnet.to_string()),
            ip_range: record.ip_range.map(|range| range.to_string()),
            gateway: Some(record.gateway.to_string()),
            reserved: Vec::new(),
        }]
        .into_iter()
        .chain(record.v6.as_ref().map(|six| AddressPool {
            subnet: Some(six.subnet.to_string()),
            ip_range: six.ip_range.map(|range| range.to_string()),
            gateway: Some(six.gateway.to_string()),
            reserved: Vec::new(),
        }))
        .collect(),
    }
}
