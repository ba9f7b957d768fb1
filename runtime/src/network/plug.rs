//! A container's place in a network: address, pair of links, ports.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::BorrowedFd,
};

use super::{
    Error, Network, Shared, State,
    bridge::ensure_link,
    ipv6,
    link::{INSIDE, Links, Peer},
    link_name, lock, mac_of, publications,
    record::{Driver, Record},
    reserve,
    reserve::Reservation,
    subnet::Subnet,
};
use crate::{
    id::{ContainerId, NetworkId},
    request::{Mac, PortBinding},
    sys::netns,
    view::{Endpoint, Inet6},
};

/// A container to be connected.
#[derive(Clone, Debug)]
pub struct AttachRequest<'a> {
    /// Its id.
    pub container: &'a ContainerId,
    /// Its name, for messages.
    pub name: &'a str,
    /// Its network namespace.
    pub netns: BorrowedFd<'a>,
    /// Ports to publish.
    pub ports: &'a [PortBinding],
    /// Where.
    pub place: Place,
}

/// Which place in which network.
#[derive(Clone, Debug)]
pub struct Place {
    /// The network; the default one when `None`.
    pub network: Option<NetworkId>,
    /// The interface inside, which must not exist yet.
    pub interface: String,
    /// The address wanted.
    pub ip: Option<Ipv4Addr>,
    /// The hardware address wanted.
    pub mac: Option<Mac>,
    /// What others may call it.
    pub names: Vec<String>,
    /// It is the container's way out.
    pub way_out: bool,
    /// The IPv6 address wanted.
    pub ip6: Option<Ipv6Addr>,
    /// It is the container's way out by IPv6.
    pub way_out6: bool,
}

impl Default for Place {
    /// The only one, in the default network.
    fn default() -> Self {
        Self {
            network: None,
            interface: INSIDE.to_owned(),
            ip: None,
            mac: None,
            names: Vec::new(),
            way_out: true,
            ip6: None,
            way_out6: true,
        }
    }
}

impl Network {
    /// Connects a container and publishes its ports. The reservations are for the proxy. What was done is undone on an
    /// error; only the address stays the container's until [`Self::release`].
    pub fn attach(&self, request: &AttachRequest<'_>) -> Result<(Endpoint, Vec<Reservation>), Error> {
        let network = request.place.network.clone().unwrap_or_else(|| self.shared.predefined.bridge.clone());
        let key = (request.container.clone(), network.clone());
        // What a start that was cut off left.
        let left = self.shared.state().attached.remove(&key);
        if let Some(left) = left {
            self.sweeper.remove_link(left.host_interface.clone());
            self.withdraw(&mut self.shared.state(), &[left])?;
        }
        let (endpoint, reservations) = self.shared.state().admit(&network, request)?;
        let done = self.shared.plug(&endpoint, request).and_then(|()| self.publish(&endpoint));
        if let Err(error) = done {
            self.undo_attach(&key);
            return Err(error);
        }
        self.sweeper.ports_published(publications(&endpoint));
        Ok((endpoint, reservations))
    }

    fn publish(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let mut state = self.shared.state();
        self.shared.write_names(&state, &self.shared.network_of(endpoint));
        let published = publications(endpoint);
        if published.is_empty() {
            return Ok(());
        }
        let State { firewall, attached, .. } = &mut *state;
        firewall
            .publish(&published, || attached.values().flat_map(publications).collect())
            .map_err(Error::kernel("the container's ports can't be published"))
    }

    fn undo_attach(&self, key: &(ContainerId, NetworkId)) {
        let mut state = self.shared.state();
        let Some(endpoint) = state.attached.remove(key) else { return };
        self.sweeper.remove_link(endpoint.host_interface.clone());
        if let Err(second) = self.withdraw(&mut state, &[endpoint]) {
            tracing::warn!(error = %second, "a failed attachment can't be undone");
        }
    }

    /// Withdraws the ports of a container's place, which stays connected.
    pub fn unpublish(&self, container: &ContainerId, endpoint: &Endpoint) -> Result<(), Error> {
        let mut state = self.shared.state();
        let Some(known) = state.attached.get_mut(&self.shared.key(container, endpoint)) else { return Ok(()) };
        let before = known.clone();
        known.ports.clear();
        self.withdraw(&mut state, &[before])
    }

