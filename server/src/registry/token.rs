//! `/v2/token`: a name and a password, or an API token, for a bearer token. Asked with GET and Basic, or as a form.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use jiff::Timestamp;
use serde_json::json;

use super::{Answer, Ask, access, error::Failure, json};
use crate::{app::App, ops::registry_access};

/// Longest form.
const FORM_BYTES: usize = 64 << 10;

pub(super) async fn answer(app: &App, ask: &Ask, body: Body) -> Answer {
    let refused = || {
        let text = "wrong name, password or token";
        Failure::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", text)
            .with(header::WWW_AUTHENTICATE, format!("Basic realm=\"{}\"", ask.host()))
    };
    let fields = match ask.parts.method {
        Method::GET => ask.fields(),
        Method::POST => {
            let text = || Failure::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", "this form can't be read");
            let bytes = axum::body::to_bytes(body, FORM_BYTES).await.map_err(|_| text())?;
            serde_html_form::from_bytes(&bytes).map_err(|_| text())?
        }
        _ => return Err(Failure::no_such_method()),
    };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let authorization = ask.header(&header::AUTHORIZATION).unwrap_or_default();
    let (principal, token) = match (authorization.split_once(' '), field("username"), field("password")) {
        (Some((scheme, text)), ..) if scheme.eq_ignore_ascii_case("basic") => {
            access::basic(app, ask, text, refused).await?
        }
        (_, Some(name), Some(secret)) if ask.parts.method == Method::POST => {
            access::sign_in(app, ask, name, secret, refused).await?
        }
        _ => return Err(refused()),
    };
    let scopes: Vec<String> = fields.iter().filter(|(key, _)| key == "scope").map(|(_, value)| value.clone()).collect();
    let (text, life) = registry_access::grant(app, &principal, token, &scopes).ok_or_else(refused)?;
    let issued = Timestamp::now();
    Ok(json(&json!({ "token": text, "access_token": text, "expires_in": life, "issued_at": issued.to_string() })))
}
