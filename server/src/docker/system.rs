//! `/_ping`, `/version` and `/info`.

use axum::{
    Extension,
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use super::{
    error::Result,
    json,
    model::system::{self, Counts},
};
use crate::{app::App, auth::actor::Actor, ops};

/// Says that someone is here, and which builder to use: the classic one.
pub(super) async fn ping() -> Response {
    let headers = [
        (HeaderName::from_static("builder-version"), "1"),
        (HeaderName::from_static("swarm"), "inactive"),
        (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (header::PRAGMA, "no-cache"),
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    ];
    (headers, "OK").into_response()
}

pub(super) async fn version(State(app): State<App>, Extension(actor): Extension<Actor>) -> Result<Response> {
    json(&system::version(&ops::system::info(&app, &actor)?))
}

pub(super) async fn info(State(app): State<App>, Extension(actor): Extension<Actor>) -> Result<Response> {
    let containers = ops::containers::list(&app, &actor)?;
    let paused = containers.iter().filter(|container| container.state.is_paused()).count();
    let running = containers.iter().filter(|container| container.state.is_running()).count() - paused;
    let stopped = containers.len() - running - paused;
    let counts = Counts { running, paused, stopped, images: ops::images::list(&app, &actor)?.len() };
    json(&system::info(&ops::system::info(&app, &actor)?, counts, Timestamp::now()))
}