    /// Makes a connected container's place its way out, by one version or both, and with the way out by IPv4 publishes its
    /// ports there.
    pub fn lead_out(&self, request: &AttachRequest<'_>) -> Result<(Endpoint, Vec<Reservation>), Error> {
        let network = request.place.network.clone().unwrap_or_else(|| self.shared.predefined.bridge.clone());
        let key = (request.container.clone(), network);
        let place = &request.place;
        let (endpoint, reservations) = {
            let mut state = self.shared.state();
            let known = state.attached.get(&key).cloned().ok_or_else(|| Error::NotFound(request.name.to_owned()))?;
            let reservations = if place.way_out { state.reserve(request, &known)? } else { Vec::new() };
            let mut endpoint = known;
            if place.way_out {
                endpoint.ports = reservations.iter().map(|reservation| reservation.port).collect();
            }
            state.attached.insert(key, endpoint.clone());
            (endpoint, reservations)
        };
        let interface = endpoint.interface().to_owned();
        netns::within(request.netns, || {
            let mut links = Links::open()?;
            let inside = links.find(&interface)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?.index;
            lead(&mut links, inside, &endpoint, place)
        })
        .map_err(Error::kernel("the container's way out can't be changed"))?;
        self.publish(&endpoint)?;
        self.sweeper.ports_published(publications(&endpoint));
        Ok((endpoint, reservations))
    }
}

/// Takes a macvlan's link out of a container that stays; the end of its namespace takes it too. Absent is well.
pub(super) fn unplug_inside(endpoint: &Endpoint, netns: BorrowedFd<'_>) {
    if !endpoint.host_interface.is_empty() {
        return;
    }
    let gone = netns::within(netns, || {
        let mut links = Links::open()?;
        match links.find(endpoint.interface())? {
            Some(link) if link.kind == "macvlan" => links.remove(&link.name),
            _ => Ok(()),
        }
    });
    if let Err(error) = gone {
        tracing::warn!(%error, "a container's interface is left over");
    }
}

/// Makes a place the way out of the namespace it is in, instead of another that may be it.
fn lead(links: &mut Links, inside: u32, endpoint: &Endpoint, place: &Place) -> io::Result<()> {
    if place.way_out {
        links.remove_default_routes::<Ipv4Addr>()?;
        links.add_default_route(inside, endpoint.gateway)?;
    }
    if let (true, Some(v6)) = (place.way_out6, &endpoint.v6) {
        links.remove_default_routes::<Ipv6Addr>()?;
        links.add_default_route(inside, v6.gateway)?;
    }
    Ok(())
}

impl Shared {
    /// Makes the container's link, and configures it from within.
    fn plug(&self, endpoint: &Endpoint, request: &AttachRequest<'_>) -> Result<(), Error> {
        let record = {
            let state = self.state();
            let one = state.networks.get(&self.network_of(endpoint));
            one.ok_or_else(|| Error::NotFound(endpoint.network.clone()))?.record.clone()
        };
        let mac = request.place.mac.map_or_else(|| mac_of(endpoint.ip), |mac| mac.0);
        let peer = Peer { name: endpoint.interface(), mac, mtu: record.mtu() };
        self.link(endpoint, request, &record, &peer)?;
        let place = Place {
            way_out: request.place.way_out && !record.internal,
            way_out6: request.place.way_out6 && !record.internal,
            ..request.place.clone()
        };
        netns::within(request.netns, || {
            let mut links = Links::open()?;
            let inside = links.find(peer.name)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?.index;
            match &endpoint.v6 {
                None => ipv6::switch_off(peer.name)?,
                Some(v6) => {
                    ipv6::switch_on(peer.name)?;
                    links.add_address(inside, v6.ip, Subnet::containing(v6.ip, v6.prefix_len))?;
                }
            }
            links.add_address(inside, endpoint.ip, record.subnet)?;
            links.up(peer.name)?;
            lead(&mut links, inside, endpoint, &place)
        })
        .inspect_err(|_| unplug_inside(endpoint, request.netns))
        .map_err(Error::kernel("the container's interface can't be configured"))
    }

