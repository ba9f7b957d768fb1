//! What pages hear while they are open: an event stream of pokes, and sockets for logs and numbers.
//!
//! Every stream belongs to a session and ends with it, within [`CHECK`]. It ends with the server too.

use std::{sync::LazyLock, time::Duration};

use axum::{
    extract::{
        Request, State,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use runtime::error::{Error, ErrorKind};
use tokio::sync::Semaphore;

use crate::{
    app::App,
    auth::{
        actor::{Actor, Via},
        cookie::{Cookie, Meta},
        origin,
        token::Secret,
    },
    ops::sessions,
};

pub mod builds;
pub mod events;
pub mod logs;
pub mod stats;
pub mod terminal;

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

/// Who listens; put on the request by [`guard`].
#[derive(Clone, Debug)]
pub struct Listener {
    /// Who.
    pub actor: Actor,
    /// Their session's secret.
    pub secret: Secret,
}

impl Listener {
    /// Of a cookie; nobody without a session that lives.
    async fn of(app: &App, meta: Meta, secret: Secret) -> Option<Self> {
        let session = sessions::resume(app, &secret, false).await.ok()??;
        let actor = Actor { principal: session.principal, via: Via::Web, address: meta.address, request_id: meta.id };
        Some(Self { actor, secret })
    }
}

/// Why there is no stream: script reads the number, nobody reads the text.
#[derive(Debug)]
pub struct Refused(StatusCode);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(match error.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict | ErrorKind::NotModified | ErrorKind::Cancelled => StatusCode::CONFLICT,
            ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Forbidden | ErrorKind::Unauthorized => StatusCode::FORBIDDEN,
            ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            ErrorKind::Exhausted | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Upstream => StatusCode::BAD_GATEWAY,
            ErrorKind::Internal => {
                tracing::error!("a stream could not begin: {}", error.chain());
                StatusCode::INTERNAL_SERVER_ERROR
            }
        })
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// The layer before every socket: only pages of this origin, only with a session.
pub async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if request.headers().contains_key("upgrade") && !origin::same_origin_socket(request.headers()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let meta = request.extensions().get::<Meta>().cloned();
    let brought =
        meta.and_then(|meta| Cookie::Session.read(request.headers(), meta.https).map(|secret| (meta, secret)));
    let Some((meta, secret)) = brought else { return StatusCode::UNAUTHORIZED.into_response() };
    let Some(listener) = Listener::of(&app, meta, secret).await else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    request.extensions_mut().insert(listener);
    next.run(request).await
}
