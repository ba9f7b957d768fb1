//! `/live/containers/{name}/stats`: one reading a second, as `[ms, cpu %, memory, in, out, written, read, pids]`.

use std::time::{Duration, Instant};

use axum::{
    extract::{
        Extension, Path, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use serde_json::json;

use super::{CHECK, Listener, PING, ROOM, Refused, close, goodbye, lives, send};
use crate::{app::App, ops};

/// Between two readings.
const EVERY: Duration = Duration::from_secs(1);

/// Opens the socket.
///
/// # Errors
/// [`Refused`].
pub async fn open(
    State(app): State<App>,
    Extension(listener): Extension<Listener>,
    Path(name): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let Ok(permit) = ROOM.try_acquire() else { return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()) };
    let id = ops::containers::get(&app, &listener.actor, &name)?.id.to_string();
    Ok(upgrade.max_message_size(4096).on_upgrade(move |socket| async move {
        let _permit = permit;
        serve(app, listener, socket, id).await;
    }))
}

async fn serve(app: App, listener: Listener, mut socket: WebSocket, id: String) {
    let mut check = tokio::time::interval(CHECK);
    let mut ping = tokio::time::interval(PING);
    let mut reading = tokio::time::interval(EVERY);
    reading.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return goodbye(socket, close::GOING, "the server ends").await,
            _ = check.tick() => if !lives(&app, &listener.secret).await {
                return goodbye(socket, close::SIGNED_OUT, "the session ended").await;
            },
            _ = ping.tick() => if !send(&mut socket, Message::Ping(bytes::Bytes::new())).await { return },
            _ = reading.tick() => {
                let Ok(view) = ops::containers::get(&app, &listener.actor, &id) else {
                    return goodbye(socket, close::ENDED, "the container is gone").await;
                };
                if !view.state.is_running() {
                    return goodbye(socket, close::ENDED, "the container ended").await;
                }
                let Ok(stats) = ops::containers::stats(&app, &listener.actor, &id).await else {
                    return goodbye(socket, close::FAILED, "no reading").await;
                };
                let now = Instant::now();
                if let Some((before, at)) = last.replace((stats.clone(), now)) {
                    let usage = ops::usage::between(&before, &stats, now.duration_since(at).as_secs_f64());
                    let text = json!([
                        Timestamp::now().as_millisecond(), usage.cpu_percent, usage.memory_bytes, usage.rx_bytes,
                        usage.tx_bytes, usage.write_bytes, usage.read_bytes, usage.pids,
                    ]);
                    if !send(&mut socket, Message::Text(text.to_string().into())).await {
                        return;
                    }
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}
