//! The first page: what needs a person, then what is normal; and the search over everything.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::view::{ContainerState, ContainerView, HostInfo, Verdict};

use super::{
    audit::outcome_key,
    containers::Standing,
    error::Fault,
    page::{Page, When, micros, see_other},
    request::Signed,
};
use crate::{
    app::App,
    auth::actor::Right,
    i18n::Texts,
    ops::{self, audit::Entry, usage::Usage},
};

/// Something that needs a person.
pub struct Trouble {
    name: String,
    address: String,
    state: Standing,
    text: String,
}

/// A line of the audit record.
pub struct Activity {
    when: When,
    actor: String,
    action: String,
    object: String,
    outcome: String,
    seq: i64,
}

/// What this host lacks.
pub struct Lack {
    found: String,
    remedy: String,
}

/// The page.
#[derive(Template)]
#[template(path = "overview.html", blocks = ["rows"])]
pub struct OverviewPage {
    page: Page,
    t: Texts,
    lead: String,
    troubles: Vec<Trouble>,
    lacks: Vec<Lack>,
    total: usize,
    running: usize,
    running_percent: usize,
    cpu: String,
    cpus: u32,
    cpu_percent: u64,
    memory: String,
    memory_total: String,
    memory_percent: u64,
    disk: String,
    disk_total: String,
    disk_percent: u64,
    activity: Vec<Activity>,
    host: Vec<(String, String)>,
}

/// Below this age an exit still needs a look.
const RECENT: i64 = 24 * 3600;

impl OverviewPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        views: &[ContainerView],
        usage: &[Usage],
        info: &HostInfo,
        entries: &[Entry],
        now: Timestamp,
    ) -> Self {
        let trouble = |view: &ContainerView| {
            let ContainerState::Exited(exit) = &view.state else { return None };
            let recent = now.as_second() - exit.finished_at.as_second() < RECENT;
            let text = match exit {
                exit if exit.oom_killed => t.get("container-oom-title"),
                exit if exit.error.is_some() => exit.error.clone().unwrap_or_default(),
                exit if exit.code != 0 && !matches!(exit.code, 130 | 137 | 143) => {
                    t.one("container-failed-title", "code", exit.code)
                }
                _ => return None,
            };
            recent.then(|| Trouble {
                name: view.name.clone(),
                address: format!("/containers/{}/logs", view.name),
                state: Standing::new(&view.state, t),
                text: format!("{text} {}", t.ago(exit.finished_at, now, &super::page::ZONE)),
            })
        };
        let troubles: Vec<Trouble> = views.iter().filter_map(trouble).collect();
        let running = views.iter().filter(|view| view.state.is_running()).count();
        let cores = usage.iter().map(|one| one.cpu_percent).sum::<f64>() / 100.0;
        let memory: u64 = usage.iter().map(|one| one.memory_bytes).sum();
        let (free, disk) = info.disk_bytes;
        let percent = |part: u64, whole: u64| (part * 100).checked_div(whole).unwrap_or(0).min(100);
        let lacks = info
            .checks
            .iter()
            .filter(|check| check.verdict != Verdict::Good)
            .map(|check| Lack { found: check.found.clone(), remedy: check.remedy.clone() })
            .collect();
        let activity = |entry: &Entry| Activity {
            when: When::ago(t, micros(entry.opened_at), now),
            actor: entry.actor.clone(),
            action: entry.action.clone(),
            object: entry.object.clone(),
            outcome: t.get(outcome_key(entry.outcome.as_deref())),
            seq: entry.seq,
        };
        Self {
            lead: t.two("overview-lead", "running", running, "total", views.len()),
            troubles,
            lacks,
            total: views.len(),
            running,
            running_percent: if views.is_empty() { 0 } else { running * 100 / views.len() },
            cpu: t.decimal(cores, 2),
            cpus: info.cpus,
            cpu_percent: percent((cores * 100.0) as u64, u64::from(info.cpus) * 100),
            memory: t.memory(memory),
            memory_total: t.memory(info.memory_bytes),
            memory_percent: percent(memory, info.memory_bytes),
            disk: t.size(disk.saturating_sub(free)),
            disk_total: t.size(disk),
            disk_percent: percent(disk.saturating_sub(free), disk),
            activity: entries.iter().map(activity).collect(),
            host: vec![
                (t.get("host-system"), info.operating_system.clone()),
                (t.get("host-kernel"), format!("{} · {}", info.kernel, info.machine)),
                (t.get("host-cgroups"), format!("v{}", info.cgroup_version)),
                (
                    t.get("container-mapping"),
                    t.get(if info.mapped_users { "host-mapped" } else { "container-host-ids" }),
                ),
                (t.get("host-data"), info.data_root.display().to_string()),
            ],
            page,
            t,
        }
    }
}

