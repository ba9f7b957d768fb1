//! `/live/containers/{name}/terminal`: a shell in the container.
//!
//! What is typed and what is shown travels as bytes. Beside it go texts of JSON: to the server `{"rows": n, "columns": n}`,
//! to the page `{"id": exec}` first and `{"ended": code}` last. A page that leaves does not end the shell.

use axum::{
    extract::{
        Extension, Path, Query, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use runtime::{
    Attachment,
    error::Result,
    view::{ExecState, ExecView},
};
use serde_json::json;

use super::{CHECK, Listener, PING, ROOM, Refused, close, goodbye, lives, send};
use crate::{
    app::App,
    ops::{self, terminal::Opening},
};

/// Most bytes of one message: a large paste.
const MESSAGE: usize = 1 << 20;

/// Which shell: a new one, or one that is there.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    id: String,
    shell: String,
    user: String,
    rows: u16,
    columns: u16,
}

/// A terminal's new size.
#[derive(serde::Deserialize)]
struct Size {
    rows: u16,
    columns: u16,
}

/// Opens the socket.
///
/// # Errors
/// [`Refused`], before there is a socket; what goes wrong with the shell is told on it.
pub async fn open(
    State(app): State<App>,
    Extension(listener): Extension<Listener>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let Ok(permit) = ROOM.try_acquire() else { return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()) };
    ops::terminal::list(&app, &listener.actor, &name)?;
    Ok(upgrade.max_message_size(MESSAGE).on_upgrade(move |mut socket| async move {
        let _permit = permit;
        match begin(&app, &listener, &name, asked).await {
            Ok((exec, attachment)) => serve(app, listener, socket, &exec, attachment).await,
            Err(error) => {
                let text = json!({ "refused": error.message() }).to_string();
                if send(&mut socket, Message::Text(text.into())).await {
                    goodbye(socket, close::FAILED, "no terminal").await;
                }
            }
        }
    }))
}

async fn begin(app: &App, listener: &Listener, name: &str, asked: Asked) -> Result<(ExecView, Attachment)> {
    let size = (asked.rows > 0 && asked.columns > 0).then_some((asked.rows, asked.columns));
    if asked.id.is_empty() {
        let opening = Opening { shell: asked.shell, user: asked.user, size };
        return ops::terminal::open(app, &listener.actor, name, opening).await;
    }
    let found = ops::terminal::back(app, &listener.actor, name, &asked.id)?;
    if let Some((rows, columns)) = size {
        ops::terminal::resize(app, &listener.actor, &asked.id, rows, columns).await?;
    }
    Ok(found)
}

async fn serve(app: App, listener: Listener, mut socket: WebSocket, exec: &ExecView, attachment: Attachment) {
    let Attachment { input, mut output, .. } = attachment;
    let Some(input) = input else { return goodbye(socket, close::FAILED, "no input").await };
    let id = exec.id.as_str();
    if !send(&mut socket, Message::Text(json!({ "id": id }).to_string().into())).await {
        return;
    }
    let mut check = tokio::time::interval(CHECK);
    let mut ping = tokio::time::interval(PING);
    // Of one page, waiting for a program that doesn't read: the socket then waits too.
    let mut typed: Option<Bytes> = None;
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return goodbye(socket, close::GOING, "the server ends").await,
            _ = check.tick() => if !lives(&app, &listener.secret).await {
                return goodbye(socket, close::SIGNED_OUT, "the session ended").await;
            },
            _ = ping.tick() => if !send(&mut socket, Message::Ping(Bytes::new())).await { return },
            piece = output.recv() => match piece {
                Some((_, bytes)) => if !send(&mut socket, Message::Binary(bytes)).await { return },
                None => return ended(&app, &listener, socket, id).await,
            },
            room = input.reserve(), if typed.is_some() => match room {
                Ok(room) => if let Some(bytes) = typed.take() {
                    room.send(bytes);
                },
                Err(_) => typed = None,
            },
            message = socket.recv(), if typed.is_none() => match message {
                Some(Ok(Message::Binary(bytes))) => typed = Some(bytes),
                Some(Ok(Message::Text(text))) => if let Ok(Size { rows, columns }) = serde_json::from_str(&text) {
                    // One that ends right now needs none.
                    let _ = ops::terminal::resize(&app, &listener.actor, id, rows, columns).await;
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

async fn ended(app: &App, listener: &Listener, mut socket: WebSocket, id: &str) {
    let code = match ops::exec::get(app, &listener.actor, id).map(|exec| exec.state) {
        Ok(ExecState::Ended { code, .. }) => code,
        _ => 137,
    };
    if send(&mut socket, Message::Text(json!({ "ended": code }).to_string().into())).await {
        goodbye(socket, close::ENDED, "the shell ended").await;
    }
}
