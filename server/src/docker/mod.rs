//! The Docker-compatible HTTP API: the only room that knows Docker's JSON and paths.
//!
//! It turns a request into one call of [`crate::ops`] and the answer into Docker's words; it decides nothing itself. What
//! a client asks for and Darsena doesn't have is refused by name, never ignored.
//!
//! - [`socket`] owns the unix socket and its connections, and says who is at the other end;
//! - [`version`] takes the version off the path, [`query`] and [`filters`] read what is asked;
//! - [`model`] has the wire types, one file per noun; the files beside it have the handlers, likewise;
//! - [`stream`] frames output, [`hijack`] takes a connection over for attach, [`detach`] watches for the keys that leave;
//! - [`error`] has the one mapping from failures to status codes.
//!
//! Wire types never leave this room, and nothing here touches the database or the engine.

mod absent;
mod archive;
mod attach;
mod attach_ws;
mod auth;
mod build;
mod build_cache;
mod containers;
mod copy;
mod create;
mod detach;
mod disk;
mod error;
mod events;
mod exec;
mod filters;
mod hijack;
mod images;
mod import;
mod life;
mod lifecycle;
mod load;
mod log_details;
mod logs;
mod model;
mod networks;
mod phrase;
mod pull;
mod push;
mod query;
mod socket;
mod stats;
mod stream;
mod system;
mod version;
mod volumes;

use std::convert::Infallible;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post},
};
use runtime::error::Error;
use tower::{ServiceExt, service_fn};

use self::error::Failure;
pub use self::socket::{bind, serve};
use crate::{app::App, auth::actor::Actor};

/// What `Server:` says.
const SERVER: HeaderValue = HeaderValue::from_static(concat!("Darsena/", env!("CARGO_PKG_VERSION"), " (linux)"));

/// Every path of the API, with or without version. Each request must carry its [`Actor`] as an extension.
pub fn router(app: App) -> Router {
    let paths = Router::new()
        .route("/_ping", get(system::ping))
        .route("/version", get(system::version))
        .route("/info", get(system::info))
        .route("/auth", post(auth::log_in))
        .route("/events", get(events::follow))
        .route("/system/df", get(disk::usage))
        .route("/build", post(build::build))
        .route("/build/cancel", post(build::cancel))
        .route("/build/prune", post(build_cache::prune))
        .route("/containers/json", get(containers::list))
        .route("/containers/create", post(create::create))
        .route("/containers/{id}", delete(lifecycle::remove))
        .route("/containers/{id}/json", get(containers::inspect))
        .route("/containers/{id}/top", get(containers::top))
        .route("/containers/{id}/start", post(lifecycle::start))
        .route("/containers/{id}/stop", post(lifecycle::stop))
        .route("/containers/{id}/restart", post(lifecycle::restart))
        .route("/containers/{id}/kill", post(lifecycle::kill))
        .route("/containers/{id}/wait", post(lifecycle::wait))
        .route("/containers/{id}/resize", post(lifecycle::resize))
        .route("/containers/{id}/attach", post(attach::attach))
        .route("/containers/{id}/attach/ws", get(attach_ws::open))
        .route("/containers/{id}/logs", get(logs::read))
        .route("/containers/{id}/exec", post(exec::create))
        .route("/exec/{id}/start", post(exec::start))
        .route("/exec/{id}/resize", post(exec::resize))
        .route("/exec/{id}/json", get(exec::inspect))
        .route("/containers/{id}/stats", get(stats::read))
        .route("/containers/{id}/export", get(archive::export))
        .route("/containers/{id}/archive", get(copy::read).head(copy::stat).put(copy::write))
        .route("/containers/prune", post(life::prune))
        .route("/containers/{id}/pause", post(life::pause))
        .route("/containers/{id}/unpause", post(life::unpause))
        .route("/containers/{id}/rename", post(life::rename))
        .route("/containers/{id}/update", post(life::update))
        .route("/containers/{id}/changes", get(archive::changes))
        .route("/commit", post(archive::commit))
        .route("/networks", get(networks::list))
        .route("/networks/create", post(networks::create))
        .route("/networks/prune", post(networks::prune))
        .route("/networks/{id}", get(networks::inspect).delete(networks::remove))
        .route("/networks/{id}/connect", post(networks::connect))
        .route("/networks/{id}/disconnect", post(networks::disconnect))
        .route("/images/json", get(images::list).merge(image_named("json")))
        .route("/images/get", get(archive::save).merge(image_named("get")))
        .route("/images/search", get(images::search).merge(image_named("search")))
        .route("/images/prune", post(images::prune).merge(image_named("prune")))
        .route("/images/create", post(pull::create).merge(image_named("create")))
        .route("/images/load", post(load::load).merge(image_named("load")))
        .route("/images/{*path}", get(images::read).post(images::change).delete(images::remove))
        .merge(absent::routes())
        .route("/volumes", get(volumes::list))
        .route("/volumes/create", post(volumes::create).merge(volume_named("create")))
        .route("/volumes/prune", post(volumes::prune).merge(volume_named("prune")))
        .route("/volumes/{name}", get(volumes::inspect).delete(volumes::remove))
        .fallback(no_such_page)
        .method_not_allowed_fallback(no_such_page)
        .with_state(app);
    with_version(paths)
}

