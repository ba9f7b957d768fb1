//! What pages hear while they are open: an event stream of pokes, and sockets for logs and numbers.
//!
//! Every stream belongs to a session and ends with it, within [`CHECK`]. It ends with the server too.

use std::{sync::LazyLock, time::Duration};

use axum::{
    extract::{
        FromRequestParts as _, Request, State,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::sync::Semaphore;

use crate::{
    app::App,
    auth::{origin, token::Secret},
    ops::sessions,
    ui::request::Signed,
};

pub mod events;
pub mod logs;
pub mod stats;

/// How often a stream looks whether its session still lives.
pub const CHECK: Duration = Duration::from_secs(5);
/// How often a socket asks whether the other side is there.
pub const PING: Duration = Duration::from_secs(20);
/// Longest time a message may take to leave.
const SEND: Duration = Duration::from_secs(30);
/// Streams at once, of all people together.
pub static ROOM: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(512));

/// Close codes (RFC 6455): the thing ended, the server or session went away, no room.
pub mod close {
    /// The container ended.
    pub const ENDED: u16 = 1000;
    /// The server ends.
    pub const GOING: u16 = 1001;
    /// The session ended.
    pub const SIGNED_OUT: u16 = 4401;
    /// Something failed.
    pub const FAILED: u16 = 1011;
}

/// Sends, or says that the other side is gone.
pub async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(SEND, socket.send(message)).await, Ok(Ok(())))
}

/// Says goodbye.
pub async fn goodbye(mut socket: WebSocket, code: u16, reason: &'static str) {
    let _ = send(&mut socket, Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

/// Whether the session still lives; looking does not keep it alive.
pub async fn lives(app: &App, secret: &Secret) -> bool {
    matches!(sessions::resume(app, secret, false).await, Ok(Some(_)))
}

/// The layer before every socket: only pages of this origin, only with a session.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key("upgrade") && !origin::same_origin_socket(&parts.headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if Signed::from_request_parts(&mut parts, &app).await.is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}
