//! Removing images: one whole, one name of it, several; and the questions before.

use std::collections::HashSet;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use runtime::{
    digest::ImageId,
    error::{Error, ErrorKind},
    view::{ContainerView, ImageRemoval, ImageView},
};

use super::{
    confirm::Line,
    containers::Standing,
    error::Fault,
    images::name_of,
    page::{Page, html, notify, see_other},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{self, image_choice},
};

/// The question.
#[derive(Template)]
#[template(path = "images/remove.html")]
pub struct RemovePage {
    /// The frame; its title is the question.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// Where the answer goes.
    pub action: String,
    /// What will happen.
    pub note: String,
    /// Why it was refused.
    pub wrong: String,
    /// Names that go.
    pub lines: Vec<Line>,
    /// Containers that use it.
    pub users: Vec<Line>,
    /// Sent back unseen.
    pub hidden: Vec<(&'static str, String)>,
    /// Verb and thing.
    pub button: String,
    /// Whether it can be forced, and is.
    pub force: Option<bool>,
    /// The way out.
    pub back: String,
}

/// Which name of it; none is the whole image.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    name: String,
}

fn size_line(image: &ImageView, t: Texts) -> String {
    let (size, unique) = (t.size(image.summary.size_bytes), t.size(image.summary.unique_bytes));
    t.two("images-remove-size", "size", size, "unique", unique)
}

fn line(image: &ImageView, name: String, t: Texts) -> Line {
    Line { detail: size_line(image, t), address: format!("/images/{}", image.summary.id), field: None, name }
}

fn user(view: &ContainerView, t: Texts) -> Line {
    Line {
        name: view.name.clone(),
        address: format!("/containers/{}", view.name),
        detail: format!("{} · {}", t.get("images-remove-user"), Standing::new(&view.state, t).word),
        field: None,
    }
}

async fn question(
    app: &App,
    signed: &Signed,
    image: &ImageView,
    name: &str,
    (wrong, force): (String, bool),
) -> Result<Response, Fault> {
    let t = signed.t;
    let (id, tags) = (image.summary.id, &image.summary.tags);
    let containers = ops::containers::list(app, &signed.actor)?;
    let users: Vec<&ContainerView> = containers.iter().filter(|one| one.image_id == id).collect();
    let is_running = users.iter().any(|one| one.state.is_running());
    let is_whole = name.is_empty() || (tags.len() == 1 && tags[0] == name);
    let shown = if name.is_empty() { name_of(&image.summary) } else { name.to_owned() };
    let title = t.one(if is_whole { "remove-one" } else { "image-untag-one" }, "name", &shown);
    let names = match (is_whole, tags.is_empty()) {
        (false, _) => vec![name.to_owned()],
        (true, true) => vec![id.to_string()],
        (true, false) => tags.clone(),
    };
    let page = RemovePage {
        page: Page::new(app, signed, t.one("question", "title", &title), "images").await?,
        t,
        action: format!("/images/{id}/remove"),
        note: t.get(match (is_whole, users.is_empty(), is_running) {
            (false, ..) => "image-untag-effect",
            (true, true, _) => "images-remove-effect",
            (true, false, false) => "images-remove-stopped",
            (true, false, true) => "images-remove-used",
        }),
        wrong,
        button: if is_whole {
            t.two("images-remove-button", "count", names.len(), "size", t.size(image.summary.unique_bytes))
        } else {
            title
        },
        lines: names.into_iter().map(|name| line(image, name, t)).collect(),
        users: if is_whole { users.iter().map(|one| user(one, t)).collect() } else { Vec::new() },
        hidden: if name.is_empty() { Vec::new() } else { vec![("name", name.to_owned())] },
        force: (is_whole && !users.is_empty() && !is_running).then_some(force),
        back: format!("/images/{id}"),
    };
    Ok(html(page.render()?))
}

