//! Networks: a bridge each, an address for each container in it, published ports.
//!
//! Owns, in the network namespace of the thread that opened it:
//!
//! ```text
//! darsena0                bridge of the default network, up, with its gateway's address
//! dbr-XXXXXXXXXXX         bridge of another network, unless its maker named it; ports dvXXXXXXXXXXX, one an endpoint
//! inet darsena            nf_tables table, see [`firewall`]
//! net.ipv4.ip_forward     set to 1 when it is not; never reset
//! net.ipv6.conf           forwarding the same, with the first network that has IPv6; see [`ipv6`]
//! dm-XXXXXXXXXXXX         what a macvlan without a link of the host's is upon
//! <state>/...             what is kept, see `record` and `leases`
//! <names>/<network id>    who is called what, for the resolvers; see [`crate::names`]
//! ```
//!
//! Invariants:
//! - other firewall tables, links and route_localnet are never touched; no program is run
//! - what is published is in memory first, then in the firewall: whatever removes the table, memory restores it
//! - the names of links are never used twice, so a late removal can't hit a container's next start
//! - a network's record is on disk before its bridge is made, and until its bridge is gone
//! - every method runs on threads of the opener's network namespace
//!
//! It doesn't know what a container is beyond its id, name and network namespace.

mod bridge;
mod conntrack;
mod error;
pub mod firewall;
mod ipv6;
mod leases;
mod link;
mod made;
mod nftables;
mod plan;
mod plug;
mod record;
mod redirect;
mod reserve;
mod subnet;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::BorrowedFd,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use error::Error;
pub use firewall::warnings;
pub use ipv6::lacking as ipv6_lacking;
pub use plug::{AttachRequest, Place};
pub use redirect::{RESOLVER, open_resolver};
pub use reserve::{HeldSocket, Reservation};
pub use subnet::{ParseSubnetError, Subnet};

use self::{
    bridge::{choose_subnet, ensure_link, sweep},
    firewall::{Firewall, Publication, Zone},
    leases::{Leases, Pool},
    link::Links,
    record::{Driver, Predefined, Record, Store},
    watch::{Seen, Sweeper, Watcher},
};
use crate::{
    fault,
    id::{ContainerId, NetworkId},
    view::{Endpoint, NetworkStats},
};

/// The default network's name towards clients.
pub const NAME: &str = "bridge";

/// What links of containers begin with; 11 hex digits follow.
const LINK_PREFIX: &str = "dv";

/// How the networks are set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The default bridge's name, 15 bytes at most.
    pub bridge: String,
    /// Its network; `None` takes the one that was used before, or the first that no route of the host overlaps.
    pub subnet: Option<Subnet>,
    /// Where who is called what is written, for the resolvers; nowhere when `None`.
    pub names: Option<PathBuf>,
    /// Containers may reach link-local addresses, a cloud's metadata service among them.
    pub metadata: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { bridge: "darsena0".to_owned(), subnet: None, names: None, metadata: false }
    }
}

/// All networks.
#[derive(Debug)]
pub struct Network {
    shared: Arc<Shared>,
    sweeper: Sweeper,
    _watcher: Watcher,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    predefined: Predefined,
    names: Option<PathBuf>,
    links: Mutex<Links>,
    /// Taken before `links` by those who need both.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By id; the default network is among them.
    networks: BTreeMap<NetworkId, One>,
    firewall: Firewall,
    attached: BTreeMap<(ContainerId, NetworkId), Endpoint>,
}

/// One network.
#[derive(Debug)]
struct One {
    record: Record,
    leases: Leases,
    leases6: Option<Leases<Ipv6Addr>>,
}

impl One {
    fn open(state_dir: PathBuf, record: Record) -> Result<Self, Error> {
        let leases6 = match &record.v6 {
            None => None,
            Some(six) => {
                let pool = Pool {
                    subnet: six.subnet,
                    gateway: six.gateway,
                    range: six.ip_range,
                    reserved: six.reserved.clone(),
                };
                Some(Leases::open(state_dir.clone(), leases::FILE_6, pool)?)
            }
        };
        let pool = Pool {
            subnet: record.subnet,
            gateway: record.gateway,
            range: record.ip_range,
            reserved: record.reserved.clone(),
        };
        Ok(Self { leases: Leases::open(state_dir, leases::FILE, pool)?, leases6, record })
    }

