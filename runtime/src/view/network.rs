//! Networks and who is in them.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{ContainerId, NetworkId},
    request::AddressPool,
};

/// A network.
#[derive(Clone, Debug)]
pub struct NetworkView {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// `bridge`, `macvlan`, `host` or `null`.
    pub driver: String,
    /// Without a way out.
    pub internal: bool,
    /// As asked for.
    pub attachable: bool,
    /// The engine's own: it can't be removed.
    pub predefined: bool,
    /// Its addresses, `172.30.0.0/16`.
    pub subnet: Option<String>,
    /// The bridge's address.
    pub gateway: Option<Ipv4Addr>,
    /// The part of the subnet that is handed out.
    pub ip_range: Option<String>,
    /// The bridge's name on the host.
    pub bridge: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// The running containers in it.
    pub members: Vec<NetworkMember>,
    /// With IPv6.
    pub ipv6: bool,
    /// Its addresses, a version each; IPv4's first.
    pub pools: Vec<AddressPool>,
}

impl NetworkView {
    /// Containers have places of their own in it: it is neither the host's network nor none.
    pub fn has_places(&self) -> bool {
        matches!(self.driver.as_str(), "bridge" | "macvlan")
    }

    /// Its addresses of IPv6.
    pub fn pool6(&self) -> Option<&AddressPool> {
        self.pools.get(1)
    }
}

/// A place's address of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inet6 {
    /// The address.
    pub ip: Ipv6Addr,
    /// Length of the network's prefix.
    pub prefix_len: u8,
    /// The way out.
    pub gateway: Ipv6Addr,
}

/// A running container in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkMember {
    /// The container.
    pub container: ContainerId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix_len: u8,
    /// Its hardware address.
    pub mac: String,
    /// Its endpoint's id.
    pub endpoint_id: String,
    /// What others may call it.
    pub names: Vec<String>,
    /// Its address of IPv6, where the network has any.
    pub v6: Option<Inet6>,
}

/// What a prune of networks removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedNetworks {
    /// Their names.
    pub names: Vec<String>,
}
