//! A container made anew: the form filled from it, what will change, and the way back.

use askama::Template;
use axum::{
    extract::{OriginalUri, Path, Query, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    error::ErrorKind,
    view::{ContainerState, ContainerView},
};

use super::{
    confirm::{Confirm, Line},
    container::find,
    error::Fault,
    launch::{Changed, base, changed, draw, refuse, refuse_for},
    launch_form::{LaunchForm, Wrong},
    page::{Page, When, html, notify, see_other},
    request::{Posted, Signed},
    run_line::RunLine,
};
use crate::{app::App, i18n::Texts, ops};

/// What will change, before it does.
#[derive(Template)]
#[template(path = "containers/edit.html")]
pub struct ReviewPage {
    /// The frame.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// The container.
    pub name: String,
    /// What changes.
    pub changes: Vec<Changed>,
    /// It runs.
    pub runs: bool,
    /// The form's fields, to be sent back.
    pub hidden: Vec<(String, String)>,
}

impl ReviewPage {
    fn changes(&self) -> &[Changed] {
        &self.changes
    }
}

/// `GET /containers/{name}/edit`.
///
/// # Errors
/// [`Fault`].
pub async fn show(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    uri: OriginalUri,
) -> Result<Response, Fault> {
    let view = match find(&app, &signed, &name, &uri)? {
        Ok(view) => view,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let t = signed.t;
    // Told before anything is typed.
    let why = if view.request.auto_remove {
        Some(t.get("edit-goes-with-its-end"))
    } else {
        versions(&app, &signed, &view)?.1.map(|by| t.one("edit-is-replaced", "name", by))
    };
    let wrong = why.map(|why| Wrong { field: "main".into(), label: t.get("edit-do"), why });
    let wrong = wrong.into_iter().collect();
    Ok(html(draw(&app, &signed, LaunchForm::like(&view, true), wrong, false).await?.render()?))
}

/// `POST /containers/{name}/edit`: shows what will change; with `sure`, does it; with `back`, shows the form again.
///
/// # Errors
/// [`Fault`].
pub async fn save(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, fields) = (posted.signed, posted.fields);
    let t = signed.t;
    let view = ops::containers::get(&app, &signed.actor, &name)?;
    let form = LaunchForm { edit: true, auto_remove: view.request.auto_remove, ..LaunchForm::read(&fields) };
    if fields.is_on("back") {
        return Ok(html(draw(&app, &signed, form, Vec::new(), false).await?.render()?));
    }
    let Some(before) = base(&app, &signed, &form).filter(|base| base.id == view.id) else {
        let wrong = vec![Wrong { field: "main".into(), label: t.get("edit-do"), why: t.get("edit-changed-meanwhile") }];
        return refuse(&app, &signed, form, wrong, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    let (request, wrong) = form.parse(t, Some(&before));
    if !wrong.is_empty() {
        return refuse(&app, &signed, form, wrong, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    if !fields.is_on("sure") {
        let as_it_is = LaunchForm::like(&view, true).parse(t, Some(&view)).0;
        let changes = changed(&RunLine::new(&as_it_is).pieces, &RunLine::new(&request).pieces);
        let kept = fields.iter().filter(|(name, _)| !["csrf", "sure", "back"].contains(name));
        let hidden = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let page = Page::new(&app, &signed, t.one("edit-question", "name", &view.name), "containers").await?;
        let runs = view.state.is_running() || matches!(view.state, ContainerState::Restarting(_));
        return Ok(html(ReviewPage { page, t, name: view.name, changes, runs, hidden }.render()?));
    }
    match ops::container_replace::replace(&app, &signed.actor, &view.name, request).await {
        Ok(made) => {
            for warning in made.warnings {
                notify(&signed, false, warning);
            }
            notify(&signed, true, t.one("edit-done", "name", &made.name));
            Ok(see_other(&format!("/containers/{}", made.name)))
        }
        Err(error) if error.kind() == ErrorKind::Forbidden => Err(error.into()),
        Err(error) => refuse_for(&app, &signed, form, &error).await,
    }
}

/// A version of a container that is kept.
pub struct Version {
    /// Its name now.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its image.
    pub image: String,
    /// When it was made.
    pub made: When,
    /// It is not what it is to be: it runs beside the other.
    pub runs: bool,
}

impl Version {
    fn new(view: &ContainerView, t: Texts) -> Self {
        Self {
            name: view.name.clone(),
            id: view.id.to_string(),
            image: view.request.image.clone(),
            made: When::ago(t, view.created_at, Timestamp::now()),
            runs: view.state.is_running(),
        }
    }
}

/// The kept versions of a container, and the name of what took its own place.
///
/// # Errors
/// [`Fault`].
pub fn versions(app: &App, signed: &Signed, view: &ContainerView) -> Result<(Vec<Version>, Option<String>), Fault> {
    let kept = ops::container_replace::versions(app, &signed.actor, view)?;
    let mut now = view.clone();
    let mut seen = 0;
    while let Some(next) =
        now.replaced_by.clone().and_then(|id| ops::containers::get(app, &signed.actor, id.as_str()).ok())
    {
        now = next;
        seen += 1;
        if seen > kept.len() + 1_000 {
            break;
        }
    }
    let by = (now.id != view.id).then_some(now.name);
    Ok((kept.iter().map(|one| Version::new(one, signed.t)).collect(), by))
}

/// Which version.
#[derive(serde::Deserialize)]
pub struct Which {
    #[serde(default)]
    previous: String,
}

/// `POST /containers/{name}/go-back`.
///
/// # Errors
/// [`Fault`].
pub async fn go_back(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, previous) = (posted.signed, posted.fields.text("previous"));
    match ops::container_replace::go_back(&app, &signed.actor, &name, &previous).await {
        Ok(view) => {
            notify(&signed, true, signed.t.one("edit-went-back", "name", &view.name));
            Ok(see_other(&format!("/containers/{}", view.name)))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => Err(error.into()),
        Err(error) => {
            notify(&signed, false, signed.t.two("container-act-failed", "name", &name, "why", error.message()));
            Ok(see_other(&format!("/containers/{name}")))
        }
    }
}

/// `GET /containers/{name}/forget?previous=ID`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask_forget(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    let t = signed.t;
    let view = ops::containers::get(&app, &signed.actor, &name)?;
    let (kept, _) = versions(&app, &signed, &view)?;
    let lines: Vec<Line> = kept
        .iter()
        .filter(|one| one.id == which.previous)
        .map(|one| Line {
            name: one.name.clone(),
            address: format!("/containers/{}", one.name),
            detail: format!("{} · {}", one.image, one.made.text),
            field: None,
        })
        .collect();
    if lines.is_empty() {
        return Err(Fault::NoPage);
    }
    let title = t.one("edit-forget-one", "name", &view.name);
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.one("question", "title", &title), "containers").await?,
        t,
        crumb: ("/containers", t.get("nav-containers")),
        action: format!("/containers/{}/forget", view.name),
        note: t.get("edit-forget-effect"),
        lines,
        hidden: vec![("previous", which.previous)],
        button: title,
        icon: "trash",
        danger: true,
        back: format!("/containers/{}", view.name),
    };
    confirm.answer()
}

/// `POST /containers/{name}/forget`.
///
/// # Errors
/// [`Fault`].
pub async fn forget(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, previous) = (posted.signed, posted.fields.text("previous"));
    match ops::container_replace::forget(&app, &signed.actor, &name, &previous).await {
        Ok(_) => notify(&signed, true, signed.t.one("edit-forgotten", "name", &name)),
        Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => return Err(error.into()),
        Err(error) => {
            notify(&signed, false, signed.t.two("container-act-failed", "name", &name, "why", error.message()));
        }
    }
    Ok(see_other(&format!("/containers/{name}")))
}
