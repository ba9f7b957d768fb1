//! `GET /events`: what happened lately in this run of the engine, as far as it remembers, and what happens from now on.

use std::{io, time::Duration};

use axum::{Extension, extract::State, response::Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use runtime::view::Event;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{error::Result, filters::Filters, model::system::Message, query::Query, stream::streamed};
use crate::{app::App, auth::actor::Actor, ops};

const FILTERS: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

pub(super) async fn follow(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
) -> Result<Response> {
    let filters = Filters::of(&query, FILTERS)?;
    let until = query.moment("until")?;
    // Zero is a moment here, before everything.
    let since = match query.text("since") {
        Some("0") => Some(Timestamp::UNIX_EPOCH),
        _ => query.moment("since")?,
    };
    let (past, events) = ops::system::events_so_far(&app, &actor)?;
    let past = past.into_iter().filter(move |event| since.is_some_and(|since| event.at >= since));
    let past = past.filter(move |event| until.is_none_or(|until| event.at <= until));
    let coming = stream::unfold(events, |mut events| async move { Some((next(&mut events).await?, events)) })
        .take_until(async move {
            match until {
                Some(until) => {
                    let left = until.duration_since(Timestamp::now());
                    tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
                }
                None => std::future::pending().await,
            }
        });
    let lines = stream::iter(past)
        .chain(coming)
        .filter_map(move |event| std::future::ready(wanted(&event, &filters).then(|| line(&event))));
    Ok(streamed("application/json", lines))
}

async fn next(events: &mut Receiver<Event>) -> Option<Event> {
    loop {
        match events.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(lost)) => tracing::debug!("a reader of events was too slow and lost {lost}"),
            Err(RecvError::Closed) => return None,
        }
    }
}

fn line(event: &Event) -> Result<Bytes, io::Error> {
    let mut line = serde_json::to_vec(&Message::of(event))?;
    line.push(b'\n');
    Ok(line.into())
}

fn wanted(event: &Event, filters: &Filters) -> bool {
    let named = |object: &str| {
        let names = filters.values(object);
        names.is_empty()
            || (event.object == object
                && names.iter().any(|name| {
                    event.id.starts_with(name.as_str())
                        || event.attributes.get("name").is_some_and(|known| known == name)
                }))
    };
    let image = |wanted: &String| {
        let known = if event.object == "image" { Some(&event.id) } else { event.attributes.get("image") };
        let bare = |known: &str| known.rsplit_once(':').is_some_and(|(name, tag)| name == wanted && !tag.contains('/'));
        known.is_some_and(|known| known == wanted || bare(known))
    };
    let images = filters.values("image");
    filters.exact("type", event.object)
        && filters.exact("scope", "local")
        && (filters.exact("event", &event.action)
            || event.action.split_once(':').is_some_and(|(verb, _)| filters.exact("event", verb)))
        && filters.labels(&event.attributes)
        && named("container")
        && named("network")
        && named("volume")
        && (images.is_empty() || images.iter().any(image))
        && ["config", "daemon", "node", "plugin", "secret", "service"]
            .iter()
            .all(|object| filters.values(object).is_empty())
}

#[cfg(test)]
mod tests {
    use super::{super::model::system::tests::event, *};

    #[test]
    fn filters_pick_events() {
        let picked = |json: &str| {
            let query = format!("filters={json}");
            wanted(&event("die"), &Filters::of(&Query::parse(&query), FILTERS).unwrap())
        };
        for json in [
            "{}",
            r#"{"type":["container"]}"#,
            r#"{"event":["start","die"]}"#,
            r#"{"container":["web"]}"#,
            r#"{"container":["abc"]}"#,
            r#"{"image":["nginx"]}"#,
            r#"{"image":["nginx:latest"]}"#,
            r#"{"label":["tier=front"]}"#,
        ] {
            assert!(picked(json), "{json}");
        }
        for json in [
            r#"{"type":["image"]}"#,
            r#"{"event":["start"]}"#,
            r#"{"container":["db"]}"#,
            r#"{"image":["ngin"]}"#,
            r#"{"label":["tier=back"]}"#,
            r#"{"network":["bridge"]}"#,
            r#"{"volume":["data"]}"#,
        ] {
            assert!(!picked(json), "{json}");
        }
    }
}
