//! Blobs: read whole or in part.

use std::io::{Seek as _, SeekFrom};

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use runtime::{digest::Digest, error::Error};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::{
    Answer, Ask, CONTENT_DIGEST,
    error::Failure,
    range::{Wanted, wanted},
    set,
};
use crate::{app::App, auth::actor::Actor, ops};

/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// `GET`, `HEAD /v2/<name>/blobs/<digest>`.
pub(super) async fn get(app: &App, ask: &Ask, actor: &Actor, name: &str, digest: Digest) -> Answer {
    let blob = ops::registry::blob(app, actor, name, digest).await?;
    let tag = format!("\"{digest}\"");
    if ask.header(&header::IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        return Ok(finished(StatusCode::NOT_MODIFIED.into_response(), digest));
    }
    let (first, count, status) = match wanted(ask.header(&header::RANGE), blob.size) {
        Wanted::All => (0, blob.size, StatusCode::OK),
        Wanted::Part(first, count) => (first, count, StatusCode::PARTIAL_CONTENT),
        Wanted::Outside => {
            let text = format!("the blob has {} bytes", blob.size);
            return Err(Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", text)
                .with(header::CONTENT_RANGE, format!("bytes */{}", blob.size)));
        }
    };
    let body = if ask.is_head() {
        Body::empty()
    } else {
        let mut file = blob.file;
        file.seek(SeekFrom::Start(first)).map_err(|error| Error::internal("a blob can't be read", error))?;
        Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(count), PIECE))
    };
    let mut response = (status, [(header::CONTENT_TYPE, "application/octet-stream")], body).into_response();
    set(&mut response, header::CONTENT_LENGTH, &count.to_string());
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{}", first + count - 1, blob.size);
        set(&mut response, header::CONTENT_RANGE, &range);
    }
    Ok(finished(response, digest))
}

fn finished(mut response: Response, digest: Digest) -> Response {
    set(&mut response, CONTENT_DIGEST, &digest.to_string());
    set(&mut response, header::ETAG, &format!("\"{digest}\""));
    response
}
