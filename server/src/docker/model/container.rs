//! Containers in lists, and the answer of wait.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runtime::{
    request::ContainerPort,
    view::{ContainerSize, ContainerState, ContainerView, Exit},
};
use serde::Serialize;

use super::{health, network::NetworkSummary, volume::MountPoint};
use crate::docker::phrase;

/// One container of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Summary<'a> {
    id: &'a str,
    names: [String; 1],
    image: &'a str,
    #[serde(rename = "ImageID")]
    image_id: &'a str,
    command: String,
    created: i64,
    ports: Vec<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
    labels: &'a BTreeMap<String, String>,
    state: &'static str,
    status: String,
    host_config: ShortHostConfig,
    network_settings: NetworkSummary<'a>,
    mounts: Vec<MountPoint<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShortHostConfig {
    network_mode: String,
}

/// One line of `Ports`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    ip: String,
    private_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_port: Option<u16>,
    #[serde(rename = "Type")]
    kind: String,
}

impl<'a> Summary<'a> {
    /// For a list made at `now`. `image` is the name to show.
    pub(in crate::docker) fn of(
        container: &'a ContainerView,
        image: &'a str,
        image_id: &'a str,
        size: Option<ContainerSize>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: container.id.as_str(),
            names: [format!("/{}", container.name)],
            image,
            image_id,
            command: command(&container.argv),
            created: container.created_at.as_second(),
            ports: ports(container),
            size_rw: size.map(|size| size.writable_bytes),
            size_root_fs: size.map(|size| size.rootfs_bytes),
            labels: &container.labels,
            state: word(&container.state),
            status: health::beside(status(&container.state, now), container),
            host_config: ShortHostConfig { network_mode: container.request.network.to_string() },
            network_settings: NetworkSummary::of(container),
            mounts: MountPoint::all(container),
        }
    }
}

/// Docker's word for the state: one that could not be started is still only created.
pub(in crate::docker) fn word(state: &ContainerState) -> &'static str {
    match state {
        ContainerState::Exited(Exit { started_at: None, .. }) => "created",
        state => state.word(),
    }
}

/// The state in words: `Up 3 minutes`.
pub(in crate::docker) fn status(state: &ContainerState, now: Timestamp) -> String {
    match state {
        ContainerState::Created | ContainerState::Exited(Exit { started_at: None, .. }) => "Created".to_owned(),
        ContainerState::Running { started_at, paused, .. } => {
            let note = if *paused { " (Paused)" } else { "" };
            format!("Up {}{note}", phrase::length(now.duration_since(*started_at)))
        }
        ContainerState::Restarting(exit) => {
            format!("Restarting ({}) {} ago", exit.code, phrase::length(now.duration_since(exit.finished_at)))
        }
        ContainerState::Exited(exit) => {
            format!("Exited ({}) {} ago", exit.code, phrase::length(now.duration_since(exit.finished_at)))
        }
        ContainerState::Removing => "Removal In Progress".to_owned(),
    }
}

/// The command as one line; arguments with spaces in quotes.
fn command(argv: &[String]) -> String {
    let mut line = String::new();
    for (index, word) in argv.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        if index > 0 && word.contains(' ') {
            line.extend(["'", word, "'"]);
        } else {
            line.push_str(word);
        }
    }
    line
}

fn ports(container: &ContainerView) -> Vec<Port> {
    let Some(endpoint) = &container.endpoint else { return Vec::new() };
    let port = |container: ContainerPort, ip: String, public_port| Port {
        ip,
        private_port: container.port,
        public_port,
        kind: container.protocol.to_string(),
    };
    let mut ports: Vec<_> = endpoint
        .ports
        .iter()
        .map(|published| port(published.container, published.host_ip.to_string(), Some(published.host_port)))
        .collect();
    let published = |exposed: &ContainerPort| endpoint.ports.iter().any(|one| one.container == *exposed);
    let exposed = container.exposed_ports.iter().filter(|exposed| !published(exposed));
    ports.extend(exposed.map(|exposed| port(*exposed, String::new(), None)));
    ports
}

/// What wait answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Waited {
    status_code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WaitError>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct WaitError {
    message: String,
}

impl Waited {
    /// It ended.
    pub(in crate::docker) fn exited(exit: &Exit) -> Self {
        Self { status_code: exit.code, error: None }
    }

    /// The wait itself failed.
    pub(in crate::docker) fn failed(message: String) -> Self {
        Self { status_code: -1, error: Some(WaitError { message }) }
    }
}

#[cfg(test)]
pub(in crate::docker) mod tests {
    use std::net::Ipv4Addr;

