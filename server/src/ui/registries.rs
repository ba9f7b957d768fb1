//! Registries: which ones the pages log in at, adding and removing them.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use runtime::error::ErrorKind;

use super::{
    error::Fault,
    page::{Page, When, html, micros, notify, see_other},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::registries::{self, RegistryRow},
};

/// One registry.
pub struct Item {
    host: String,
    user: String,
    added: When,
    added_by: String,
}

/// What was filled in, but for the password.
#[derive(Default)]
pub struct Given {
    /// The registry.
    pub host: String,
    /// The name.
    pub user: String,
}

/// The page.
#[derive(Template)]
#[template(path = "images/registries.html")]
pub struct RegistriesPage {
    page: Page,
    t: Texts,
    items: Vec<Item>,
    given: Given,
    wrong: String,
}

impl RegistriesPage {
    /// From plain values; `wrong` is why the last attempt was refused.
    pub fn new(page: Page, t: Texts, rows: &[RegistryRow], given: Given, wrong: String, now: Timestamp) -> Self {
        let item = |row: &RegistryRow| Item {
            host: row.host.clone(),
            user: row.user.clone(),
            added: When::ago(t, micros(row.added_at), now),
            added_by: row.added_by.clone(),
        };
        Self { page, t, items: rows.iter().map(item).collect(), given, wrong }
    }
}

async fn draw(app: &App, signed: &Signed, given: Given, wrong: String) -> Result<Response, Fault> {
    let rows = registries::list(app, &signed.actor).await?;
    let page = Page::new(app, signed, signed.t.get("registries-title"), "images").await?;
    Ok(html(RegistriesPage::new(page, signed.t, &rows, given, wrong, Timestamp::now()).render()?))
}

/// `GET /registries`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    draw(&app, &signed, Given::default(), String::new()).await
}

/// `POST /registries`: adds one, once it has let us in.
///
/// # Errors
/// [`Fault`].
pub async fn add(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let Posted { signed, fields } = posted;
    let given = Given { host: fields.text("host"), user: fields.text("user") };
    let password = fields.get("password").unwrap_or_default();
    match registries::add(&app, &signed.actor, &given.host, &given.user, password).await {
        Ok(()) => {
            notify(&signed, true, signed.t.one("registries-added", "host", &given.host));
            Ok(see_other("/registries"))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => Err(error.into()),
        Err(error) => {
            let mut response = draw(&app, &signed, given, error.message().to_owned()).await?;
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(response)
        }
    }
}

/// `POST /registries/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let host = posted.fields.text("host");
    registries::remove(&app, &posted.signed.actor, &host).await?;
    notify(&posted.signed, true, posted.signed.t.one("registries-removed", "host", &host));
    Ok(see_other("/registries"))
}
