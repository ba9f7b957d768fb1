//! Manifests: read, put.

use axum::{
    body::Body,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use runtime::{digest::Digest, oci, serving::PutManifest};

use super::{Answer, Ask, CONTENT_DIGEST, error::Failure, set};
use crate::{app::App, auth::actor::Actor, ops};

/// `GET`, `HEAD /v2/<name>/manifests/<reference>`.
pub(super) async fn get(app: &App, ask: &Ask, actor: &Actor, name: &str, reference: &str) -> Answer {
    let manifest = ops::registry::manifest(app, actor, &ask.served, name, reference, ask.is_head()).await?;
    let accepted: Vec<&str> = ask
        .parts
        .headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .filter(|kind| !kind.is_empty())
        .collect();
    let fits = |kind: &&str| matches!(*kind, "*/*" | "application/*") || *kind == manifest.media_type;
    if !accepted.is_empty() && !accepted.iter().any(fits) {
        let text = format!("{name}:{reference} is kept as {}, which the client does not accept", manifest.media_type);
        return Err(Failure::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", text));
    }
    let tag = format!("\"{}\"", manifest.digest);
    if ask.header(&header::IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        return Ok(finished(StatusCode::NOT_MODIFIED.into_response(), manifest.digest));
    }
    let size = manifest.bytes.len();
    let body = if ask.is_head() { Body::empty() } else { Body::from(manifest.bytes) };
    let mut response = body.into_response();
    set(&mut response, header::CONTENT_TYPE, &manifest.media_type);
    set(&mut response, header::CONTENT_LENGTH, &size.to_string());
    Ok(finished(response, manifest.digest))
}

fn finished(mut response: Response, digest: Digest) -> Response {
    set(&mut response, CONTENT_DIGEST, &digest.to_string());
    set(&mut response, header::ETAG, &format!("\"{digest}\""));
    response
}

/// `PUT /v2/<name>/manifests/<reference>`.
pub(super) async fn put(app: &App, ask: &Ask, actor: &Actor, name: &str, reference: &str, body: Body) -> Answer {
    let most = usize::try_from(oci::MAX_MANIFEST_BYTES).unwrap_or(usize::MAX);
    let too_large = || {
        let text = format!("a manifest has at most {most} bytes");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", text)
    };
    let length = ask.header(&header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let bytes = axum::body::to_bytes(body, most).await.map_err(|_| too_large())?;
    let put = PutManifest {
        repository: name.to_owned(),
        reference: reference.to_owned(),
        media_type: ask.header(&header::CONTENT_TYPE).unwrap_or_default().to_owned(),
        bytes: bytes.to_vec(),
        by: actor.name(),
    };
    let landed = ops::registry::push(app, actor, &ask.served, put).await?;
    let mut response = StatusCode::CREATED.into_response();
    set(&mut response, header::LOCATION, &format!("/v2/{name}/manifests/{}", landed.digest));
    set(&mut response, CONTENT_DIGEST, &landed.digest.to_string());
    if let Some(subject) = landed.subject {
        set(&mut response, HeaderName::from_static("oci-subject"), &subject.to_string());
    }
    Ok(response)
}
