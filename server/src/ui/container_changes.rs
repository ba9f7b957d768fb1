//! What a container changed of its image's files: the tab; and its whole file system as a download.

use askama::Template;
use axum::{
    extract::{OriginalUri, Path, Query, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::view::{Change, ChangeKind, ContainerView};

use super::{
    container::{Head, find},
    download,
    error::Fault,
    page::Page,
    request::Signed,
};
use crate::{app::App, i18n::Texts, ops};

/// Rows shown before "Show more".
const ROWS: usize = 500;

/// One path.
pub struct Row {
    path: String,
    word: String,
    icon: &'static str,
    class: &'static str,
}

/// Which of them.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    kind: String,
    n: Option<usize>,
}

/// A kind's word in the address, its text and how many there are.
pub struct KindChoice {
    word: &'static str,
    text: String,
    count: usize,
    is_chosen: bool,
}

/// The tab.
#[derive(Template)]
#[template(path = "containers/changes.html")]
pub struct ChangesPage {
    page: Page,
    t: Texts,
    head: Head,
    kinds: Vec<KindChoice>,
    kind: String,
    rows: Vec<Row>,
    more: usize,
    next: usize,
}

fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Modified => "changed",
        ChangeKind::Deleted => "removed",
    }
}

impl ChangesPage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, view: &ContainerView, changes: &[Change], asked: &Asked, now: Timestamp) -> Self {
        let count = |kind: &str| changes.iter().filter(|change| kind.is_empty() || word(change.kind) == kind).count();
        let kinds = [
            ("", "operations-all"),
            ("added", "changes-added"),
            ("changed", "changes-changed"),
            ("removed", "changes-removed"),
        ];
        let row = |change: &Change| {
            let (key, icon, class) = match change.kind {
                ChangeKind::Added => ("changes-one-added", "plus", "running"),
                ChangeKind::Modified => ("changes-one-changed", "restarting", "created"),
                ChangeKind::Deleted => ("changes-one-removed", "trash", "exited"),
            };
            Row { path: change.path.to_string_lossy().into_owned(), word: t.get(key), icon, class }
        };
        let shown = asked.n.unwrap_or(ROWS).max(1);
        let chosen = changes.iter().filter(|change| asked.kind.is_empty() || word(change.kind) == asked.kind);
        Self {
            head: Head::new(view, t, now, "changes"),
            page,
            t,
            kinds: kinds
                .into_iter()
                .map(|(word, key)| KindChoice {
                    word,
                    text: t.get(key),
                    count: count(word),
                    is_chosen: word == asked.kind,
                })
                .collect(),
            rows: chosen.take(shown).map(row).collect(),
            more: count(&asked.kind).saturating_sub(shown),
            next: shown + ROWS,
            kind: asked.kind.clone(),
        }
    }
}

/// `GET /containers/{name}/changes`.
///
/// # Errors
/// [`Fault`].
pub async fn show(
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
    let changes = ops::containers::changes(&app, &signed.actor, &view.name).await?;
    let page = Page::new(&app, &signed, view.name.clone(), "containers").await?;
    let whole = ChangesPage::new(page, signed.t, &view, &changes, &asked, Timestamp::now());
    signed.answer(&whole, &whole)
}

/// `GET /containers/{name}/export`: its whole file system.
///
/// # Errors
/// [`Fault`].
pub async fn export(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    let view = ops::containers::get(&app, &signed.actor, &name)?;
    Ok(download::tar(&view.name, ops::containers::export(&app, &signed.actor, &view.name).await?))
}
