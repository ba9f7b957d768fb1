//! New container: the form, its preview, and what becomes of it.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use runtime::error::ErrorKind;

use super::{
    error::{Fault, status},
    launch_form::{LaunchForm, Wrong},
    page::{Page, html, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, auth::actor::Right, i18n::Texts, ops};

/// Whether the image is here.
pub enum Presence {
    /// None was named yet.
    Unnamed,
    /// It is: so big.
    Here(String),
    /// It is not; it can be pulled.
    Missing,
}

/// The page.
#[derive(Template)]
#[template(path = "containers/new.html", blocks = ["preview"])]
pub struct NewPage {
    /// The frame.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// As typed.
    pub form: LaunchForm,
    /// What needs a change.
    pub wrong: Vec<Wrong>,
    /// Whether the image is here.
    pub presence: Presence,
    /// Images there are.
    pub known: Vec<String>,
    /// Volumes there are.
    pub volumes: Vec<String>,
    /// Networks people made.
    pub networks: Vec<String>,
    /// The host's network may be chosen.
    pub may_host: bool,
}

impl NewPage {
    fn why(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|wrong| wrong.field == field).map(|wrong| wrong.why.as_str())
    }

    fn why_at(&self, field: &str, at: &usize) -> Option<&str> {
        self.why(&format!("{field}{at}"))
    }

    fn ports_line(&self) -> String {
        let rows = self.form.ports.iter().filter(|row| !row.container.is_empty());
        let lines: Vec<String> = rows
            .map(|row| format!("{}→{}", if row.host.is_empty() { "*" } else { &row.host }, row.container))
            .collect();
        if lines.is_empty() { self.t.get("none") } else { lines.join(", ") }
    }

    fn mounts_line(&self) -> String {
        let rows = self.form.mounts.iter().filter(|row| !row.target.is_empty());
        rows.map(|row| row.target.clone()).collect::<Vec<_>>().join(", ")
    }

    fn why_mount(&self) -> bool {
        self.wrong.iter().any(|wrong| wrong.field.starts_with("ms"))
    }

    fn env_line(&self) -> String {
        self.t.one("launch-variables", "count", self.form.env.iter().filter(|row| !row.name.is_empty()).count())
    }

    fn limits_line(&self) -> String {
        let form = &self.form;
        let mut parts = Vec::new();
        if let Ok(cores) = form.cpus.replace(',', ".").parse::<f64>() {
            parts.push(self.t.one("limit-cores", "cores", cores));
        }
        if !form.memory.is_empty() {
            parts.push(format!("{} {}", form.memory, form.memory_unit));
        }
        if let Ok(count) = form.pids.parse::<u64>() {
            parts.push(self.t.one("limit-pids", "count", count));
        }
        if parts.is_empty() { self.t.get("none") } else { parts.join(", ") }
    }

    fn policies(&self) -> Vec<(&'static str, String, bool)> {
        super::container_restart::choices(self.t, &self.form.restart)
    }

    fn lines(&self) -> Vec<(String, String)> {
        self.form.command_line()
    }

    fn joint(&self, first: &bool) -> &'static str {
        if *first { " " } else { " \\\n  " }
    }

    fn gap(&self, option: &str, value: &str) -> &'static str {
        if option.is_empty() || value.is_empty() { "" } else { " " }
    }

    fn pull_address(&self) -> String {
        format!("/images?pull={}", super::encode(&self.form.image))
    }
}

