//! How a failure looks to a Docker client: a status and `{"message": …}`.
//!
//! Handlers return [`Failure`]; it travels as a response extension and is written out in one place, [`render`], which
//! knows the request's id. There it is logged, once.

use std::sync::Arc;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use hyper::StatusCode;
use runtime::error::{Error, ErrorKind};
use serde_json::json;

/// What handlers fail with.
#[derive(Debug)]
pub(super) struct Failure(Error);

/// What handlers return.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl Failure {
    /// The request is wrong in itself.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self(Error::invalid(message))
    }

    /// The request asks for what Darsena doesn't do.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self(Error::unsupported(message))
    }
}

#[derive(Clone)]
struct Failed(Arc<Error>);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = status(self.0.kind()).into_response();
        response.extensions_mut().insert(Failed(Arc::new(self.0)));
        response
    }
}

/// The one mapping from kinds of failure to status codes of this dialect.
///
/// A refused login at a registry is 500 and not 401: to 401 Docker's client answers by asking for a password on the
/// terminal, and hides the registry's words.
pub(super) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::NotModified => StatusCode::NOT_MODIFIED,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Unauthorized
        | ErrorKind::Upstream
        | ErrorKind::Exhausted
        | ErrorKind::Cancelled
        | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The text a client gets; a defect's names the request, so that it can be found in the log.
pub(super) fn message(error: &Error, request_id: &str) -> String {
    match error.kind() {
        ErrorKind::Internal => format!("{} (request {request_id})", error.message()),
        _ => error.message().to_owned(),
    }
}

/// Notes a failure in the log with its causes.
pub(super) fn log(error: &Error, request_id: &str, what: &str) {
    if error.kind() == ErrorKind::Internal {
        tracing::error!(request = request_id, "{what}: {}", error.chain());
    } else {
        tracing::debug!(request = request_id, "{what}: {}", error.chain());
    }
}

/// Gives a failed response its body; others pass.
pub(super) fn render(response: Response, request_id: &str, what: &str) -> Response {
    let Some(Failed(error)) = response.extensions().get::<Failed>().cloned() else { return response };
    log(&error, request_id, what);
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED {
        return status.into_response();
    }
    (status, Json(json!({ "message": message(&error, request_id) }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(error: Error) -> (u16, String) {
        let response = render(Failure(error).into_response(), "r1", "GET /x");
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn failures_are_shown_as_docker_shows_them() {
        assert_eq!(
            shown(Error::not_found("No such image: foo:latest")).await,
            (404, r#"{"message":"No such image: foo:latest"}"#.to_owned())
        );
        assert_eq!(shown(Error::new(ErrorKind::NotModified, "it runs")).await, (304, String::new()));
        assert_eq!(shown(Error::unsupported("no")).await.0, 501);
        assert_eq!(
            shown(Error::internal("can't write", std::io::Error::other("secret path"))).await,
            (500, r#"{"message":"can't write (request r1)"}"#.to_owned())
        );
    }
}
