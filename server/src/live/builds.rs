//! `/live/builds/{id}/log`: a build's log as it is written, in the batches of [`super::logs`].

use axum::{
    extract::{Extension, Path, Query, State, ws::WebSocketUpgrade},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;

use super::{Listener, ROOM, Refused, logs};
use crate::{
    app::App,
    ops::{
        self,
        builds::{Course, LogAsked, Record, What},
    },
};

/// From when on, and of which step, counted from 1.
#[derive(serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    since: String,
    step: Option<usize>,
}

/// Opens the socket.
///
/// # Errors
/// [`Refused`].
pub async fn open(
    State(app): State<App>,
    Extension(listener): Extension<Listener>,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let Ok(permit) = ROOM.try_acquire() else { return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()) };
    let after = asked.since.parse().map_or(0, Timestamp::as_microsecond);
    let wanted = LogAsked { step: asked.step.and_then(|step| step.checked_sub(1)), after, follow: true };
    let course = ops::builds::get(&app, &listener.actor, id).await?.course;
    let records = ops::builds::log(&app, &listener.actor, id, wanted).await?;
    Ok(upgrade.max_message_size(4096).on_upgrade(move |socket| async move {
        let _permit = permit;
        let mut told = course;
        logs::serve(app, listener, socket, records, |record| shown(&mut told, &record)).await;
    }))
}

fn shown(course: &mut Course, record: &Record) -> Option<serde_json::Value> {
    if matches!(record.what, What::Plan { .. }) {
        course.take(record);
    }
    let (is_err, text) = match &record.what {
        What::Full => (true, "[more output was left out]".to_owned()),
        what => what.shown(&course.steps)?,
    };
    let at = Timestamp::from_microsecond(record.at).unwrap_or_default();
    Some(logs::line(at, is_err, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::builds::course::Planned;

    #[test]
    fn a_plan_is_not_shown_and_names_the_steps() {
        let mut course = Course::default();
        let planned = Planned { stage: "0".into(), line: 1, text: "RUN make".into() };
        assert_eq!(shown(&mut course, &Record { at: 1, what: What::Plan { steps: vec![planned] } }), None);
        let line = shown(&mut course, &Record { at: 2, what: What::Began { step: 0 } });
        assert_eq!(
            line,
            Some(serde_json::json!({ "t": "1970-01-01T00:00:00.000002Z", "s": "out", "line": "Step 1/1 : RUN make" }))
        );
    }
}
