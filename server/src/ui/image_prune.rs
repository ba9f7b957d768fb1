//! Removing what nothing uses: which images, what would go, and how much was free afterwards.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use jiff::{SignedDuration, Timestamp};
use runtime::{request::PruneImages, view::ImageRemoval};

use super::{
    confirm::Line,
    error::Fault,
    images::name_of,
    page::{Page, notify, see_other},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{self, image_choice},
};

/// Rows shown; the sums are of all.
const SHOWN: usize = 50;

/// What is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    what: String,
    hours: String,
    label: String,
    label_not: String,
}

impl Asked {
    fn read(posted: &Posted) -> Self {
        let text = |name: &str| posted.fields.text(name);
        Self { what: text("what"), hours: text("hours"), label: text("label"), label_not: text("label_not") }
    }

    fn request(&self, now: Timestamp) -> PruneImages {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let hours = self.hours.parse().ok().filter(|hours: &i64| (1..=1_000_000).contains(hours));
        PruneImages {
            named: self.what == "all",
            until: hours.and_then(|hours| now.checked_sub(SignedDuration::from_hours(hours)).ok()),
            labels: words(&self.label),
            labels_not: words(&self.label_not),
        }
    }
}

/// The page: the choice, and the question.
#[derive(Template)]
#[template(path = "images/prune.html")]
pub struct PrunePage {
    page: Page,
    t: Texts,
    asked: Asked,
    lines: Vec<Line>,
    more: usize,
    button: String,
}

impl PrunePage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, asked: Asked, going: &[runtime::view::ImageSummary], bytes: u64) -> Self {
        let line = |image: &runtime::view::ImageSummary| Line {
            name: name_of(image),
            address: format!("/images/{}", image.id),
            detail: t.two("images-remove-size", "size", t.size(image.size_bytes), "unique", t.size(image.unique_bytes)),
            field: None,
        };
        Self {
            page,
            t,
            asked,
            lines: going.iter().take(SHOWN).map(line).collect(),
            more: going.len().saturating_sub(SHOWN),
            button: t.two("images-prune-button", "count", going.len(), "size", t.size(bytes)),
        }
    }

    fn ages(&self) -> Vec<(&'static str, String, bool)> {
        [
            ("", "images-prune-any-age"),
            ("24", "images-prune-day"),
            ("168", "images-prune-week"),
            ("720", "images-prune-month"),
        ]
        .into_iter()
        .map(|(value, key)| (value, self.t.get(key), value == self.asked.hours))
        .collect()
    }
}

/// `GET /images/prune`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(State(app): State<App>, signed: Signed, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let going = image_choice::would_go(&app, &signed.actor, &asked.request(Timestamp::now()))?;
    let bytes = image_choice::own_bytes(&app, &signed.actor, &going).await?;
    let page = Page::new(&app, &signed, signed.t.get("images-prune-question"), "images").await?;
    let whole = PrunePage::new(page, signed.t, asked, &going, bytes);
    signed.answer(&whole, &whole)
}

/// `POST /images/prune`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let request = Asked::read(&posted).request(Timestamp::now());
    let (signed, t) = (&posted.signed, posted.signed.t);
    let before: std::collections::HashSet<_> =
        ops::images::list(&app, &signed.actor)?.into_iter().map(|image| image.id).collect();
    let pruned = ops::images::prune(&app, &signed.actor, request).await?;
    let is_image = |step: &&ImageRemoval| matches!(step, ImageRemoval::Deleted(id) if before.contains(id));
    let count = pruned.steps.iter().filter(is_image).count();
    notify(signed, true, t.two("images-pruned", "count", count, "size", t.size(pruned.reclaimed_bytes)));
    Ok(see_other("/images"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_becomes_a_request() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let asked = Asked { what: "all".into(), hours: "24".into(), label: "a=b  c".into(), label_not: "keep".into() };
        let request = asked.request(now);
        assert_eq!(request.until, Timestamp::from_second(913_600).ok());
        assert_eq!(
            (request.named, request.labels, request.labels_not),
            (true, vec!["a=b".into(), "c".into()], vec!["keep".into()])
        );
        let least = Asked { hours: "-1".into(), ..Asked::default() }.request(now);
        assert_eq!(least, PruneImages::default(), "what makes no sense never takes more");
    }
}
