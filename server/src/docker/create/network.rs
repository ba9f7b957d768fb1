//! The part of a container's body that says which networks it is in.

use std::net::{Ipv4Addr, Ipv6Addr};

use runtime::request::{CreateContainer, Mac, NetworkAttachment, NetworkMode};

use super::{missing, said};
use crate::docker::{
    error::{Failure, Result},
    model::create::{Endpoint, NetworkingConfig},
};

/// Puts the networks into the request, whose mode is known.
pub(super) fn join(made: &mut CreateContainer, config: NetworkingConfig, mac: Option<String>) -> Result<()> {
    let mode = made.network.to_string();
    for (name, endpoint) in config.endpoints_config.unwrap_or_default() {
        let name = if name == "default" { "bridge".to_owned() } else { name };
        let attachment = attachment(name, endpoint.unwrap_or_default())?;
        let alone = NetworkAttachment { network: attachment.network.clone(), ..NetworkAttachment::default() };
        if attachment.network != mode || attachment != alone {
            made.networks.push(attachment);
        }
    }
    let Some(mac) = said(mac) else { return Ok(()) };
    if !matches!(made.network, NetworkMode::Bridge | NetworkMode::Named(_)) {
        return Err(Failure::invalid("conflicting options: mac-address and the network mode"));
    }
    let mac = Some(parse_mac(&mac)?);
    match made.networks.iter_mut().find(|one| one.network == mode) {
        Some(own) => own.mac = own.mac.or(mac),
        None => made.networks.push(NetworkAttachment { network: mode, mac, ..NetworkAttachment::default() }),
    }
    Ok(())
}

/// One network's wishes.
pub(in crate::docker) fn attachment(network: String, endpoint: Endpoint) -> Result<NetworkAttachment> {
    let ipam = endpoint.ipam_config.unwrap_or_default();
    if ipam.link_local_ips.is_some_and(|list| !list.is_empty()) {
        return Err(missing("link-local addresses (--link-local-ip)"));
    }
    if endpoint.driver_opts.is_some_and(|options| !options.is_empty()) {
        return Err(missing("network driver options of a container"));
    }
    let ip = said(ipam.ipv4_address)
        .map(|ip| ip.parse::<Ipv4Addr>().map_err(|_| Failure::invalid(format!("invalid IPv4 address: {ip}"))));
    let ip6 = said(ipam.ipv6_address)
        .map(|ip| ip.parse::<Ipv6Addr>().map_err(|_| Failure::invalid(format!("invalid IPv6 address: {ip}"))));
    Ok(NetworkAttachment {
        network,
        ip: ip.transpose()?,
        mac: said(endpoint.mac_address).map(|mac| parse_mac(&mac)).transpose()?,
        aliases: endpoint.aliases.unwrap_or_default(),
        links: endpoint.links.unwrap_or_default(),
        ip6: ip6.transpose()?,
        gw_priority: endpoint.gw_priority.unwrap_or_default(),
    })
}

fn parse_mac(text: &str) -> Result<Mac> {
    text.parse().map_err(|error| Failure::invalid(format!("{error}")))
}
