//! One container: overview and stats tabs, and what stands above every tab.

use askama::Template;
use axum::{
    extract::{OriginalUri, Path, Query, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    error::ErrorKind,
    request::{CreateContainer, NetworkAttachment, NetworkMode},
    view::{ContainerState, ContainerView, ProcessTable},
};

use super::{
    chart::{self, Chart},
    container_edit,
    container_mounts::{self, MountLine},
    container_settings::Past,
    container_usage::{self, Asked, Range},
    containers::{Standing, ports},
    error::Fault,
    health,
    page::{Page, When, micros, see_other},
    request::Signed,
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{self, audit::Entry, usage::Usage},
};

/// What every tab shows on top.
pub struct Head {
    pub(in crate::ui) name: String,
    pub(in crate::ui) id: String,
    pub(in crate::ui) short_id: String,
    pub(in crate::ui) image: String,
    pub(in crate::ui) image_id: String,
    pub(in crate::ui) state: Standing,
    pub(in crate::ui) since: When,
    pub(in crate::ui) is_running: bool,
    pub(in crate::ui) is_startable: bool,
    pub(in crate::ui) is_paused: bool,
    pub(in crate::ui) can_pause: bool,
    pub(in crate::ui) tab: &'static str,
}

impl Head {
    /// From the engine's view.
    pub fn new(view: &ContainerView, t: Texts, now: Timestamp, tab: &'static str) -> Self {
        let since = match &view.state {
            ContainerState::Running { started_at, .. } => When::since(t, *started_at, now),
            ContainerState::Exited(exit) | ContainerState::Restarting(exit) => When::ago(t, exit.finished_at, now),
            _ => When::ago(t, view.created_at, now),
        };
        let text = match &view.state {
            ContainerState::Running { .. } => t.one("container-up", "duration", &since.text),
            ContainerState::Exited(_) | ContainerState::Restarting(_) => t.one("container-ended", "when", &since.text),
            _ => t.one("container-made", "when", &since.text),
        };
        Self {
            name: view.name.clone(),
            id: view.id.to_string(),
            short_id: view.id.short().to_owned(),
            image: view.request.image.clone(),
            image_id: view.image_id.to_string(),
            state: Standing::of(view, t),
            since: When { text, ..since },
            is_running: view.state.is_running() || matches!(view.state, ContainerState::Restarting(_)),
            is_paused: view.state.is_paused(),
            can_pause: view.state.is_running() && !view.state.is_paused(),
            is_startable: matches!(view.state, ContainerState::Created | ContainerState::Exited(_)),
            tab,
        }
    }
}

/// How long a tile's chart looks back, in ms.
const TILE_MS: f64 = 15.0 * 60_000.0;
/// Readings further apart than this, in ms, have a gap between them.
const TILE_GAP_MS: f64 = 25_000.0;

/// A number with a small chart.
pub struct Tile {
    /// Its name.
    pub label: String,
    /// The number now.
    pub now: String,
    /// Of what.
    pub of: String,
    /// The last 15 minutes.
    pub chart: Chart,
}

/// The four charts of a container.
pub fn tiles(history: &[Usage], view: &ContainerView, t: Texts) -> Vec<Tile> {
    let Some(last) = history.last() else { return Vec::new() };
    let rate = |bytes: f64| format!("{}/s", t.size(bytes as u64));
    let tile = |label: &str, now: String, of: String, pick: fn(&Usage) -> f64, least: f64| {
        let values: Vec<f64> = history.iter().map(pick).collect();
        let place = |usage: &Usage| 1.0 - (last.at_ms - usage.at_ms) as f64 / TILE_MS;
        let points: Vec<(f64, f64)> = history.iter().map(place).zip(values.iter().copied()).collect();
        let chart = chart::draw(&points, TILE_GAP_MS / TILE_MS, chart::top(&values, least), 60.0);
        Tile { label: t.get(label), now, of, chart }
    };
    let cores = view.request.limits.nano_cpus.map(|nano| nano as f64 / 1e9);
    let limit = view.request.limits.memory_bytes;
    vec![
        tile(
            "cpu",
            t.percent(last.cpu_percent),
            cores.map_or_else(String::new, |cores| t.one("of-cores", "cores", cores)),
            |usage| usage.cpu_percent,
            cores.map_or(100.0, |cores| cores * 100.0),
        ),
        tile(
            "memory",
            t.memory(last.memory_bytes),
            limit.map_or_else(String::new, |limit| t.one("of", "limit", t.memory(limit))),
            |usage| usage.memory_bytes as f64,
            limit.unwrap_or(last.memory_limit_bytes.min(1 << 30)) as f64,
        ),
        tile(
            "network",
            rate(last.rx_bytes),
            t.one("and-out", "rate", rate(last.tx_bytes)),
            |usage| usage.rx_bytes,
            1e4,
        ),
        tile(
            "disk",
            rate(last.write_bytes),
            t.one("and-read", "rate", rate(last.read_bytes)),
            |usage| usage.write_bytes,
            1e4,
        ),
    ]
}

/// What it is opened to, in words.
fn opened(request: &CreateContainer, t: Texts) -> Vec<String> {
    let words = ops::containers::openings(request);
    let key = |word: &str| match word {
        "privileged" => "opened-privileged",
        "host-users" => "opened-host-users",
        "devices" => "opened-devices",
        "host-processes" => "opened-host-processes",
        "shared-processes" => "opened-shared-processes",
        "host-ipc" => "opened-host-ipc",
        "shared-ipc" => "opened-shared-ipc",
        "host-name" => "opened-host-name",
        "host-cgroups" => "opened-host-cgroups",
        "no-seccomp" => "opened-no-seccomp",
        "own-seccomp" => "opened-own-seccomp",
        _ => "opened-system-paths",
    };
    words.into_iter().map(|word| t.get(key(word))).collect()
}

/// A line of the audit record about this container.
pub struct Happened {
    when: When,
    actor: String,
    action: String,
    seq: i64,
    outcome: String,
}

impl Happened {
    fn new(entry: &Entry, t: Texts, now: Timestamp) -> Self {
        Self {
            when: When::ago(t, micros(entry.opened_at), now),
            actor: entry.actor.clone(),
            action: entry.action.clone(),
            seq: entry.seq,
            outcome: t.get(super::audit::outcome_key(entry.outcome.as_deref())),
        }
    }
}

/// The first tab.
#[derive(Template)]
#[template(path = "containers/overview.html", blocks = ["rows"])]
pub struct OverviewPage {
    page: Page,
    t: Texts,
    head: Head,
    trouble: Option<(String, String)>,
    opened: Vec<String>,
    tiles: Vec<Tile>,
    places: Vec<Place>,
    mode: String,
    ports: String,
    no_network: bool,
    env: Vec<(String, String)>,
    how: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    events: Vec<Happened>,
    health: Option<health::Panel>,
    mounts: Vec<MountLine>,
    restarts: String,
    past: Vec<Past>,
    versions: Vec<container_edit::Version>,
    /// What took its place.
    replaced_by: Option<String>,
}

/// A network it is in.
struct Place {
    network: String,
    /// Empty while it doesn't run.
    address: String,
    gateway: String,
}

fn places(view: &ContainerView) -> Vec<Place> {
    let place = |wished: &NetworkAttachment| {
        let end = view.endpoints().find(|end| end.network == wished.network);
        Place {
            network: wished.network.clone(),
            address: end.map_or_else(String::new, |end| {
                let v6 = end.v6.map_or_else(String::new, |v6| format!(", {}/{}", v6.ip, v6.prefix_len));
                format!("{}/{}{v6}", end.ip, end.prefix_len)
            }),
            gateway: end.map_or_else(String::new, |end| end.gateway.to_string()),
        }
    };
    view.attachments.iter().map(place).collect()
}

impl OverviewPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        view: &ContainerView,
        history: &[Usage],
        entries: &[Entry],
        now: Timestamp,
    ) -> Self {
        let request = &view.request;
        let trouble = match &view.state {
            ContainerState::Exited(exit) if exit.oom_killed => {
                Some((t.get("container-oom-title"), t.get("container-oom-lead")))
            }
            ContainerState::Exited(exit) if exit.error.is_some() => {
                Some((t.get("container-not-started"), exit.error.clone().unwrap_or_default()))
            }
            ContainerState::Exited(exit) if exit.code != 0 => {
                Some((t.one("container-failed-title", "code", exit.code), t.get("container-failed-lead")))
            }
            _ => health::trouble(view, t),
        };
        let mut limits = Vec::new();
        if let Some(nano) = request.limits.nano_cpus {
            limits.push(t.one("limit-cores", "cores", nano as f64 / 1e9));
        }
        if let Some(bytes) = request.limits.memory_bytes {
            limits.push(t.memory(bytes));
        }
        if let Some(pids) = request.limits.pids {
            limits.push(t.one("limit-pids", "count", pids));
        }
        let or_none = |text: String| if text.is_empty() { t.get("none") } else { text };
        let how = vec![
            (t.get("container-command"), super::launch_form::shell_line(&view.argv)),
            (t.get("container-user"), if view.user.is_empty() { "root".to_owned() } else { view.user.clone() }),
            (
                t.get("container-folder"),
                if view.working_dir.is_empty() { "/".to_owned() } else { view.working_dir.clone() },
            ),
            (t.get("container-hostname"), view.hostname.clone()),
            (t.get("container-limits"), or_none(limits.join(", "))),
            (
                t.get("container-mapping"),
                match view.id_base {
                    Some(base) => t.one("container-mapped", "base", base.to_string()),
                    None => t.get("container-host-ids"),
                },
            ),
            (t.get("container-root"), t.get(if request.read_only_rootfs { "read-only" } else { "read-write" })),
            (t.get("restart-policy"), super::container_restart::words(t, request.restart)),
            (t.get("container-auto-remove"), t.get(if request.auto_remove { "yes" } else { "no" })),
        ];
        let pair = |line: &String| match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (line.clone(), String::new()),
        };
        Self {
            head: Head::new(view, t, now, "overview"),
            trouble,
            opened: opened(request, t),
            tiles: if view.state.is_running() { tiles(history, view, t) } else { Vec::new() },
            places: places(view),
            mode: request.network.to_string(),
            ports: ports(view),
            no_network: request.network == NetworkMode::None,
            env: view.env.iter().map(pair).collect(),
            how,
            labels: view.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            mounts: container_mounts::lines(view, t),
            events: entries.iter().map(|entry| Happened::new(entry, t, now)).collect(),
            health: health::Panel::new(view, t, now),
            restarts: t.one("settings-restarts", "count", view.restart_count),
            past: view.past.iter().take(5).map(|exit| Past::new(exit, t, now)).collect(),
            versions: Vec::new(),
            replaced_by: None,
            page,
            t,
        }
    }
}

