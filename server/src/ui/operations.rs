//! Operations: the list, one with its layers, the tray on every page.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::view::{LayerStep, PushStep};

use super::{
    error::Fault,
    page::{Page, When, micros, notify, see_other},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::operation::{self, Step, View},
};

/// One operation as pages show it.
pub struct Item {
    /// Its number.
    pub id: i64,
    /// `Pulling nginx`.
    pub title: String,
    /// One line of detail.
    pub line: String,
    /// The state in words.
    pub state: String,
    /// The state's class.
    pub class: &'static str,
    /// The state's icon.
    pub icon: &'static str,
    /// Who began it.
    pub actor: String,
    /// When it began.
    pub when: When,
    /// How long it took so far.
    pub took: String,
    /// How far it is, when that is known.
    pub percent: Option<u64>,
    /// It goes on.
    pub is_running: bool,
}

impl Item {
    /// From what is on record and in memory.
    pub fn new(view: &View, t: Texts, now: Timestamp) -> Self {
        let row = &view.row;
        let began = micros(row.began_at);
        let ended = row.ended_at.map_or(now, micros);
        let is_running = row.state == "running";
        let bytes = view.progress.as_ref().and_then(operation::Snapshot::bytes);
        let line = match (&view.progress, row.state.as_str()) {
            (Some(progress), "running") => {
                let (done, all) = progress.layers_done();
                let layers = t.two("operations-layers-of", "done", done, "all", all);
                match bytes {
                    Some((done, all)) => {
                        let bytes = t.two("operations-bytes-of", "done", t.size(done), "all", t.size(all));
                        format!("{layers} · {bytes}")
                    }
                    None if all == 0 => t.get("operations-beginning"),
                    None => layers,
                }
            }
            (_, "done") => t.get(match row.kind.as_str() {
                "pull" => "operations-pulled",
                "push" => "operations-pushed",
                _ => "operations-loaded",
            }),
            (_, "interrupted") => t.get("operations-interrupted"),
            (_, "cancelled") => t.get("operations-cancelled"),
            _ => row.message.clone(),
        };
        let (class, icon) = match row.state.as_str() {
            "running" => ("running", "running"),
            "done" => ("done", "done"),
            "failed" => ("failed", "failed"),
            _ => ("paused", "paused"),
        };
        Self {
            id: row.id,
            title: t.one(&format!("operation-kind-{}", row.kind), "thing", &row.thing),
            line,
            state: t.get(&format!("operation-state-{}", row.state)),
            class,
            icon,
            actor: row.actor.clone(),
            when: When::ago(t, began, now),
            took: t.duration((ended.as_second() - began.as_second()).max(1)),
            percent: view.progress.as_ref().and_then(overall),
            is_running,
        }
    }
}

/// Percent of all layers, each fetched and unpacked.
fn overall(progress: &operation::Snapshot) -> Option<u64> {
    if progress.layers.is_empty() {
        return None;
    }
    let sum: u64 = progress.layers.iter().map(|(_, step)| percent(step)).sum();
    Some(sum / progress.layers.len() as u64)
}

/// Percent of one layer: fetching is the first half.
fn percent(step: &Step) -> u64 {
    let half = |current: u64, total: u64| (current.min(total) * 50).checked_div(total).unwrap_or(0);
    match *step {
        Step::Pull(LayerStep::Waiting) | Step::Push(PushStep::Preparing) => 0,
        Step::Pull(LayerStep::Downloading { current, total }) => half(current, total),
        Step::Pull(LayerStep::Downloaded) => 50,
        Step::Pull(LayerStep::Extracting { current, total }) => 50 + half(current, total),
        Step::Push(PushStep::Uploading { current, total }) => 2 * half(current, total),
        Step::Pull(LayerStep::Complete | LayerStep::Exists)
        | Step::Push(PushStep::Done | PushStep::Exists | PushStep::Mounted(_)) => 100,
    }
}

/// One layer of a running operation.
pub struct Layer {
    name: String,
    step: String,
    bytes: String,
    percent: u64,
}

fn layers(view: &View, t: Texts) -> Vec<Layer> {
    let layers = view.progress.iter().flat_map(|progress| &progress.layers);
    layers
        .map(|(digest, step)| {
            let word = match step {
                Step::Pull(LayerStep::Waiting) => t.get("step-waiting"),
                Step::Pull(LayerStep::Exists) => t.get("step-exists"),
                Step::Pull(LayerStep::Downloading { .. }) => t.get("step-downloading"),
                Step::Pull(LayerStep::Downloaded) => t.get("step-downloaded"),
                Step::Pull(LayerStep::Extracting { .. }) => t.get("step-extracting"),
                Step::Pull(LayerStep::Complete) => t.get("step-complete"),
                Step::Push(PushStep::Preparing) => t.get("step-preparing"),
                Step::Push(PushStep::Uploading { .. }) => t.get("step-uploading"),
                Step::Push(PushStep::Exists) => t.get("step-there"),
                Step::Push(PushStep::Mounted(from)) => t.one("step-mounted", "from", from),
                Step::Push(PushStep::Done) => t.get("step-uploaded"),
            };
            Layer {
                name: digest.short(),
                step: word,
                bytes: step.bytes().map_or_else(
                    || "–".to_owned(),
                    |(done, all)| t.two("operations-bytes-of", "done", t.size(done), "all", t.size(all)),
                ),
                percent: percent(step),
            }
        })
        .collect()
}

