//! First run, signing in and out.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    account::{signed_in, weakness, with_cookies},
    error::Fault,
    page::{HOST, html, see_other},
    request::{Fields, Posted, PostedVisit, Visit},
};
use crate::{
    app::App,
    auth::cookie::Cookie,
    i18n::{Language, Texts},
    ops::{sessions, users::Refusal},
};

/// Signing in.
#[derive(Template)]
#[template(path = "session/sign_in.html")]
pub struct SignInPage {
    /// The texts.
    pub t: Texts,
    /// The form's token.
    pub csrf: String,
    /// Where to go afterwards.
    pub back: String,
    /// The name typed before.
    pub name: String,
    /// Why it did not work.
    pub wrong: String,
}

/// First run.
#[derive(Template)]
#[template(path = "session/set_up.html")]
pub struct SetUpPage {
    /// The texts.
    pub t: Texts,
    /// The form's token.
    pub csrf: String,
    /// The word typed before.
    pub word: String,
    /// The name typed before.
    pub name: String,
    /// What is wrong with the word.
    pub word_wrong: String,
    /// What is wrong with the name.
    pub name_wrong: String,
    /// What is wrong with the password.
    pub password_wrong: String,
}

fn other(t: Texts) -> (&'static str, &'static str) {
    match t.language {
        Language::English => ("es", "Español"),
        Language::Spanish => ("en", "English"),
    }
}

impl SignInPage {
    fn other(&self) -> (&'static str, &'static str) {
        other(self.t)
    }

    fn host(&self) -> &str {
        &HOST
    }
}

impl SetUpPage {
    fn other(&self) -> (&'static str, &'static str) {
        other(self.t)
    }

    fn host(&self) -> &str {
        &HOST
    }
}

/// Only a path of this site.
fn safe_back(back: &str) -> String {
    let local =
        back.starts_with('/') && !back.starts_with("//") && !back.contains('\\') && !back.contains(['\r', '\n']);
    if local { back.to_owned() } else { "/".to_owned() }
}

fn with_visit(visit: &Visit, response: Response) -> Response {
    if visit.fresh {
        with_cookies(response, &[Cookie::Visit.set(Some(&visit.secret), visit.meta.https)])
    } else {
        response
    }
}

/// `GET /session`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Fault> {
    if sessions::is_setting_up(&app) {
        return Err(Fault::SetUpFirst);
    }
    let query = Fields::parse(visit.uri.query().unwrap_or_default().as_bytes());
    let page = SignInPage {
        t: visit.t,
        csrf: visit.secret.form_token(),
        back: safe_back(&query.text("back")),
        name: String::new(),
        wrong: String::new(),
    };
    Ok(with_visit(&visit, html(page.render()?)))
}

/// `POST /session`.
///
/// # Errors
/// [`Fault`].
pub async fn begin(State(app): State<App>, posted: PostedVisit) -> Result<Response, Fault> {
    let (visit, fields) = (posted.visit, posted.fields);
    let t = visit.t;
    let name = fields.text("user");
    let password = fields.get("password").unwrap_or_default().to_owned();
    let (status, wrong) = match sessions::sign_in(&app, &visit.actor(&name), &visit.visitor(), &name, password).await {
        Ok(secret) => {
            let response = see_other(&safe_back(&fields.text("back")));
            return Ok(with_cookies(response, &signed_in(&secret, visit.meta.https)));
        }
        Err(Refusal::Wait(seconds)) => (StatusCode::TOO_MANY_REQUESTS, t.one("session-wait", "seconds", seconds)),
        Err(Refusal::Failed(error)) => return Err(error.into()),
        Err(Refusal::Suspended) => (StatusCode::UNPROCESSABLE_ENTITY, t.get("session-suspended")),
        Err(_) => (StatusCode::UNPROCESSABLE_ENTITY, t.get("session-wrong")),
    };
    let page = SignInPage { t, csrf: visit.secret.form_token(), back: safe_back(&fields.text("back")), name, wrong };
    let mut response = html(page.render()?);
    *response.status_mut() = status;
    Ok(response)
}

/// `POST /session/end`.
///
/// # Errors
/// [`Fault`].
pub async fn end(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    sessions::sign_out(&app, &signed.actor, signed.session.id).await?;
    Ok(with_cookies(see_other("/session"), &[Cookie::Session.set(None, signed.meta.https)]))
}

/// `GET /setup`.
///
/// # Errors
/// [`Fault`].
pub async fn set_up(State(app): State<App>, visit: Visit) -> Result<Response, Fault> {
    if !sessions::is_setting_up(&app) {
        return Ok(see_other("/session"));
    }
    let page = SetUpPage {
        t: visit.t,
        csrf: visit.secret.form_token(),
        word: String::new(),
        name: String::new(),
        word_wrong: String::new(),
        name_wrong: String::new(),
        password_wrong: String::new(),
    };
    Ok(with_visit(&visit, html(page.render()?)))
}

/// `POST /setup`.
///
/// # Errors
/// [`Fault`].
pub async fn finish_set_up(State(app): State<App>, posted: PostedVisit) -> Result<Response, Fault> {
    if !sessions::is_setting_up(&app) {
        return Ok(see_other("/session"));
    }
    let (visit, fields) = (posted.visit, posted.fields);
    let t = visit.t;
    let (word, name) = (fields.text("word"), fields.text("user"));
    let password = fields.get("password").unwrap_or_default().to_owned();
    let mut page = SetUpPage {
        t,
        csrf: visit.secret.form_token(),
        word: word.clone(),
        name: name.clone(),
        word_wrong: String::new(),
        name_wrong: String::new(),
        password_wrong: String::new(),
    };
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    match sessions::set_up(&app, &visit.actor(&name), &visit.visitor(), &word, &name, password).await {
        Ok(secret) => return Ok(with_cookies(see_other("/"), &signed_in(&secret, visit.meta.https))),
        Err(Refusal::SetUpWord | Refusal::WrongPassword | Refusal::Suspended) => {
            page.word_wrong = t.get("set-up-word-wrong");
        }
        Err(Refusal::Wait(seconds)) => {
            status = StatusCode::TOO_MANY_REQUESTS;
            page.word_wrong = t.one("session-wait", "seconds", seconds);
        }
        Err(Refusal::Name) => page.name_wrong = t.get("set-up-name-wrong"),
        Err(Refusal::Weak(weak)) => page.password_wrong = weakness(t, weak),
        Err(Refusal::Failed(error)) => return Err(error.into()),
    }
    let mut response = html(page.render()?);
    *response.status_mut() = status;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_sent_back_within_this_site_only() {
        assert_eq!(safe_back("/containers?q=a"), "/containers?q=a");
        for wrong in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x"] {
            assert_eq!(safe_back(wrong), "/", "{wrong}");
        }
    }
}
