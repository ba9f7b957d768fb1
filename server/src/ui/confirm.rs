//! Asking before acting: what goes, what is kept, a button that says what it does.

use askama::Template;
use axum::response::Response;

use super::{
    error::Fault,
    page::{Page, html},
};
use crate::i18n::Texts;

/// One thing that is concerned.
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its page.
    pub address: String,
    /// A few words more.
    pub detail: String,
    /// Sent back as `id`.
    pub field: Option<String>,
}

/// The question.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct Confirm {
    /// The frame; its title is the question.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// The list this thing is in.
    pub crumb: (&'static str, String),
    /// Where the answer goes.
    pub action: String,
    /// What will happen.
    pub note: String,
    /// To what.
    pub lines: Vec<Line>,
    /// Sent back unseen.
    pub hidden: Vec<(&'static str, String)>,
    /// Verb and thing.
    pub button: String,
    /// The verb's icon.
    pub icon: &'static str,
    /// It can't be taken back.
    pub danger: bool,
    /// The way out.
    pub back: String,
}

impl Confirm {
    /// As a page.
    ///
    /// # Errors
    /// When it can't be drawn.
    pub fn answer(&self) -> Result<Response, Fault> {
        Ok(html(self.render()?))
    }
}
