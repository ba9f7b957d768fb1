//! A container's place in the network, as lists and inspect show it.

use std::collections::BTreeMap;

use runtime::{
    request::{NetworkAttachment, NetworkMode},
    view::{ContainerView, Endpoint},
};
use serde::Serialize;
use serde_json::Value;

/// `NetworkSettings` of inspect.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct NetworkSettings<'a> {
    bridge: &'a str,
    #[serde(rename = "SandboxID")]
    sandbox_id: &'a str,
    sandbox_key: &'a str,
    ports: BTreeMap<String, Option<Vec<HostPort>>>,
    hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    link_local_ipv6_address: &'a str,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    link_local_ipv6_prefix_len: u8,
    #[serde(rename = "SecondaryIPAddresses")]
    secondary_ip_addresses: (),
    #[serde(rename = "SecondaryIPv6Addresses")]
    secondary_ipv6_addresses: (),
    #[serde(flatten)]
    place: Place<'a>,
    networks: BTreeMap<String, EndpointSettings<'a>>,
}

/// `NetworkSettings` of lists.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct NetworkSummary<'a> {
    networks: BTreeMap<String, EndpointSettings<'a>>,
}

/// One network of a container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EndpointSettings<'a> {
    #[serde(rename = "IPAMConfig")]
    ipam_config: Option<Value>,
    links: Option<&'a [String]>,
    aliases: Option<&'a [String]>,
    driver_opts: (),
    gw_priority: i64,
    #[serde(rename = "NetworkID")]
    network_id: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    #[serde(rename = "DNSNames")]
    dns_names: Option<&'a [String]>,
}

/// Addresses; empty while there are none.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Place<'a> {
    mac_address: &'a str,
    #[serde(rename = "EndpointID")]
    endpoint_id: &'a str,
    gateway: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
}

/// A port of the host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct HostPort {
    host_ip: String,
    host_port: String,
}

impl HostPort {
    /// An address and a port; empty is any.
    pub(in crate::docker) fn new(host_ip: String, host_port: String) -> Self {
        Self { host_ip, host_port }
    }
}

fn place(endpoint: Option<&Endpoint>) -> Place<'_> {
    endpoint.map_or_else(Place::default, |endpoint| Place {
        mac_address: &endpoint.mac,
        endpoint_id: &endpoint.id,
        gateway: endpoint.gateway.to_string(),
        ip_address: endpoint.ip.to_string(),
        ip_prefix_len: endpoint.prefix_len,
        ipv6_gateway: endpoint.v6.map(|v6| v6.gateway.to_string()).unwrap_or_default(),
        global_ipv6_address: endpoint.v6.map(|v6| v6.ip.to_string()).unwrap_or_default(),
        global_ipv6_prefix_len: endpoint.v6.map(|v6| v6.prefix_len).unwrap_or_default(),
    })
}

fn settings<'a>(wished: Option<&'a NetworkAttachment>, endpoint: Option<&'a Endpoint>) -> EndpointSettings<'a> {
    let some = |list: &'a [String]| Some(list).filter(|list| !list.is_empty());
    let mut wishes = serde_json::Map::new();
    wishes.extend(wished.and_then(|one| one.ip).map(|ip| ("IPv4Address".to_owned(), ip.to_string().into())));
    wishes.extend(wished.and_then(|one| one.ip6).map(|ip| ("IPv6Address".to_owned(), ip.to_string().into())));
    EndpointSettings {
        ipam_config: Some(wishes).filter(|wishes| !wishes.is_empty()).map(Value::Object),
        links: wished.and_then(|one| some(&one.links)),
        aliases: wished.and_then(|one| some(&one.aliases)),
        driver_opts: (),
        gw_priority: wished.map_or(0, |one| one.gw_priority),
        network_id: endpoint.and_then(|one| one.network_id.as_ref()).map_or("", |id| id.as_str()),
        place: place(endpoint),
        dns_names: endpoint.filter(|one| one.network != "bridge").and_then(|one| some(&one.names)),
    }
}

fn networks(container: &ContainerView) -> BTreeMap<String, EndpointSettings<'_>> {
    if let NetworkMode::None | NetworkMode::Host = container.request.network {
        return BTreeMap::from([(container.request.network.to_string(), settings(None, None))]);
    }
    let one = |wished: &'_ NetworkAttachment| wished.network.clone();
    let of = |name: &str| container.endpoints().find(|endpoint| endpoint.network == name);
    container.attachments.iter().map(|wished| (one(wished), settings(Some(wished), of(&wished.network)))).collect()
}

impl<'a> NetworkSummary<'a> {
    /// For a list.
    pub(in crate::docker) fn of(container: &'a ContainerView) -> Self {
        Self { networks: networks(container) }
    }
}

impl<'a> NetworkSettings<'a> {
    /// For inspect.
    pub(in crate::docker) fn of(container: &'a ContainerView) -> Self {
        let endpoint = container.endpoint.as_ref();
        let mut ports: BTreeMap<String, Option<Vec<HostPort>>> = BTreeMap::new();
        if let Some(endpoint) = endpoint {
            ports.extend(container.exposed_ports.iter().map(|port| (port.to_string(), None)));
            for port in &endpoint.ports {
                let hosts = ports.entry(port.container.to_string()).or_default().get_or_insert_default();
                hosts.push(HostPort::new(port.host_ip.to_string(), port.host_port.to_string()));
            }
        }
        Self {
            bridge: "",
            sandbox_id: "",
            sandbox_key: "",
            ports,
            hairpin_mode: false,
            link_local_ipv6_address: "",
            link_local_ipv6_prefix_len: 0,
            secondary_ip_addresses: (),
            secondary_ipv6_addresses: (),
            place: place(endpoint.filter(|endpoint| endpoint.network == "bridge")),
            networks: networks(container),
        }
    }
}
