//! The default network: one bridge, an address for each container, published ports.
//!
//! Owns, in the network namespace of the thread that opened it:
//!
//! ```text
//! darsena0                bridge, up, with the subnet's first address; ports dvXXXXXXXXXXX, one a running container
//! inet darsena            nf_tables table, see [`firewall`]
//! net.ipv4.ip_forward     set to 1 when it is not; never reset
//! <state>/leases.json     addresses
//! ```
//!
//! Invariants:
//! - other firewall tables, links and route_localnet are never touched; no program is run
//! - what is published is in memory first, then in the firewall: whatever removes the table, memory restores it
//! - the names of links are never used twice, so a late removal can't hit a container's next start
//! - every method runs on threads of the opener's network namespace
//!
//! It doesn't know what a container is beyond its id, name and network namespace.

mod conntrack;
mod error;
pub mod firewall;
mod leases;
mod link;
mod nftables;
mod reserve;
mod subnet;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
    os::fd::BorrowedFd,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use error::Error;
pub use firewall::warnings;
pub use reserve::{HeldSocket, Reservation};
pub use subnet::{ParseSubnetError, Subnet};

use self::{
    firewall::{Firewall, Publication},
    leases::Leases,
    link::Links,
    watch::{Seen, Sweeper, Watcher},
};
use crate::{
    id::{ContainerId, hex},
    request::PortBinding,
    sys::netns,
    view::{Endpoint, NetworkStats},
};

/// The network's name towards clients.
pub const NAME: &str = "bridge";

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

/// What links of containers begin with; 11 hex digits follow.
const LINK_PREFIX: &str = "dv";

/// How the network is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bridge's name, 15 bytes at most.
    pub bridge: String,
    /// Its network; `None` takes the one that was used before, or the first that no route of the host overlaps.
    pub subnet: Option<Subnet>,
}

impl Default for Config {
    fn default() -> Self {
        Self { bridge: "darsena0".to_owned(), subnet: None }
    }
}

/// A container to be connected.
#[derive(Clone, Copy, Debug)]
pub struct AttachRequest<'a> {
    /// Its id.
    pub container: &'a ContainerId,
    /// Its name, for messages.
    pub name: &'a str,
    /// Its network namespace, without an `eth0`.
    pub netns: BorrowedFd<'a>,
    /// Ports to publish.
    pub ports: &'a [PortBinding],
}

/// The default network.
#[derive(Debug)]
pub struct Network {
    shared: Arc<Shared>,
    sweeper: Sweeper,
    _watcher: Watcher,
}

#[derive(Debug)]
struct Shared {
    bridge: String,
    subnet: Subnet,
    links: Mutex<Links>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    leases: Leases,
    firewall: Firewall,
    attached: BTreeMap<ContainerId, Endpoint>,
}

impl Network {
    /// Makes sure of bridge, forwarding and firewall. What an earlier engine left is kept until [`Self::reconcile`],
    /// which must be called before the first [`Self::attach`].
    pub fn open(state_dir: PathBuf, config: Config) -> Result<Self, Error> {
        let mut links = Links::open().map_err(Error::kernel("rtnetlink can't be opened"))?;
        let subnet = choose_subnet(&mut links, &state_dir, &config)?;
        let leases = Leases::open(state_dir, subnet)?;
        ensure_bridge(&mut links, &config.bridge, subnet)?;
        link::forward_ipv4().map_err(Error::kernel("IPv4 forwarding can't be switched on"))?;
        let firewall = Firewall::open(&config.bridge, subnet).and_then(|mut firewall| {
            if !firewall.exists()? {
                firewall.rebuild(&[])?;
            }
            Ok(firewall)
        });
        let firewall = firewall.map_err(Error::kernel("the firewall can't be set up (nf_tables)"))?;
        let own_port = firewall.port();
        let state = Mutex::new(State { leases, firewall, attached: BTreeMap::new() });
        let shared = Arc::new(Shared { bridge: config.bridge, subnet, links: Mutex::new(links), state });
        let restored = Arc::clone(&shared);
        let watcher = Watcher::start(own_port, move |seen| restored.restore(seen));
        Ok(Self {
            shared,
            sweeper: Sweeper::start().map_err(Error::kernel("rtnetlink can't be opened"))?,
            _watcher: watcher.map_err(Error::kernel("the firewall can't be watched"))?,
        })
    }

    /// The network's addresses.
    pub fn subnet(&self) -> Subnet {
        self.shared.subnet
    }

    /// The bridge's name.
    pub fn bridge(&self) -> &str {
        &self.shared.bridge
    }

