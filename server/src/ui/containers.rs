//! Containers: the list, and what is done to several at once.

use std::{collections::HashMap, net::IpAddr};

use askama::Template;
use axum::{
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use runtime::{
    id::ContainerId,
    view::{ContainerState, ContainerView},
};

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, When, notify, see_other},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{self, usage::Usage},
};

/// Rows shown before "Show the next".
const ROWS: usize = 200;

/// A container's state as pages show it.
pub struct Standing {
    /// Its class.
    pub class: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// In words.
    pub word: String,
    /// `out of memory`.
    pub remark: String,
}

impl Standing {
    /// With the health of one that has a check.
    pub fn of(view: &ContainerView, t: Texts) -> Self {
        super::health::standing(view, t).unwrap_or_else(|| Self::new(&view.state, t))
    }

    /// From the engine's state.
    pub fn new(state: &ContainerState, t: Texts) -> Self {
        let (class, word, remark) = match state {
            ContainerState::Created => ("created", t.get("state-created"), String::new()),
            ContainerState::Running { paused: true, .. } => ("paused", t.get("state-paused"), String::new()),
            ContainerState::Restarting(exit) => {
                ("restarting", t.get("state-restarting"), t.one("state-exited", "code", exit.code))
            }
            ContainerState::Running { .. } => ("running", t.get("state-running"), String::new()),
            ContainerState::Removing => ("restarting", t.get("state-removing"), String::new()),
            ContainerState::Exited(exit) => {
                let remark = if exit.oom_killed { t.get("state-out-of-memory") } else { String::new() };
                ("exited", t.one("state-exited", "code", exit.code), remark)
            }
        };
        Self { class, icon: class, word, remark }
    }
}

/// One row.
pub struct Row {
    name: String,
    state: Standing,
    image: String,
    ports: String,
    cpu: String,
    memory: String,
    memory_limit: String,
    memory_percent: u64,
    since: When,
    is_running: bool,
    is_startable: bool,
    is_paused: bool,
}

impl Row {
    /// From the engine's view and the last reading.
    pub fn new(view: &ContainerView, usage: Option<&Usage>, t: Texts, now: Timestamp) -> Self {
        let since = match &view.state {
            ContainerState::Running { started_at, .. } => When::since(t, *started_at, now),
            ContainerState::Exited(exit) | ContainerState::Restarting(exit) => When::ago(t, exit.finished_at, now),
            _ => When { text: "–".to_owned(), ..When::at(t, view.created_at) },
        };
        let dash = || "–".to_owned();
        let is_running = view.state.is_running() || matches!(view.state, ContainerState::Restarting(_));
        let usage = usage.filter(|_| is_running);
        Self {
            name: view.name.clone(),
            state: Standing::of(view, t),
            image: view.request.image.clone(),
            ports: ports(view),
            cpu: usage.map_or_else(dash, |usage| t.percent(usage.cpu_percent)),
            memory: usage.map_or_else(dash, |usage| t.memory(usage.memory_bytes)),
            memory_limit: match (usage, view.request.limits.memory_bytes) {
                (Some(_), Some(limit)) => t.one("of", "limit", t.memory(limit)),
                _ => String::new(),
            },
            memory_percent: match (usage, view.request.limits.memory_bytes) {
                (Some(usage), Some(limit)) if limit > 0 => (usage.memory_bytes * 100 / limit).min(100),
                _ => 0,
            },
            since,
            is_running,
            is_startable: matches!(view.state, ContainerState::Created | ContainerState::Exited(_)),
            is_paused: view.state.is_paused(),
        }
    }

    fn bar(&self) -> &'static str {
        match self.memory_percent {
            95.. => "over",
            80.. => "hot",
            _ => "",
        }
    }
}

/// `8080→80`, and addresses where they are not all.
pub fn ports(view: &ContainerView) -> String {
    let address = |ip: IpAddr| match ip {
        ip if ip.is_unspecified() => String::new(),
        IpAddr::V4(ip) => format!("{ip}:"),
        IpAddr::V6(ip) => format!("[{ip}]:"),
    };
    let mut published: Vec<String> = match &view.endpoint {
        Some(endpoint) => endpoint
            .ports
            .iter()
            .map(|port| published(&address(port.host_ip), &port.host_port.to_string(), port.container))
            .collect(),
        None => view
            .request
            .ports
            .iter()
            .map(|port| published(&port.host_ip.map(address).unwrap_or_default(), &port.host_ports(), port.container))
            .collect(),
    };
    // On all addresses of both versions of the protocol: said once.
    published.dedup();
    if published.is_empty() { "–".to_owned() } else { published.join(", ") }
}

fn published(address: &str, host: &str, container: runtime::request::ContainerPort) -> String {
    let host = if host.is_empty() { "*" } else { host };
    let protocol = match container.protocol {
        runtime::request::Protocol::Tcp => "",
        runtime::request::Protocol::Udp => "/udp",
    };
    format!("{address}{host}→{}{protocol}", container.port)
}

/// The list's filters and order.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Filter {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    n: Option<usize>,
}

