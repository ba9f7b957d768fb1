//! How a failure looks to a registry's client: a status, and `{"errors": [{"code": …, "message": …}]}`.

use axum::{
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use runtime::{
    error::{Error, ErrorKind},
    serving::Refusal,
};
use serde_json::json;

use super::set;

/// What handlers fail with.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, String)>,
    /// For the log.
    cause: Option<Error>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new(), cause: None }
    }

    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "there is nothing of that kind in a registry")
    }

    pub(super) fn no_such_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this can't be done here")
    }

    pub(super) fn digest_invalid(text: &str) -> Self {
        let message = format!("{text:?} is not a sha256 digest, the one kind this registry keeps");
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub(super) fn page_invalid(n: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", format!("{n:?} is not a number of entries"))
    }

    pub(super) fn range_invalid() -> Self {
        let message = "Content-Range is written FIRST-LAST, as long as the body";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message)
    }

    /// Written out, and logged once.
    pub(super) fn answer(self, request_id: &str, what: &str) -> Response {
        let cause = self.cause.as_ref().map_or_else(|| self.message.clone(), Error::chain);
        let message = if self.status.is_server_error() {
            tracing::error!(request = request_id, "{what}: {cause}");
            format!("{} (request {request_id})", self.message)
        } else {
            tracing::debug!(request = request_id, "{what}: {} {cause}", self.status);
            self.message
        };
        let body = json!({ "errors": [{ "code": self.code, "message": message, "detail": null }] });
        let json = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (self.status, json, body.to_string()).into_response();
        for (name, value) in self.headers {
            set(&mut response, name, &value);
        }
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, code) = Refusal::of(&error).map_or_else(|| by_kind(error.kind()), by_refusal);
        let mut failure = Self::new(status, code, error.message());
        match Refusal::of(&error) {
            Some(Refusal::Range { have }) => {
                failure = failure.with(header::RANGE, format!("0-{}", have.saturating_sub(1)));
            }
            Some(Refusal::TooMany(_)) => failure = failure.with(header::RETRY_AFTER, "60".to_owned()),
            _ => {}
        }
        failure.cause = Some(error);
        failure
    }
}

/// The one mapping from refusals to the specification's codes.
fn by_refusal(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::BlobUnknown(_) => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
        Refusal::UploadUnknown => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
        Refusal::UploadInvalid(_) => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
        Refusal::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
        Refusal::DigestInvalid(_) => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        Refusal::SizeInvalid(_) => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
        Refusal::ManifestBlobUnknown(_) => (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
        Refusal::ManifestInvalid(_) => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
        Refusal::ManifestUnknown(_) => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
        Refusal::NameInvalid(_) => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
        Refusal::NameUnknown(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        Refusal::Needed(_) => (StatusCode::CONFLICT, "DENIED"),
        Refusal::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
    }
}

fn by_kind(kind: ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        ErrorKind::Conflict | ErrorKind::NotModified => (StatusCode::CONFLICT, "DENIED"),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, "DENIED"),
        ErrorKind::Unauthorized => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
        ErrorKind::Invalid | ErrorKind::Unsupported => (StatusCode::BAD_REQUEST, "UNSUPPORTED"),
        ErrorKind::Cancelled => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
        ErrorKind::Upstream => (StatusCode::BAD_GATEWAY, "UNKNOWN"),
        ErrorKind::Exhausted => (StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN"),
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN"),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_has_its_code_and_its_headers() {
        let failure = Failure::from(Error::from(Refusal::Range { have: 10 }));
        let response = failure.answer("id", "PATCH /v2/");
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(response.headers()["range"], "0-9");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("json");
        assert_eq!(body["errors"][0]["code"], "BLOB_UPLOAD_INVALID");
        let inside = Failure::from(Error::internal("told", "hidden"));
        let response = inside.answer("abc", "GET /v2/");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.expect("a body");
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("request abc") && !text.contains("hidden"), "{text}");
    }
}
