//! One's own account: how pages look, the password, where one is signed in.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use jiff::Timestamp;

use super::{
    error::Fault,
    page::{Page, When, html, micros, notify, see_other},
    request::{Posted, Signed},
    tokens::TokenItem,
};
use crate::{
    app::App,
    auth::{cookie::Cookie, password::Weakness, token::Secret},
    i18n::Texts,
    ops::{
        api_tokens::{self, ApiTokenRow},
        sessions::{self, SessionRow},
        users::{self, Preferences, Refusal},
    },
};

/// One session.
pub struct SessionItem {
    id: i64,
    agent: String,
    address: String,
    began: When,
    seen: When,
    is_this: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "account/account.html")]
pub struct AccountPage {
    page: Page,
    t: Texts,
    preferences: Preferences,
    sessions: Vec<SessionItem>,
    tokens: Vec<TokenItem>,
    told: Told,
}

/// What is told beside the forms.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Of the present password.
    pub present_wrong: String,
    /// Of the new password.
    pub new_wrong: String,
    /// Of the new token.
    pub token_wrong: String,
    /// The new token, shown once.
    pub token: String,
}

impl AccountPage {
    /// From plain values.
    pub fn new(
        page: Page,
        t: Texts,
        preferences: Preferences,
        (rows, this): (&[SessionRow], i64),
        tokens: &[ApiTokenRow],
        told: Told,
        now: Timestamp,
    ) -> Self {
        let item = |row: &SessionRow| SessionItem {
            id: row.id,
            agent: browser(&row.agent),
            address: row.address.clone(),
            began: When::ago(t, micros(row.created_at), now),
            seen: When::ago(t, micros(row.seen_at), now),
            is_this: row.id == this,
        };
        let sessions = rows.iter().map(item).collect();
        let tokens = tokens.iter().map(|row| TokenItem::new(row, t, now)).collect();
        Self { page, t, preferences, sessions, tokens, told }
    }
}

/// `Firefox, Linux` of what a browser says of itself.
fn browser(agent: &str) -> String {
    let find =
        |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let name = find(&[("Firefox/", "Firefox"), ("Edg/", "Edge"), ("Chrome/", "Chrome"), ("Safari/", "Safari")]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name}, {system}"),
        (Some(name), None) => name.to_owned(),
        _ => agent.chars().take(60).collect(),
    }
}

/// The sentence for a weak password.
pub fn weakness(t: Texts, weakness: Weakness) -> String {
    t.get(match weakness {
        Weakness::Short => "weakness-short",
        Weakness::Long => "weakness-long",
        Weakness::UserName => "weakness-user-name",
        Weakness::Common => "weakness-common",
    })
}

/// The page as it is now.
///
/// # Errors
/// [`Fault`].
pub async fn draw(app: &App, signed: &Signed, told: Told) -> Result<AccountPage, Fault> {
    let rows = sessions::list(app, &signed.actor).await?;
    let tokens = api_tokens::list(app, &signed.actor).await?;
    let page = Page::new(app, signed, signed.t.get("account-title"), "account").await?;
    let preferences = signed.session.preferences.clone();
    Ok(AccountPage::new(page, signed.t, preferences, (&rows, signed.session.id), &tokens, told, Timestamp::now()))
}

/// `GET /account`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    Ok(html(draw(&app, &signed, Told::default()).await?.render()?))
}

/// `POST /account/preferences`.
///
/// # Errors
/// [`Fault`].
pub async fn prefer(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let fields = &posted.fields;
    let preferences = Preferences {
        theme: fields.text("theme"),
        language: fields.text("language"),
        density: fields.text("density"),
        keys: fields.is_on("keys"),
    };
    users::set_preferences(&app, &posted.signed.actor, &preferences).await?;
    let language = crate::i18n::Language::parse(&preferences.language).unwrap_or(posted.signed.t.language);
    notify(&posted.signed, true, Texts { language }.get("account-saved"));
    Ok(see_other("/account"))
}

/// `POST /account/password`.
///
/// # Errors
/// [`Fault`].
pub async fn password(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    let t = signed.t;
    let (present, new) =
        (posted.fields.get("present").unwrap_or_default(), posted.fields.get("new").unwrap_or_default());
    let changed =
        sessions::change_password(&app, &signed.actor, &signed.visitor(), present.to_owned(), new.to_owned()).await;
    let wrong = match changed {
        Ok(secret) => {
            let mut signed = signed;
            if let Some(session) = sessions::resume(&app, &secret, true).await? {
                signed.session = session;
            }
            notify(&signed, true, t.get("account-password-changed"));
            return Ok(with_cookies(see_other("/account"), &[Cookie::Session.set(Some(&secret), signed.meta.https)]));
        }
        Err(Refusal::WrongPassword) => (t.get("account-present-wrong"), String::new()),
        Err(Refusal::Wait(seconds)) => (t.one("session-wait", "seconds", seconds), String::new()),
        Err(Refusal::Weak(weak)) => (String::new(), weakness(t, weak)),
        Err(Refusal::Failed(error)) => return Err(error.into()),
        Err(Refusal::Name | Refusal::SetUpWord | Refusal::Suspended) => (String::new(), t.get("session-wrong")),
    };
    let mut response = html(
        draw(&app, &signed, Told { present_wrong: wrong.0, new_wrong: wrong.1, ..Told::default() }).await?.render()?,
    );
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// `POST /account/sessions/{id}/end`.
///
/// # Errors
/// [`Fault`].
pub async fn end(State(app): State<App>, Path(id): Path<i64>, posted: Posted) -> Result<Response, Fault> {
    sessions::end(&app, &posted.signed.actor, id).await?;
    notify(&posted.signed, true, posted.signed.t.get("account-session-ended"));
    Ok(see_other("/account"))
}

/// A response that also sets cookies.
pub fn with_cookies(mut response: Response, cookies: &[String]) -> Response {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// `Set-Cookie` lines for somebody who has just signed in.
pub fn signed_in(secret: &Secret, https: bool) -> [String; 2] {
    [Cookie::Session.set(Some(secret), https), Cookie::Visit.set(None, https)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_shortly() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome, Linux");
        assert_eq!(browser("curl/8.0"), "curl/8.0");
    }
}
