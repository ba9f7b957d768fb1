//! Lists: repositories, tags, referrers.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    Answer, Ask,
    access::{Caller, challenge},
    error::Failure,
    json, paging,
    path::{self, Place},
    set,
};
use crate::{app::App, auth::actor::Actor, ops};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn paged(ask: &Ask, all: Vec<String>, body: impl FnOnce(Vec<String>) -> Value) -> Answer {
    let (n, last) = (ask.field("n"), ask.field("last"));
    let (page, more) = paging::page(all, n.as_deref(), last.as_deref())?;
    let mut response = json(&body(page));
    if let Some(more) = more {
        let link = paging::link(ask.parts.uri.path(), n.as_deref(), &more);
        set(&mut response, header::LINK, &link);
    }
    Ok(response)
}

/// `GET /v2/_catalog`.
pub(super) fn catalog(app: &App, ask: &Ask, caller: &Caller) -> Answer {
    if caller.grant.as_ref().is_some_and(|grant| !grant.catalog) {
        return Err(challenge(ask, &Place::Catalog, None, Some("insufficient_scope")));
    }
    let all = ops::registry::repositories(app, &caller.actor, &ask.served)?;
    paged(ask, all, |page| json!({ "repositories": page }))
}

/// `GET /v2/<name>/tags/list`.
pub(super) fn tags(app: &App, ask: &Ask, actor: &Actor, name: &str) -> Answer {
    let view = ops::registry::repository(app, actor, &ask.served, name)?;
    let tags = view.tags.into_iter().map(|tag| tag.tag).collect();
    paged(ask, tags, |page| json!({ "name": name, "tags": page }))
}

/// `GET /v2/<name>/referrers/<digest>`.
pub(super) fn referrers(app: &App, ask: &Ask, actor: &Actor, name: &str, digest: &str) -> Answer {
    let kind = ask.field("artifactType").filter(|kind| !kind.is_empty());
    let all = ops::registry::referrers(app, actor, name, path::digest(digest)?, kind.as_deref())?;
    let manifests: Vec<Value> = all
        .into_iter()
        .map(|one| {
            let mut descriptor =
                json!({ "mediaType": one.media_type, "digest": one.digest.to_string(), "size": one.size });
            if !one.artifact_type.is_empty() {
                descriptor["artifactType"] = json!(one.artifact_type);
            }
            if !one.annotations.is_empty() {
                descriptor["annotations"] = json!(one.annotations);
            }
            descriptor
        })
        .collect();
    let mut response: Response = json(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests }));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(INDEX));
    if kind.is_some() {
        set(&mut response, HeaderName::from_static("oci-filters-applied"), "artifactType");
    }
    Ok::<_, Failure>(response)
}