/// `GET /`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    let actor = &signed.actor;
    if !actor.may(Right::View) {
        return Ok(see_other("/registry"));
    }
    let entries = ops::audit::list(&app, actor, &ops::audit::Filter::default(), None, 8).await.unwrap_or_default();
    let usage: Vec<Usage> = ops::usage::last(&app, actor)?.into_values().collect();
    let views = ops::containers::list(&app, actor)?;
    let info = ops::system::info(&app, actor)?;
    let page = Page::new(&app, &signed, signed.t.get("nav-overview"), "overview").await?;
    let page = page.listening("containers,usage,operations");
    let whole = OverviewPage::new(page, signed.t, &views, &usage, &info, &entries, Timestamp::now());
    signed.answer(&whole, &whole.as_rows())
}

/// What is searched for.
#[derive(serde::Deserialize)]
pub struct Words {
    #[serde(default)]
    q: String,
}

/// Something found.
pub struct Found {
    icon: &'static str,
    name: String,
    address: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    page: Page,
    t: Texts,
    words: String,
    found: Vec<Found>,
}

/// `GET /search`.
///
/// # Errors
/// [`Fault`].
pub async fn search(State(app): State<App>, signed: Signed, Query(query): Query<Words>) -> Result<Response, Fault> {
    let t = signed.t;
    let words = query.q.trim().to_lowercase();
    let mut found = Vec::new();
    if !words.is_empty() {
        for view in ops::containers::list(&app, &signed.actor)? {
            if view.name.to_lowercase().contains(&words) || view.id.as_str().starts_with(&words) {
                found.push(Found {
                    icon: "containers",
                    address: format!("/containers/{}", view.name),
                    detail: format!("{} · {}", Standing::new(&view.state, t).word, view.request.image),
                    name: view.name,
                });
            }
        }
        for image in ops::images::list(&app, &signed.actor)? {
            let id = image.id.to_string();
            for name in image.tags.iter().filter(|tag| tag.to_lowercase().contains(&words)) {
                let (name, address) = (name.clone(), format!("/images/{id}"));
                found.push(Found { icon: "images", name, address, detail: t.size(image.size_bytes) });
            }
        }
        let pages = [
            ("overview", "/", "nav-overview"),
            ("containers", "/containers", "nav-containers"),
            ("plus", "/containers/new", "launch-title"),
            ("images", "/images", "nav-images"),
            ("ops", "/operations", "nav-operations"),
            ("audit", "/audit", "nav-audit"),
            ("user", "/account", "account-title"),
        ];
        for (icon, address, key) in pages {
            let name = t.get(key);
            if name.to_lowercase().contains(&words) {
                found.push(Found { icon, name, address: address.to_owned(), detail: t.get("search-page") });
            }
        }
    }
    if let [only] = found.as_slice() {
        return Ok(see_other(&only.address));
    }
    let page = Page::new(&app, &signed, t.get("search-title"), "").await?;
    let whole = SearchPage { page, t, words: query.q, found };
    signed.answer(&whole, &whole)
}
