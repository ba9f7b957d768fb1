//! Looking for images by words: says that no index can be asked, and what works instead.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use runtime::error::ErrorKind;

use super::{
    error::{Fault, status},
    page::Page,
    request::Signed,
};
use crate::{app::App, i18n::Texts, ops};

/// What is looked for.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    term: String,
}

/// A name here that has the words.
pub struct Here {
    name: String,
    address: String,
}

/// The page.
#[derive(Template)]
#[template(path = "images/search.html")]
pub struct SearchPage {
    /// The frame.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// The words.
    pub term: String,
    /// Images here with these words.
    pub here: Vec<Here>,
}

/// `GET /images/search`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let term = asked.term.trim().to_owned();
    let mut code = None;
    let mut here = Vec::new();
    if !term.is_empty() {
        let error = ops::images::search(&signed.actor);
        if error.kind() != ErrorKind::Unsupported {
            return Err(error.into());
        }
        code = Some(status(error.kind()));
        let words = term.to_lowercase();
        for image in ops::images::list(&app, &signed.actor)? {
            for name in image.tags.iter().filter(|tag| tag.to_lowercase().contains(&words)) {
                here.push(Here { name: name.clone(), address: format!("/images/{}", image.id) });
            }
        }
    }
    let page = Page::new(&app, &signed, signed.t.get("images-search-title"), "images").await?;
    let whole = SearchPage { page, t: signed.t, term, here };
    let mut response = signed.answer(&whole, &whole)?;
    if let Some(code) = code {
        *response.status_mut() = code;
    }
    Ok(response)
}
