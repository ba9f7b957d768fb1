//! The engine and its host: `/version`, `/info` and events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runtime::{
    request::LogDriver,
    view::{Event, HostCheck, HostInfo, Verdict},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::docker::version::{NEWEST, OLDEST};

/// What `/version` answers.
pub(in crate::docker) fn version(host: &HostInfo) -> Value {
    let ours = env!("CARGO_PKG_VERSION");
    let (newest, oldest) = (NEWEST.to_string(), OLDEST.to_string());
    json!({
        "Platform": { "Name": "Darsena" },
        "Components": [{
            "Name": "Engine",
            "Version": ours,
            "Details": {
                "ApiVersion": newest, "MinAPIVersion": oldest, "Arch": host.architecture, "Os": "linux",
                "KernelVersion": host.kernel, "Experimental": "false", "BuildTime": "", "GitCommit": "",
                "GoVersion": "",
            },
        }],
        "Version": ours, "ApiVersion": newest, "MinAPIVersion": oldest, "GitCommit": "", "GoVersion": "",
        "Os": "linux", "Arch": host.architecture, "KernelVersion": host.kernel, "BuildTime": "",
    })
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::docker) struct Counts {
    pub running: usize,
    pub paused: usize,
    pub stopped: usize,
    pub images: usize,
}

/// What `/info` answers.
pub(in crate::docker) fn info(host: &HostInfo, counts: Counts, now: Timestamp) -> Value {
    let mut security = vec!["name=cgroupns"];
    if host.seccomp {
        security.insert(0, "name=seccomp,profile=builtin");
    }
    if host.mapped_users {
        security.push("name=userns");
    }
    let index = |name: &str, secure: bool, mirrors: &[String]| json!({ "Name": name, "Mirrors": mirrors, "Secure": secure, "Official": name == "docker.io" });
    let mut indexes = BTreeMap::from([("docker.io", index("docker.io", true, &host.registry_mirrors))]);
    let (networks, hosts): (Vec<_>, Vec<_>) = host.insecure_registries.iter().partition(|name| name.contains('/'));
    indexes.extend(hosts.into_iter().map(|name| (name.as_str(), index(name, false, &[]))));
    let networks: Vec<_> = ["127.0.0.0/8"].into_iter().chain(networks.into_iter().map(String::as_str)).collect();
    let mut info = json!({
        "ID": host.engine_id, "Name": host.hostname, "ServerVersion": env!("CARGO_PKG_VERSION"),
        "Containers": counts.running + counts.paused + counts.stopped, "ContainersRunning": counts.running, "ContainersPaused": counts.paused,
        "ContainersStopped": counts.stopped, "Images": counts.images,
        "Driver": "overlay2", "DriverStatus": [["Supports d_type", "true"]],
        "DockerRootDir": host.data_root.to_string_lossy(),
        "Plugins": {
            "Volume": [], "Network": ["bridge", "host", "null"], "Authorization": null, "Log": ["json-file", "local"],
        },
        "KernelVersion": host.kernel, "OperatingSystem": host.operating_system, "OSVersion": "", "OSType": "linux",
        "Architecture": host.machine, "NCPU": host.cpus, "MemTotal": host.memory_bytes,
        "CgroupDriver": "cgroupfs", "CgroupVersion": host.cgroup_version.to_string(),
        "LoggingDriver": LogDriver::default().name(), "SystemTime": now.to_string(),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "InsecureRegistryCIDRs": networks, "IndexConfigs": indexes, "Mirrors": host.registry_mirrors,
            "AllowNondistributableArtifactsCIDRs": null, "AllowNondistributableArtifactsHostnames": null,
        },
        "SecurityOptions": security, "Warnings": warnings(host),
    });
    let same = json!({
        "SystemStatus": null, "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true,
        "CPUShares": true, "CPUSet": true, "PidsLimit": true, "OomKillDisable": true, "IPv4Forwarding": true,
        "BridgeNfIptables": true, "BridgeNfIp6tables": true,
        "Debug": false, "NFd": 0, "NGoroutines": 0, "NEventsListener": 0, "HttpProxy": "", "HttpsProxy": "",
        "NoProxy": "", "Labels": [], "ExperimentalBuild": false, "GenericResources": null, "LiveRestoreEnabled": true,
        "DefaultRuntime": "darsena", "Runtimes": { "darsena": { "path": "darsena" } }, "Isolation": "",
        "InitBinary": "darsena", "ContainerdCommit": { "ID": "" }, "RuncCommit": { "ID": "" },
        "InitCommit": { "ID": "" }, "ProductLicense": "", "DefaultAddressPools": [], "CDISpecDirs": [],
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
            "RemoteManagers": null,
        },
    });
    if let (Value::Object(fields), Value::Object(same)) = (&mut info, same) {
        fields.extend(same);
    }
    info
}

/// What this host has less of, with the remedy.
fn warnings(host: &HostInfo) -> Vec<String> {
    let line = |check: &HostCheck| {
        let remedy = if check.remedy.is_empty() { String::new() } else { format!(" ({})", check.remedy) };
        format!("WARNING: {}: {}{remedy}", check.name, check.found)
    };
    let mut lines: Vec<_> = host.checks.iter().filter(|check| check.verdict != Verdict::Good).map(line).collect();
    if !host.mapped_users {
        lines.push("WARNING: mapped users are off: root in a container has the host's id 0".to_owned());
    }
    lines
}

