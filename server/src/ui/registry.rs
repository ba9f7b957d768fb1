//! The served registry: its repositories, one with its tags, removing.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    digest::Digest,
    error::ErrorKind,
    serving::{RepositoryView, ServedAs, TagView},
};

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, When, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, i18n::Texts, ops};

/// The registry's names, as this browser reaches it.
fn served(app: &App, headers: &HeaderMap) -> ServedAs {
    app.registry.served_as(headers.get(header::HOST).and_then(|host| host.to_str().ok()))
}

/// One repository in the list.
pub struct Row {
    name: String,
    tags: String,
    size: String,
    pushed: Option<When>,
    by: String,
}

impl Row {
    fn new(view: &RepositoryView, t: Texts, now: Timestamp) -> Self {
        let newest = view.tags.iter().filter(|tag| tag.pushed_at.is_some()).max_by_key(|tag| tag.pushed_at);
        Self {
            name: view.name.clone(),
            tags: t.one("registry-tag-count", "count", view.tags.len()),
            size: t.size(view.content_bytes),
            pushed: newest.and_then(|tag| tag.pushed_at).map(|at| When::ago(t, at, now)),
            by: newest.map(|tag| tag.pushed_by.clone()).unwrap_or_default(),
        }
    }
}

/// The list.
#[derive(Template)]
#[template(path = "registry/list.html", blocks = ["rows"])]
pub struct ListPage {
    page: Page,
    t: Texts,
    host: String,
    lead: String,
    rows: Vec<Row>,
}

impl ListPage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, host: String, views: &[RepositoryView], now: Timestamp) -> Self {
        let bytes: u64 = views.iter().map(|view| view.content_bytes).sum();
        Self {
            page,
            t,
            host,
            lead: t.two("registry-lead", "count", views.len(), "size", t.size(bytes)),
            rows: views.iter().map(|view| Row::new(view, t, now)).collect(),
        }
    }
}

/// `GET /registry`.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed, headers: HeaderMap) -> Result<Response, Fault> {
    let served = served(&app, &headers);
    let page = Page::new(&app, &signed, signed.t.get("nav-registry"), "registry").await?.listening("images,operations");
    let mut views = Vec::new();
    for name in ops::registry::repositories(&app, &signed.actor, &served)? {
        match ops::registry::repository(&app, &signed.actor, &served, &name) {
            Ok(view) => views.push(view),
            // Removed since its name was read.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let whole = ListPage::new(page, signed.t, served.host, &views, Timestamp::now());
    signed.answer(&whole, &whole.as_rows())
}

/// One tag.
pub struct TagRow {
    tag: String,
    digest: String,
    short: String,
    size: String,
    kind: String,
    pushed: Option<When>,
    by: String,
    image: String,
}

impl TagRow {
    fn new(view: &TagView, t: Texts, now: Timestamp) -> Self {
        let kind = match (view.pushed_by.is_empty(), view.manifests) {
            (true, _) => t.get("registry-offered"),
            (false, 0) if view.image.is_some() => t.get("image"),
            (false, 0) => t.get("registry-kept"),
            (false, count) => t.one("registry-index", "count", count),
        };
        Self {
            tag: view.tag.clone(),
            digest: view.digest.map(|digest| digest.to_string()).unwrap_or_default(),
            short: view.digest.map(|digest| digest.short()).unwrap_or_default(),
            size: t.size(view.content_bytes),
            kind,
            pushed: view.pushed_at.filter(|_| !view.pushed_by.is_empty()).map(|at| When::ago(t, at, now)),
            by: view.pushed_by.clone(),
            image: view.image.map(|id| id.to_string()).unwrap_or_default(),
        }
    }
}

/// A manifest without a tag.
pub struct UntaggedRow {
    digest: String,
    short: String,
    size: String,
    pushed: When,
}

/// One repository.
#[derive(Template)]
#[template(path = "registry/detail.html", blocks = ["rows"])]
pub struct DetailPage {
    page: Page,
    t: Texts,
    name: String,
    address: String,
    reference: String,
    lead: String,
    tags: Vec<TagRow>,
    untagged: Vec<UntaggedRow>,
    may_change: bool,
}

impl DetailPage {
    /// From a plain view; `may_change` says that its tags can be removed by who looks.
    pub fn new(page: Page, t: Texts, host: &str, view: &RepositoryView, may_change: bool, now: Timestamp) -> Self {
        let first = view.tags.iter().max_by_key(|tag| tag.pushed_at).map_or("latest", |tag| tag.tag.as_str());
        let untagged = |(digest, bytes, at): &(Digest, u64, Timestamp)| UntaggedRow {
            digest: digest.to_string(),
            short: digest.short(),
            size: t.size(*bytes),
            pushed: When::ago(t, *at, now),
        };
        Self {
            page,
            t,
            name: view.name.clone(),
            address: address(&view.name),
            reference: format!("{host}/{}:{first}", view.name),
            lead: t.two("registry-lead-one", "count", view.tags.len(), "size", t.size(view.content_bytes)),
            tags: view.tags.iter().map(|tag| TagRow::new(tag, t, now)).collect(),
            untagged: view.untagged.iter().map(untagged).collect(),
            may_change,
        }
    }
}

fn address(name: &str) -> String {
    format!("/registry/{name}")
}

/// What of a repository's page is wanted.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Wanted {
    /// A tag or a digest: ask whether to remove it.
    #[serde(default)]
    remove: String,
}

