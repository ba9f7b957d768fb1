//! Teams and users: both lists on one page, a team with its people.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;
use runtime::error::ErrorKind;

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, html, notify, see_other},
    people::{self, PersonRow},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    auth::actor::{Right, TeamRole},
    i18n::Texts,
    ops::{
        self,
        people::Person,
        teams::{self, MemberRow, TeamRow},
    },
};

/// What a person is in a team.
pub fn role(t: Texts, role: TeamRole) -> String {
    t.get(match role {
        TeamRole::Viewer => "team-viewer",
        TeamRole::Operator => "team-operator",
        TeamRole::Lead => "team-lead",
    })
}

/// One team in the list.
struct Row {
    name: String,
    members: String,
    repositories: String,
}

/// What was filled in and what was wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The team's name.
    pub team: String,
    /// Of the team's name.
    pub team_wrong: String,
    /// The person's name.
    pub person: String,
    /// Everything is allowed.
    pub is_administrator: bool,
    /// Of the person's name.
    pub person_wrong: String,
    /// Of the password.
    pub password_wrong: String,
}

/// Both lists.
#[derive(Template)]
#[template(path = "teams/list.html")]
pub struct ListPage {
    page: Page,
    t: Texts,
    lead: String,
    rows: Vec<Row>,
    people: Vec<PersonRow>,
    told: Told,
}

impl ListPage {
    /// From plain views; `repositories` are the names of all that can be seen.
    pub fn new(
        page: Page,
        t: Texts,
        views: &[TeamRow],
        repositories: &[String],
        people: &[Person],
        told: Told,
        now: Timestamp,
    ) -> Self {
        let owned = |team: &str| {
            repositories.iter().filter(|name| name.split_once('/').is_some_and(|(first, _)| first == team)).count()
        };
        let row = |view: &TeamRow| Row {
            name: view.name.clone(),
            members: t.one("team-people", "count", view.members),
            repositories: t.one("team-repositories", "count", owned(&view.name)),
        };
        let lead = if page.sees_all {
            t.two(
                "teams-lead",
                "teams",
                t.one("team-count", "count", views.len()),
                "people",
                t.one("team-people", "count", people.len()),
            )
        } else {
            t.get("teams-lead-own")
        };
        Self {
            lead,
            rows: views.iter().map(row).collect(),
            people: people.iter().map(|person| PersonRow::new(person, t, now)).collect(),
            page,
            t,
            told,
        }
    }
}

/// The lists as they are now.
///
/// # Errors
/// [`Fault`].
pub async fn draw(app: &App, signed: &Signed, told: Told) -> Result<Response, Fault> {
    let actor = &signed.actor;
    let views = teams::list(app, actor).await?;
    let served = app.registry.served_as(None);
    let repositories = ops::registry::repositories(app, actor, &served)?;
    let everybody = if actor.may(Right::Administer) { ops::people::list(app, actor).await? } else { Vec::new() };
    let title = signed.t.get(if actor.may(Right::Administer) { "nav-teams-users" } else { "nav-teams" });
    let page = Page::new(app, signed, title, "teams").await?;
    let is_wrong = !(told.team_wrong.is_empty() && told.person_wrong.is_empty() && told.password_wrong.is_empty());
    let whole = ListPage::new(page, signed.t, &views, &repositories, &everybody, told, Timestamp::now());
    let mut response = html(whole.render()?);
    if is_wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// `GET /teams`.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    draw(&app, &signed, Told::default()).await
}

/// `POST /teams`.
///
/// # Errors
/// [`Fault`].
pub async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let Posted { signed, fields } = posted;
    let name = fields.text("name");
    match teams::create(&app, &signed.actor, &name).await {
        Ok(team) => {
            notify(&signed, true, signed.t.one("team-created", "name", &team.name));
            Ok(see_other(&address(&team.name)))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => {
            draw(&app, &signed, Told { team: name, team_wrong: error.message().to_owned(), ..Told::default() }).await
        }
        Err(error) => Err(error.into()),
    }
}

fn address(name: &str) -> String {
    format!("/teams/{name}")
}

/// Somebody in the team.
struct Member {
    user: String,
    role: String,
    choices: Vec<Choice>,
}

/// A role that can be chosen.
struct Choice {
    word: &'static str,
    text: String,
    is_chosen: bool,
}

fn choices(t: Texts, chosen: TeamRole) -> Vec<Choice> {
    let choice = |one: TeamRole| Choice { word: one.word(), text: role(t, one), is_chosen: one == chosen };
    TeamRole::ALL.into_iter().map(choice).collect()
}

