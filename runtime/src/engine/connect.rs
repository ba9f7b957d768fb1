//! `connect`, `disconnect`: a container's networks, while it runs or not; and the names that links give.
//!
//! What a container is to be in is written first, and what it is in next: whatever the engine died in, the next one
//! completes it.

use std::{
    fs::File,
    net::IpAddr,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Engine, blocking,
    plumb::{Leads, Wanted, failed, place, published, ways_out},
    proxy::Proxy,
    table::Container,
};
use crate::{
    container::record::{Status, VERSION},
    durable,
    error::{Error, ErrorKind, Result},
    fault,
    network::{AttachRequest, Reservation},
    request::{NetworkAttachment, NetworkMode},
    view::{ContainerState, Endpoint},
};

/// networks.json.
#[derive(Serialize, Deserialize)]
struct Kept {
    networks: Vec<NetworkAttachment>,
}

impl Engine {
    /// Puts a container into one more network: now if it runs, else when it starts.
    ///
    /// # Errors
    /// It is in it, or can't be in it as wished.
    pub async fn connect(&self, container: &str, wished: NetworkAttachment) -> Result<()> {
        let container = self.inner.table.find(container)?;
        let _verbs = container.verbs.lock().await;
        let network = self.bare_network(&wished.network)?;
        let wished = NetworkAttachment { network: network.name.clone(), ..wished };
        can_change(&container)?;
        self.can_be_in(&network, &wished)?;
        let before = container.attachments();
        if before.iter().any(|one| one.network == network.name) {
            let text =
                format!("endpoint with name {} already exists in network {}", container.record.name, network.name);
            return Err(Error::new(ErrorKind::Forbidden, text));
        }
        let _world = container.world.lock().await;
        let mut attachments = before.clone();
        attachments.push(wished.clone());
        self.keep_networks(&container, attachments).await?;
        fault::point("connect.noted").map_err(failed)?;
        if let Err(error) = self.connect_live(&container, Wanted { attachment: wished, network: network.clone() }).await
        {
            self.keep_networks(&container, before).await?;
            return Err(error);
        }
        self.network_event("connect", &network, [("container", container.id().to_string())]);
        Ok(())
    }

    /// Takes a container out of a network.
    ///
    /// # Errors
    /// It is not in it.
    pub async fn disconnect(&self, container: &str, network: &str) -> Result<()> {
        let container = self.inner.table.find(container)?;
        let _verbs = container.verbs.lock().await;
        let network = self.bare_network(network)?;
        can_change(&container)?;
        let mut attachments = container.attachments();
        let before = attachments.len();
        attachments.retain(|one| one.network != network.name);
        if attachments.len() == before {
            let text = format!("container {} is not connected to network {}", container.id(), network.name);
            return Err(Error::new(ErrorKind::Forbidden, text));
        }
        let _world = container.world.lock().await;
        self.keep_networks(&container, attachments).await?;
        fault::point("disconnect.noted").map_err(failed)?;
        self.disconnect_live(&container, &network.name).await?;
        let (engine, id, of) = (self.clone(), container.id().clone(), network.id.clone());
        blocking(move || Ok(engine.inner.network.disconnect(&id, &of, None)?)).await?;
        self.network_event("disconnect", &network, [("container", container.id().to_string())]);
        Ok(())
    }

    async fn keep_networks(&self, container: &Arc<Container>, networks: Vec<NetworkAttachment>) -> Result<()> {
        let path = self.inner.paths.container_networks(container.id());
        let kept = Kept { networks: networks.clone() };
        blocking(move || Ok(durable::write_json(&path, VERSION, &kept)?)).await?;
        container.set_attachments(networks);
        Ok(())
    }