#[derive(Template)]
#[template(path = "operations/list.html", blocks = ["rows"])]
struct ListPage {
    page: Page,
    t: Texts,
    lead: String,
    address: String,
    choices: Vec<(&'static str, String, bool)>,
    items: Vec<Item>,
}

/// Which operations are wanted.
#[derive(serde::Deserialize)]
pub struct Show {
    #[serde(default)]
    show: String,
}

/// `GET /operations`.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed, Query(query): Query<Show>) -> Result<Response, Fault> {
    let t = signed.t;
    let now = Timestamp::now();
    let views = operation::list(&app, &signed.actor, 200).await?;
    let running = views.iter().filter(|view| view.row.state == "running").count();
    let failed = views.iter().filter(|view| view.row.state == "failed").count();
    let wanted = |view: &&View| match query.show.as_str() {
        "running" | "failed" => view.row.state == query.show,
        "mine" => view.row.actor == signed.session.name,
        _ => true,
    };
    let items = views.iter().filter(wanted).map(|view| Item::new(view, t, now)).collect();
    let choice = |address, key, value: &str| (address, t.get(key), query.show == value);
    let mut page = Page::new(&app, &signed, t.get("nav-operations"), "").await?;
    page.refresh = if running > 0 { 5 } else { 0 };
    let whole = ListPage {
        page,
        t,
        lead: t.two("operations-lead", "running", running, "failed", failed),
        address: signed.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        choices: vec![
            choice("/operations", "operations-all", ""),
            choice("/operations?show=running", "operations-running", "running"),
            choice("/operations?show=failed", "operations-failed", "failed"),
            choice("/operations?show=mine", "operations-mine", "mine"),
        ],
        items,
    };
    signed.answer(&whole, &whole.as_rows())
}

#[derive(Template)]
#[template(path = "operations/detail.html", blocks = ["rows"])]
struct DetailPage {
    page: Page,
    t: Texts,
    item: Item,
    layers: Vec<Layer>,
    results: Vec<(String, String)>,
}

/// `GET /operations/{id}`.
///
/// # Errors
/// [`Fault`].
pub async fn detail(State(app): State<App>, signed: Signed, Path(id): Path<i64>) -> Result<Response, Fault> {
    let t = signed.t;
    let view = operation::get(&app, &signed.actor, id).await?;
    let item = Item::new(&view, t, Timestamp::now());
    let title = match item.percent.filter(|_| item.is_running) {
        Some(percent) => format!("({percent}\u{202f}%) {}", item.title),
        None => item.title.clone(),
    };
    let mut page = Page::new(&app, &signed, title, "").await?;
    page.refresh = if item.is_running { 5 } else { 0 };
    let results = if view.row.state == "done" {
        let ids = view.row.message.split_whitespace();
        ids.map(|id| (format!("/images/{id}"), t.get("operations-see-image"))).collect()
    } else {
        Vec::new()
    };
    let whole = DetailPage { page, t, item, layers: layers(&view, t), results };
    signed.answer(&whole, &whole.as_rows())
}

#[derive(Template)]
#[template(path = "operations/tray.html")]
struct Tray {
    page: Page,
    t: Texts,
}

/// `GET /operations/tray`: the live part of the tray.
///
/// # Errors
/// [`Fault`].
pub async fn tray(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    if !signed.fragment {
        return Ok(see_other("/operations"));
    }
    let page = Page::new(&app, &signed, String::new(), "").await?;
    let tray = Tray { page, t: signed.t };
    signed.answer(&tray, &tray)
}

/// `POST /operations/{id}/cancel`.
///
/// # Errors
/// [`Fault`].
pub async fn cancel(State(app): State<App>, Path(id): Path<i64>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    operation::cancel(&app, &signed.actor, id).await?;
    notify(&signed, true, signed.t.get("operations-cancel-asked"));
    Ok(see_other(&format!("/operations/{id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetching_is_half_of_a_layer_and_unpacking_the_other() {
        let steps = [
            LayerStep::Waiting,
            LayerStep::Downloading { current: 50, total: 100 },
            LayerStep::Downloaded,
            LayerStep::Extracting { current: 50, total: 100 },
            LayerStep::Complete,
            LayerStep::Downloading { current: 7, total: 0 },
        ];
        assert_eq!(steps.map(|step| percent(&Step::Pull(step))), [0, 25, 50, 75, 100, 0]);
        let steps = [PushStep::Preparing, PushStep::Uploading { current: 5, total: 10 }, PushStep::Mounted("a".into())];
        assert_eq!(steps.map(|step| percent(&Step::Push(step))), [0, 50, 100]);
    }
}

#[cfg(test)]
pub(in crate::ui) mod samples {
    //! Pages to look at.

    use super::*;

    /// The list.
    pub fn list(page: Page, t: Texts, views: &[View], now: Timestamp) -> String {
        let items = views.iter().map(|view| Item::new(view, t, now)).collect();
        let choices = vec![
            ("/operations", t.get("operations-all"), true),
            ("/operations?show=failed", t.get("operations-failed"), false),
        ];
        ListPage {
            page,
            t,
            lead: t.two("operations-lead", "running", 1, "failed", 1),
            address: "/operations".into(),
            choices,
            items,
        }
        .render()
        .expect("drawn")
    }

    /// One.
    pub fn detail(page: Page, t: Texts, view: &View, now: Timestamp) -> String {
        let item = Item::new(view, t, now);
        DetailPage {
            page: Page { title: item.title.clone(), ..page },
            t,
            item,
            layers: layers(view, t),
            results: Vec::new(),
        }
        .render()
        .expect("drawn")
    }
}
