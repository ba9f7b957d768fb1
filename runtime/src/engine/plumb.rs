//! A starting container's place in its networks.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use super::{Engine, blocking, etc, proxy::Proxy, start::Around, table::Container};
use crate::{
    container::record::Record,
    durable,
    error::{Error, ErrorKind, Result},
    fault,
    monitor::client::Pending,
    network::{AttachRequest, Place, Reservation},
    request::{NetworkAttachment, NetworkMode, PortBinding},
    spec,
    undo::Undo,
    view::{ContainerState, Endpoint, NetworkView},
};

/// What a container got of the network.
#[derive(Default)]
pub(in crate::engine) struct Plumbed {
    pub proxy: Option<Proxy>,
    /// Its way out.
    pub endpoint: Option<Endpoint>,
    pub also: Vec<Endpoint>,
}

/// One place a container is to have.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Wanted {
    pub attachment: NetworkAttachment,
    pub network: NetworkView,
}

impl Engine {
    /// Whose network a container that has none of its own is in.
    pub(in crate::engine) fn network_around(&self, container: &Container) -> Result<Around> {
        let own_name = container.record.request.hostname.is_some();
        match &container.record.request.network {
            NetworkMode::Bridge | NetworkMode::None | NetworkMode::Named(_) => {
                Ok(Around { env: self.link_variables(container)?, ..Around::default() })
            }
            NetworkMode::Host => {
                let host = nix::sys::utsname::uname().ok().and_then(|host| host.nodename().to_str().map(str::to_owned));
                Ok(Around { network: spec::Network::Host, hostname: host.filter(|_| !own_name), ..Around::default() })
            }
            NetworkMode::Container(name) => {
                let other = self.inner.table.find(name)?;
                let ContainerState::Running { pid, .. } = other.state() else {
                    return Err(Error::conflict(format!(
                        "cannot join network of a non running container: {}",
                        other.id()
                    )));
                };
                Ok(Around {
                    network: spec::Network::Joined { pid },
                    files_of: Some(other.id().clone()),
                    hostname: Some(other.record.resolved.hostname.clone()),
                    ..Around::default()
                })
            }
        }
    }

    /// Puts it into each of its networks, before its program runs.
    pub(in crate::engine) async fn plumb(
        &self,
        container: &Arc<Container>,
        pending: &Pending,
        undo: &mut Undo,
    ) -> Result<Plumbed> {
        fault::point("start.launched").map_err(failed)?;
        let mut plumbed = Plumbed::default();
        let attachments = container.attachments();
        if !attachments.is_empty() {
            let netns = pending.netns().try_clone_to_owned().map_err(failed)?;
            let (engine, id) = (self.clone(), container.id().clone());
            undo.push("network", move || engine.inner.network.detach(&id).map_err(io::Error::other));
            let (engine, it) = (self.clone(), Arc::clone(container));
            let pid = pending.pid();
            let (endpoints, reservations) = blocking(move || engine.attach_all(&it, &attachments, &netns, pid)).await?;
            let mut endpoints = endpoints.into_iter();
            plumbed.endpoint = endpoints.next();
            plumbed.also = endpoints.collect();
            if !reservations.is_empty() {
                plumbed.proxy = Some(Proxy::start(reservations).map_err(failed)?);
            }
            // Written before go: an engine that dies right after it leaves a container whose place is known.
            let mut status = container.status();
            status.endpoint = plumbed.endpoint.clone();
            status.also = plumbed.also.clone();
            self.write_status(container, status).await?;
        }
        fault::point("start.network").map_err(failed)?;
        Ok(plumbed)
    }

    fn attach_all(
        &self,
        container: &Container,
        attachments: &[NetworkAttachment],
        netns: &OwnedFd,
        pid: i32,
    ) -> Result<(Vec<Endpoint>, Vec<Reservation>)> {
        let wanted: Vec<Wanted> = attachments
            .iter()
            .map(|attachment| {
                let network = self.bare_network(&attachment.network)?;
                Ok(Wanted { attachment: attachment.clone(), network })
            })
            .collect::<Result<_>>()?;
        let (way_out, way_out6) = ways_out(&wanted);
        let mut endpoints = Vec::with_capacity(wanted.len());
        let mut reservations = Vec::new();
        for (number, one) in wanted.iter().enumerate() {
            let leads = Leads { v4: way_out == Some(number), v6: way_out6 == Some(number) };
            let (endpoint, mut held) = self.attach_one(container, one, &format!("eth{number}"), leads, netns)?;
            reservations.append(&mut held);
            if leads.v4 { endpoints.insert(0, endpoint) } else { endpoints.push(endpoint) }
        }
        self.tell_of_networks(container, &endpoints, netns, pid)?;
        Ok((endpoints, reservations))
    }