/// An image may be called what a path is called.
fn image_named(name: &'static str) -> MethodRouter<App> {
    delete(move |State(app): State<App>, Extension(actor): Extension<Actor>, query: query::Query| {
        images::remove_named(app, actor, name, query)
    })
}

/// A volume may be called what a path is called.
fn volume_named(name: &'static str) -> MethodRouter<App> {
    let named = move || Path(name.to_owned());
    get(move |app, actor| volumes::inspect(app, actor, named()))
        .delete(move |app, actor, query| volumes::remove(app, actor, named(), query))
}

async fn no_such_page() -> Failure {
    Failure::from(Error::not_found("page not found"))
}

/// Takes the version off every path, and puts Docker's headers and error bodies on every answer.
fn with_version(paths: Router) -> Router {
    Router::new().fallback_service(service_fn(move |request: Request| {
        let paths = paths.clone();
        async move { Ok::<_, Infallible>(answer(paths, request).await) }
    }))
}

async fn answer(paths: Router, mut request: Request) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let request_id = request.extensions().get::<Actor>().map(|actor| actor.request_id.clone()).unwrap_or_default();
    let response = match version::split(request.uri().path()) {
        Err(failure) => failure.into_response(),
        Ok((version, path)) => {
            request.extensions_mut().insert(version);
            match with_path(request.uri(), &path) {
                Err(failure) => failure.into_response(),
                Ok(uri) => {
                    *request.uri_mut() = uri;
                    paths.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
                }
            }
        }
    };
    let mut response = error::render(response, &request_id, &what);
    let headers = response.headers_mut();
    let fixed =
        |name: &'static str, value: &'static str| (HeaderName::from_static(name), HeaderValue::from_static(value));
    headers.extend([
        fixed("docker-experimental", "false"),
        fixed("ostype", std::env::consts::OS),
        (header::SERVER, SERVER),
    ]);
    if let Ok(newest) = HeaderValue::from_str(&version::NEWEST.to_string()) {
        headers.insert("api-version", newest);
    }
    response
}

fn with_path(uri: &Uri, path: &str) -> error::Result<Uri> {
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    text.parse().map_err(|_| Failure::invalid("the path can't be read"))
}

/// A JSON answer made in one go.
fn json<T: serde::Serialize>(value: &T) -> error::Result<Response> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::internal("the answer can't be written", error))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from(bytes)).into_response())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    async fn call(path: &str) -> Response {
        let paths = Router::new()
            .route("/info", get(|query: query::Query| async move { query.text("a").unwrap_or("none").to_owned() }))
            .fallback(no_such_page)
            .method_not_allowed_fallback(no_such_page);
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        with_version(paths).oneshot(request).await.unwrap()
    }

    async fn text(response: Response) -> String {
        String::from_utf8(axum::body::to_bytes(response.into_body(), 4096).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn paths_work_with_and_without_version_and_every_answer_has_dockers_headers() {
        for path in ["/info?a=b", "/v1.24/info?a=b", "/v1.48/info?a=b"] {
            let response = call(path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
            assert_eq!(
                (header("api-version"), header("ostype"), header("docker-experimental")),
                ("1.48".to_owned(), "linux".to_owned(), "false".to_owned())
            );
            assert!(header("server").starts_with("Darsena/"));
            assert_eq!(text(response).await, "b");
        }
    }

    #[tokio::test]
    async fn unknown_paths_and_versions_are_answered_as_docker_does() {
        let response = call("/v1.48/swarm").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(text(response).await, r#"{"message":"page not found"}"#);
        let response = call("/v1.23/info").await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(response.headers().contains_key("api-version"));
        assert!(text(response).await.contains("client version 1.23 is too old"));
    }
}
