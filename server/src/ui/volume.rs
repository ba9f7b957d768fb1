//! One volume: what it is, who uses it, and its end.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    error::ErrorKind,
    view::{ContainerView, VolumeView},
};

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, When, notify, see_other},
    request::{Posted, Signed},
    volumes::{Sizes, names, short, size_text, sizes},
};
use crate::{app::App, i18n::Texts, ops};

/// A container that mounts it.
pub struct User {
    name: String,
    target: String,
    read_only: bool,
    running: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "volumes/detail.html")]
pub struct DetailPage {
    page: Page,
    t: Texts,
    name: String,
    short: String,
    lead: String,
    place: String,
    options: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    users: Vec<User>,
}

impl DetailPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        volume: &VolumeView,
        containers: &[ContainerView],
        sizes: &Sizes,
        now: Timestamp,
    ) -> Self {
        let users = containers.iter().flat_map(|container| {
            let mounts = container.mounts.iter();
            let ours = mounts.filter(|mount| {
                mount.volume().is_some_and(|mounted| mounted.name.as_deref() == Some(volume.name.as_str()))
            });
            ours.map(|mount| User {
                name: container.name.clone(),
                target: mount.target.clone(),
                read_only: mount.read_only,
                running: container.state.is_running(),
            })
        });
        let pair = |(key, value): (&String, &String)| (key.clone(), value.clone());
        Self {
            page,
            t,
            name: volume.name.clone(),
            short: short(volume),
            lead: format!(
                "{} · {}",
                size_text(sizes, &volume.name, t),
                t.one("volume-since", "when", When::ago(t, volume.created_at, now).text)
            ),
            place: volume.mountpoint.display().to_string(),
            options: volume.options.iter().map(pair).collect(),
            labels: volume.labels.iter().map(pair).collect(),
            users: users.collect(),
        }
    }
}

/// `GET /volumes/{name}`.
///
/// # Errors
/// [`Fault`].
pub async fn detail(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    let volume = ops::volumes::get(&app, &signed.actor, &name)?;
    let containers = ops::containers::list(&app, &signed.actor)?;
    let sizes = sizes(&app, &signed, std::slice::from_ref(&volume)).await;
    let page = Page::new(&app, &signed, short(&volume), "volumes").await?;
    let whole = DetailPage::new(page, signed.t, &volume, &containers, &sizes, Timestamp::now());
    signed.answer(&whole, &whole)
}

/// `GET /volumes/{name}/remove`: asks; one that is in use says by whom.
///
/// # Errors
/// [`Fault`].
pub async fn ask(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    let t = signed.t;
    let volume = ops::volumes::get(&app, &signed.actor, &name)?;
    let containers = ops::containers::list(&app, &signed.actor)?;
    let known = names(&containers);
    let users: Vec<_> = volume.users.iter().filter_map(|id| known.get(id.as_str()).cloned()).collect();
    if !users.is_empty() {
        notify(&signed, false, t.one("volume-in-use", "names", users.join(", ")));
        return Ok(see_other(&format!("/volumes/{name}")));
    }
    let sizes = sizes(&app, &signed, std::slice::from_ref(&volume)).await;
    let title = t.one("remove-one", "name", short(&volume));
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.one("question", "title", &title), "volumes").await?,
        t,
        crumb: ("/volumes", t.get("nav-volumes")),
        action: format!("/volumes/{name}/remove"),
        note: t.get("volume-remove-effect"),
        lines: vec![Line {
            name: short(&volume),
            address: format!("/volumes/{name}"),
            detail: size_text(&sizes, &name, t),
            field: None,
        }],
        hidden: Vec::new(),
        button: title,
        icon: "trash",
        danger: true,
        back: format!("/volumes/{name}"),
    };
    confirm.answer()
}

/// `POST /volumes/{name}/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, t) = (&posted.signed, posted.signed.t);
    match ops::volumes::remove(&app, &signed.actor, &name, false).await {
        Ok(()) => {
            notify(signed, true, t.one("volume-removed", "name", &name));
            Ok(see_other("/volumes"))
        }
        Err(error) if error.kind() == ErrorKind::Conflict => {
            notify(signed, false, error.message().to_owned());
            Ok(see_other(&format!("/volumes/{name}")))
        }
        Err(error) => Err(error.into()),
    }
}
