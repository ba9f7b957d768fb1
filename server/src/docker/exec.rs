//! `/containers/{id}/exec` and `/exec/{id}/…`: one more program in a container that runs.

use axum::{
    Extension,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use runtime::{error::Error, request::AttachExec};
use serde::de::DeserializeOwned;

use super::{
    detach::DetachKeys,
    error::{Failure, Result, log, message},
    hijack::{self, Hold},
    json,
    model::exec::{Body, Created, Exec, Start, size},
    query::Query,
    stream::content_type,
    version::ApiVersion,
};
use crate::{app::App, auth::actor::Actor, ops};

/// The largest body that is read.
const BODY_BYTES: usize = 2 << 20;

/// A body of JSON; none is as good as an empty one.
async fn body<T: DeserializeOwned + Default>(request: &mut Request) -> Result<T> {
    let taken = std::mem::take(request.body_mut());
    let bytes = axum::body::to_bytes(taken, BODY_BYTES).await;
    let bytes = bytes.map_err(|error| Failure::invalid(format!("the body can't be read: {error}")))?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes).map_err(|error| Failure::invalid(format!("invalid JSON: {error}")))
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    mut request: Request,
) -> Result<Response> {
    let asked = body::<Body>(&mut request).await?.request()?;
    if let Some(keys) = &asked.detach_keys {
        DetachKeys::parse(keys)?;
    }
    let id = ops::exec::create(&app, &actor, &name, asked).await?;
    Ok((StatusCode::CREATED, json(&Created { id: id.as_str() })?).into_response())
}

pub(super) async fn start(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    mut request: Request,
) -> Result<Response> {
    let asked = body::<Start>(&mut request).await?;
    let exec = ops::exec::startable(&app, &actor, &id)?;
    if asked.detach.unwrap_or(false) {
        ops::exec::start(&app, &actor, &id, AttachExec::default()).await?;
        return Ok(StatusCode::OK.into_response());
    }
    if let Some((rows, columns)) = size(asked.console_size)?.filter(|_| exec.request.tty) {
        ops::exec::size(&app, &actor, &id, rows, columns)?;
    }
    let (tty, own) = (exec.request.tty, exec.request.detach_keys.as_deref());
    let keys = if tty { Some(own.map(DetachKeys::parse).transpose()?.unwrap_or_default()) } else { None };
    let attach = AttachExec {
        stdin: exec.request.attach_stdin,
        stdout: exec.request.attach_stdout,
        stderr: exec.request.attach_stderr,
        replay: false,
    };
    let (starting, by, which) = (app.clone(), actor.clone(), id.clone());
    // Only once the connection is the client's: some clients lose what comes together with the answer's head.
    let attaching =
        async move { ops::exec::start(&starting, &by, &which, attach).await.map_err(|error| told(&error, &by)) };
    let left = move || drop(ops::exec::left(&app, &actor, &id));
    Ok(hijack::answer(request, Hold { attaching, left, tty, keys }, content_type(tty, version)))
}

/// What the client reads in place of output, as from dockerd.
fn told(error: &Error, actor: &Actor) -> String {
    log(error, &actor.request_id, "POST /exec/start");
    format!("{}\r\n", message(error, &actor.request_id))
}

pub(super) async fn resize(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    let side = |name: &str| {
        let number = query.number(name)?.and_then(|number| u16::try_from(number).ok());
        number.ok_or_else(|| Failure::invalid(format!("invalid resize: {name} must be a number up to 65535")))
    };
    ops::exec::resize(&app, &actor, &id, side("h")?, side("w")?).await?;
    Ok(StatusCode::OK)
}

pub(super) async fn inspect(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Response> {
    json(&Exec::of(&ops::exec::get(&app, &actor, &id)?))
}