    /// Connects a container and publishes its ports. The reservations are for the proxy. What was done is undone on an
    /// error; only the address stays the container's until [`Self::release`].
    pub fn attach(&self, request: &AttachRequest<'_>) -> Result<(Endpoint, Vec<Reservation>), Error> {
        self.detach(request.container)?;
        let (endpoint, reservations) = self.shared.state().admit(self.shared.subnet, request)?;
        let published = publications(&endpoint);
        let done = self.shared.plug(&endpoint, request.netns).and_then(|()| {
            let State { firewall, attached, .. } = &mut *self.shared.state();
            firewall
                .publish(&published, || attached.values().flat_map(publications).collect())
                .map_err(Error::kernel("the container's ports can't be published"))
        });
        if let Err(error) = done {
            if let Err(second) = self.detach(request.container) {
                tracing::warn!(error = %second, "a failed attachment can't be undone");
            }
            return Err(error);
        }
        self.sweeper.ports_published(published);
        Ok((endpoint, reservations))
    }

    /// Takes over a container that ran on while there was no engine, and holds its ports again. A port that somebody
    /// took meanwhile is left out: from other hosts it still leads to the container.
    pub fn readopt(&self, container: &ContainerId, endpoint: &Endpoint) -> Result<Vec<Reservation>, Error> {
        let State { firewall, attached, .. } = &mut *self.shared.state();
        attached.insert(container.clone(), endpoint.clone());
        firewall
            .publish(&publications(endpoint), || attached.values().flat_map(publications).collect())
            .map_err(Error::kernel("the container's ports can't be published"))?;
        let mut reservations = Vec::with_capacity(endpoint.ports.len());
        for port in &endpoint.ports {
            match reserve::reserve_again(*port) {
                Ok(reservation) => reservations.push(reservation),
                Err(error) => {
                    tracing::warn!(%error, container = container.short(), ?port, "a published port can't be held again");
                }
            }
        }
        Ok(reservations)
    }

    /// Disconnects a container. Fast: its link is removed later, if the end of its namespace has not done that. The
    /// address stays the container's. Not connected is well.
    pub fn detach(&self, container: &ContainerId) -> Result<(), Error> {
        let State { firewall, attached, .. } = &mut *self.shared.state();
        let Some(endpoint) = attached.remove(container) else { return Ok(()) };
        self.sweeper.remove_link(endpoint.host_interface.clone());
        let published = publications(&endpoint);
        let withdrawn = firewall.withdraw(&published, || attached.values().flat_map(publications).collect());
        self.sweeper.ports_withdrawn(published);
        withdrawn.map_err(Error::kernel("the container's ports can't be withdrawn"))
    }

    /// Forgets a container that is removed: its address is free.
    pub fn release(&self, container: &ContainerId) -> Result<(), Error> {
        self.detach(container)?;
        self.shared.state().leases.release(container)
    }

    /// Makes the kernel agree with what runs: firewall, links on the bridge, leases of containers not in `known`.
    /// [`Self::readopt`] each of `live` next.
    pub fn reconcile(&self, live: &[(ContainerId, Endpoint)], known: &[ContainerId]) -> Result<(), Error> {
        {
            let State { leases, firewall, attached } = &mut *self.shared.state();
            *attached = live.iter().cloned().collect();
            let known: BTreeSet<_> = known.iter().chain(live.iter().map(|(container, _)| container)).collect();
            leases.hold(live.iter().map(|(container, endpoint)| (container.clone(), endpoint.ip)), &known)?;
            let published: Vec<_> = attached.values().flat_map(publications).collect();
            firewall.rebuild(&published).map_err(Error::kernel("the firewall can't be rebuilt"))?;
        }
        let mut links = lock(&self.shared.links);
        let bridge = ensure_bridge(&mut links, &self.shared.bridge, self.shared.subnet)?;
        let live: BTreeSet<_> = live.iter().map(|(_, endpoint)| endpoint.host_interface.as_str()).collect();
        sweep(&mut links, bridge, &live).map_err(Error::kernel("the bridge's links can't be put in order"))
    }