impl Filter {
    fn takes(&self, view: &ContainerView) -> bool {
        let words = self.q.trim().to_lowercase();
        let text = || {
            let labels = view.labels.iter().map(|(key, value)| format!("{key}={value}"));
            let all = [view.name.clone(), view.request.image.clone(), view.id.to_string()].into_iter().chain(labels);
            all.collect::<Vec<_>>().join(" ").to_lowercase()
        };
        (self.state.is_empty() || view.state.word() == self.state) && (words.is_empty() || text().contains(&words))
    }
}

/// The list.
#[derive(Template)]
#[template(path = "containers/list.html", blocks = ["rows"])]
pub struct ListPage {
    page: Page,
    t: Texts,
    address: String,
    filter: Filter,
    total: usize,
    running: usize,
    rows: Vec<Row>,
    more: usize,
    next: usize,
}

impl ListPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        address: String,
        filter: Filter,
        mut views: Vec<ContainerView>,
        usage: &HashMap<ContainerId, Usage>,
        now: Timestamp,
    ) -> Self {
        let total = views.len();
        let running = views.iter().filter(|view| view.state.is_running()).count();
        views.retain(|view| filter.takes(view));
        views.sort_by(|a, b| a.name.cmp(&b.name));
        let shown = filter.n.unwrap_or(ROWS).max(1);
        let more = views.len().saturating_sub(shown);
        let rows = views.iter().take(shown).map(|view| Row::new(view, usage.get(&view.id), t, now)).collect();
        Self { page, t, address, filter, total, running, rows, more, next: shown + ROWS }
    }

    fn lead(&self) -> String {
        self.t.two("containers-lead", "total", self.total, "running", self.running)
    }
}

/// `GET /containers`.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed, Query(filter): Query<Filter>) -> Result<Response, Fault> {
    let page = Page::new(&app, &signed, signed.t.get("nav-containers"), "containers").await?;
    let whole = ListPage::new(
        page.listening("containers,usage,operations"),
        signed.t,
        signed.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        filter,
        ops::containers::list(&app, &signed.actor)?,
        &ops::usage::last(&app, &signed.actor)?,
        Timestamp::now(),
    );
    signed.answer(&whole, &whole.as_rows())
}

/// `POST /containers/bulk`.
///
/// # Errors
/// [`Fault`].
pub async fn bulk(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let (signed, fields) = (posted.signed, posted.fields);
    let t = signed.t;
    let names: Vec<String> = fields.all("id").map(str::to_owned).collect();
    let act = fields.text("do");
    if names.is_empty() {
        notify(&signed, false, t.get("containers-none-chosen"));
        return Ok(see_other("/containers"));
    }
    if matches!(act.as_str(), "stop" | "remove") && !fields.is_on("sure") {
        return Ok(ask(&app, &signed, &act, &names).await?.into_response());
    }
    let mut done = 0_usize;
    for name in &names {
        let result = match act.as_str() {
            "start" => ops::containers::start(&app, &signed.actor, name).await,
            "stop" => ops::containers::stop(&app, &signed.actor, name, None, None).await,
            "restart" => ops::containers::restart(&app, &signed.actor, name, None, None).await,
            "pause" => ops::container_life::pause(&app, &signed.actor, name).await,
            "unpause" => ops::container_life::unpause(&app, &signed.actor, name).await,
            "remove" => ops::containers::remove(&app, &signed.actor, name, true, false).await,
            _ => return Err(Fault::NoPage),
        };
        match result {
            Ok(_) => done += 1,
            Err(error) if error.kind() == runtime::error::ErrorKind::NotModified => done += 1,
            Err(error) => notify(&signed, false, t.two("containers-bulk-failed", "name", name, "why", error.message())),
        }
    }
    if done > 0 {
        let key = match act.as_str() {
            "start" => t.one("containers-bulk-started", "count", done),
            "stop" => t.one("containers-bulk-stopped", "count", done),
            "restart" => t.one("containers-bulk-restarted", "count", done),
            "pause" => t.one("containers-bulk-paused", "count", done),
            "unpause" => t.one("containers-bulk-unpaused", "count", done),
            _ => t.one("containers-bulk-removed", "count", done),
        };
        notify(&signed, true, key);
    }
    Ok(see_other("/containers"))
}

async fn ask(app: &App, signed: &Signed, act: &str, names: &[String]) -> Result<Response, Fault> {
    let t = signed.t;
    let mut lines = Vec::new();
    for name in names {
        let view = ops::containers::get(app, &signed.actor, name)?;
        let state = Standing::of(&view, t);
        lines.push(Line {
            name: view.name.clone(),
            address: format!("/containers/{}", view.name),
            detail: format!("{} · {}", state.word, view.request.image),
            field: Some(view.name),
        });
    }
    let count = lines.len();
    let (title, note, button) = match act {
        "stop" => (
            t.one("containers-ask-stop", "count", count),
            t.get("container-stop-effect"),
            t.one("containers-ask-stop", "count", count),
        ),
        _ => (
            t.one("containers-ask-remove", "count", count),
            t.get("container-remove-effect"),
            t.one("containers-ask-remove", "count", count),
        ),
    };
    let page = Page::new(app, signed, t.one("question", "title", &title), "containers").await?;
    let confirm = Confirm {
        page,
        t,
        crumb: ("/containers", t.get("nav-containers")),
        action: "/containers/bulk".to_owned(),
        note,
        lines,
        hidden: vec![("do", act.to_owned()), ("sure", "yes".to_owned())],
        button,
        icon: if act == "stop" { "stop" } else { "trash" },
        danger: act != "stop",
        back: "/containers".to_owned(),
    };
    confirm.answer()
}