    fn release(&mut self, container: &ContainerId) -> Result<(), Error> {
        self.leases.release(container)?;
        self.leases6.as_mut().map_or(Ok(()), |leases| leases.release(container))
    }

    /// What the firewall knows of it; a macvlan's packets never pass the host.
    fn zone(&self) -> Option<Zone> {
        (self.record.driver == Driver::Bridge).then(|| Zone {
            v6: self.record.v6.as_ref().map(|six| six.subnet),
            bridge: self.record.bridge.clone(),
            subnet: self.record.subnet,
            internal: self.record.internal,
            masquerade: self.record.masquerade(),
            icc: self.record.icc(),
        })
    }
}

impl Network {
    /// Makes sure of bridges, forwarding and firewall. What an earlier engine left is kept until [`Self::reconcile`],
    /// which must be called before the first [`Self::attach`].
    pub fn open(state_dir: PathBuf, config: Config) -> Result<Self, Error> {
        let mut links = Links::open().map_err(Error::kernel("rtnetlink can't be opened"))?;
        let store = Store::new(state_dir.clone());
        let predefined = store.predefined()?;
        let (records, half) = store.read()?;
        let subnet = choose_subnet(&mut links, &state_dir, &config)?;
        let default = made::default_network(&predefined, &config.bridge, subnet);
        let mut networks = BTreeMap::from([(default.id.clone(), One::open(state_dir, default)?)]);
        for record in half {
            made::remove_link(&mut links, &record)?;
            store.forget(&record.id)?;
        }
        for record in records {
            let folder = store.folder(&record.id);
            networks.insert(record.id.clone(), One::open(folder, record)?);
        }
        for One { record, .. } in networks.values() {
            // A bridge that can't be had now is tried again when a container needs it.
            match ensure_link(&mut links, record) {
                Err(error) if record.id == predefined.bridge => return Err(error),
                Err(error) => tracing::error!(network = record.name, %error, "a network's interface is missing"),
                Ok(_) => {}
            }
        }
        link::forward_ipv4().map_err(Error::kernel("IPv4 forwarding can't be switched on"))?;
        let zones: Vec<_> = networks.values().filter_map(One::zone).collect();
        let firewall = Firewall::open(zones, config.metadata).and_then(|mut firewall| {
            if !firewall.exists()? {
                firewall.rebuild(&[])?;
            }
            Ok(firewall)
        });
        let firewall = firewall.map_err(Error::kernel("the firewall can't be set up (nf_tables)"))?;
        let own_port = firewall.port();
        let state = Mutex::new(State { networks, firewall, attached: BTreeMap::new() });
        let links = Mutex::new(links);
        let shared = Arc::new(Shared { store, predefined, names: config.names, links, state });
        let restored = Arc::clone(&shared);
        let watcher = Watcher::start(own_port, move |seen| restored.restore(seen));
        Ok(Self {
            shared,
            sweeper: Sweeper::start().map_err(Error::kernel("rtnetlink can't be opened"))?,
            _watcher: watcher.map_err(Error::kernel("the firewall can't be watched"))?,
        })
    }

    /// The default network's addresses.
    pub fn subnet(&self) -> Subnet {
        self.default_record().subnet
    }

    /// The default bridge's name.
    pub fn bridge(&self) -> String {
        self.default_record().bridge
    }

    fn default_record(&self) -> Record {
        self.shared.state().networks[&self.shared.predefined.bridge].record.clone()
    }

    /// Takes over a container that ran on while there was no engine, and holds its ports again. A port that somebody
    /// took meanwhile is left out: from other hosts it still leads to the container.
    pub fn readopt(&self, container: &ContainerId, endpoint: &Endpoint) -> Result<Vec<Reservation>, Error> {
        let State { firewall, attached, .. } = &mut *self.shared.state();
        attached.insert(self.shared.key(container, endpoint), endpoint.clone());
        firewall
            .publish(&publications(endpoint), || attached.values().flat_map(publications).collect())
            .map_err(Error::kernel("the container's ports can't be published"))?;
        let mut reservations = Vec::with_capacity(endpoint.ports.len());
        for port in &endpoint.ports {
            match reserve::reserve_again(*port, endpoint) {
                Ok(reservation) => reservations.push(reservation),
                Err(error) => {
                    tracing::warn!(%error, container = container.short(), ?port, "a published port can't be held again");
                }
            }
        }
        Ok(reservations)
    }