    use runtime::{
        digest::Digest,
        request::CreateContainer,
        view::{Endpoint, PublishedPort},
    };

    use super::*;

    /// A running web server.
    pub(in crate::docker) fn web() -> ContainerView {
        let port = "80/tcp".parse().unwrap();
        ContainerView {
            id: "ab".repeat(32).parse().unwrap(),
            name: "web".to_owned(),
            state: ContainerState::Running { pid: 77, started_at: Timestamp::new(1_000, 0).unwrap(), paused: false },
            created_at: Timestamp::new(900, 500_000_000).unwrap(),
            request: CreateContainer { image: "nginx".to_owned(), ..CreateContainer::default() },
            image_id: Digest::of(b"image"),
            argv: ["sh", "-c", "echo hi"].map(str::to_owned).to_vec(),
            entrypoint_len: 1,
            env: vec!["A=b".to_owned()],
            working_dir: String::new(),
            user: String::new(),
            hostname: "abababababab".to_owned(),
            labels: BTreeMap::from([("tier".to_owned(), "front".to_owned())]),
            exposed_ports: vec![port, "443/tcp".parse().unwrap()],
            stop_signal: 15,
            endpoint: Some(Endpoint {
                network: "bridge".to_owned(),
                ip: Ipv4Addr::new(172, 17, 0, 2),
                prefix_len: 16,
                gateway: Ipv4Addr::new(172, 17, 0, 1),
                mac: "02:42:ac:11:00:02".to_owned(),
                host_interface: "veth1".to_owned(),
                ports: vec![PublishedPort { container: port, host_ip: Ipv4Addr::UNSPECIFIED.into(), host_port: 8080 }],
                network_id: None,
                interface: String::new(),
                names: Vec::new(),
                id: String::new(),
                v6: None,
            }),
            id_base: None,
            restart_count: 0,
            past: Vec::new(),
            log_path: "/data/containers/x/log".into(),
            mounts: Vec::new(),
            volumes_path: "/data/volumes".into(),
            exec_ids: Vec::new(),
            health: None,
            health_check: None,
            also: Vec::new(),
            attachments: vec![runtime::request::NetworkAttachment {
                network: "bridge".to_owned(),
                ..runtime::request::NetworkAttachment::default()
            }],
            replaced_by: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 0).unwrap()
    }

    #[test]
    fn states_are_said_in_dockers_words() {
        let exit = |code, started_at, finished| {
            ContainerState::Exited(Exit { code, oom_killed: false, started_at, finished_at: at(finished), error: None })
        };
        let running = |since| ContainerState::Running { pid: 1, started_at: at(since), paused: false };
        for (state, now, short, long) in [
            (running(1000), 1180, "running", "Up 3 minutes"),
            (running(1000), 1000, "running", "Up Less than a second"),
            (running(0), 3600, "running", "Up About an hour"),
            (running(0), 14 * 24 * 3600, "running", "Up 2 weeks"),
            (exit(0, Some(at(1)), 1000), 1005, "exited", "Exited (0) 5 seconds ago"),
            (exit(137, Some(at(1)), 1000), 1061, "exited", "Exited (137) About a minute ago"),
            (exit(127, None, 1000), 1005, "created", "Created"),
            (ContainerState::Created, 5, "created", "Created"),
            (ContainerState::Removing, 5, "removing", "Removal In Progress"),
        ] {
            assert_eq!((word(&state), status(&state, at(now))), (short, long.to_owned()));
        }
    }

    #[test]
    fn a_summary_has_what_the_cli_prints() {
        let container = web();
        let summary = Summary::of(&container, "nginx", "sha256:x", None, at(1180));
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["Names"][0], "/web");
        assert_eq!(json["Command"], "sh -c 'echo hi'");
        assert_eq!((&json["Created"], &json["Status"]), (&900.into(), &"Up 3 minutes".into()));
        assert_eq!(
            json["Ports"],
            serde_json::json!([
                { "IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" },
                { "PrivatePort": 443, "Type": "tcp" }
            ])
        );
        assert_eq!(json["NetworkSettings"]["Networks"]["bridge"]["IPAddress"], "172.17.0.2");
        assert_eq!(json["Labels"]["tier"], "front");
        assert!(json.get("SizeRw").is_none() && json["Mounts"].as_array().unwrap().is_empty());
        let size = ContainerSize { writable_bytes: 5, rootfs_bytes: 9 };
        let json = serde_json::to_value(Summary::of(&container, "nginx", "", Some(size), at(0))).unwrap();
        assert_eq!((&json["SizeRw"], &json["SizeRootFs"]), (&5.into(), &9.into()));
    }
}
