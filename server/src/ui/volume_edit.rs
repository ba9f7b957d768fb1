//! A small text of a volume: read and changed. A file that changed meanwhile is not overwritten: both texts are shown.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use runtime::error::ErrorKind;

use super::{
    encode,
    error::Fault,
    page::{Page, html, notify, see_other},
    request::{Posted, Signed},
    volume_files::{At, address, crumbs, join, parent, plain},
};
use crate::{app::App, i18n::Texts, ops};

/// The page.
#[derive(Template)]
#[template(path = "volumes/edit.html")]
pub struct EditPage {
    /// The frame.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// The volume.
    pub volume: String,
    /// The file's path.
    pub path: String,
    /// The folders above it.
    pub way: Vec<(String, String)>,
    /// Its name.
    pub name: String,
    /// The version that is being edited; empty for a new file.
    pub known: String,
    /// What is in it; `None` when it is too large or no text.
    pub text: Option<String>,
    /// What stands there now, when it changed meanwhile.
    pub theirs: Option<String>,
    /// Why it was not saved.
    pub wrong: String,
}

impl EditPage {
    /// Of this path.
    pub fn new(page: Page, t: Texts, volume: &str, path: &str) -> Self {
        let mut way = crumbs(volume, path);
        let name = way.pop().map(|(name, _)| name).unwrap_or_default();
        Self {
            page,
            t,
            volume: volume.to_owned(),
            path: path.to_owned(),
            way,
            name,
            known: String::new(),
            text: Some(String::new()),
            theirs: None,
            wrong: String::new(),
        }
    }
}

/// `GET /volumes/{name}/files/edit`.
///
/// # Errors
/// [`Fault`].
pub async fn show(
    State(app): State<App>,
    signed: Signed,
    Path(volume): Path<String>,
    Query(at): Query<At>,
) -> Result<Response, Fault> {
    let path = at.p.trim_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    let page = Page::new(&app, &signed, name.to_owned(), "volumes").await?;
    let mut whole = EditPage::new(page, signed.t, &volume, path);
    if at.new.is_empty() {
        let file = ops::volume_files::text(&app, &signed.actor, &volume, path).await?;
        (whole.known, whole.text) = (file.entry.version, file.text);
    } else {
        ops::volumes::get(&app, &signed.actor, &volume)?;
    }
    Ok(html(whole.render()?))
}

/// `POST /volumes/{name}/files/edit`.
///
/// # Errors
/// [`Fault`].
pub async fn save(State(app): State<App>, Path(volume): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, t) = (&posted.signed, posted.signed.t);
    let (path, known) = (posted.fields.text("p"), posted.fields.text("known"));
    // Browsers send lines' ends as CR LF whatever the file had.
    let text = posted.fields.get("text").unwrap_or_default().replace("\r\n", "\n");
    let seen = Some(known.clone()).filter(|known| !known.is_empty());
    let content = std::io::Cursor::new(text.clone().into_bytes());
    let error = match ops::volume_files::write(&app, &signed.actor, &volume, &path, seen, content).await {
        Ok(()) => {
            notify(signed, true, t.one("files-saved", "name", &path));
            return Ok(see_other(&address(&volume, parent(&path))));
        }
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::Exhausted) => error,
        Err(error) => return Err(error.into()),
    };
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let page = Page::new(&app, signed, name, "volumes").await?;
    let mut whole = EditPage::new(page, t, &volume, &path);
    (whole.known, whole.text, whole.wrong) = (known, Some(text), error.message().to_owned());
    if error.kind() == ErrorKind::Conflict
        && let Ok(now) = ops::volume_files::text(&app, &signed.actor, &volume, &path).await
    {
        // Saved again, it goes over what is shown now.
        (whole.known, whole.theirs) = (now.entry.version, now.text);
    }
    let mut response = html(whole.render()?);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// `POST /volumes/{name}/files/text`: the way to the page of a text that is to be.
///
/// # Errors
/// [`Fault`].
pub async fn begin(Path(volume): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (at, name) = (posted.fields.text("p"), posted.fields.text("name"));
    if plain(&name).is_none() {
        notify(&posted.signed, false, posted.signed.t.get("files-name-wrong"));
        return Ok(see_other(&address(&volume, &at)));
    }
    let path = encode(&join(&at, &name));
    Ok(see_other(&format!("/volumes/{volume}/files/edit?p={path}&new=on")))
}
