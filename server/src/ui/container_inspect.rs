//! Everything that is known of a container: a tree to search, and the same as JSON.

use askama::Template;
use axum::{
    extract::{OriginalUri, Path, Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use runtime::{error::Error, view::ContainerView};

use super::{
    container::{Head, find},
    download::file_name,
    error::Fault,
    page::Page,
    request::Signed,
    tree::{self, Line},
};
use crate::{app::App, i18n::Texts};

/// The address's question.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
}

/// The tab.
#[derive(Template)]
#[template(path = "containers/inspect.html", blocks = ["found"])]
pub struct InspectPage {
    page: Page,
    t: Texts,
    head: Head,
    q: String,
    lines: Vec<Line>,
}

impl InspectPage {
    /// From the engine's view.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn new(page: Page, t: Texts, view: &ContainerView, q: String, now: Timestamp) -> Result<Self, Error> {
        let lines = tree::lines(&value(view)?, &q);
        Ok(Self { head: Head::new(view, t, now, "inspect"), page, t, q, lines })
    }
}

fn value(view: &ContainerView) -> Result<serde_json::Value, Error> {
    serde_json::to_value(view).map_err(|error| Error::internal("the container can't be written as JSON", error))
}

/// `GET /containers/{name}/inspect`.
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
    let page = Page::new(&app, &signed, view.name.clone(), "containers").await?;
    let whole = InspectPage::new(page, signed.t, &view, asked.q, Timestamp::now())?;
    signed.answer(&whole, &whole.as_found())
}

/// `GET /containers/{name}/inspect.json`.
///
/// # Errors
/// [`Fault`].
pub async fn json(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    uri: OriginalUri,
) -> Result<Response, Fault> {
    let view = match find(&app, &signed, &name, &uri)? {
        Ok(view) => view,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let text = serde_json::to_string_pretty(&value(&view)?)
        .map_err(|error| Error::internal("the container can't be written as JSON", error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.json\"", file_name(&view.name))),
    ];
    Ok((headers, text).into_response())
}
