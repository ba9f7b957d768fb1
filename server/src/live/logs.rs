//! `/live/containers/{name}/logs`: lines as they come, in batches of 50 ms.
//!
//! A batch is JSON: `[{"t": time, "s": "out" | "err", "line": text}]`; a gap is `{"skipped": lines, "from": time, "after":
//! lines}` in its place: its first line's time, and how many lines of that time come before it. A slow reader loses lines
//! and is told how many and which; the container is never slowed.

use std::{collections::VecDeque, time::Duration};

use axum::{
    extract::{
        Extension, Path, Query, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use runtime::{
    request::LogQuery,
    view::{LogEvent, Stream},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{CHECK, Listener, PING, ROOM, Refused, close, goodbye, lives, send};
use crate::{app::App, ops};

/// Between two batches.
const BATCH: Duration = Duration::from_millis(50);
/// Lines that may wait for a slow reader; older ones are skipped. Less than a page keeps, or it would never show the gap.
const WAITING: usize = 2000;
/// Longest text of one line in a page.
const LINE_BYTES: usize = 16 * 1024;

/// From when on.
#[derive(serde::Deserialize)]
pub struct Since {
    #[serde(default)]
    since: String,
}

/// Opens the socket.
///
/// # Errors
/// [`Refused`].
pub async fn open(
    State(app): State<App>,
    Extension(listener): Extension<Listener>,
    Path(name): Path<String>,
    Query(since): Query<Since>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let Ok(permit) = ROOM.try_acquire() else { return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()) };
    let since: Option<Timestamp> = since.since.parse().ok();
    let query = LogQuery {
        follow: true,
        tail: since.is_none().then_some(500),
        since,
        stdout: true,
        stderr: true,
        ..LogQuery::default()
    };
    let lines = ops::containers::logs(&app, &listener.actor, &name, query)?;
    Ok(upgrade.max_message_size(4096).on_upgrade(move |socket| async move {
        let _permit = permit;
        serve(app, listener, socket, lines, |event| Some(shown(event))).await;
    }))
}

/// One line as it is sent.
pub(in crate::live) fn line(at: Timestamp, is_err: bool, bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LINE_BYTES)]);
    let stream = if is_err { "err" } else { "out" };
    json!({ "t": at.to_string(), "s": stream, "line": text.trim_end_matches(['\n', '\r']) })
}

fn shown(event: LogEvent) -> Value {
    match event {
        LogEvent::Line(one) => line(one.at, one.stream == Stream::Stderr, &one.bytes),
        LogEvent::Skipped(bytes) => json!({ "rotated": bytes }),
    }
}

/// Lines that wait, and how many were skipped before them.
#[derive(Default)]
struct Waiting {
    lines: VecDeque<Value>,
    skipped: u64,
    from: Value,
    after: u64,
    /// The last line sent: its time, and how many of that time were sent.
    edge: (Value, u64),
}

impl Waiting {
    fn push(&mut self, line: Value) {
        self.lines.push_back(line);
        if self.lines.len() > WAITING {
            let gone = self.lines.pop_front().unwrap_or_default();
            self.skipped += 1;
            if self.from.is_null() {
                self.from = gone["t"].clone();
                self.after = if self.edge.0 == self.from { self.edge.1 } else { 0 };
            }
        }
    }

    fn take(&mut self) -> Option<String> {
        if self.lines.is_empty() {
            return None;
        }
        let mut batch: Vec<Value> = Vec::new();
        if self.skipped > 0 {
            let (skipped, from) = (std::mem::take(&mut self.skipped), self.from.take());
            if from == self.edge.0 {
                self.edge.1 += skipped;
            }
            batch.push(json!({ "skipped": skipped, "from": from, "after": self.after }));
        }
        for line in self.lines.iter().filter(|line| !line["t"].is_null()) {
            if line["t"] == self.edge.0 {
                self.edge.1 += 1;
            } else {
                self.edge = (line["t"].clone(), 1);
            }
        }
        batch.extend(self.lines.drain(..));
        Some(Value::Array(batch).to_string())
    }
}

/// Sends lines until there are no more; `value` says how one is sent, if it is.
pub(in crate::live) async fn serve<T>(
    app: App,
    listener: Listener,
    mut socket: WebSocket,
    mut lines: mpsc::Receiver<T>,
    mut value: impl FnMut(T) -> Option<Value>,
) {
    let mut waiting = Waiting::default();
    let mut check = tokio::time::interval(CHECK);
    let mut ping = tokio::time::interval(PING);
    let mut batch = tokio::time::interval(BATCH);
    batch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ended = false;
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return goodbye(socket, close::GOING, "the server ends").await,
            _ = check.tick() => if !lives(&app, &listener.secret).await {
                return goodbye(socket, close::SIGNED_OUT, "the session ended").await;
            },
            _ = ping.tick() => if !send(&mut socket, Message::Ping(bytes::Bytes::new())).await { return },
            event = lines.recv(), if !ended => match event {
                Some(event) => if let Some(line) = value(event) {
                    waiting.push(line);
                },
                None => ended = true,
            },
            _ = batch.tick() => {
                // Whatever came while the last batch was on its way is taken first, so that the container's side
                // never waits for this one.
                while let Ok(event) = lines.try_recv() {
                    if let Some(line) = value(event) {
                        waiting.push(line);
                    }
                }
                if let Some(text) = waiting.take() {
                    if !send(&mut socket, Message::Text(text.into())).await {
                        return;
                    }
                } else if ended {
                    return goodbye(socket, close::ENDED, "the log ended").await;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use runtime::view::LogLine;

    use super::*;

    fn line(text: &'static str) -> Value {
        shown(LogEvent::Line(LogLine {
            stream: Stream::Stderr,
            at: Timestamp::UNIX_EPOCH,
            bytes: Bytes::from_static(text.as_bytes()),
        }))
    }

    #[test]
    fn a_batch_says_stream_time_and_text_and_what_was_skipped() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.take(), None);
        waiting.push(line("\u{1b}[31m<b>\u{1b}[0m\r\n"));
        assert_eq!(
            waiting.take().as_deref(),
            Some(r#"[{"line":"\u001b[31m<b>\u001b[0m","s":"err","t":"1970-01-01T00:00:00Z"}]"#)
        );
        for _ in 0..WAITING + 3 {
            waiting.push(line("x"));
        }
        let batch: Vec<Value> = serde_json::from_str(&waiting.take().expect("lines")).expect("JSON");
        let epoch = "1970-01-01T00:00:00Z";
        assert_eq!(batch[0], json!({ "skipped": 3, "from": epoch, "after": 1 }), "one of that moment was sent before");
        assert_eq!(batch.len(), WAITING + 1);
    }
}
