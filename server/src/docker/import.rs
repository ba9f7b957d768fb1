//! `POST /images/create?fromSrc=…`: a file system, from the request's body or from an address, as an image.

use axum::{body::Body, response::Response};
use futures_util::stream;
use runtime::request::ImportImage;

use super::{
    error::{Failure, Result},
    load::reader,
    model::progress::Line,
    pull::written,
    query::Query,
    stream::streamed,
};
use crate::{app::App, auth::actor::Actor, ops};

pub(super) async fn import(app: &App, actor: &Actor, query: &Query, source: &str, body: Body) -> Result<Response> {
    let message = query.text("message").map_or_else(|| format!("Imported from {source}"), str::to_owned);
    let request = ImportImage {
        reference: name(query, "repo", "tag"),
        message,
        changes: query.all("changes"),
        platform: query.text("platform").map(str::to_owned),
    };
    let id = if source == "-" {
        ops::images::import(app, actor, request, reader(body)).await?
    } else if source.starts_with("http://") || source.starts_with("https://") {
        ops::images::import_from(app, actor, request, source).await?
    } else {
        return Err(Failure::invalid(format!(
            "{source:?}: give - for the request's body, or an http or https address"
        )));
    };
    let lines = written([Line::status(id.to_string())]);
    Ok(streamed("application/json", stream::once(async move { Ok(lines) })))
}

/// A name in two parts.
pub(super) fn name(query: &Query, repository: &str, tag: &str) -> Option<String> {
    let repository = query.text(repository)?;
    Some(query.text(tag).map_or_else(|| repository.to_owned(), |tag| format!("{repository}:{tag}")))
}
