//! Uploads: whole in one request, in parts, or mounted from another repository.

use std::io;

use axum::{
    body::Body,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use runtime::{digest::Digest, serving::UploadId};

use super::{Answer, Ask, CONTENT_DIGEST, access::Caller, error::Failure, path, range, set};
use crate::{app::App, auth::actor::Actor, ops};

const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");

fn stream(body: Body) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
    Box::pin(body.into_data_stream().map_err(io::Error::other))
}

/// `POST /v2/<name>/blobs/uploads/`.
pub(super) async fn begin(app: &App, ask: &Ask, caller: &Caller, name: &str, body: Body) -> Answer {
    let actor = &caller.actor;
    if let (Some(digest), Some(from)) = (ask.field("mount"), ask.field("from")) {
        let digest = path::digest(&digest)?;
        // What can't be mounted is uploaded: a client needn't know what it may read.
        if caller.may_read(&from) && ops::registry::mount(app, actor, name, digest, &from).await? {
            return Ok(created(name, digest));
        }
    }
    if let Some(digest) = ask.field("digest") {
        let digest = path::digest(&digest)?;
        let id = ops::registry::begin_upload(app, actor, name).await?;
        let done = ops::registry::finish_upload(app, actor, name, &id, None, digest, stream(body)).await;
        if let Err(error) = done {
            // It may be gone already: what doesn't agree with its digest is thrown away.
            let _ = ops::registry::cancel_upload(app, actor, name, &id).await;
            return Err(error.into());
        }
        return Ok(created(name, digest));
    }
    let id = ops::registry::begin_upload(app, actor, name).await?;
    Ok(going_on(StatusCode::ACCEPTED, name, &id, 0))
}

/// Where the part begins, its length checked against the body's.
fn from(ask: &Ask) -> Result<Option<u64>, Failure> {
    let part = range::part(ask.header(&header::CONTENT_RANGE)).map_err(|()| Failure::range_invalid())?;
    let length = ask.header(&header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    match part {
        Some((_, count)) if length.is_some_and(|length| length != count) => Err(Failure::range_invalid()),
        part => Ok(part.map(|(first, _)| first)),
    }
}

/// `PATCH /v2/<name>/blobs/uploads/<id>`.
pub(super) async fn append(app: &App, ask: &Ask, actor: &Actor, name: &str, id: &UploadId, body: Body) -> Answer {
    let size = ops::registry::append(app, actor, name, id, from(ask)?, stream(body)).await?;
    Ok(going_on(StatusCode::ACCEPTED, name, id, size))
}

/// `PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>`.
pub(super) async fn finish(app: &App, ask: &Ask, actor: &Actor, name: &str, id: &UploadId, body: Body) -> Answer {
    let digest = path::digest(&ask.field("digest").unwrap_or_default())?;
    ops::registry::finish_upload(app, actor, name, id, from(ask)?, digest, stream(body)).await?;
    Ok(created(name, digest))
}

/// `GET /v2/<name>/blobs/uploads/<id>`.
pub(super) async fn status(app: &App, actor: &Actor, name: &str, id: &UploadId) -> Answer {
    let size = ops::registry::upload_size(app, actor, name, id).await?;
    Ok(going_on(StatusCode::NO_CONTENT, name, id, size))
}

fn created(name: &str, digest: Digest) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    set(&mut response, header::LOCATION, &format!("/v2/{name}/blobs/{digest}"));
    set(&mut response, CONTENT_DIGEST, &digest.to_string());
    response
}

fn going_on(status: StatusCode, name: &str, id: &UploadId, size: u64) -> Response {
    let mut response = status.into_response();
    set(&mut response, header::LOCATION, &format!("/v2/{name}/blobs/uploads/{id}"));
    set(&mut response, header::RANGE, &format!("0-{}", size.saturating_sub(1)));
    set(&mut response, UPLOAD, &id.to_string());
    response
}