/// The container of this name, or the way to its page under its name.
pub(in crate::ui) fn find(
    app: &App,
    signed: &Signed,
    asked: &str,
    uri: &OriginalUri,
) -> Result<Result<ContainerView, Response>, Fault> {
    let view = ops::containers::get(app, &signed.actor, asked)?;
    if view.name != asked {
        let rest = uri.path().trim_start_matches("/containers/");
        let rest = rest.split_once('/').map(|(_, tab)| format!("/{tab}")).unwrap_or_default();
        return Ok(Err(see_other(&format!("/containers/{}{rest}", view.name))));
    }
    Ok(Ok(view))
}

/// `GET /containers/{name}`.
///
/// # Errors
/// [`Fault`].
pub async fn overview(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    uri: OriginalUri,
) -> Result<Response, Fault> {
    let view = match find(&app, &signed, &name, &uri)? {
        Ok(view) => view,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let words = ops::audit::Filter { words: view.name.clone(), ..ops::audit::Filter::default() };
    // Who may not read the record sees the page without it.
    let entries = ops::audit::list(&app, &signed.actor, &words, None, 50).await.unwrap_or_default();
    let own: Vec<Entry> = entries
        .into_iter()
        .filter(|entry| {
            entry.object == view.name || view.id.as_str().starts_with(&entry.object) && entry.object.len() >= 12
        })
        .take(8)
        .collect();
    let history = ops::usage::history(&app, &signed.actor, &view.id)?;
    let page =
        Page::new(&app, &signed, view.name.clone(), "containers").await?.listening("containers,usage,operations");
    let mut whole = OverviewPage::new(page, signed.t, &view, &history, &own, Timestamp::now());
    (whole.versions, whole.replaced_by) = container_edit::versions(&app, &signed, &view)?;
    signed.answer(&whole, &whole.as_rows())
}

/// The third tab.
#[derive(Template)]
#[template(path = "containers/stats.html")]
pub struct StatsPage {
    page: Page,
    t: Texts,
    head: Head,
    tiles: Vec<Tile>,
    processes: ProcessTable,
    pids: String,
    history: String,
    limit_bytes: u64,
    cores: String,
    ranges: Vec<Range>,
}

impl StatsPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        view: &ContainerView,
        history: &[Usage],
        processes: ProcessTable,
        now: Timestamp,
    ) -> Self {
        let points: Vec<_> = history
            .iter()
            .map(|usage| {
                [
                    usage.at_ms as f64 / 1000.0,
                    usage.cpu_percent,
                    usage.memory_bytes as f64,
                    usage.rx_bytes,
                    usage.tx_bytes,
                    usage.write_bytes,
                    usage.read_bytes,
                ]
            })
            .collect();
        let limits = &view.request.limits;
        Self {
            head: Head::new(view, t, now, "stats"),
            tiles: tiles(history, view, t),
            pids: match limits.pids {
                Some(limit) => t.two("stats-pids-of", "count", processes.rows.len(), "limit", limit),
                None => t.number(processes.rows.len() as i64),
            },
            processes,
            history: serde_json::to_string(&points).unwrap_or_default(),
            limit_bytes: limits.memory_bytes.unwrap_or_default(),
            cores: limits.nano_cpus.map_or_else(String::new, |nano| (nano as f64 / 1e9).to_string()),
            ranges: container_usage::ranges(t, None),
            page,
            t,
        }
    }
}

