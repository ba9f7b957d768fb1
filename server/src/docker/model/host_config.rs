//! `HostConfig` of inspect: what was asked for, said back in Docker's words.

use std::collections::BTreeMap;

use runtime::{
    request::{CreateContainer, SeccompProfile, UserNamespace, VolumesFrom},
    view::ContainerView,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{isolation::Isolation, life, network::HostPort, volume::said_back};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct HostConfig<'a> {
    network_mode: String,
    links: Option<Vec<String>>,
    port_bindings: BTreeMap<String, Vec<HostPort>>,
    publish_all_ports: bool,
    auto_remove: bool,
    cap_add: Option<&'a [String]>,
    cap_drop: Option<&'a [String]>,
    dns: &'a [String],
    dns_options: &'a [String],
    dns_search: &'a [String],
    extra_hosts: Option<&'a [String]>,
    group_add: Option<&'a [String]>,
    oom_score_adj: i32,
    readonly_rootfs: bool,
    security_opt: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tmpfs: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sysctls: &'a BTreeMap<String, String>,
    userns_mode: &'static str,
    shm_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
    memory: u64,
    memory_reservation: u64,
    memory_swap: i64,
    nano_cpus: u64,
    cpu_shares: u64,
    cpuset_cpus: &'a str,
    pids_limit: Option<u64>,
    ulimits: Vec<Value>,
    log_config: Value,
    binds: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<Value>,
    volumes_from: Option<Vec<String>>,
    #[serde(flatten)]
    isolation: Isolation<'a>,
    /// What is the same for every container.
    #[serde(flatten)]
    fixed: Map<String, Value>,
}

impl<'a> HostConfig<'a> {
    /// For inspect.
    pub(in crate::docker) fn of(container: &'a ContainerView) -> Self {
        let request = &container.request;
        let some = |list: &'a [String]| Some(list).filter(|list| !list.is_empty());
        let limits = &request.limits;
        let limit = |value: u64| i64::try_from(value).unwrap_or(-1);
        let mut security = Vec::new();
        if request.no_new_privileges {
            security.push("no-new-privileges".to_owned());
        }
        if request.seccomp == SeccompProfile::Unconfined {
            security.push("seccomp=unconfined".to_owned());
        }
        if let Some(profile) = &request.isolation.seccomp_profile {
            security.push(format!("seccomp={profile}"));
        }
        Self {
            network_mode: request.network.to_string(),
            links: links(container),
            port_bindings: bindings(request),
            publish_all_ports: request.publish_all,
            auto_remove: request.auto_remove,
            cap_add: some(&request.cap_add),
            cap_drop: some(&request.cap_drop),
            dns: &request.dns,
            dns_options: &request.dns_options,
            dns_search: &request.dns_search,
            extra_hosts: some(&request.extra_hosts),
            group_add: some(&request.group_add),
            oom_score_adj: request.oom_score_adj.unwrap_or(0),
            readonly_rootfs: request.read_only_rootfs,
            security_opt: Some(security).filter(|list| !list.is_empty()),
            tmpfs: &request.tmpfs,
            sysctls: &request.sysctls,
            userns_mode: match request.userns {
                UserNamespace::Mapped => "",
                UserNamespace::Host => "host",
            },
            shm_size: request.shm_size_bytes.unwrap_or(64 << 20),
            init: request.init.then_some(true),
            memory: limits.memory_bytes.unwrap_or(0),
            memory_reservation: limits.memory_reservation_bytes.unwrap_or(0),
            memory_swap: match (limits.memory_swap_bytes, limits.memory_bytes) {
                (Some(swap), _) => limit(swap),
                (None, Some(memory)) => limit(memory.saturating_mul(2)),
                (None, None) => 0,
            },
            nano_cpus: limits.nano_cpus.unwrap_or(0),
            cpu_shares: limits.cpu_shares.unwrap_or(0),
            cpuset_cpus: limits.cpuset_cpus.as_deref().unwrap_or_default(),
            pids_limit: limits.pids,
            ulimits: request
                .rlimits
                .iter()
                .map(|one| json!({ "Name": one.name, "Soft": limit(one.soft), "Hard": limit(one.hard) }))
                .collect(),
            log_config: json!({ "Type": request.log_driver.name(), "Config": request.log_options }),
            binds: Some(request.mounts.iter().filter_map(|mount| mount.spelled.as_deref()).collect())
                .filter(|list: &Vec<_>| !list.is_empty()),
            mounts: request.mounts.iter().filter(|mount| mount.spelled.is_none()).map(said_back).collect(),
            volumes_from: Some(request.volumes_from.iter().map(from_other).collect())
                .filter(|list: &Vec<_>| !list.is_empty()),
            isolation: Isolation::of(&request.isolation),
            fixed: {
                let mut fields = fixed();
                life::limits(&mut fields, request);
                fields
            },
        }
    }
}

fn links(container: &ContainerView) -> Option<Vec<String>> {
    let shown = |link: &String| {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        format!("/{name}:/{}/{alias}", container.name)
    };
    let links: Vec<_> = container.request.links.iter().map(shown).collect();
    Some(links).filter(|links| !links.is_empty())
}

fn bindings(request: &CreateContainer) -> BTreeMap<String, Vec<HostPort>> {
    let mut bindings = BTreeMap::<_, Vec<_>>::new();
    for port in &request.ports {
        let text = |value: Option<String>| value.unwrap_or_default();
        let host = HostPort::new(text(port.host_ip.map(|ip| ip.to_string())), port.host_ports());
        bindings.entry(port.container.to_string()).or_default().push(host);
    }
    bindings
}

fn from_other(from: &VolumesFrom) -> String {
    format!("{}{}", from.container, if from.read_only { ":ro" } else { "" })
}

fn fixed() -> Map<String, Value> {
    let fixed = json!({
        "ContainerIDFile": "", "VolumeDriver": "", "ConsoleSize": [0, 0], "Cgroup": "",
        "Runtime": "darsena", "Isolation": "", "CgroupParent": "",
        "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0, "DeviceRequests": null,
         "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0,
    });
    match fixed {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