#[cfg(test)]
pub(in crate::ui) mod samples {
    //! Views to draw pages with.

    use std::net::Ipv4Addr;

    use runtime::{
        digest::Digest,
        request::{ContainerPort, CreateContainer, Limits, PortBinding, Protocol},
        view::{Endpoint, Exit, PublishedPort},
    };

    use super::*;

    /// A moment all samples agree on.
    pub fn now() -> Timestamp {
        "2026-11-24T17:05:02Z".parse().expect("a time")
    }

    fn before(seconds: i64) -> Timestamp {
        Timestamp::from_second(now().as_second() - seconds).expect("a time")
    }

    /// A container with a name, an image and a state: `running`, `exited`, `oom` or `created`.
    pub fn container(name: &str, image: &str, state: &str) -> ContainerView {
        let port = ContainerPort { port: 80, protocol: Protocol::Tcp };
        let exit = |code, oom_killed| {
            ContainerState::Exited(Exit {
                code,
                oom_killed,
                started_at: Some(before(9000)),
                finished_at: before(7200),
                error: None,
            })
        };
        let endpoint = Endpoint {
            network: "bridge".into(),
            ip: Ipv4Addr::new(172, 17, 0, 2),
            prefix_len: 16,
            gateway: Ipv4Addr::new(172, 17, 0, 1),
            mac: "02:42:ac:11:00:02".into(),
            host_interface: "vethd1".into(),
            ports: vec![PublishedPort { container: port, host_ip: Ipv4Addr::UNSPECIFIED.into(), host_port: 8081 }],
            network_id: None,
            interface: String::new(),
            names: Vec::new(),
            id: String::new(),
            v6: None,
        };
        ContainerView {
            id: ContainerId::random(),
            name: name.into(),
            state: match state {
                "running" => ContainerState::Running { pid: 4711, started_at: before(11_520), paused: false },
                "exited" => exit(0, false),
                "oom" => exit(137, true),
                _ => ContainerState::Created,
            },
            created_at: before(86_400),
            request: CreateContainer {
                image: image.into(),
                ports: vec![PortBinding { container: port, host_ip: None, host_port: Some(8081), host_port_end: None }],
                limits: Limits {
                    memory_bytes: Some(512 << 20),
                    nano_cpus: Some(1_000_000_000),
                    pids: Some(256),
                    ..Limits::default()
                },
                ..CreateContainer::default()
            },
            image_id: Digest::of(image.as_bytes()),
            argv: vec!["worker".into(), "--queue".into(), "default queue".into()],
            entrypoint_len: 1,
            env: vec!["QUEUE_URL=redis://shop-cache:6379/2".into(), "RUST_LOG=info,worker=debug".into()],
            working_dir: "/srv".into(),
            user: "10001:10001".into(),
            hostname: "worker".into(),
            labels: [("team".to_owned(), "web".to_owned())].into(),
            exposed_ports: vec![port],
            stop_signal: 15,
            endpoint: (state == "running").then_some(endpoint),
            id_base: Some(100_000),
            restart_count: 0,
            past: Vec::new(),
            log_path: "/var/lib/darsena/log".into(),
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

    /// A reading.
    pub fn usage() -> Usage {
        Usage {
            at_ms: now().as_millisecond(),
            cpu_percent: 14.2,
            memory_bytes: 496 << 20,
            memory_limit_bytes: 512 << 20,
            pids: 11,
            rx_bytes: 1.2e6,
            tx_bytes: 3e5,
            read_bytes: 0.0,
            write_bytes: 4e5,
        }
    }

    #[test]
    fn filters_look_at_name_image_label_and_state() {
        let view = container("shop-api", "shop/api:2.14.0", "running");
        let takes = |q: &str, state: &str| Filter { q: q.into(), state: state.into(), n: None }.takes(&view);
        assert!(takes("", "") && takes("SHOP-", "running") && takes("team=web", "") && takes("api:2.14", ""));
        assert!(!takes("nginx", "") && !takes("", "exited"));
    }

    #[test]
    fn ports_are_written_host_to_container() {
        assert_eq!(ports(&container("a", "b", "running")), "8081→80");
        let mut stopped = container("a", "b", "exited");
        assert_eq!(ports(&stopped), "8081→80");
        stopped.request.ports[0].host_ip = Some(Ipv4Addr::LOCALHOST.into());
        stopped.request.ports[0].host_port = None;
        assert_eq!(ports(&stopped), "127.0.0.1:*→80");
        stopped.request.ports.clear();
        assert_eq!(ports(&stopped), "–");
    }
}
