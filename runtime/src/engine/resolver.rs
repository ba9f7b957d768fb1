//! The name server of a container in networks with names.

use std::{
    fs,
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
};

use super::{Engine, plumb::failed, table::Container};
use crate::{
    error::Result,
    network,
    resolver::{self, Settings},
    sys::process,
    view::Endpoint,
};

impl Engine {
    /// Makes sure that a container whose networks have names has a resolver that knows them; answers whether it has one.
    pub(in crate::engine) fn resolver_for(
        &self,
        container: &Container,
        endpoints: &[Endpoint],
        netns: &OwnedFd,
        pid: i32,
    ) -> Result<bool> {
        let networks: Vec<_> =
            endpoints.iter().map(|endpoint| self.bare_network(&endpoint.network)).collect::<Result<_>>()?;
        let names: Vec<PathBuf> = networks
            .iter()
            .filter(|network| !network.predefined)
            .map(|network| self.inner.paths.names().join(network.id.as_str()))
            .collect();
        let settings = Settings {
            links: self.named_links(container),
            servers: container.record.request.dns.iter().filter_map(|server| server.parse().ok()).collect(),
            outside: networks.iter().any(|network| !network.internal),
            networks: names,
        };
        let path = self.inner.paths.resolver(container.id());
        if settings.networks.is_empty() {
            return Ok(false);
        }
        let beside = path.with_extension("new");
        fs::write(&beside, settings.write()).and_then(|()| fs::rename(&beside, &path)).map_err(failed)?;
        if resolver::lock(&path).map_err(failed)?.is_some() {
            let (udp, tcp) = network::open_resolver(netns.as_fd())?;
            let first = process::pidfd_open(pid).map_err(failed)?;
            let handed = [udp.as_fd(), tcp.as_fd(), first.as_fd()];
            self.inner.launcher.resolve(&path, handed).map_err(failed)?;
        }
        Ok(true)
    }

    /// What links on networks with names say: the network, the alias, and who is meant by the name of now.
    fn named_links(&self, container: &Container) -> Vec<(String, String, String)> {
        let mut links = Vec::new();
        for attachment in container.attachments() {
            for link in &attachment.links {
                let (target, alias) = link.split_once(':').unwrap_or((link, link));
                let name = self.inner.table.find(target).map_or_else(|_| target.to_owned(), |other| other.name());
                links.push((attachment.network.clone(), alias.to_owned(), name));
            }
        }
        links
    }
}
