//! A container in full, as `GET /containers/{id}/json` shows it.

use std::collections::BTreeMap;

use runtime::{
    id::ExecId,
    view::{ContainerSize, ContainerState, ContainerView},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    container::word,
    health::{Check, Found},
    host_config::HostConfig,
    network::NetworkSettings,
    volume::MountPoint,
};
use crate::docker::phrase::NEVER;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Container<'a> {
    id: &'a str,
    created: String,
    path: &'a str,
    args: &'a [String],
    state: State<'a>,
    image: String,
    resolv_conf_path: &'a str,
    hostname_path: &'a str,
    hosts_path: &'a str,
    log_path: &'a str,
    name: String,
    restart_count: u32,
    driver: &'a str,
    platform: &'a str,
    mount_label: &'a str,
    process_label: &'a str,
    app_armor_profile: &'a str,
    #[serde(rename = "ExecIDs")]
    exec_ids: Option<Vec<&'a str>>,
    host_config: HostConfig<'a>,
    graph_driver: GraphDriver<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
    mounts: Vec<MountPoint<'a>>,
    config: Config<'a>,
    network_settings: NetworkSettings<'a>,
}

/// Docker's overlapping answers to one question.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct State<'a> {
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: i32,
    exit_code: i32,
    error: &'a str,
    started_at: String,
    finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Found<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GraphDriver<'a> {
    name: &'a str,
    data: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Config<'a> {
    hostname: &'a str,
    domainname: &'a str,
    user: &'a str,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    #[serde(skip_serializing_if = "Map::is_empty")]
    exposed_ports: Map<String, Value>,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: &'a [String],
    cmd: Option<&'a [String]>,
    image: &'a str,
    volumes: Option<BTreeMap<&'a str, Value>>,
    working_dir: &'a str,
    entrypoint: Option<&'a [String]>,
    on_build: (),
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Check>,
}

impl<'a> Container<'a> {
    /// For inspect.
    pub(in crate::docker) fn of(container: &'a ContainerView, size: Option<ContainerSize>) -> Self {
        let (path, args) = match &container.argv[..] {
            [] => ("", &[][..]),
            [path, args @ ..] => (path.as_str(), args),
        };
        Self {
            id: container.id.as_str(),
            created: container.created_at.to_string(),
            path,
            args,
            state: State { health: container.health.as_ref().map(Found::of), ..State::of(&container.state) },
            image: container.image_id.to_string(),
            resolv_conf_path: "",
            hostname_path: "",
            hosts_path: "",
            log_path: container.log_path.to_str().filter(|_| container.request.log_driver.keeps()).unwrap_or_default(),
            name: format!("/{}", container.name),
            restart_count: container.restart_count,
            driver: "overlay2",
            platform: "linux",
            mount_label: "",
            process_label: "",
            app_armor_profile: "",
            exec_ids: (!container.exec_ids.is_empty()).then(|| container.exec_ids.iter().map(ExecId::as_str).collect()),
            host_config: HostConfig::of(container),
            graph_driver: GraphDriver { name: "overlay2", data: BTreeMap::new() },
            size_rw: size.map(|size| size.writable_bytes),
            size_root_fs: size.map(|size| size.rootfs_bytes),
            mounts: MountPoint::all(container),
            config: Config::of(container),
            network_settings: NetworkSettings::of(container),
        }
    }
}

impl<'a> State<'a> {
    fn of(state: &'a ContainerState) -> Self {
        let never = || NEVER.to_owned();
        let mut shown = Self {
            status: word(state),
            running: false,
            paused: false,
            restarting: false,
            oom_killed: false,
            dead: false,
            pid: 0,
            exit_code: 0,
            error: "",
            started_at: never(),
            finished_at: never(),
            health: None,
        };
        match state {
            ContainerState::Created => {}
            ContainerState::Running { pid, started_at, paused } => {
                shown.running = true;
                shown.paused = *paused;
                shown.pid = *pid;
                shown.started_at = started_at.to_string();
            }
            ContainerState::Exited(exit) | ContainerState::Restarting(exit) => {
                // One that waits for its next start counts as running, as in Docker.
                shown.running = matches!(state, ContainerState::Restarting(_));
                shown.restarting = shown.running;
                shown.oom_killed = exit.oom_killed;
                shown.exit_code = exit.code;
                shown.error = exit.error.as_deref().unwrap_or_default();
                if let Some(started_at) = exit.started_at {
                    shown.started_at = started_at.to_string();
                    shown.finished_at = exit.finished_at.to_string();
                }
            }
            ContainerState::Removing => shown.dead = true,
        }
        shown
    }
}

