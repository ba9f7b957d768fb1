//! `GET /containers/{id}/attach/ws`: a container's streams as messages of bytes, both outputs as one.

use axum::{
    Extension,
    extract::{
        Path, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use bytes::Bytes;
use runtime::{Attachment, request::AttachContainer};

use super::{
    detach::{DetachKeys, Input},
    error::Result,
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

/// Most bytes of one message.
const MESSAGE: usize = 1 << 20;

pub(super) async fn open(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
    upgrade: WebSocketUpgrade,
) -> Result<Response> {
    // Without a word about streams there is output, as from dockerd.
    let said = ["stdin", "stdout", "stderr"].iter().any(|name| query.text(name).is_some());
    let asked = AttachContainer {
        stdin: query.flag("stdin"),
        stdout: query.flag_or("stdout", !said),
        stderr: query.flag_or("stderr", !said),
        replay: query.flag("logs"),
        stream: query.flag_or("stream", true),
    };
    let keys = query.text("detachKeys").map(DetachKeys::parse).transpose()?;
    let attachment = ops::containers::attach(&app, &actor, &name, asked).await?;
    let keys = attachment.tty.then(|| keys.unwrap_or_default());
    Ok(upgrade.max_message_size(MESSAGE).on_upgrade(move |socket| carry(app, socket, attachment, keys)))
}

async fn carry(app: App, mut socket: WebSocket, attachment: Attachment, mut keys: Option<DetachKeys>) {
    let Attachment { mut input, mut output, .. } = attachment;
    // What waits for the container to read; meanwhile nothing more is taken from the client.
    let mut typed: Option<Bytes> = None;
    let mut leaving = false;
    loop {
        let waits = typed.is_some() && input.is_some();
        if leaving && !waits {
            break;
        }
        tokio::select! {
            () = app.shutdown.cancelled() => break,
            piece = output.recv() => match piece {
                Some((_, bytes)) => if socket.send(Message::Binary(bytes)).await.is_err() { return },
                None => break,
            },
            sent = send(input.as_ref(), typed.clone()), if waits => {
                typed = None;
                if !sent {
                    input = None;
                }
            },
            message = socket.recv(), if !waits && !leaving => {
                let bytes = match message {
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Text(text))) => Bytes::from(text),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                };
                let (bytes, leave) = match keys.as_mut().map(|keys| keys.take(&bytes)) {
                    None => (bytes, false),
                    Some(Input::Pass(passed)) => (Bytes::from(passed), false),
                    Some(Input::Leave(passed)) => (Bytes::from(passed), true),
                };
                leaving = leave;
                typed = Some(bytes).filter(|bytes| !bytes.is_empty());
            },
        }
    }
    let _ = socket.send(Message::Close(None)).await;
}

/// Whether the container took it. A piece that was begun is sent whole: the channel takes it or not.
async fn send(input: Option<&tokio::sync::mpsc::Sender<Bytes>>, bytes: Option<Bytes>) -> bool {
    match (input, bytes) {
        (Some(input), Some(bytes)) => input.send(bytes).await.is_ok(),
        _ => false,
    }
}