    /// For the start of an engine: the networks a container was connected to since it was made.
    pub(in crate::engine) fn remember_networks(&self, container: &Container) {
        match durable::read_json::<Kept>(&self.inner.paths.container_networks(container.id()), VERSION) {
            Ok(Some(kept)) => container.set_attachments(kept.networks),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(container = container.record.name, %error, "its networks can't be read: those it was made for");
            }
        }
    }

    /// The places of a running container that it is still to have; the others go with the sweep.
    pub(in crate::engine) fn endpoints_to_keep(container: &Container, status: &Status) -> Vec<Endpoint> {
        let attachments = container.attachments();
        let (keep, drop): (Vec<_>, Vec<_>) = status
            .endpoints()
            .cloned()
            .partition(|endpoint| attachments.iter().any(|one| one.network == endpoint.network));
        if !drop.is_empty() {
            let mut kept = keep.clone().into_iter();
            container.set_status(|status| {
                status.endpoint = kept.next();
                status.also = kept.collect();
            });
        }
        keep
    }

    /// Ends what a connect or disconnect had begun when the last engine died.
    pub(in crate::engine) async fn complete_networks(&self, container: &Arc<Container>) {
        let has: Vec<_> = container.status().endpoints().map(|endpoint| endpoint.network.clone()).collect();
        for attachment in container.attachments() {
            if has.contains(&attachment.network) {
                continue;
            }
            let done = match self.bare_network(&attachment.network) {
                Ok(network) => self.connect_live(container, Wanted { attachment, network }).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                let name = &container.record.name;
                tracing::error!(container = name, "it can't be connected to one of its networks: {}", error.chain());
            }
        }
        let status = container.status();
        let ContainerState::Running { pid, .. } = status.state else { return };
        let (engine, it) = (self.clone(), Arc::clone(container));
        let told = blocking(move || {
            let endpoints: Vec<Endpoint> = status.endpoints().cloned().collect();
            if endpoints.is_empty() { Ok(()) } else { engine.tell_of_networks(&it, &endpoints, &netns_of(pid)?, pid) }
        });
        if let Err(error) = told.await {
            tracing::error!(container = container.record.name, "names don't work in it: {}", error.chain());
        }
    }

    /// The kernel's part of a connect; nothing when it doesn't run.
    async fn connect_live(&self, container: &Arc<Container>, wanted: Wanted) -> Result<()> {
        let ContainerState::Running { pid, .. } = container.state() else { return Ok(()) };
        let status = container.status();
        let (engine, it, name) = (self.clone(), Arc::clone(container), wanted.network.name.clone());
        let (endpoints, held, led) = blocking(move || {
            let netns = netns_of(pid)?;
            let mut endpoints: Vec<Endpoint> = status.endpoints().cloned().collect();
            let has = |v6: bool| endpoints.iter().any(|endpoint| engine.leads(endpoint, v6));
            let network = &wanted.network;
            let can = |v6: bool| !network.internal && (!v6 || network.ipv6);
            let leads = Leads { v4: can(false) && !has(false), v6: can(true) && !has(true) };
            let used = |name: &str| endpoints.iter().any(|endpoint| endpoint.interface() == name);
            let interface =
                (0..=endpoints.len()).map(|number| format!("eth{number}")).find(|name| !used(name)).unwrap_or_default();
            let (endpoint, held) = engine.attach_one(&it, &wanted, &interface, leads, &netns)?;
            if let Err(error) = fault::point("connect.plugged") {
                engine.inner.network.disconnect(it.id(), &wanted.network.id, Some(netns.as_fd()))?;
                return Err(failed(error));
            }
            if leads.v4 {
                endpoints.insert(0, endpoint);
            } else {
                endpoints.push(endpoint);
            }
            engine.tell_of_networks(&it, &endpoints, &netns, pid)?;
            Ok((endpoints, held, leads))
        })
        .await?;
        // One of a higher priority takes the lead from who has it.
        let (next, next6) = ways_out(&self.places(container, &endpoints)?);
        let is_it = |number: &usize| endpoints[*number].network == name;
        let ways = (next.filter(|at| !led.v4 && is_it(at)), next6.filter(|at| !led.v6 && is_it(at)));
        if ways == (None, None) {
            return self.has_places(container, endpoints, held).await;
        }
        if ways.0.is_some()
            && let Some(proxy) = container.set_proxy(None)
        {
            proxy.stop().await;
        }
        let (engine, it, mut endpoints, mut held) = (self.clone(), Arc::clone(container), endpoints, held);
        let (endpoints, reservations) = blocking(move || {
            let netns = netns_of(pid)?;
            for endpoint in endpoints.iter_mut().filter(|endpoint| ways.0.is_some() && !endpoint.ports.is_empty()) {
                engine.inner.network.unpublish(it.id(), endpoint)?;
                endpoint.ports.clear();
            }
            held.append(&mut engine.give_the_lead(&it, &mut endpoints, ways, &netns)?);
            engine.tell_of_networks(&it, &endpoints, &netns, pid)?;
            Ok((endpoints, held))
        })
        .await?;
        self.has_places(container, endpoints, reservations).await
    }

    /// Makes these places the ways out by IPv4 and IPv6; the first becomes the first of all.
    fn give_the_lead(
        &self,
        container: &Container,
        endpoints: &mut Vec<Endpoint>,
        (next, next6): (Option<usize>, Option<usize>),
        netns: &OwnedFd,
    ) -> Result<Vec<Reservation>> {
        let (wanted, record) = (self.places(container, endpoints)?, container.current());
        let mut held = Vec::new();
        for (number, endpoint) in endpoints.iter_mut().enumerate() {
            let leads = Leads { v4: next == Some(number), v6: next6 == Some(number) };
            if leads == Leads::default() {
                continue;
            }
            let ports = if leads.v4 { published(&record, &wanted[number].network) } else { Vec::new() };
            let request = AttachRequest {
                container: &record.id,
                name: &record.name,
                netns: netns.as_fd(),
                ports: &ports,
                place: place(&record, &wanted[number], endpoint.interface(), leads),
            };
            let (led, mut reservations) = self.inner.network.lead_out(&request)?;
            *endpoint = led;
            held.append(&mut reservations);
        }
        if let Some(next) = next {
            let first = endpoints.remove(next);
            endpoints.insert(0, first);
        }
        Ok(held)
    }

    /// The kernel's part of a disconnect; nothing when it doesn't run. Without its way out it gets another one.
    async fn disconnect_live(&self, container: &Arc<Container>, network: &str) -> Result<()> {
        let ContainerState::Running { pid, .. } = container.state() else { return Ok(()) };
        let before = container.status();
        let Some(gone) = before.endpoints().find(|endpoint| endpoint.network == network).cloned() else {
            return Ok(());
        };
        let mut left: Vec<Endpoint> = before.endpoints().filter(|one| one.network != network).cloned().collect();
        let led = before.endpoint.as_ref().is_some_and(|first| first.network == network);
        if led && let Some(proxy) = container.set_proxy(None) {
            proxy.stop().await;
        }
        let (engine, it) = (self.clone(), Arc::clone(container));
        let (endpoints, reservations) = blocking(move || {
            let netns = netns_of(pid)?;
            if let Some(network) = &gone.network_id {
                engine.inner.network.disconnect(it.id(), network, Some(netns.as_fd()))?;
            }
            let (next, next6) = ways_out(&engine.places(&it, &left)?);
            let ways = (next.filter(|_| led), next6.filter(|_| engine.led6(&gone)));
            let held = engine.give_the_lead(&it, &mut left, ways, &netns)?;
            engine.tell_of_networks(&it, &left, &netns, pid)?;
            Ok((left, held))
        })
        .await?;
        self.has_places(container, endpoints, reservations).await
    }

    /// Whether a place can be a way out by a version.
    fn leads(&self, endpoint: &Endpoint, v6: bool) -> bool {
        self.bare_network(&endpoint.network).is_ok_and(|network| !network.internal && (!v6 || network.ipv6))
    }

    /// Whether a place was a way out by IPv6, as far as can be told: then there may be none now.
    fn led6(&self, endpoint: &Endpoint) -> bool {
        endpoint.v6.is_some() && self.leads(endpoint, true)
    }

    /// What a container's places were made for.
    fn places(&self, container: &Container, endpoints: &[Endpoint]) -> Result<Vec<Wanted>> {
        let attachments = container.attachments();
        let place = |endpoint: &Endpoint| {
            let network = self.bare_network(&endpoint.network)?;
            let attachment = attachments.iter().find(|one| one.network == endpoint.network).cloned();
            Ok(Wanted { attachment: attachment.unwrap_or_default(), network })
        };
        endpoints.iter().map(place).collect()
    }

    async fn has_places(
        &self,
        container: &Arc<Container>,
        endpoints: Vec<Endpoint>,
        reservations: Vec<Reservation>,
    ) -> Result<()> {
        if !reservations.is_empty() {
            container.set_proxy(Some(Proxy::start(reservations).map_err(failed)?));
        }
        let mut endpoints = endpoints.into_iter();
        let status = container.set_status(|status| {
            status.endpoint = endpoints.next();
            status.also = endpoints.collect();
        });
        self.write_status(container, status).await
    }

    /// Addresses and names of those a container on the default bridge is linked to, as far as they run.
    pub(in crate::engine) fn link_names(&self, container: &Container) -> Result<Vec<(IpAddr, Vec<String>)>> {
        let mut found = Vec::new();
        for link in &container.record.request.links {
            let (name, alias) = link.split_once(':').unwrap_or((link, link));
            let other = self.inner.table.find(name)?;
            let status = other.status();
            let Some(endpoint) = status.endpoints().find(|endpoint| endpoint.network == "bridge") else {
                let text = format!(
                    "Cannot link to a non running container: /{} AS /{}/{alias}",
                    other.record.name, container.record.name
                );
                return Err(Error::conflict(text));
            };
            let mut names = vec![alias.to_owned()];
            for more in [other.record.resolved.hostname.clone(), other.current().name] {
                if !names.contains(&more) {
                    names.push(more);
                }
            }
            found.push((endpoint.ip.into(), names));
        }
        Ok(found)
    }

    /// The environment that links give.
    pub(in crate::engine) fn link_variables(&self, container: &Container) -> Result<Vec<String>> {
        let mut env = Vec::new();
        let places = self.link_names(container)?;
        for (link, (ip, _)) in container.record.request.links.iter().zip(places) {
            let (name, alias) = link.split_once(':').unwrap_or((link, link));
            let other = self.inner.table.find(name)?;
            let word = alias.to_uppercase().replace('-', "_");
            let mut exposed = other.record.resolved.exposed_ports.clone();
            exposed.sort_by_key(|port| (port.protocol, port.port));
            if let Some(first) = exposed.first() {
                env.push(format!("{word}_PORT={}://{ip}:{}", first.protocol, first.port));
            }
            for port in &exposed {
                let (number, protocol) = (port.port, port.protocol);
                let one = format!("{word}_PORT_{number}_{}", protocol.to_string().to_uppercase());
                env.extend([
                    format!("{one}={protocol}://{ip}:{number}"),
                    format!("{one}_ADDR={ip}"),
                    format!("{one}_PORT={number}"),
                    format!("{one}_PROTO={protocol}"),
                ]);
            }
            env.push(format!("{word}_NAME=/{}/{alias}", container.record.name));
            let its_own = |entry: &&String| !["PATH=", "HOME=", "HOSTNAME="].iter().any(|own| entry.starts_with(own));
            env.extend(other.record.resolved.env.iter().filter(its_own).map(|entry| format!("{word}_ENV_{entry}")));
        }
        Ok(env)
    }
}

/// The network namespace of a running container.
fn netns_of(pid: i32) -> Result<OwnedFd> {
    File::open(format!("/proc/{pid}/ns/net")).map(OwnedFd::from).map_err(failed)
}

fn can_change(container: &Container) -> Result<()> {
    match &container.record.request.network {
        NetworkMode::Bridge | NetworkMode::Named(_) => Ok(()),
        NetworkMode::None => Err(Error::new(
            ErrorKind::Forbidden,
            "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        )),
        NetworkMode::Host => Err(Error::new(
            ErrorKind::Forbidden,
            "container cannot be disconnected from host network or connected to host network",
        )),
        NetworkMode::Container(_) => Err(Error::new(
            ErrorKind::Forbidden,
            "container sharing network namespace with another container or host cannot be connected to any other network",
        )),
    }
}
