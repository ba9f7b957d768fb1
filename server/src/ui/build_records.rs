//! Taking builds off the record: one, several.

use axum::{
    extract::{Path, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::error::{Error, ErrorKind};

use super::{
    builds::item,
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, ops};

/// `GET /builds/{id}/remove`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(State(app): State<App>, signed: Signed, Path(id): Path<i64>) -> Result<Response, Fault> {
    let t = signed.t;
    let view = ops::builds::get(&app, &signed.actor, id).await?;
    let name = view.row.operation.thing.clone();
    if view.row.operation.state == "running" {
        return Err(Error::conflict(t.get("builds-remove-running")).into());
    }
    let title = t.one("question", "title", t.one("builds-remove-one", "name", &name));
    let item = item(&view, t, Timestamp::now());
    let confirm = Confirm {
        page: Page::new(&app, &signed, title, "builds").await?,
        t,
        crumb: ("/builds", t.get("nav-builds")),
        action: format!("/builds/{id}/remove"),
        note: t.get("builds-remove-effect"),
        lines: vec![Line { name, address: format!("/builds/{id}"), detail: item.when.text, field: None }],
        hidden: Vec::new(),
        button: t.get("builds-remove-button"),
        icon: "trash",
        danger: true,
        back: format!("/builds/{id}"),
    };
    confirm.answer()
}

/// `POST /builds/{id}/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, Path(id): Path<i64>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    ops::builds::remove_record(&app, &signed.actor, id).await?;
    notify(&signed, true, signed.t.get("builds-removed"));
    Ok(see_other("/builds"))
}

/// `POST /builds/bulk`: takes several off the record, each by itself.
///
/// # Errors
/// [`Fault`].
pub async fn bulk(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let (signed, fields) = (posted.signed, posted.fields);
    let t = signed.t;
    let ids: Vec<i64> = fields.all("id").filter_map(|id| id.parse().ok()).collect();
    if ids.is_empty() {
        notify(&signed, false, t.get("builds-none-chosen"));
        return Ok(see_other("/builds"));
    }
    if !fields.is_on("sure") {
        return ask_several(&app, &signed, &ids).await;
    }
    let mut done = 0_usize;
    for id in ids {
        let name = ops::builds::get(&app, &signed.actor, id).await?.row.operation.thing;
        match ops::builds::remove_record(&app, &signed.actor, id).await {
            Ok(()) => done += 1,
            Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => {
                return Err(error.into());
            }
            Err(error) => notify(&signed, false, t.two("builds-not-removed", "name", name, "why", error.message())),
        }
    }
    if done > 0 {
        notify(&signed, true, t.one("builds-bulk-removed", "count", done));
    }
    Ok(see_other("/builds"))
}

async fn ask_several(app: &App, signed: &Signed, ids: &[i64]) -> Result<Response, Fault> {
    let t = signed.t;
    let mut lines = Vec::new();
    for id in ids {
        let view = ops::builds::get(app, &signed.actor, *id).await?;
        let item = item(&view, t, Timestamp::now());
        lines.push(Line {
            name: view.row.operation.thing,
            address: format!("/builds/{id}"),
            detail: format!("{} · {}", item.state, item.when.text),
            field: Some(id.to_string()),
        });
    }
    let title = t.one("builds-ask-remove", "count", lines.len());
    let confirm = Confirm {
        page: Page::new(app, signed, t.one("question", "title", &title), "builds").await?,
        t,
        crumb: ("/builds", t.get("nav-builds")),
        action: "/builds/bulk".to_owned(),
        note: t.get("builds-remove-effect"),
        lines,
        hidden: vec![("sure", "yes".to_owned())],
        button: title,
        icon: "trash",
        danger: true,
        back: "/builds".to_owned(),
    };
    confirm.answer()
}
