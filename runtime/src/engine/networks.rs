//! Networks: list, make, remove, prune; and what a container may wish of them.

use std::collections::BTreeMap;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Engine, Leave, blocking, plumb::refused, table::Container};
use crate::{
    error::{Error, ErrorKind, Result},
    request::{CreateContainer, CreateNetwork, NetworkAttachment, NetworkMode},
    view::{Endpoint, NetworkMember, NetworkView},
};

impl Engine {
    /// All networks with the running containers in them: the engine's own first, then by age.
    pub fn networks(&self) -> Vec<NetworkView> {
        let mut networks = self.inner.network.list();
        for network in &mut networks {
            network.members = self.members(network);
        }
        networks
    }

    /// One network by full id, name or unique id prefix, in this order.
    ///
    /// # Errors
    /// `network NAME not found`.
    pub fn network(&self, name: &str) -> Result<NetworkView> {
        let mut network = self.bare_network(name)?;
        network.members = self.members(&network);
        Ok(network)
    }

    fn members(&self, network: &NetworkView) -> Vec<NetworkMember> {
        if network.has_places() {
            let endpoints = self.inner.network.members(&network.id).into_iter();
            let member = |(container, endpoint): (crate::id::ContainerId, Endpoint)| {
                // Steps of builds are no containers that anybody sees.
                let known = self.inner.table.get(&container).ok()?;
                Some(NetworkMember {
                    name: known.current().name,
                    container,
                    ip: endpoint.ip,
                    prefix_len: endpoint.prefix_len,
                    mac: endpoint.mac,
                    endpoint_id: endpoint.id,
                    names: endpoint.names,
                    v6: endpoint.v6,
                })
            };
            let mut members: Vec<_> = endpoints.filter_map(member).collect();
            members.sort_by(|a, b| a.name.cmp(&b.name));
            return members;
        }
        Vec::new()
    }

    /// [`Engine::network`] without those in it.
    pub(in crate::engine) fn bare_network(&self, name: &str) -> Result<NetworkView> {
        let networks = self.inner.network.list();
        let exact = networks.iter().find(|one| one.id.as_str() == name);
        if let Some(found) = exact.or_else(|| networks.iter().find(|one| one.name == name)) {
            return Ok(found.clone());
        }
        let mut matching = networks.iter().filter(|one| !name.is_empty() && one.id.as_str().starts_with(name));
        match (matching.next(), matching.next()) {
            (Some(found), None) => Ok(found.clone()),
            (Some(_), Some(_)) => {
                Err(Error::invalid(format!("network {name} is ambiguous (2 matches found on ID prefix)")))
            }
            (None, _) => Err(Error::not_found(format!("network {name} not found"))),
        }
    }

