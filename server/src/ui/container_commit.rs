//! An image of a container's changes.

use askama::Template;
use axum::{
    extract::{OriginalUri, Path, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::{error::ErrorKind, request::CommitContainer, view::ContainerView};

use super::{
    container::{Head, find},
    error::{Fault, status},
    image_import::lines,
    page::{Page, html, notify, see_other},
    request::{Fields, Posted, Signed},
};
use crate::{app::App, i18n::Texts, ops};

/// The form as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitForm {
    name: String,
    author: String,
    message: String,
    changes: String,
    pause: bool,
}

impl CommitForm {
    fn read(fields: &Fields) -> Self {
        Self {
            name: fields.text("name"),
            author: fields.text("author"),
            message: fields.text("message"),
            changes: fields.get("changes").unwrap_or_default().replace("\r\n", "\n"),
            pause: fields.is_on("pause"),
        }
    }

    fn request(&self) -> CommitContainer {
        CommitContainer {
            reference: Some(self.name.clone()).filter(|name| !name.is_empty()),
            author: self.author.clone(),
            comment: self.message.clone(),
            changes: lines(&self.changes),
            pause: self.pause,
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "containers/commit.html")]
pub struct CommitPage {
    page: Page,
    t: Texts,
    head: Head,
    form: CommitForm,
    wrong: String,
}

impl CommitPage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, view: &ContainerView, form: CommitForm, wrong: String, now: Timestamp) -> Self {
        Self { head: Head::new(view, t, now, "changes"), page, t, form, wrong }
    }
}

async fn draw(
    app: &App,
    signed: &Signed,
    view: &ContainerView,
    form: CommitForm,
    wrong: String,
) -> Result<Response, Fault> {
    let page = Page::new(app, signed, view.name.clone(), "containers").await?;
    Ok(html(CommitPage::new(page, signed.t, view, form, wrong, Timestamp::now()).render()?))
}

/// `GET /containers/{name}/commit`.
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
    let form = CommitForm { author: signed.session.name.clone(), pause: true, ..CommitForm::default() };
    draw(&app, &signed, &view, form, String::new()).await
}

/// `POST /containers/{name}/commit`.
///
/// # Errors
/// [`Fault`].
pub async fn commit(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, form) = (posted.signed, CommitForm::read(&posted.fields));
    let view = ops::containers::get(&app, &signed.actor, &name)?;
    match ops::containers::commit(&app, &signed.actor, &view.name, form.request()).await {
        Ok(id) => {
            let image = if form.name.is_empty() { id.short() } else { form.name };
            notify(&signed, true, signed.t.two("commit-done", "name", &view.name, "image", image));
            Ok(see_other(&format!("/images/{id}")))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden | ErrorKind::NotFound) => {
            Err(error.into())
        }
        Err(error) => {
            let mut response = draw(&app, &signed, &view, form, error.message().to_owned()).await?;
            *response.status_mut() = status(error.kind());
            Ok(response)
        }
    }
}
