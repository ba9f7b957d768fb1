//! The OCI distribution API (`/v2/`), for docker, skopeo and their like.
//!
//! It turns a request into one call of [`crate::ops`] and the answer into the specification's words. It has its own way
//! of signing in, by header: no cookie and no form reaches it, so nothing here needs a form's token.
//!
//! - `path` reads what a path names, names having slashes in them; `range` reads ranges; `paging` cuts lists;
//! - `access` says who asks and what they may; `token` hands out bearer tokens;
//! - `uploads`, `blobs`, `manifests`, `lists` answer; `error` has the one mapping from failures to codes.

mod access;
mod blobs;
mod error;
mod lists;
mod manifests;
mod paging;
mod path;
mod range;
mod token;
mod uploads;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing::any,
};
use runtime::{error::Error, serving::ServedAs};

use self::{access::Caller, error::Failure, path::Place};
use crate::{
    app::App,
    auth::{
        actor::{Actor, Principal, Via},
        bearer::Action,
        cookie::Meta,
    },
    ops,
};

/// What handlers return.
type Answer = Result<Response, Failure>;

/// Every path of the API. Each request must carry its [`Meta`].
pub fn router() -> Router<App> {
    Router::new().route("/v2", any(answer)).route("/v2/", any(answer)).route("/v2/{*path}", any(answer))
}

/// What handlers know of a request.
struct Ask {
    parts: Parts,
    meta: Meta,
    served: ServedAs,
}

impl Ask {
    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first field of this name in the query.
    fn field(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn fields(&self) -> Vec<(String, String)> {
        self.parts.uri.query().and_then(|query| serde_html_form::from_str(query).ok()).unwrap_or_default()
    }

    fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// The host the client says it came to.
    fn host(&self) -> &str {
        self.header(&header::HOST).unwrap_or(&self.served.host)
    }

    fn actor(&self, principal: Principal) -> Actor {
        Actor { principal, via: Via::Docker, address: self.meta.address.clone(), request_id: self.meta.id.clone() }
    }
}

async fn answer(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let what = format!("{} {}", parts.method, parts.uri.path());
    let Some(meta) = parts.extensions.get::<Meta>().cloned() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let served = app.registry.served_as(host);
    let ask = Ask { parts, meta, served };
    let id = ask.meta.id.clone();
    let mut response = match dispatch(&app, ask, body).await {
        Ok(response) => response,
        Err(failure) => failure.answer(&id, &what),
    };
    let version = HeaderName::from_static("docker-distribution-api-version");
    response.headers_mut().insert(version, HeaderValue::from_static("registry/2.0"));
    response
}

async fn dispatch(app: &App, ask: Ask, body: Body) -> Answer {
    let place = path::parse(ask.parts.uri.path()).ok_or_else(Failure::no_such_path)?;
    let method = ask.parts.method.clone();
    if place == Place::Token {
        return token::answer(app, &ask, body).await;
    }
    let caller = Caller::of(app, &ask, &place).await?;
    let may = |action| caller.may(&ask, &place, action);
    match (&place, method) {
        (Place::Root, Method::GET | Method::HEAD) => Ok(json(&serde_json::json!({}))),
        (Place::Catalog, Method::GET) => lists::catalog(app, &ask, &caller),
        (Place::Tags { name }, Method::GET) => {
            may(Action::Pull)?;
            lists::tags(app, &ask, &caller.actor, name)
        }
        (Place::Referrers { name, digest }, Method::GET) => {
            may(Action::Pull)?;
            lists::referrers(app, &ask, &caller.actor, name, digest)
        }
        (Place::Manifest { name, reference }, Method::GET | Method::HEAD) => {
            may(Action::Pull)?;
            manifests::get(app, &ask, &caller.actor, name, reference).await
        }
        (Place::Manifest { name, reference }, Method::PUT) => {
            may(Action::Push)?;
            manifests::put(app, &ask, &caller.actor, name, reference, body).await
        }
        (Place::Manifest { name, reference }, Method::DELETE) => {
            may(Action::Delete)?;
            ops::registry::remove(app, &caller.actor, &ask.served, name, reference, false).await?;
            Ok(StatusCode::ACCEPTED.into_response())
        }
        (Place::Blob { name, digest }, Method::GET | Method::HEAD) => {
            may(Action::Pull)?;
            blobs::get(app, &ask, &caller.actor, name, path::digest(digest)?).await
        }
        (Place::Blob { name, digest }, Method::DELETE) => {
            may(Action::Delete)?;
            ops::registry::remove_blob(app, &caller.actor, name, path::digest(digest)?).await?;
            Ok(StatusCode::ACCEPTED.into_response())
        }
        (Place::Uploads { name }, Method::POST) => {
            may(Action::Push)?;
            uploads::begin(app, &ask, &caller, name, body).await
        }
        (Place::Upload { name, id }, method) => {
            may(Action::Push)?;
            let id = id.parse().map_err(Error::from)?;
            match method {
                Method::PATCH => uploads::append(app, &ask, &caller.actor, name, &id, body).await,
                Method::PUT => uploads::finish(app, &ask, &caller.actor, name, &id, body).await,
                Method::GET => uploads::status(app, &caller.actor, name, &id).await,
                Method::DELETE => {
                    ops::registry::cancel_upload(app, &caller.actor, name, &id).await?;
                    Ok(StatusCode::NO_CONTENT.into_response())
                }
                _ => Err(Failure::no_such_method()),
            }
        }
        _ => Err(Failure::no_such_method()),
    }
}

fn json(value: &serde_json::Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// A header made of text that came in or was made here; what can't be one is left out.
fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
