//! API tokens, on one's account: made, shown once, revoked.

use askama::Template as _;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;
use runtime::error::ErrorKind;

use super::{
    account::{Told, draw},
    error::Fault,
    page::{When, html, micros, notify, see_other},
    request::Posted,
};
use crate::{
    app::App,
    auth::actor::Right,
    i18n::Texts,
    ops::api_tokens::{self, ApiTokenRow},
};

/// One token.
pub struct TokenItem {
    /// Its number.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What it may.
    pub right: String,
    /// When it was made.
    pub made: When,
    /// When it was last used.
    pub used: Option<When>,
    /// When it ends.
    pub ends: Option<When>,
}

impl TokenItem {
    /// From a row.
    pub fn new(row: &ApiTokenRow, t: Texts, now: Timestamp) -> Self {
        Self {
            id: row.id,
            name: row.name.clone(),
            right: t.get(if row.rights == "operate" { "account-token-operate" } else { "account-token-view" }),
            made: When::ago(t, micros(row.created_at), now),
            used: row.used_at.map(|at| When::ago(t, micros(at), now)),
            ends: row.expires_at.map(|at| When::at(t, micros(at))),
        }
    }
}

/// `POST /account/tokens`: the answer is the page with the token on it, the only time it is shown.
///
/// # Errors
/// [`Fault`].
pub async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let Posted { signed, fields } = posted;
    let right = if fields.text("right") == "operate" { Right::Operate } else { Right::View };
    let days = match fields.text("days").as_str() {
        "" => None,
        days => Some(days.parse().unwrap_or(30)),
    };
    let made = api_tokens::create(&app, &signed.actor, &fields.text("name"), right, days).await;
    let told = match made {
        Ok(token) => Told { token, ..Told::default() },
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => {
            Told { token_wrong: error.message().to_owned(), ..Told::default() }
        }
        Err(error) => return Err(error.into()),
    };
    let status = if told.token.is_empty() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let mut response = html(draw(&app, &signed, told).await?.render()?);
    *response.status_mut() = status;
    Ok(response)
}

/// `POST /account/tokens/{id}/revoke`.
///
/// # Errors
/// [`Fault`].
pub async fn revoke(State(app): State<App>, Path(id): Path<i64>, posted: Posted) -> Result<Response, Fault> {
    api_tokens::revoke(&app, &posted.signed.actor, id).await?;
    notify(&posted.signed, true, posted.signed.t.get("account-token-revoked"));
    Ok(see_other("/account"))
}
