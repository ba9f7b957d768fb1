//! What went wrong, as a page: what is not there, what was and was not done, the request's name.
//!
//! A handler fails with a [`Fault`]; it travels to the outermost layer, which knows the person and draws the page.

use askama::Template;
use axum::{
    extract::{FromRequestParts as _, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use runtime::error::{Error, ErrorKind};

use super::{
    page::{Page, html},
    request::{Signed, Visit},
};
use crate::{app::App, auth::cookie::Meta, i18n::Texts};

/// Why a request has no answer of its own.
#[derive(Debug)]
pub enum Fault {
    /// Nobody can sign in yet.
    SetUpFirst,
    /// Signing in comes first, then this address.
    SignInFirst(String),
    /// The form's token is missing or old.
    StaleForm,
    /// The form came from another site.
    ForeignForm,
    /// There is no such page.
    NoPage,
    /// Something failed.
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        Self::Failed(Error::internal("the page could not be drawn", error))
    }
}

/// The one place where kinds become statuses on pages.
pub fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict | ErrorKind::NotModified | ErrorKind::Cancelled => StatusCode::CONFLICT,
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Unauthorized | ErrorKind::Upstream => StatusCode::BAD_GATEWAY,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Exhausted | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Clone)]
struct Carried(std::sync::Arc<Fault>);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::SetUpFirst | Self::SignInFirst(_) => StatusCode::SEE_OTHER,
            Self::StaleForm | Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::NoPage => StatusCode::NOT_FOUND,
            Self::Failed(error) => status(error.kind()),
        };
        let mut response = status.into_response();
        response.extensions_mut().insert(Carried(std::sync::Arc::new(self)));
        response
    }
}

/// `fallback` of the router.
pub async fn no_page() -> Fault {
    Fault::NoPage
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page: Page,
    t: Texts,
    told: Told,
}

#[derive(Template)]
#[template(path = "error_plain.html")]
struct PlainErrorPage {
    t: Texts,
    told: Told,
}

/// What the page says.
struct Told {
    status: u16,
    title: String,
    lead: String,
    detail: String,
    request: String,
    list: Option<(&'static str, String)>,
}

fn tell(fault: &Fault, t: Texts, meta: &Meta, path: &str) -> Told {
    let (code, key, detail) = match fault {
        Fault::StaleForm => (StatusCode::FORBIDDEN, "stale", String::new()),
        Fault::ForeignForm => (StatusCode::FORBIDDEN, "foreign", String::new()),
        Fault::Failed(error) => {
            let key = match error.kind() {
                ErrorKind::NotFound => "missing",
                ErrorKind::Conflict | ErrorKind::NotModified | ErrorKind::Cancelled => "conflict",
                ErrorKind::Invalid => "invalid",
                ErrorKind::Forbidden => "forbidden",
                ErrorKind::Unsupported => "unsupported",
                ErrorKind::Unauthorized | ErrorKind::Upstream => "upstream",
                ErrorKind::Exhausted | ErrorKind::Unavailable => "unavailable",
                ErrorKind::Internal => "internal",
            };
            (status(error.kind()), key, error.message().to_owned())
        }
        Fault::NoPage | Fault::SetUpFirst | Fault::SignInFirst(_) => (StatusCode::NOT_FOUND, "page", String::new()),
    };
    let list = [
        ("/containers", "error-all-containers"),
        ("/images", "error-all-images"),
        ("/builds", "error-all-builds"),
        ("/operations", "error-all-operations"),
    ]
    .into_iter()
    .find(|(prefix, _)| path.starts_with(prefix))
    .map(|(address, key)| (address, t.get(key)));
    Told {
        status: code.as_u16(),
        title: t.get(&format!("error-{key}-title")),
        lead: t.get(&format!("error-{key}-lead")),
        detail,
        request: meta.id.clone(),
        list,
    }
}

/// The layer that draws faults.
pub async fn draw(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let kept = keep(&parts);
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(Carried(fault)) = response.extensions().get::<Carried>().cloned() else { return response };
    redraw(&app, kept, response.status(), &fault).await
}

fn keep(parts: &Parts) -> Parts {
    let (mut kept, ()) = Request::new(()).into_parts();
    kept.method = parts.method.clone();
    kept.uri = parts.uri.clone();
    kept.headers = parts.headers.clone();
    kept.extensions = parts.extensions.clone();
    kept
}

async fn redraw(app: &App, mut parts: Parts, status: StatusCode, fault: &Fault) -> Response {
    let to = match fault {
        Fault::SetUpFirst => Some("/setup".to_owned()),
        Fault::SignInFirst(back) if back == "/" => Some("/session".to_owned()),
        Fault::SignInFirst(back) => Some(format!("/session?back={}", super::encode(back))),
        _ => None,
    };
    if let Some(to) = to {
        if parts.headers.contains_key("hx-request") {
            return ([("hx-redirect", to)], StatusCode::UNAUTHORIZED).into_response();
        }
        return Redirect::to(&to).into_response();
    }
    let Some(meta) = parts.extensions.get::<Meta>().cloned() else { return status.into_response() };
    if let Fault::Failed(error) = fault {
        if status.is_server_error() {
            tracing::error!(request = meta.id, "{} {}: {}", parts.method, parts.uri.path(), error.chain());
        } else {
            tracing::debug!(request = meta.id, "{} {}: {}", parts.method, parts.uri.path(), error.chain());
        }
    }
    let path = parts.uri.path().to_owned();
    parts.method = Method::GET;
    parts.headers.insert("x-background", HeaderValue::from_static("1"));
    let drawn = match Signed::from_request_parts(&mut parts, app).await {
        Ok(signed) => {
            let told = tell(fault, signed.t, &meta, &path);
            match Page::new(app, &signed, told.title.clone(), "").await {
                Ok(page) => ErrorPage { page, t: signed.t, told }.render(),
                Err(_) => return status.into_response(),
            }
        }
        Err(_) => match Visit::from_request_parts(&mut parts, app).await {
            Ok(visit) => PlainErrorPage { t: visit.t, told: tell(fault, visit.t, &meta, &path) }.render(),
            Err(_) => return status.into_response(),
        },
    };
    match drawn {
        Ok(text) => {
            let mut response = html(text);
            *response.status_mut() = status;
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("HX-Request"));
            response
        }
        Err(_) => status.into_response(),
    }
}

#[cfg(test)]
pub(in crate::ui) mod samples {
    //! An error page to look at.

    use super::*;

    /// The page for a failure.
    pub fn page(page: Page, t: Texts, error: &Error) -> String {
        let meta = Meta { id: "0123456789abcdef".into(), address: String::new(), https: false };
        let fault = Fault::Failed(Error::new(error.kind(), error.message()));
        let told = tell(&fault, t, &meta, "/containers/x");
        ErrorPage { page: Page { title: told.title.clone(), ..page }, t, told }.render().expect("drawn")
    }
}