    /// Connects it to one network, and publishes its ports when that is its way out.
    pub(in crate::engine) fn attach_one(
        &self,
        container: &Container,
        wanted: &Wanted,
        interface: &str,
        leads: Leads,
        netns: &OwnedFd,
    ) -> Result<(Endpoint, Vec<Reservation>)> {
        let record = container.current();
        let ports = if leads.v4 { published(&record, &wanted.network) } else { Vec::new() };
        let request = AttachRequest {
            container: &record.id,
            name: &record.name,
            netns: netns.as_fd(),
            ports: &ports,
            place: place(&record, wanted, interface, leads),
        };
        Ok(self.inner.network.attach(&request)?)
    }

    /// Writes what the container's own files tell of its networks.
    pub(in crate::engine) fn tell_of_networks(
        &self,
        container: &Container,
        endpoints: &[Endpoint],
        netns: &OwnedFd,
        pid: i32,
    ) -> Result<()> {
        let around = etc::Surroundings {
            endpoints: endpoints.to_vec(),
            links: self.link_names(container)?,
            resolver: self.resolver_for(container, endpoints, netns, pid)?,
        };
        etc::write(&self.inner.paths, &container.record, &around).map_err(failed)
    }
}

/// Which versions a place is the container's way out by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Leads {
    pub v4: bool,
    pub v6: bool,
}

/// Which of these places lead out by IPv4 and by IPv6: of those that can, the first of the highest priority.
pub(in crate::engine) fn ways_out(wanted: &[Wanted]) -> (Option<usize>, Option<usize>) {
    let best = |can: fn(&NetworkView) -> bool| {
        let those = wanted.iter().enumerate().filter(|(_, one)| !one.network.internal && can(&one.network));
        those.min_by_key(|(_, one)| std::cmp::Reverse(one.attachment.gw_priority)).map(|(number, _)| number)
    };
    (best(|_| true), best(|network| network.ipv6))
}

/// What a container publishes where a network is its way out: those of a macvlan are on the LAN with all their ports.
pub(in crate::engine) fn published(record: &Record, network: &NetworkView) -> Vec<PortBinding> {
    if network.internal || network.driver != "bridge" { Vec::new() } else { ports(record) }
}

/// The place one container has in one network.
pub(in crate::engine) fn place(record: &Record, wanted: &Wanted, interface: &str, leads: Leads) -> Place {
    let attachment = &wanted.attachment;
    let mut names = vec![record.name.clone()];
    if !wanted.network.predefined {
        names.extend(attachment.aliases.iter().cloned());
        names.extend([record.id.short().to_owned(), record.resolved.hostname.clone()]);
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
    }
    Place {
        network: Some(wanted.network.id.clone()),
        interface: interface.to_owned(),
        ip: attachment.ip,
        mac: attachment.mac,
        names,
        way_out: leads.v4,
        ip6: attachment.ip6,
        way_out6: leads.v6,
    }
}

/// What a container publishes: ports that were named first, then those of ranges, then those of the engine's choice, so
/// that no choice takes what another binding must have.
fn ports(record: &Record) -> Vec<PortBinding> {
    let mut ports = record.request.ports.clone();
    if record.request.publish_all {
        super::publish_exposed(&mut ports, &record.resolved.exposed_ports);
    }
    ports
        .sort_by_key(|port| port.host_port.map_or(u16::MAX, |first| port.host_port_end.map_or(0, |last| last - first)));
    ports
}

pub(in crate::engine) fn failed(error: io::Error) -> Error {
    durable::io_error("the container could not be connected to its network", error.kind(), error)
}

/// A wish that a network can't fulfil.
pub(in crate::engine) fn refused(network: &str, why: &str) -> Error {
    let text = format!("invalid config for network {network}: invalid endpoint settings:\n{why}");
    Error::new(ErrorKind::Invalid, text)
}
