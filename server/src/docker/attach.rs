//! `POST /containers/{id}/attach`.

use axum::{
    Extension,
    extract::{Path, Request, State},
    response::Response,
};
use runtime::request::AttachContainer;

use super::{
    detach::DetachKeys,
    error::{Failure, Result},
    hijack::{self, Hold},
    query::Query,
    stream::content_type,
    version::ApiVersion,
};
use crate::{app::App, auth::actor::Actor, ops};

pub(super) async fn attach(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Extension(version): Extension<ApiVersion>,
    Path(name): Path<String>,
    query: Query,
    request: Request,
) -> Result<Response> {
    let asked = AttachContainer {
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        replay: query.flag("logs"),
        stream: query.flag("stream"),
    };
    let keys = query.text("detachKeys").map(DetachKeys::parse).transpose()?;
    if !(asked.stdin || asked.stdout || asked.stderr) {
        return Err(Failure::invalid("Bad parameters: you must choose at least one stream"));
    }
    let attachment = ops::containers::attach(&app, &actor, &name, asked).await?;
    let tty = attachment.tty;
    let keys = tty.then(|| keys.unwrap_or_default());
    let hold = Hold { attaching: std::future::ready(Ok(attachment)), left: || {}, tty, keys };
    Ok(hijack::answer(request, hold, content_type(tty, version)))
}