async fn draw(
    app: &App,
    signed: &Signed,
    mut form: LaunchForm,
    wrong: Vec<Wrong>,
    propose: bool,
) -> Result<NewPage, Fault> {
    let mut presence = Presence::Unnamed;
    if !form.image.is_empty() {
        presence = match ops::images::get(app, &signed.actor, &form.image).await {
            Ok(image) => {
                if propose {
                    form.propose(&image);
                }
                Presence::Here(signed.t.size(image.summary.size_bytes))
            }
            Err(_) => Presence::Missing,
        };
    }
    if form.ports.is_empty() {
        form.ports.push(super::launch_form::PortRow { protocol: "tcp".into(), ..Default::default() });
    }
    if form.mounts.is_empty() {
        form.mounts.push(super::launch_volumes::MountRow::default());
    }
    if form.env.is_empty() {
        form.env.push(super::launch_form::PairRow::default());
    }
    let known = ops::images::list(app, &signed.actor)?.into_iter().flat_map(|image| image.tags).collect();
    let named = ops::volumes::list(app, &signed.actor)?.into_iter().filter(|volume| !volume.is_anonymous());
    let volumes = named.map(|volume| volume.name).collect();
    let page = Page::new(app, signed, signed.t.get("launch-title"), "containers").await?;
    let networks = ops::networks::list(app, &signed.actor)?;
    let networks = networks.into_iter().filter(|one| !one.predefined).map(|one| one.name).collect();
    let may_host = signed.actor.may(Right::Administer);
    Ok(NewPage { page, t: signed.t, form, wrong, presence, known, volumes, networks, may_host })
}

/// What the form starts with.
#[derive(serde::Deserialize)]
pub struct Start {
    #[serde(default)]
    image: String,
    #[serde(default)]
    like: String,
}

/// `GET /containers/new`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed, Query(start): Query<Start>) -> Result<Response, Fault> {
    let form = if start.like.is_empty() {
        LaunchForm { image: start.image, memory_unit: "MiB".into(), ..LaunchForm::default() }
    } else {
        LaunchForm::like(&ops::containers::get(&app, &signed.actor, &start.like)?)
    };
    Ok(html(draw(&app, &signed, form, Vec::new(), true).await?.render()?))
}

/// `POST /containers/new`: the page again with another row, or a fresh preview.
///
/// # Errors
/// [`Fault`].
pub async fn again(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let form = LaunchForm::read(&posted.fields);
    let propose = posted.fields.get("add") == Some("image");
    let whole = draw(&app, &posted.signed, form, Vec::new(), propose).await?;
    let fragment =
        posted.signed.fragment && posted.fields.get("add").is_none() && posted.fields.get("remove").is_none();
    Ok(html(if fragment { whole.as_preview().render()? } else { whole.render()? }))
}

/// `POST /containers`.
///
/// # Errors
/// [`Fault`].
pub async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let (signed, fields) = (posted.signed, posted.fields);
    let t = signed.t;
    let form = LaunchForm::read(&fields);
    let request = match form.request(t) {
        Ok(request) => request,
        Err(wrong) => return refuse(&app, &signed, form, wrong, StatusCode::UNPROCESSABLE_ENTITY).await,
    };
    let created = match ops::containers::create(&app, &signed.actor, request).await {
        Ok(created) => created,
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => return Err(error.into()),
        Err(error) => {
            let (field, label) = match error.kind() {
                ErrorKind::NotFound => ("im", "image"),
                ErrorKind::Conflict => ("nm", "name"),
                _ => ("main", "launch-title"),
            };
            let code = match error.kind() {
                // Each is about a field of this form.
                ErrorKind::NotFound | ErrorKind::Conflict => StatusCode::UNPROCESSABLE_ENTITY,
                kind => status(kind),
            };
            let wrong = vec![Wrong { field: field.to_owned(), label: t.get(label), why: error.message().to_owned() }];
            return refuse(&app, &signed, form, wrong, code).await;
        }
    };
    for warning in created.warnings {
        notify(&signed, false, warning);
    }
    if fields.get("start") == Some("no") {
        notify(&signed, true, t.one("launch-created", "name", &created.name));
    } else {
        match ops::containers::start(&app, &signed.actor, created.id.as_str()).await {
            Ok(_) => notify(&signed, true, t.one("launch-started", "name", &created.name)),
            Err(error) => {
                notify(&signed, false, t.two("launch-not-started", "name", &created.name, "why", error.message()));
            }
        }
    }
    Ok(see_other(&format!("/containers/{}", created.name)))
}

async fn refuse(
    app: &App,
    signed: &Signed,
    form: LaunchForm,
    wrong: Vec<Wrong>,
    code: StatusCode,
) -> Result<Response, Fault> {
    let mut response = html(draw(app, signed, form, wrong, false).await?.render()?);
    *response.status_mut() = code;
    Ok(response)
}