/// One event, with the older fields beside the newer for containers and images.
#[derive(Debug, Serialize)]
pub(in crate::docker) struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(rename = "Type")]
    kind: &'a str,
    #[serde(rename = "Action")]
    action: &'a str,
    #[serde(rename = "Actor")]
    actor: Actor<'a>,
    scope: &'static str,
    time: i64,
    #[serde(rename = "timeNano")]
    time_nano: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Actor<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    attributes: &'a BTreeMap<String, String>,
}

impl<'a> Message<'a> {
    /// For the stream.
    pub(in crate::docker) fn of(event: &'a Event) -> Self {
        let older = event.object == "container" || event.object == "image";
        Self {
            status: older.then_some(event.action.as_str()),
            id: older.then_some(event.id.as_str()),
            from: event.attributes.get("image").map(String::as_str).filter(|_| event.object == "container"),
            kind: event.object,
            action: &event.action,
            actor: Actor { id: &event.id, attributes: &event.attributes },
            scope: "local",
            time: event.at.as_second(),
            time_nano: i64::try_from(event.at.as_nanosecond()).unwrap_or(i64::MAX),
        }
    }
}

#[cfg(test)]
pub(in crate::docker) mod tests {
    use super::*;

    fn host(mapped_users: bool) -> HostInfo {
        let check =
            |name, verdict| HostCheck { name, verdict, found: "kernel 4.4".to_owned(), remedy: "upgrade".to_owned() };
        HostInfo {
            hostname: "box".to_owned(),
            kernel: "6.1".to_owned(),
            operating_system: "Debian".to_owned(),
            machine: "x86_64".to_owned(),
            architecture: "amd64",
            cpus: 2,
            memory_bytes: 1 << 30,
            cgroup_version: 1,
            mapped_users,
            seccomp: true,
            data_root: "/var/lib/darsena".into(),
            engine_id: "e".to_owned(),
            registry_mirrors: vec!["http://mirror".to_owned()],
            insecure_registries: vec!["reg:5000".to_owned(), "10.0.0.0/8".to_owned()],
            disk_bytes: (1, 2),
            checks: if mapped_users {
                vec![check("kernel", Verdict::Good)]
            } else {
                vec![check("kernel", Verdict::Good), check("idmap", Verdict::Limited)]
            },
        }
    }

    #[test]
    fn info_tells_the_host_and_warns_where_it_has_less() {
        let counts = Counts { running: 1, paused: 0, stopped: 2, images: 3 };
        let json = info(&host(true), counts, Timestamp::UNIX_EPOCH);
        assert_eq!(
            (&json["Containers"], &json["CgroupVersion"], &json["Warnings"]),
            (&3.into(), &"1".into(), &json!([]))
        );
        assert_eq!(json["SecurityOptions"], json!(["name=seccomp,profile=builtin", "name=cgroupns", "name=userns"]));
        assert_eq!(json["RegistryConfig"]["InsecureRegistryCIDRs"], json!(["127.0.0.0/8", "10.0.0.0/8"]));
        assert_eq!(json["RegistryConfig"]["IndexConfigs"]["reg:5000"]["Secure"], false);
        let json = info(&host(false), counts, Timestamp::UNIX_EPOCH);
        assert_eq!(
            json["Warnings"],
            json!([
                "WARNING: idmap: kernel 4.4 (upgrade)",
                "WARNING: mapped users are off: root in a container has the host's id 0"
            ])
        );
        assert!(!json["SecurityOptions"].to_string().contains("userns"));
    }

    #[test]
    fn the_version_names_engine_and_api() {
        let json = version(&host(true));
        assert_eq!(
            (&json["ApiVersion"], &json["MinAPIVersion"], &json["Arch"]),
            (&"1.48".into(), &"1.24".into(), &"amd64".into())
        );
        assert_eq!(json["Components"][0]["Name"], "Engine");
    }

    /// A container's event.
    pub(in crate::docker) fn event(action: &str) -> Event {
        Event {
            at: Timestamp::new(5, 7).unwrap(),
            object: "container",
            action: action.to_owned(),
            id: "abc123".to_owned(),
            attributes: BTreeMap::from([
                ("name".to_owned(), "web".to_owned()),
                ("image".to_owned(), "nginx:latest".to_owned()),
                ("tier".to_owned(), "front".to_owned()),
            ]),
        }
    }

    #[test]
    fn events_have_old_and_new_fields() {
        let event = event("die");
        let json = serde_json::to_value(Message::of(&event)).unwrap();
        assert_eq!((&json["status"], &json["Action"]), (&"die".into(), &"die".into()));
        assert_eq!(
            (&json["from"], &json["Type"], &json["scope"]),
            (&"nginx:latest".into(), &"container".into(), &"local".into())
        );
        assert_eq!((&json["time"], &json["timeNano"]), (&5.into(), &5_000_000_007_i64.into()));
        assert_eq!(json["Actor"]["Attributes"]["name"], "web");
    }
}