    /// Disconnects a container from all its networks. Fast: its links are removed later, if the end of its namespace has
    /// not done that. The addresses stay the container's. Not connected is well.
    pub fn detach(&self, container: &ContainerId) -> Result<(), Error> {
        let mut state = self.shared.state();
        let mut gone = Vec::new();
        state.attached.retain(|(owner, _), endpoint| {
            let stays = owner != container;
            if !stays {
                gone.push(endpoint.clone());
            }
            stays
        });
        for endpoint in &gone {
            self.sweeper.remove_link(endpoint.host_interface.clone());
        }
        self.withdraw(&mut state, &gone)
    }

    /// Takes a running container out of one network; its link goes at once, its address is free. A link that is within its
    /// namespace alone is found there.
    pub fn disconnect(
        &self,
        container: &ContainerId,
        network: &NetworkId,
        netns: Option<BorrowedFd<'_>>,
    ) -> Result<(), Error> {
        let mut state = self.shared.state();
        let gone = state.attached.remove(&(container.clone(), network.clone()));
        if let Some(endpoint) = &gone {
            if !endpoint.host_interface.is_empty() {
                let removed = lock(&self.shared.links).remove(&endpoint.host_interface);
                removed.map_err(Error::kernel("the container's interface can't be removed"))?;
            } else if let Some(netns) = netns {
                plug::unplug_inside(endpoint, netns);
            }
            self.withdraw(&mut state, std::slice::from_ref(endpoint))?;
        }
        match state.networks.get_mut(network) {
            Some(one) => one.release(container),
            None => Ok(()),
        }
    }

    /// Takes endpoints that are no longer attached out of firewall and names.
    fn withdraw(&self, state: &mut State, gone: &[Endpoint]) -> Result<(), Error> {
        for endpoint in gone {
            self.shared.write_names(state, &self.shared.network_of(endpoint));
        }
        let published: Vec<_> = gone.iter().flat_map(publications).collect();
        if published.is_empty() {
            return Ok(());
        }
        let State { firewall, attached, .. } = state;
        let withdrawn = firewall.withdraw(&published, || attached.values().flat_map(publications).collect());
        self.sweeper.ports_withdrawn(published);
        withdrawn.map_err(Error::kernel("the container's ports can't be withdrawn"))
    }

    /// Forgets a container that is removed: its addresses are free.
    pub fn release(&self, container: &ContainerId) -> Result<(), Error> {
        self.detach(container)?;
        self.shared.state().networks.values_mut().try_for_each(|one| one.release(container))
    }

