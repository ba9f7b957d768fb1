//! `GET /live/events`: pokes. Only names travel; the page fetches what it shows, so rights and filters are right.

use std::{collections::BTreeSet, convert::Infallible, time::Duration};

use axum::{
    extract::{Extension, Query, State},
    http::StatusCode,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;

use super::{CHECK, Listener, ROOM, Refused, lives};
use crate::{app::App, ops};

/// Pokes within this time travel as one.
const GATHER: Duration = Duration::from_millis(400);

/// What the page waits for.
#[derive(serde::Deserialize)]
pub struct Topics {
    #[serde(default)]
    topics: String,
}

/// `GET /live/events?topics=containers,images`.
///
/// # Errors
/// [`Refused`].
pub async fn events(
    State(app): State<App>,
    Extension(listener): Extension<Listener>,
    Query(asked): Query<Topics>,
) -> Result<Response, Refused> {
    let Ok(permit) = ROOM.try_acquire() else { return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()) };
    let wanted: BTreeSet<&'static str> = ["containers", "images", "networks", "operations", "usage", "volumes"]
        .into_iter()
        .filter(|topic| asked.topics.split(',').any(|one| one == *topic))
        .collect();
    let mut engine = ops::system::pokes(&app, &listener.actor)?;
    let mut operations = ops::operation::changes(&app, &listener.actor)?;
    let mut usage = if wanted.contains("usage") { Some(ops::usage::changes(&app, &listener.actor)?) } else { None };
    // Full when the browser does not read: then pokes are dropped, and the next one says the same.
    let (sender, receiver) = mpsc::channel::<Result<Event, Infallible>>(16);
    tokio::spawn(async move {
        let _permit = permit;
        let mut check = tokio::time::interval(CHECK);
        // What changed between the page and its stream is told at once.
        let mut due: BTreeSet<&'static str> = wanted.iter().copied().filter(|topic| *topic != "usage").collect();
        let mut flush_at = Instant::now();
        loop {
            let is_due = !due.is_empty();
            tokio::select! {
                biased;
                () = app.shutdown.cancelled() => return,
                () = sender.closed() => return,
                _ = check.tick() => if !lives(&app, &listener.secret).await { return },
                event = engine.recv() => match event {
                    Ok(event) if event.object == "container" => { due.insert("containers"); }
                    Ok(event) if event.object == "image" => { due.insert("images"); }
                    Ok(event) if event.object == "volume" => { due.insert("volumes"); }
                    Ok(event) if event.object == "network" => { due.insert("networks"); }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => due.extend(["containers", "images", "networks", "volumes"]),
                    Err(RecvError::Closed) => return,
                },
                change = operations.recv() => match change {
                    Ok(()) | Err(RecvError::Lagged(_)) => { due.insert("operations"); }
                    Err(RecvError::Closed) => return,
                },
                change = async { match usage.as_mut() {
                    Some(usage) => usage.recv().await,
                    None => std::future::pending().await,
                } } => match change {
                    Ok(()) | Err(RecvError::Lagged(_)) => { due.insert("usage"); }
                    Err(RecvError::Closed) => return,
                },
                () = tokio::time::sleep_until(flush_at), if is_due => {
                    for topic in std::mem::take(&mut due) {
                        if wanted.contains(topic) {
                            // Browsers drop an event without data.
                            let _ = sender.try_send(Ok(Event::default().event(topic).data("1")));
                        }
                    }
                }
            }
            // From the first change on: changes that never pause are told too.
            if !is_due && !due.is_empty() {
                flush_at = Instant::now() + GATHER;
            }
        }
    });
    let stream = Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    let mut response = stream.into_response();
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}