    /// Makes a network.
    ///
    /// # Errors
    /// In Docker's words: the name or the addresses are another's, an option is wrong or not there.
    pub fn create_network(&self, request: CreateNetwork, leave: Leave) -> BoxFuture<'_, Result<NetworkView>> {
        async move {
            leave.take().await?;
            let engine = self.clone();
            let made = blocking(move || Ok(engine.inner.network.create(&request)?)).await?;
            self.network_event("create", &made, []);
            Ok(made)
        }
        .boxed()
    }

    /// Removes a network nobody is in.
    ///
    /// # Errors
    /// It is the engine's own, or somebody is in it.
    pub async fn remove_network(&self, name: &str) -> Result<NetworkView> {
        let network = self.network(name)?;
        if network.predefined {
            let text = format!("{} is a pre-defined network and cannot be removed", network.name);
            return Err(Error::new(ErrorKind::Forbidden, text));
        }
        if !network.members.is_empty() {
            let member = |one: &NetworkMember| format!("name:\"{}\" id:\"{}\"", one.name, &one.endpoint_id[..12]);
            let members: Vec<_> = network.members.iter().map(member).collect();
            let text = format!(
                "error while removing network: network {} has active endpoints ({})",
                network.name,
                members.join(", ")
            );
            return Err(Error::new(ErrorKind::Forbidden, text));
        }
        let (engine, id) = (self.clone(), network.id.clone());
        blocking(move || Ok(engine.inner.network.remove(&id)?)).await?;
        self.network_event("destroy", &network, []);
        Ok(network)
    }

    /// Removes every network that people made, that no container uses or is made to use, and that is chosen.
    ///
    /// # Errors
    /// When the containers can't be asked; one that can't be removed is left.
    pub async fn prune_networks(&self, chosen: impl Fn(&NetworkView) -> bool + Send) -> Result<Vec<NetworkView>> {
        let used: Vec<String> =
            self.inner.table.all().iter().flat_map(|one| one.attachments()).map(|one| one.network).collect();
        let all = self.networks().into_iter();
        let unused: Vec<_> = all
            .filter(|one| !one.predefined && one.members.is_empty() && !used.contains(&one.name) && chosen(one))
            .collect();
        let mut gone = Vec::new();
        for network in unused {
            match self.remove_network(network.id.as_str()).await {
                Ok(removed) => gone.push(removed),
                Err(error) => tracing::warn!(network = network.name, "it is not pruned: {}", error.chain()),
            }
        }
        Ok(gone)
    }

    pub(in crate::engine) fn network_event<const N: usize>(
        &self,
        action: &str,
        network: &NetworkView,
        more: [(&str, String); N],
    ) {
        let mut attributes =
            BTreeMap::from([("name".to_owned(), network.name.clone()), ("type".to_owned(), network.driver.clone())]);
        attributes.extend(more.map(|(key, value)| (key.to_owned(), value)));
        self.publish("network", action, network.id.to_string(), attributes);
    }

    /// Says that a container came into a network or left it.
    pub(in crate::engine) fn tell_network(&self, action: &str, endpoint: &Endpoint, container: &Container) {
        if let Ok(network) = self.bare_network(&endpoint.network) {
            self.network_event(action, &network, [("container", container.id().to_string())]);
        }
    }

    /// The request with its networks' own names, once it is sure that they are there and can do what is wished.
    ///
    /// # Errors
    /// Never [`ErrorKind::NotFound`]: by that a docker client would take the image to be missing, and pull it.
    pub(in crate::engine) fn with_networks(&self, request: CreateContainer) -> Result<CreateContainer> {
        self.with_known_networks(request).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::invalid(error.message()),
            _ => error,
        })
    }

    fn with_known_networks(&self, mut request: CreateContainer) -> Result<CreateContainer> {
        match &request.network {
            NetworkMode::Bridge => {}
            NetworkMode::None | NetworkMode::Host => only_one(&request)?,
            NetworkMode::Container(name) => {
                let other = self.inner.table.find(name)?;
                only_one(&request)?;
                if request.hostname.is_some() {
                    return Err(Error::invalid("conflicting options: hostname and the network mode"));
                }
                if !request.ports.is_empty() || request.publish_all {
                    return Err(Error::invalid(
                        "conflicting options: port publishing and the container type network mode",
                    ));
                }
                request.network = NetworkMode::Container(other.id().to_string());
            }
            NetworkMode::Named(name) => {
                let network = self.bare_network(name)?;
                let known = request.network.to_string();
                for one in request.networks.iter_mut().filter(|one| one.network == known) {
                    one.network.clone_from(&network.name);
                }
                request.network = NetworkMode::from(network.name.as_str());
            }
        }
        let mut seen = Vec::new();
        for one in &mut request.networks {
            let network = self.bare_network(&one.network)?;
            one.network.clone_from(&network.name);
            self.can_be_in(&network, one)?;
            if seen.contains(&network.id) {
                return Err(Error::invalid(format!("network {} is named twice", network.name)));
            }
            seen.push(network.id);
        }
        if !request.links.is_empty() {
            for link in &request.links {
                let name = link.split_once(':').map_or(link.as_str(), |(name, _)| name);
                self.inner.table.find(name)?;
            }
            if request.network != NetworkMode::Bridge {
                let name = request.network.to_string();
                // On a network with names, a link is one more name.
                let own = request.networks.iter_mut().find(|one| one.network == name);
                match (own, &request.network) {
                    (Some(one), _) => one.links.append(&mut request.links),
                    (None, NetworkMode::Named(_)) => request.networks.push(NetworkAttachment {
                        network: name,
                        links: std::mem::take(&mut request.links),
                        ..NetworkAttachment::default()
                    }),
                    (None, _) => {
                        return Err(Error::invalid(format!(
                            "conflicting options: {name} type networking can't be used with links. This would result in undefined behavior"
                        )));
                    }
                }
            }
        }
        Ok(request)
    }

    /// Whether a container may be in a network as wished.
    pub(in crate::engine) fn can_be_in(&self, network: &NetworkView, wished: &NetworkAttachment) -> Result<()> {
        if !network.has_places() {
            return Err(refused(&network.name, "it can't be one of several networks of a container"));
        }
        if network.predefined {
            if wished.ip.is_some() || wished.ip6.is_some() {
                return Err(refused(
                    &network.name,
                    "user specified IP address is supported on user defined networks only",
                ));
            }
            if !wished.aliases.is_empty() {
                return Err(refused(
                    &network.name,
                    "network-scoped aliases are only supported for user-defined networks",
                ));
            }
        }
        if let (Some(ip), false) = (wished.ip6, network.ipv6) {
            return Err(refused(&network.name, &format!("no configured subnet contains IP address {ip}")));
        }
        let (chosen, chosen6) = self.inner.network.has_chosen_subnet(&network.id);
        if wished.ip.is_some() && !chosen || wished.ip6.is_some() && !chosen6 {
            return Err(refused(
                &network.name,
                "user specified IP address is supported only when connecting to networks with user configured subnets",
            ));
        }
        Ok(())
    }
}

/// Of these modes a container can have no other.
fn only_one(request: &CreateContainer) -> Result<()> {
    let mode = request.network.to_string();
    if let Some(other) = request.networks.iter().find(|one| one.network != mode) {
        return Err(Error::invalid(format!(
            "conflicting options: a container of the network mode {mode:?} can't be in the network {}",
            other.network
        )));
    }
    Ok(())
}
