//! People with an account, for administrators: making one, and what can be changed of it.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;
use runtime::error::ErrorKind;

use super::{
    account::weakness,
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, When, html, micros, notify, see_other},
    request::{Posted, Signed},
    teams::{self, Told},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{
        people::{self, Change, Person},
        users::Refusal,
    },
};

/// One person in the list.
pub struct PersonRow {
    /// Login name.
    pub name: String,
    /// What they may do.
    pub role: String,
    /// Their teams, with what they are there.
    pub teams: String,
    /// When a page of theirs was last asked for.
    pub seen: Option<When>,
    /// Kept out.
    pub is_suspended: bool,
}

impl PersonRow {
    /// From a plain view.
    pub fn new(person: &Person, t: Texts, now: Timestamp) -> Self {
        let row = &person.row;
        let places: Vec<_> = person
            .teams
            .iter()
            .map(|(team, role)| t.two("team-place", "team", team, "role", teams::role(t, *role)))
            .collect();
        Self {
            name: row.name.clone(),
            role: t.get(if row.is_administrator { "account-administrator" } else { "account-member" }),
            teams: if row.is_administrator { t.get("people-all-teams") } else { places.join(", ") },
            seen: person.seen_at.map(|at| When::ago(t, micros(at), now)),
            is_suspended: row.suspended_at.is_some(),
        }
    }
}

/// Whether this is the acting person's own login name.
pub fn is_own(signed: &Signed, name: &str) -> bool {
    signed.session.name.eq_ignore_ascii_case(name)
}

/// `POST /users`.
///
/// # Errors
/// [`Fault`].
pub async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let Posted { signed, fields } = posted;
    let (t, name, is_administrator) = (signed.t, fields.text("user"), fields.text("role") == "administrator");
    let password = fields.get("password").unwrap_or_default().to_owned();
    let mut told = Told { person: name.clone(), is_administrator, ..Told::default() };
    match people::create(&app, &signed.actor, &name, password, is_administrator).await {
        Ok(()) => {
            notify(&signed, true, t.one("person-created", "name", &name));
            return Ok(see_other(&address(&name)));
        }
        Err(Refusal::Weak(weak)) => told.password_wrong = weakness(t, weak),
        Err(Refusal::Failed(error)) if error.kind() == ErrorKind::Conflict => {
            error.message().clone_into(&mut told.person_wrong);
        }
        Err(Refusal::Failed(error)) => return Err(error.into()),
        Err(_) => told.person_wrong = t.get("set-up-name-wrong"),
    }
    teams::draw(&app, &signed, told).await
}

fn address(name: &str) -> String {
    format!("/users/{name}")
}

/// One person.
#[derive(Template)]
#[template(path = "teams/person.html")]
pub struct PersonPage {
    page: Page,
    t: Texts,
    row: PersonRow,
    made: When,
    password_set: When,
    teams: Vec<(String, String)>,
    is_administrator: bool,
    is_own: bool,
    wrong: String,
}

impl PersonPage {
    /// From plain values; `wrong` is why a new password was not taken.
    pub fn new(page: Page, t: Texts, person: &Person, is_own: bool, wrong: String, now: Timestamp) -> Self {
        Self {
            page,
            t,
            row: PersonRow::new(person, t, now),
            made: When::at(t, micros(person.row.created_at)),
            password_set: When::ago(t, micros(person.row.password_changed_at), now),
            teams: person.teams.iter().map(|(team, role)| (team.clone(), teams::role(t, *role))).collect(),
            is_administrator: person.row.is_administrator,
            is_own,
            wrong,
        }
    }
}

async fn draw(app: &App, signed: &Signed, name: &str, wrong: String) -> Result<Response, Fault> {
    let person = people::get(app, &signed.actor, name).await?;
    let page = Page::new(app, signed, person.row.name.clone(), "teams").await?;
    let (is_own, is_wrong) = (is_own(signed, name), !wrong.is_empty());
    let whole = PersonPage::new(page, signed.t, &person, is_own, wrong, Timestamp::now());
    let mut response = html(whole.render()?);
    if is_wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// `GET /users/{name}`.
///
/// # Errors
/// [`Fault`].
pub async fn detail(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    draw(&app, &signed, &name, String::new()).await
}

/// `POST /users/{name}/password`.
///
/// # Errors
/// [`Fault`].
pub async fn password(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let Posted { signed, fields } = posted;
    let new = fields.get("new").unwrap_or_default().to_owned();
    match people::set_password(&app, &signed.actor, &name, new).await {
        Ok(()) => {
            notify(&signed, true, signed.t.one("person-password-set", "name", &name));
            Ok(see_other(&address(&name)))
        }
        Err(Refusal::Weak(weak)) => draw(&app, &signed, &name, weakness(signed.t, weak)).await,
        Err(Refusal::Failed(error)) => Err(error.into()),
        Err(_) => draw(&app, &signed, &name, signed.t.get("session-wrong")).await,
    }
}

/// The words of one change.
struct Words {
    ask: &'static str,
    effect: &'static str,
    done: &'static str,
    icon: &'static str,
}

fn words(change: Change) -> Words {
    let (ask, effect, done, icon) = match change {
        Change::Promote => ("person-promote-ask", "person-promote-effect", "person-promoted", "key"),
        Change::Demote => ("person-demote-ask", "person-demote-effect", "person-demoted", "user"),
        Change::Suspend => ("person-suspend-ask", "person-suspend-effect", "person-suspended", "lock"),
        Change::Resume => ("person-resume-ask", "person-resume-effect", "person-resumed", "play"),
        Change::Remove => ("remove-one", "person-remove-effect", "person-removed", "trash"),
    };
    Words { ask, effect, done, icon }
}

/// `GET /users/{name}/{change}`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(
    State(app): State<App>,
    signed: Signed,
    Path((name, change)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let Some(known) = Change::parse(&change) else { return Err(Fault::NoPage) };
    let (t, words) = (signed.t, words(known));
    let person = people::get(&app, &signed.actor, &name).await?;
    let row = PersonRow::new(&person, t, Timestamp::now());
    let button = t.one(words.ask, "name", &row.name);
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.one("question", "title", &button), "teams").await?,
        t,
        crumb: ("/teams", t.get("nav-teams-users")),
        action: format!("/users/{name}/{change}"),
        note: t.get(words.effect),
        lines: vec![Line { name: row.name, address: address(&name), detail: row.role, field: None }],
        hidden: Vec::new(),
        button,
        icon: words.icon,
        danger: matches!(known, Change::Suspend | Change::Remove),
        back: address(&name),
    };
    confirm.answer()
}

/// `POST /users/{name}/{change}`.
///
/// # Errors
/// [`Fault`].
pub async fn change(
    State(app): State<App>,
    Path((name, change)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Fault> {
    let signed = posted.signed;
    let Some(known) = Change::parse(&change) else { return Err(Fault::NoPage) };
    let done = people::change(&app, &signed.actor, &name, known).await;
    let is_gone = known == Change::Remove && done.is_ok();
    match done {
        Ok(()) => notify(&signed, true, signed.t.one(words(known).done, "name", &name)),
        Err(error) if error.kind() == ErrorKind::Conflict => notify(&signed, false, error.message().to_owned()),
        Err(error) => return Err(error.into()),
    }
    Ok(see_other(&if is_gone { "/teams".to_owned() } else { address(&name) }))
}