    /// Makes the kernel agree with what runs: firewall, links on the bridges, leases of containers not in `known`. A
    /// container is in `live` once for each of its networks. [`Self::readopt`] each of `live` next.
    pub fn reconcile(&self, live: &[(ContainerId, Endpoint)], known: &[ContainerId]) -> Result<(), Error> {
        let mut state = self.shared.state();
        state.attached =
            live.iter().map(|(container, endpoint)| (self.shared.key(container, endpoint), endpoint.clone())).collect();
        let known: BTreeSet<_> = known.iter().chain(live.iter().map(|(container, _)| container)).collect();
        for (id, one) in &mut state.networks {
            let of_network = || live.iter().filter(|(_, endpoint)| self.shared.network_of(endpoint) == *id);
            one.leases.hold(of_network().map(|(container, endpoint)| (container.clone(), endpoint.ip)), &known)?;
            if let Some(leases) = &mut one.leases6 {
                let v6 = |(container, endpoint): &(ContainerId, Endpoint)| Some((container.clone(), endpoint.v6?.ip));
                leases.hold(of_network().filter_map(v6), &known)?;
            }
        }
        let published: Vec<_> = state.attached.values().flat_map(publications).collect();
        state.firewall.rebuild(&published).map_err(Error::kernel("the firewall can't be rebuilt"))?;
        let ids: Vec<_> = state.networks.keys().cloned().collect();
        for id in &ids {
            self.shared.write_names(&state, id);
        }
        let mut links = lock(&self.shared.links);
        let (mut bridges, mut wanted) = (Vec::new(), BTreeMap::new());
        for (id, One { record, .. }) in &state.networks {
            let bridge = match ensure_link(&mut links, record) {
                Ok(bridge) => bridge,
                Err(error) if *id == self.shared.predefined.bridge => return Err(error),
                // Said when it was opened.
                Err(_) => continue,
            };
            if record.driver != Driver::Bridge {
                continue;
            }
            bridges.push(bridge);
            let of_network = state.attached.iter().filter(|((_, network), _)| network == id);
            wanted.extend(of_network.map(|(_, endpoint)| (endpoint.host_interface.clone(), (bridge, !record.icc()))));
        }
        sweep(&mut links, &bridges, &wanted).map_err(Error::kernel("the bridges' links can't be put in order"))
    }

    /// What a container has received and sent; `None` when its link is gone.
    pub fn counters(&self, endpoint: &Endpoint) -> Option<NetworkStats> {
        if endpoint.host_interface.is_empty() {
            return None;
        }
        let found = lock(&self.shared.links).find(&endpoint.host_interface);
        found.ok().flatten().map(|link| link.stats)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn network_of(&self, endpoint: &Endpoint) -> NetworkId {
        endpoint.network_id.clone().unwrap_or_else(|| self.predefined.bridge.clone())
    }

    fn key(&self, container: &ContainerId, endpoint: &Endpoint) -> (ContainerId, NetworkId) {
        (container.clone(), self.network_of(endpoint))
    }

    /// Tells the resolvers of a network who is in it now. The default network has none.
    fn write_names(&self, state: &State, network: &NetworkId) {
        let (Some(folder), Some(one)) = (&self.names, state.networks.get(network)) else { return };
        if *network == self.predefined.bridge {
            return;
        }
        let members = state.attached.iter().filter(|((_, of), _)| of == network);
        let entries = members.flat_map(|(_, endpoint)| {
            let addresses = [Some(endpoint.ip.into()), endpoint.v6.map(|v6| v6.ip.into())];
            addresses.into_iter().flatten().map(|address| (address, endpoint.names.as_slice()))
        });
        let text = crate::names::write(&one.record.name, entries);
        let (path, beside) = (folder.join(network.as_str()), folder.join(format!(".tmp-{network}")));
        let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &path));
        if let Err(error) = written {
            tracing::error!(network = one.record.name, %error, "names can't be written: containers may not find each other");
        }
    }

    /// Puts the table back as memory has it; false when that failed and is to be tried again.
    fn restore(&self, seen: Seen) -> bool {
        let State { firewall, attached, .. } = &mut *self.state();
        if seen == Seen::Lost && firewall.exists().unwrap_or(false) {
            return true;
        }
        let published: Vec<_> = attached.values().flat_map(publications).collect();
        match firewall.rebuild(&published) {
            Ok(()) => tracing::warn!("another program changed the firewall table `inet darsena`: restored"),
            Err(ref error) => {
                tracing::error!(%error, "the firewall table `inet darsena` is gone and can't be restored");
            }
        }
        firewall.exists().unwrap_or(false)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn publications(endpoint: &Endpoint) -> Vec<Publication> {
    endpoint.ports.iter().map(|port| (*port, reserve::target(port.host_ip, endpoint))).collect()
}

/// Locally administered, and the same whenever the address is the same: neighbours' ARP tables stay true.
fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

/// Part of the id, for people, and as much of a random one.
fn link_name(container: &ContainerId) -> String {
    format!("{LINK_PREFIX}{}{}", &container.as_str()[..5], &ContainerId::random().as_str()[..6])
}

fn is_link_name(name: &str) -> bool {
    name.strip_prefix(LINK_PREFIX).is_some_and(|rest| rest.len() == 11 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}
