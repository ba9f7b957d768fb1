//! Networks on the wire.

use std::collections::BTreeMap;

use runtime::{
    request::{AddressPool, CreateNetwork},
    view::NetworkView,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::create::{Endpoint, Rest};
use crate::docker::error::{Failure, Result};

/// A network in lists and inspect.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Network<'a> {
    name: &'a str,
    id: &'a str,
    created: String,
    scope: &'a str,
    driver: &'a str,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Value,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_from: Value,
    config_only: bool,
    containers: BTreeMap<&'a str, Value>,
    options: &'a BTreeMap<String, String>,
    labels: &'a BTreeMap<String, String>,
}

impl<'a> Network<'a> {
    /// With the containers in it, or without.
    pub(in crate::docker) fn of(network: &'a NetworkView, members: bool) -> Self {
        let member = |one: &runtime::view::NetworkMember| {
            json!({
                "Name": one.name, "EndpointID": one.endpoint_id, "MacAddress": one.mac,
                "IPv4Address": format!("{}/{}", one.ip, one.prefix_len), "IPv6Address": one.v6.map_or_else(String::new, |v6| format!("{}/{}", v6.ip, v6.prefix_len)),
            })
        };
        let shown = network.members.iter().filter(|_| members);
        Self {
            name: &network.name,
            id: network.id.as_str(),
            created: network.created_at.to_string(),
            scope: "local",
            driver: &network.driver,
            enable_ipv4: true,
            enable_ipv6: network.ipv6,
            ipam: json!({ "Driver": "default", "Options": null, "Config": pools(network) }),
            internal: network.internal,
            attachable: network.attachable,
            ingress: false,
            config_from: json!({ "Network": "" }),
            config_only: false,
            containers: shown.map(|one| (one.container.as_str(), member(one))).collect(),
            options: &network.options,
            labels: &network.labels,
        }
    }
}

fn pools(network: &NetworkView) -> Value {
    if network.pools.is_empty() {
        return Value::Null;
    }
    let one = |pool: &AddressPool| {
        let fields = [("Subnet", &pool.subnet), ("IPRange", &pool.ip_range), ("Gateway", &pool.gateway)];
        let said = |(name, value): (&str, &Option<String>)| Some((name.to_owned(), value.as_deref()?.into()));
        Value::Object(fields.into_iter().filter_map(said).collect::<Map<_, _>>())
    };
    network.pools.iter().map(one).collect()
}

/// A network to be made.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct Create {
    name: Option<String>,
    driver: Option<String>,
    internal: Option<bool>,
    attachable: Option<bool>,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: Option<bool>,
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
    options: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    rest: Rest,
}

/// Its addresses.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Ipam {
    driver: Option<String>,
    options: Option<BTreeMap<String, String>>,
    config: Option<Vec<Pool>>,
}

/// One subnet.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Pool {
    subnet: Option<String>,
    #[serde(rename = "IPRange")]
    ip_range: Option<String>,
    gateway: Option<String>,
    #[serde(alias = "AuxAddress")]
    auxiliary_addresses: Option<BTreeMap<String, String>>,
}

impl Create {
    /// As the engine takes it. What isn't there is refused by name.
    pub(in crate::docker) fn into_request(self) -> Result<CreateNetwork> {
        let missing = |what: &str| Err(Failure::unsupported(format!("Darsena does not support {what} yet")));
        for (field, what) in [
            ("Ingress", "ingress networks (--ingress)"),
            ("ConfigOnly", "networks that only configure others (--config-only)"),
            ("ConfigFrom", "networks configured by others (--config-from)"),
        ] {
            if self.rest.asked(field).is_some() {
                return missing(what);
            }
        }
        if self.rest.0.get("Scope").and_then(Value::as_str).is_some_and(|scope| !["", "local"].contains(&scope)) {
            return missing("networks of other scopes than local (--scope)");
        }
        if self.enable_ipv4 == Some(false) {
            return missing("networks without IPv4 (--ipv4=false)");
        }
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let ipam = self.ipam.unwrap_or_default();
        if said(ipam.driver).is_some_and(|driver| driver != "default") {
            return missing("other address drivers (--ipam-driver)");
        }
        if ipam.options.is_some_and(|options| !options.is_empty()) {
            return missing("options of the address driver (--ipam-opt)");
        }
        let pools = ipam.config.unwrap_or_default().into_iter().map(|pool| AddressPool {
            subnet: said(pool.subnet),
            ip_range: said(pool.ip_range),
            gateway: said(pool.gateway),
            reserved: pool.auxiliary_addresses.unwrap_or_default().into_values().collect(),
        });
        let name = self.name.unwrap_or_default();
        Ok(CreateNetwork {
            name: name.trim_start_matches('/').to_owned(),
            driver: self.driver.unwrap_or_default(),
            internal: self.internal.unwrap_or_default(),
            attachable: self.attachable.unwrap_or_default(),
            ipv6: self.enable_ipv6.unwrap_or_default(),
            labels: self.labels.unwrap_or_default(),
            options: self.options.unwrap_or_default(),
            pools: pools.filter(|pool| *pool != AddressPool::default()).collect(),
        })
    }
}

/// A container that is to be in a network.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct Connect {
    pub container: String,
    pub endpoint_config: Option<Endpoint>,
}

/// A container that is to leave a network.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct Disconnect {
    pub container: String,
    pub force: bool,
}
