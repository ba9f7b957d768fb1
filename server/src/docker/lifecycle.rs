//! The verbs that change a container's state, and waiting for its end.

use std::{io, time::Duration};

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use runtime::{error::Error, request::WaitCondition, view::Exit};

use super::{
    error::{self, Failure, Result},
    model::container::Waited,
    query::Query,
    stream::streamed,
};
use crate::{app::App, auth::actor::Actor, ops};

/// What a negative timeout comes to: for ever, as far as a person can tell.
pub(super) const FOR_EVER: Duration = Duration::from_hours(100 * 365 * 24);

pub(super) async fn start(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    if query.text("checkpoint").is_some() {
        return Err(Failure::unsupported("starting from a checkpoint is not supported"));
    }
    ops::containers::start(&app, &actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn stop(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    let signal = query.text("signal").map(str::to_owned);
    ops::containers::stop(&app, &actor, &name, timeout(&query)?, signal).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn restart(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    let signal = query.text("signal").map(str::to_owned);
    ops::containers::restart(&app, &actor, &name, timeout(&query)?, signal).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn kill(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    ops::containers::kill(&app, &actor, &name, query.text("signal").unwrap_or("KILL")).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    if query.flag("link") {
        return Err(Failure::invalid("links are not supported: there is none to remove"));
    }
    ops::containers::remove(&app, &actor, &name, query.flag("force"), query.flag("v")).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn resize(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    let side = |name| match query.number(name)? {
        Some(side) => u16::try_from(side).map_err(|_| Failure::invalid(format!("invalid resize {name}: {side}"))),
        None => Err(Failure::invalid(format!("invalid resize: {name} is missing"))),
    };
    ops::containers::resize(&app, &actor, &name, side("h")?, side("w")?).await?;
    Ok(StatusCode::OK)
}

/// Waiting has begun before the head is sent: a client that waits, then starts, misses no end.
pub(super) async fn wait(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let condition = condition(&query)?;
    let request_id = actor.request_id.clone();
    let mut waiting = Box::pin(async move { ops::containers::wait(&app, &actor, &name, condition).await });
    match futures_util::poll!(&mut waiting) {
        std::task::Poll::Ready(ended) => Ok(super::json(&Waited::exited(&ended?))?.into_response()),
        std::task::Poll::Pending => {
            let line = waiting.map(move |ended| Ok::<Bytes, io::Error>(waited(ended, &request_id)));
            Ok(streamed("application/json", stream::once(line)))
        }
    }
}

fn waited(ended: Result<Exit, Error>, request_id: &str) -> Bytes {
    let waited = match ended {
        Ok(exit) => Waited::exited(&exit),
        Err(error) => {
            error::log(&error, request_id, "waiting for a container");
            Waited::failed(error::message(&error, request_id))
        }
    };
    let mut line = serde_json::to_vec(&waited).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

fn condition(query: &Query) -> Result<WaitCondition> {
    match query.text("condition") {
        None | Some("not-running") => Ok(WaitCondition::NotRunning),
        Some("next-exit") => Ok(WaitCondition::NextExit),
        Some("removed") => Ok(WaitCondition::Removed),
        Some(other) => Err(Failure::invalid(format!("invalid condition: {other:?}"))),
    }
}

fn timeout(query: &Query) -> Result<Option<Duration>> {
    Ok(query.number("t")?.map(|seconds| u64::try_from(seconds).map_or(FOR_EVER, Duration::from_secs).min(FOR_EVER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_and_conditions_are_read() {
        let seconds = |text| timeout(&Query::parse(text)).unwrap().map(|time| time.as_secs());
        assert_eq!((seconds(""), seconds("t=0"), seconds("t=7")), (None, Some(0), Some(7)));
        assert_eq!(seconds("t=-1"), Some(FOR_EVER.as_secs()));
        assert!(timeout(&Query::parse("t=soon")).is_err());
        let read = |text| condition(&Query::parse(text));
        assert_eq!(read("").unwrap(), WaitCondition::NotRunning);
        assert_eq!(read("condition=next-exit").unwrap(), WaitCondition::NextExit);
        assert_eq!(read("condition=removed").unwrap(), WaitCondition::Removed);
        assert!(read("condition=dinner").is_err());
    }

    #[test]
    fn a_failed_wait_is_told_after_the_head() {
        let line = waited(Err(Error::not_found("gone")), "r");
        assert_eq!(&line[..], b"{\"StatusCode\":-1,\"Error\":{\"Message\":\"gone\"}}\n");
    }
}