/// `GET /images/{id}/remove`: asks; `?name=` for one of its names.
///
/// # Errors
/// [`Fault`].
pub async fn ask(
    State(app): State<App>,
    signed: Signed,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let image = ops::images::get(&app, &signed.actor, &id).await?;
    if !asked.name.is_empty() && !image.summary.tags.contains(&asked.name) {
        return Err(Error::not_found(format!("No such image: {}", asked.name)).into());
    }
    question(&app, &signed, &image, &asked.name, (String::new(), false)).await
}

/// `POST /images/{id}/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, Path(id): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, fields) = (posted.signed, posted.fields);
    let t = signed.t;
    let (name, force) = (fields.text("name"), fields.is_on("force"));
    let image = ops::images::get(&app, &signed.actor, &id).await?;
    let shown = if name.is_empty() { name_of(&image.summary) } else { name.clone() };
    let removed = if name.is_empty() {
        let containers = ops::containers::list(&app, &signed.actor)?;
        let is_used = containers.iter().any(|one| one.image_id == image.summary.id);
        // The question named every name of an image: that it has several is no reason to refuse.
        ops::images::remove(&app, &signed.actor, &id, force || !is_used).await
    } else {
        ops::images::remove(&app, &signed.actor, &name, force).await
    };
    match removed {
        Ok(gone) if gone.steps.contains(&ImageRemoval::Deleted(image.summary.id)) => {
            notify(&signed, true, t.two("images-removed", "name", &shown, "size", t.size(gone.reclaimed_bytes)));
            Ok(see_other("/images"))
        }
        Ok(_) => {
            notify(&signed, true, t.one("image-untagged", "name", &shown));
            Ok(see_other(&format!("/images/{}", image.summary.id)))
        }
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let wrong = error.message().to_owned();
            let mut response = question(&app, &signed, &image, &name, (wrong, force)).await?;
            *response.status_mut() = StatusCode::CONFLICT;
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks before several go.
pub(in crate::ui) async fn ask_several(app: &App, signed: &Signed, names: &[String]) -> Result<Response, Fault> {
    let t = signed.t;
    let containers = ops::containers::list(app, &signed.actor)?;
    let used: HashSet<ImageId> = containers.iter().map(|one| one.image_id).collect();
    let mut lines = Vec::new();
    let mut chosen = HashSet::new();
    for name in names {
        let image = ops::images::get(app, &signed.actor, name).await?;
        chosen.insert(image.summary.id);
        let shown = if *name == image.summary.id.to_string() { name_of(&image.summary) } else { name.clone() };
        lines.push(Line { field: Some(name.clone()), ..line(&image, shown, t) });
    }
    let going = image_choice::would_go_with(&ops::images::list(app, &signed.actor)?, &used, names);
    let bytes = image_choice::own_bytes(app, &signed.actor, &going).await?;
    let users = containers.iter().filter(|one| chosen.contains(&one.image_id)).map(|one| user(one, t)).collect();
    let title = t.one("images-ask-remove", "count", names.len());
    let page = RemovePage {
        page: Page::new(app, signed, t.one("question", "title", &title), "images").await?,
        t,
        action: "/images/bulk".to_owned(),
        note: t.get("images-remove-several"),
        wrong: String::new(),
        button: t.two("images-remove-button", "count", lines.len(), "size", t.size(bytes)),
        lines,
        users,
        hidden: vec![("do", "remove".to_owned()), ("sure", "yes".to_owned())],
        force: None,
        back: "/images".to_owned(),
    };
    Ok(html(page.render()?))
}

/// Removes several, each by itself.
pub(in crate::ui) async fn several(app: &App, signed: &Signed, names: &[String]) -> Result<Response, Fault> {
    let t = signed.t;
    let (mut done, mut bytes) = (0_usize, 0);
    for name in names {
        match ops::images::remove(app, &signed.actor, name, false).await {
            Ok(gone) => {
                done += 1;
                bytes += gone.reclaimed_bytes;
            }
            Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => {
                return Err(error.into());
            }
            Err(error) => notify(signed, false, t.two("images-not-removed", "name", name, "why", error.message())),
        }
    }
    if done > 0 {
        notify(signed, true, t.two("images-bulk-removed", "count", done, "size", t.size(bytes)));
    }
    Ok(see_other("/images"))
}
