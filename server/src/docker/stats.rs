//! `GET /containers/{id}/stats`: one reading, or one every second.

use std::{io, time::Duration};

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;
use runtime::{
    error::{Error, ErrorKind},
    view::{ContainerView, Stats as Reading},
};

use super::{error::Result, model::stats::Stats, query::Query, stream::streamed};
use crate::{app::App, auth::actor::Actor, ops};

/// Time between readings.
const INTERVAL: Duration = Duration::from_secs(1);

/// Follows one container.
struct Follower {
    app: App,
    actor: Actor,
    container: ContainerView,
    before: Option<(Timestamp, Reading)>,
    first: bool,
}

pub(super) async fn read(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let container = ops::containers::get(&app, &actor, &name)?;
    let mut follower = Follower { app, actor, container, before: None, first: true };
    if !query.flag_or("stream", true) {
        // Percentages need two readings: the first is only kept, unless the client wants one alone.
        let mut reading = follower.reading().await?;
        if !query.flag("one-shot") && follower.before.is_some() {
            tokio::time::sleep(INTERVAL).await;
            reading = follower.reading().await?;
        }
        return super::json(&reading);
    }
    let lines = stream::unfold(follower, |mut follower| async move {
        if !follower.first {
            tokio::time::sleep(INTERVAL).await;
        }
        follower.first = false;
        let reading = follower.reading().await.ok()?;
        let mut line = serde_json::to_vec(&reading).ok()?;
        line.push(b'\n');
        Some((Ok::<Bytes, io::Error>(line.into()), follower))
    });
    Ok(streamed("application/json", lines))
}

impl Follower {
    /// The next reading; all zero while the container doesn't run.
    async fn reading(&mut self) -> Result<Stats, Error> {
        let (name, id) = (self.container.name.clone(), self.container.id.as_str());
        let container = ops::containers::get(&self.app, &self.actor, id)?;
        if !container.state.is_running() {
            self.before = None;
            return Ok(Stats::idle(&name, id));
        }
        match ops::containers::stats(&self.app, &self.actor, id).await {
            Ok(reading) => {
                let now = (Timestamp::now(), reading);
                let shown = Stats::of(&name, id, (now.0, &now.1), self.before.as_ref());
                self.before = Some(now);
                Ok(shown)
            }
            // It ended in between.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                self.before = None;
                Ok(Stats::idle(&name, id))
            }
            Err(error) => Err(error),
        }
    }
}