/// `GET /registry/{name}`; `?remove=` asks.
///
/// # Errors
/// [`Fault`].
pub async fn detail(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let served = served(&app, &headers);
    let view = ops::registry::repository(&app, &signed.actor, &served, &name)?;
    if !wanted.remove.is_empty() {
        return ask(&app, &signed, &view, &wanted.remove).await;
    }
    let page = Page::new(&app, &signed, name.clone(), "registry").await?.listening("images,operations");
    let may_change = ops::registry::may_change(&signed.actor, &name);
    let whole = DetailPage::new(page, signed.t, &served.host, &view, may_change, Timestamp::now());
    signed.answer(&whole, &whole.as_rows())
}

async fn ask(app: &App, signed: &Signed, view: &RepositoryView, reference: &str) -> Result<Response, Fault> {
    let t = signed.t;
    let tag = view.tags.iter().find(|tag| tag.tag == reference);
    let digest = reference.parse::<Digest>().ok();
    let untagged = view.untagged.iter().find(|(known, ..)| Some(*known) == digest);
    let bytes = tag.map(|tag| tag.content_bytes).or(untagged.map(|(_, bytes, _)| *bytes));
    let Some(bytes) = bytes else { return Err(Fault::NoPage) };
    let name = digest
        .map_or_else(|| format!("{}:{reference}", view.name), |digest| format!("{}@{}", view.name, digest.short()));
    let title = t.one("question", "title", t.one("remove-one", "name", &name));
    let confirm = Confirm {
        page: Page::new(app, signed, title, "registry").await?,
        t,
        crumb: ("/registry", t.get("nav-registry")),
        action: address(&view.name),
        note: t.get("registry-remove-effect"),
        lines: vec![Line { detail: t.size(bytes), address: address(&view.name), field: None, name: name.clone() }],
        hidden: vec![("reference", reference.to_owned())],
        button: t.one("remove-one", "name", &name),
        icon: "trash",
        danger: true,
        back: address(&view.name),
    };
    confirm.answer()
}

/// `POST /registry/{name}`: removes a tag or a manifest, and what only it led to.
///
/// # Errors
/// [`Fault`].
pub async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, Fault> {
    let Posted { signed, fields } = posted;
    let (served, reference) = (served(&app, &headers), fields.text("reference"));
    let sign = if reference.parse::<Digest>().is_ok() { '@' } else { ':' };
    let full = format!("{name}{sign}{reference}");
    match ops::registry::remove(&app, &signed.actor, &served, &name, &reference, true).await {
        Ok(_) => notify(&signed, true, signed.t.one("registry-removed", "name", full)),
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => return Err(error.into()),
        Err(error) => notify(&signed, false, signed.t.two("images-not-removed", "name", full, "why", error.message())),
    }
    let is_left = ops::registry::repository(&app, &signed.actor, &served, &name).is_ok();
    Ok(see_other(&if is_left { address(&name) } else { "/registry".to_owned() }))
}

#[cfg(test)]
pub(in crate::ui) mod samples {
    //! A repository to draw pages with.

    use super::*;

    /// One with two tags and a manifest without.
    pub fn repository(name: &str, now: Timestamp) -> RepositoryView {
        let tag = |tag: &str, manifests, by: &str| TagView {
            tag: tag.to_owned(),
            digest: (!by.is_empty()).then(|| Digest::of(tag.as_bytes())),
            content_bytes: 83_400_000,
            manifests,
            pushed_at: (!by.is_empty()).then_some(now),
            pushed_by: by.to_owned(),
            image: Some(Digest::of(name.as_bytes())),
        };
        RepositoryView {
            name: name.to_owned(),
            tags: vec![tag("2.14.0", 0, "ana.ruiz"), tag("2.15.0-rc.2", 3, "ci-<bot>"), tag("local", 0, "")],
            untagged: vec![(Digest::of(b"old"), 81_000_000, now)],
            content_bytes: 250_000_000,
        }
    }
}
