//! Removing containers that don't run: which, and the question.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use jiff::{SignedDuration, Timestamp};
use runtime::{
    request::PruneContainers,
    view::{ContainerState, ContainerView},
};

use super::{
    confirm::Line,
    containers::Standing,
    error::Fault,
    page::{Page, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, i18n::Texts, ops};

/// Rows shown.
const SHOWN: usize = 50;

/// What is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    hours: String,
    label: String,
    label_not: String,
}

impl Asked {
    fn request(&self, now: Timestamp) -> PruneContainers {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let hours = self.hours.parse().ok().filter(|hours: &i64| (1..=1_000_000).contains(hours));
        PruneContainers {
            until: hours.and_then(|hours| now.checked_sub(SignedDuration::from_hours(hours)).ok()),
            labels: words(&self.label),
            labels_not: words(&self.label_not),
        }
    }
}

/// The page: the choice, and the question.
#[derive(Template)]
#[template(path = "containers/prune.html")]
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
    pub fn new(page: Page, t: Texts, asked: Asked, going: &[ContainerView]) -> Self {
        let line = |view: &ContainerView| Line {
            name: view.name.clone(),
            address: format!("/containers/{}", view.name),
            detail: format!("{} · {}", Standing::new(&view.state, t).word, view.request.image),
            field: None,
        };
        Self {
            page,
            t,
            asked,
            lines: going.iter().take(SHOWN).map(line).collect(),
            more: going.len().saturating_sub(SHOWN),
            button: t.one("containers-ask-remove", "count", going.len()),
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

/// `GET /containers/prune`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(State(app): State<App>, signed: Signed, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let request = asked.request(Timestamp::now());
    let mut going = ops::containers::list(&app, &signed.actor)?;
    going.retain(|view| {
        matches!(view.state, ContainerState::Created | ContainerState::Exited(_))
            && request.chooses(view.created_at, &view.labels)
    });
    let page = Page::new(&app, &signed, signed.t.get("containers-prune-question"), "containers").await?;
    let whole = PrunePage::new(page, signed.t, asked, &going);
    signed.answer(&whole, &whole)
}

/// `POST /containers/prune`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let text = |name: &str| posted.fields.text(name);
    let asked = Asked { hours: text("hours"), label: text("label"), label_not: text("label_not") };
    let (signed, t) = (&posted.signed, posted.signed.t);
    let pruned = ops::container_life::prune(&app, &signed.actor, asked.request(Timestamp::now())).await?;
    let size = t.size(pruned.reclaimed_bytes);
    notify(signed, true, t.two("containers-pruned", "count", pruned.ids.len(), "size", size));
    Ok(see_other("/containers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_never_takes_more() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let asked = Asked { hours: "24".into(), label: "a=b  c".into(), label_not: "keep".into() };
        let request = asked.request(now);
        assert_eq!((request.until, request.labels.len()), (Timestamp::from_second(913_600).ok(), 2));
        assert_eq!(Asked::default().request(now), PruneContainers::default());
    }
}