impl<'a> Config<'a> {
    fn of(container: &'a ContainerView) -> Self {
        let request = &container.request;
        let (entrypoint, cmd) = container.argv.split_at(container.entrypoint_len.min(container.argv.len()));
        let some = |words: &'a [String]| Some(words).filter(|words| !words.is_empty());
        Self {
            hostname: &container.hostname,
            domainname: request.domainname.as_deref().unwrap_or_default(),
            user: &container.user,
            attach_stdin: request.attach_stdin,
            attach_stdout: request.attach_stdout,
            attach_stderr: request.attach_stderr,
            exposed_ports: container
                .exposed_ports
                .iter()
                .map(|port| (port.to_string(), Value::Object(Map::new())))
                .collect(),
            tty: request.tty,
            open_stdin: request.open_stdin,
            stdin_once: request.stdin_once,
            env: &container.env,
            cmd: some(cmd),
            image: &request.image,
            volumes: volumes(container),
            working_dir: &container.working_dir,
            entrypoint: some(entrypoint),
            on_build: (),
            labels: &container.labels,
            stop_signal: match &request.stop_signal {
                Some(name) => Some(name.as_str().into()),
                None if container.stop_signal != 15 => Some(container.stop_signal.to_string().into()),
                None => None,
            },
            stop_timeout: request.stop_timeout.map(|time| time.as_secs()),
            healthcheck: container.health_check.as_ref().map(Check::of),
        }
    }
}

/// The paths that were to get a volume of their own, and did.
fn volumes(container: &ContainerView) -> Option<BTreeMap<&str, Value>> {
    let own = container.mounts.iter().filter(|mount| mount.volume().is_some_and(|volume| volume.anonymous));
    let paths: BTreeMap<_, _> = own.map(|mount| (mount.target.as_str(), Value::Object(Map::new()))).collect();
    Some(paths).filter(|paths| !paths.is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use runtime::view::Exit;

    use super::{super::container::tests::web, *};

    #[test]
    fn a_running_container_is_shown_in_full() {
        let container = web();
        let json = serde_json::to_value(Container::of(&container, None)).unwrap();
        assert_eq!((&json["Name"], &json["Path"]), (&"/web".into(), &"sh".into()));
        assert_eq!(json["Created"], "1970-01-01T00:15:00.5Z");
        assert_eq!(json["Args"], serde_json::json!(["-c", "echo hi"]));
        assert_eq!(json["Config"]["Entrypoint"], serde_json::json!(["sh"]));
        assert_eq!(json["Config"]["Cmd"], serde_json::json!(["-c", "echo hi"]));
        assert_eq!(json["Config"]["ExposedPorts"], serde_json::json!({ "80/tcp": {}, "443/tcp": {} }));
        let state = &json["State"];
        assert_eq!((&state["Status"], &state["Running"], &state["Pid"]), (&"running".into(), &true.into(), &77.into()));
        assert_eq!((&state["FinishedAt"], &state["OOMKilled"]), (&NEVER.into(), &false.into()));
        let network = &json["NetworkSettings"];
        assert_eq!(network["Ports"]["80/tcp"], serde_json::json!([{ "HostIp": "0.0.0.0", "HostPort": "8080" }]));
        assert!(network["Ports"]["443/tcp"].is_null());
        assert_eq!(
            (&network["IPAddress"], &network["Networks"]["bridge"]["Gateway"]),
            (&"172.17.0.2".into(), &"172.17.0.1".into())
        );
        assert_eq!(
            (&json["HostConfig"]["NetworkMode"], &json["HostConfig"]["ShmSize"]),
            (&"bridge".into(), &(64 << 20).into())
        );
        assert!(json["Mounts"].as_array().unwrap().is_empty() && json.get("SizeRw").is_none());
    }

    #[test]
    fn one_that_could_not_be_started_never_ran() {
        let mut container = web();
        container.endpoint = None;
        container.state = ContainerState::Exited(Exit {
            code: 127,
            oom_killed: false,
            started_at: None,
            finished_at: Timestamp::UNIX_EPOCH,
            error: Some("not found".to_owned()),
        });
        let json = serde_json::to_value(Container::of(&container, None)).unwrap();
        let state = &json["State"];
        assert_eq!((&state["Status"], &state["ExitCode"]), (&"created".into(), &127.into()));
        assert_eq!((&state["StartedAt"], &state["FinishedAt"]), (&NEVER.into(), &NEVER.into()));
        assert_eq!(state["Error"], "not found");
        assert_eq!(json["NetworkSettings"]["Ports"], serde_json::json!({}));
    }
}