    /// What a container has received and sent; `None` when its link is gone.
    pub fn counters(&self, endpoint: &Endpoint) -> Option<NetworkStats> {
        let found = lock(&self.shared.links).find(&endpoint.host_interface);
        found.ok().flatten().map(|link| link.stats)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes the pair of links, and configures the inner one from within.
    fn plug(&self, endpoint: &Endpoint, netns: BorrowedFd<'_>) -> Result<(), Error> {
        let name = &endpoint.host_interface;
        let mac = mac_of(endpoint.ip);
        {
            let mut links = lock(&self.links);
            let bridge = match links.find(&self.bridge).map_err(Error::kernel("the bridge can't be found"))? {
                Some(link) => link.index,
                None => ensure_bridge(&mut links, &self.bridge, self.subnet)?,
            };
            let mut connect = || {
                links.add_pair(name, bridge, netns, mac)?;
                link::without_ipv6(name)?;
                if !endpoint.ports.is_empty()
                    && let Some(link) = links.find(name)?
                {
                    links.set_hairpin(link.index)?;
                }
                links.up(name)
            };
            connect().map_err(Error::kernel("the container can't be connected to the bridge"))?;
        }
        netns::within(netns, || {
            let mut links = Links::open()?;
            let inside = links.find(link::INSIDE)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?.index;
            link::without_ipv6(link::INSIDE)?;
            links.add_address(inside, endpoint.ip, self.subnet)?;
            links.up(link::INSIDE)?;
            links.add_default_route(inside, endpoint.gateway)
        })
        .map_err(Error::kernel("the container's interface can't be configured"))
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

impl State {
    /// Takes address and ports for a container; nothing is held when it fails.
    fn admit(&mut self, subnet: Subnet, request: &AttachRequest<'_>) -> Result<(Endpoint, Vec<Reservation>), Error> {
        let ip = self.leases.take(request.container)?;
        let label = format!("{} ({})", request.name, request.container);
        let mut reservations: Vec<Reservation> = Vec::with_capacity(request.ports.len());
        for binding in request.ports {
            let held = self.attached.values().flat_map(|endpoint| &endpoint.ports);
            let taken = held.chain(reservations.iter().map(|reservation| &reservation.port));
            let reservation = reserve::reserve(binding, ip, &label, taken)?;
            reservations.push(reservation);
        }
        let endpoint = Endpoint {
            network: NAME.to_owned(),
            ip,
            prefix_len: subnet.prefix_len(),
            gateway: subnet.gateway(),
            mac: mac_of(ip).map(|byte| hex(&[byte])).join(":"),
            host_interface: link_name(request.container),
            ports: reservations.iter().map(|reservation| reservation.port).collect(),
        };
        self.attached.insert(request.container.clone(), endpoint.clone());
        Ok((endpoint, reservations))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn publications(endpoint: &Endpoint) -> Vec<Publication> {
    endpoint.ports.iter().map(|port| (*port, endpoint.ip)).collect()
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

fn choose_subnet(links: &mut Links, state_dir: &std::path::Path, config: &Config) -> Result<Subnet, Error> {
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
        let routes = links.destinations(bridge)?;
        let free: Vec<_> = candidates.filter(|subnet| !routes.iter().any(|route| route.overlaps(*subnet))).collect();
        // A bridge whose state was lost keeps its network: containers may be running on it.
        let kept = free.iter().find(|subnet| own.contains(&(subnet.gateway(), subnet.prefix_len())));
        Ok(kept.or(free.first()).copied())
    })();
    found.map_err(Error::kernel("the host's routes can't be listed"))?.ok_or(Error::NoSubnet)
}

/// Makes sure the bridge exists, is up and has its address and no other; returns its index.
fn ensure_bridge(links: &mut Links, name: &str, subnet: Subnet) -> Result<u32, Error> {
    let mut ensure = || {
        if links.find(name)?.is_none() {
            links.add_bridge(name, mac_of(subnet.gateway()))?;
        }
        let link = links.find(name)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        if link.kind != "bridge" {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{name} is not a bridge")));
        }
        link::without_ipv6(name)?;
        for (address, prefix_len) in links.addresses(link.index)? {
            if (address, prefix_len) != (subnet.gateway(), subnet.prefix_len()) {
                links.remove_address(link.index, address, prefix_len)?;
            }
        }
        links.add_address(link.index, subnet.gateway(), subnet)?;
        links.up(name)?;
        Ok(link.index)
    };
    ensure().map_err(Error::kernel(format!("the bridge {name} can't be set up")))
}

/// Removes links of containers that don't run, and puts those that do back on the bridge.
fn sweep(links: &mut Links, bridge: u32, live: &BTreeSet<&str>) -> io::Result<()> {
    for link in links.list()? {
        if link.kind != "veth" || !is_link_name(&link.name) || link.master.is_some_and(|master| master != bridge) {
            continue;
        }
        if !live.contains(link.name.as_str()) {
            links.remove(&link.name)?;
        } else if link.master.is_none() {
            links.set_master(link.index, bridge)?;
            links.set_hairpin(link.index)?;
        }
    }
    Ok(())
}
