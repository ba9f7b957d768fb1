//! What builds keep for the next ones: how much, and taking it away.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::build::cache::{Kept, PruneCache};

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, When, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, i18n::Texts, ops};

/// Rows shown; the sums are of all.
const SHOWN: usize = 200;
const DAY: u64 = 24 * 3600;

/// One thing kept.
pub struct Row {
    what: String,
    is_mount: bool,
    size: String,
    used: When,
    uses: u64,
    in_use: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "builds/cache.html")]
pub struct CachePage {
    page: Page,
    t: Texts,
    lead: String,
    rows: Vec<Row>,
    more: usize,
}

impl CachePage {
    /// From plain views; the largest first.
    pub fn new(page: Page, t: Texts, mut kept: Vec<Kept>, now: Timestamp) -> Self {
        kept.sort_by_key(|one| (std::cmp::Reverse(one.size_bytes), one.key));
        let bytes: u64 = kept.iter().map(|one| one.size_bytes).sum();
        let row = |one: &Kept| Row {
            what: one.description.clone(),
            is_mount: one.is_mount,
            size: t.size(one.size_bytes),
            used: When::ago(t, one.used_at, now),
            uses: one.uses,
            in_use: one.in_use,
        };
        Self {
            page,
            t,
            lead: t.two("cache-lead", "count", kept.len(), "size", t.size(bytes)),
            rows: kept.iter().take(SHOWN).map(row).collect(),
            more: kept.len().saturating_sub(SHOWN),
        }
    }
}

/// `GET /builds/cache`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    let kept = ops::builds::cache(&app, &signed.actor).await?;
    let page = Page::new(&app, &signed, signed.t.get("cache-title"), "builds").await?;
    let whole = CachePage::new(page, signed.t, kept, Timestamp::now());
    signed.answer(&whole, &whole)
}

/// What is to go.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    what: String,
}

/// `old` is what was of no use for a week, `all` is everything, anything else what nothing needs.
fn prune(what: &str) -> PruneCache {
    PruneCache {
        all: what == "all",
        unused_for: (what == "old").then(|| Duration::from_secs(7 * DAY)),
        ..PruneCache::default()
    }
}

/// `GET /builds/cache/prune`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(State(app): State<App>, signed: Signed, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let t = signed.t;
    let kept = ops::builds::cache(&app, &signed.actor).await?;
    let chosen = prune(&asked.what).choose(&kept, Timestamp::now());
    let mut going: Vec<&Kept> = kept.iter().filter(|one| chosen.contains(&one.key)).collect();
    going.sort_by_key(|one| std::cmp::Reverse(one.size_bytes));
    let bytes: u64 = going.iter().map(|one| one.size_bytes).sum();
    let line = |one: &&Kept| Line {
        name: one.description.chars().take(120).collect(),
        address: "/builds/cache".into(),
        detail: t.size(one.size_bytes),
        field: None,
    };
    let mut lines: Vec<Line> = going.iter().take(20).map(line).collect();
    if let Some(more) = going.len().checked_sub(20).filter(|more| *more > 0) {
        lines.push(Line {
            name: t.one("cache-more", "count", more),
            address: "/builds/cache".into(),
            detail: String::new(),
            field: None,
        });
    }
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.get("cache-prune-question"), "builds").await?,
        t,
        crumb: ("/builds/cache", t.get("cache-title")),
        action: "/builds/cache/prune".into(),
        note: t.get("cache-prune-effect"),
        lines,
        hidden: vec![("what", asked.what)],
        button: t.two("cache-prune-button", "count", going.len(), "size", t.size(bytes)),
        icon: "trash",
        danger: true,
        back: "/builds/cache".into(),
    };
    confirm.answer()
}

/// `POST /builds/cache/prune`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    let pruned = ops::builds::prune_cache(&app, &signed.actor, prune(&posted.fields.text("what"))).await?;
    let size = signed.t.size(pruned.reclaimed_bytes);
    notify(&signed, true, signed.t.two("cache-pruned", "count", pruned.removed.len(), "size", size));
    Ok(see_other("/builds/cache"))
}
