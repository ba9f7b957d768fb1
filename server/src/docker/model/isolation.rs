//! The part of inspect's `HostConfig` that says what a container is opened to.

use runtime::request::{IpcMode, Isolation as Asked, PidMode};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Isolation<'a> {
    privileged: bool,
    pid_mode: String,
    ipc_mode: String,
    #[serde(rename = "UTSMode")]
    uts_mode: &'static str,
    cgroupns_mode: &'static str,
    devices: Vec<Value>,
    device_cgroup_rules: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked_paths: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readonly_paths: Option<&'a [String]>,
}

impl<'a> Isolation<'a> {
    /// For inspect.
    pub(in crate::docker) fn of(asked: &'a Asked) -> Self {
        let rules: Vec<String> = asked.device_rules.iter().map(ToString::to_string).collect();
        Self {
            privileged: asked.privileged,
            pid_mode: match &asked.pid {
                PidMode::Private => String::new(),
                PidMode::Host => "host".to_owned(),
                PidMode::Container(other) => format!("container:{other}"),
            },
            ipc_mode: match &asked.ipc {
                IpcMode::Private => "private".to_owned(),
                IpcMode::None => "none".to_owned(),
                IpcMode::Shareable => "shareable".to_owned(),
                IpcMode::Host => "host".to_owned(),
                IpcMode::Container(other) => format!("container:{other}"),
            },
            uts_mode: if asked.host_uts { "host" } else { "" },
            cgroupns_mode: if asked.host_cgroups { "host" } else { "private" },
            devices: asked
                .devices
                .iter()
                .map(|device| {
                    json!({ "PathOnHost": device.host, "PathInContainer": device.container,
                        "CgroupPermissions": device.access })
                })
                .collect(),
            device_cgroup_rules: (!rules.is_empty()).then_some(rules),
            masked_paths: asked.masked_paths.as_deref(),
            readonly_paths: asked.readonly_paths.as_deref(),
        }
    }
}