/// `GET /containers/{name}/stats`.
///
/// # Errors
/// [`Fault`].
pub async fn stats(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    uri: OriginalUri,
) -> Result<Response, Fault> {
    let view = match find(&app, &signed, &name, &uri)? {
        Ok(view) => view,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if let Some(span) = asked.span() {
        return container_usage::show(&app, &signed, &view, span).await;
    }
    let mut history = ops::usage::history(&app, &signed.actor, &view.id)?;
    let mut processes = ProcessTable::default();
    if view.state.is_running() {
        if history.is_empty()
            && let Ok(stats) = ops::containers::stats(&app, &signed.actor, &view.name).await
        {
            // Nobody looked lately: two readings make the first numbers.
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            if let Ok(again) = ops::containers::stats(&app, &signed.actor, &view.name).await {
                history.push(ops::usage::between(&stats, &again, 0.25));
            }
        }
        match ops::containers::top(&app, &signed.actor, &view.name, "").await {
            Ok(table) => processes = table,
            Err(error) if error.kind() == ErrorKind::Internal => return Err(error.into()),
            Err(_) => {}
        }
    }
    let page = Page::new(&app, &signed, view.name.clone(), "containers").await?.with_scripts(&["uplot.js", "stats.js"]);
    let whole = StatsPage::new(page, signed.t, &view, &history, processes, Timestamp::now());
    signed.answer(&whole, &whole)
}