/// One team.
#[derive(Template)]
#[template(path = "teams/detail.html")]
pub struct DetailPage {
    page: Page,
    t: Texts,
    name: String,
    members: Vec<Member>,
    repositories: Vec<String>,
    choices: Vec<Choice>,
    may_lead: bool,
    user: String,
    wrong: String,
}

/// Who is to be added, and why that did not work.
#[derive(Clone, Debug, Default)]
pub struct Adding {
    /// The login name typed.
    pub user: String,
    /// What is wrong with it.
    pub wrong: String,
}

impl DetailPage {
    /// From plain values.
    pub fn new(
        page: Page,
        t: Texts,
        (name, rows): (&str, &[MemberRow]),
        repositories: Vec<String>,
        may_lead: bool,
        adding: Adding,
    ) -> Self {
        let member =
            |row: &MemberRow| Member { user: row.user.clone(), role: role(t, row.role), choices: choices(t, row.role) };
        Self {
            page,
            t,
            name: name.to_owned(),
            members: rows.iter().map(member).collect(),
            repositories,
            choices: choices(t, TeamRole::Operator),
            may_lead,
            user: adding.user,
            wrong: adding.wrong,
        }
    }
}

async fn draw_one(app: &App, signed: &Signed, name: &str, adding: Adding) -> Result<Response, Fault> {
    let (team, members) = teams::get(app, &signed.actor, name).await?;
    let mut repositories = ops::registry::repositories(app, &signed.actor, &app.registry.served_as(None))?;
    repositories.retain(|one| one.split_once('/').is_some_and(|(first, _)| first == name));
    let is_wrong = !adding.wrong.is_empty();
    let page = Page::new(app, signed, team.name.clone(), "teams").await?;
    let may_lead = teams::may_lead(&signed.actor, name);
    let whole = DetailPage::new(page, signed.t, (&team.name, &members), repositories, may_lead, adding);
    let mut response = html(whole.render()?);
    if is_wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// `GET /teams/{name}`.
///
/// # Errors
/// [`Fault`].
pub async fn detail(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    draw_one(&app, &signed, &name, Adding::default()).await
}

/// `POST /teams/{name}/members`: puts somebody in, or changes what they are there.
///
/// # Errors
/// [`Fault`].
pub async fn set_member(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let Posted { signed, fields } = posted;
    let user = fields.text("user");
    let Some(chosen) = TeamRole::parse(&fields.text("role")) else { return Err(Fault::NoPage) };
    match teams::set_member(&app, &signed.actor, &name, &user, chosen).await {
        Ok(()) => {
            notify(&signed, true, signed.t.two("team-member-set", "user", &user, "role", role(signed.t, chosen)));
            Ok(see_other(&address(&name)))
        }
        // The team itself is not there when it can't be seen.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            draw_one(&app, &signed, &name, Adding { user, wrong: error.message().to_owned() }).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /teams/{name}/members/{user}/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove_member(
    State(app): State<App>,
    Path((name, user)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Fault> {
    let signed = posted.signed;
    teams::remove_member(&app, &signed.actor, &name, &user).await?;
    notify(&signed, true, signed.t.two("team-member-removed", "user", &user, "team", &name));
    // Who took themselves out does not see the team any more.
    let is_seen = teams::get(&app, &signed.actor, &name).await.is_ok() && !people::is_own(&signed, &user);
    Ok(see_other(&if is_seen { address(&name) } else { "/teams".to_owned() }))
}

/// `GET /teams/{name}/remove`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    signed.actor.require(Right::Administer)?;
    let (team, _) = teams::get(&app, &signed.actor, &name).await?;
    let t = signed.t;
    let button = t.one("remove-one", "name", &team.name);
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.one("question", "title", &button), "teams").await?,
        t,
        crumb: ("/teams", t.get("nav-teams-users")),
        action: format!("/teams/{name}/remove"),
        note: t.get("team-remove-effect"),
        lines: vec![Line {
            detail: t.one("team-people", "count", team.members),
            address: address(&name),
            field: None,
            name: team.name,
        }],
        hidden: Vec::new(),
        button,
        icon: "trash",
        danger: true,
        back: address(&name),
    };
    confirm.answer()
}

/// `POST /teams/{name}/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    teams::remove(&app, &posted.signed.actor, &name).await?;
    notify(&posted.signed, true, posted.signed.t.one("team-removed", "name", &name));
    Ok(see_other("/teams"))
}