    /// Makes the link, its inner end in the container's namespace.
    fn link(
        &self,
        endpoint: &Endpoint,
        request: &AttachRequest<'_>,
        record: &Record,
        peer: &Peer<'_>,
    ) -> Result<(), Error> {
        let name = &endpoint.host_interface;
        let mut links = lock(&self.links);
        let upon = match links.find(&record.bridge).map_err(Error::kernel("the network's interface can't be found"))? {
            Some(link) => link.index,
            None => ensure_link(&mut links, record)?,
        };
        if record.driver == Driver::Macvlan {
            return links.add_macvlan(upon, record.mode(), request.netns, peer).map_err(Error::kernel(format!(
                "the container can't be connected to the interface {}",
                record.bridge
            )));
        }
        let mut connect = || {
            links.add_pair(name, upon, request.netns, peer)?;
            ipv6::switch_off(name)?;
            if (!endpoint.ports.is_empty() || !record.icc())
                && let Some(link) = links.find(name)?
            {
                links.set_hairpin(link.index)?;
                if !record.icc() {
                    links.isolate(link.index)?;
                }
            }
            links.up(name)
        };
        connect().map_err(Error::kernel("the container can't be connected to the bridge"))
    }
}

impl State {
    /// Takes address and ports for a container; nothing is held when it fails.
    fn admit(
        &mut self,
        network: &NetworkId,
        request: &AttachRequest<'_>,
    ) -> Result<(Endpoint, Vec<Reservation>), Error> {
        let place = &request.place;
        let one = self.networks.get_mut(network).ok_or_else(|| Error::NotFound(network.to_string()))?;
        let ip = match place.ip {
            None => one.leases.take(request.container)?,
            Some(ip) => {
                let attached = &self.attached;
                let runs = |owner: &ContainerId| attached.contains_key(&(owner.clone(), network.clone()));
                one.leases.take_this(request.container, ip, runs)?;
                ip
            }
        };
        let runs = |owner: &ContainerId| self.attached.contains_key(&(owner.clone(), network.clone()));
        let v6 = match (&one.record.v6, &mut one.leases6) {
            (Some(six), Some(leases)) => {
                let ip = match place.ip6 {
                    None => leases.take(request.container)?,
                    Some(ip) => {
                        leases.take_this(request.container, ip, runs)?;
                        ip
                    }
                };
                Some(Inet6 { ip, prefix_len: six.subnet.prefix_len(), gateway: six.gateway })
            }
            _ => None,
        };
        let record = &one.record;
        let mut endpoint = Endpoint {
            network: record.name.clone(),
            ip,
            prefix_len: record.subnet.prefix_len(),
            gateway: record.gateway,
            mac: place.mac.unwrap_or(Mac(mac_of(ip))).to_string(),
            // What a macvlan gives a container is within it alone.
            host_interface: match record.driver {
                Driver::Bridge => link_name(request.container),
                Driver::Macvlan => String::new(),
            },
            ports: Vec::new(),
            network_id: Some(network.clone()),
            interface: place.interface.clone(),
            names: place.names.clone(),
            id: NetworkId::random().to_string(),
            v6,
        };
        let host_ip = record.host_ip();
        let asked: Vec<_> = request
            .ports
            .iter()
            .map(|port| PortBinding { host_ip: port.host_ip.or(host_ip.map(Into::into)), ..*port })
            .collect();
        let request = AttachRequest { ports: &asked, ..request.clone() };
        let reservations = self.reserve(&request, &endpoint)?;
        endpoint.ports = reservations.iter().map(|reservation| reservation.port).collect();
        self.attached.insert((request.container.clone(), network.clone()), endpoint.clone());
        Ok((endpoint, reservations))
    }

    fn reserve(&self, request: &AttachRequest<'_>, endpoint: &Endpoint) -> Result<Vec<Reservation>, Error> {
        let label = format!("{} ({})", request.name, request.container);
        let mut reservations: Vec<Reservation> = Vec::with_capacity(request.ports.len());
        for binding in request.ports {
            let held = self.attached.values().flat_map(|endpoint| &endpoint.ports);
            let taken = held.chain(reservations.iter().map(|reservation| &reservation.port));
            let mut held = reserve::reserve(binding, endpoint, &label, taken)?;
            reservations.append(&mut held);
        }
        Ok(reservations)
    }
}
