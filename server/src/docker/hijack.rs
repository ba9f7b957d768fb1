//! Taking a connection over: after the answer's head it carries a container's input and output instead of HTTP.
//!
//! The client's half-close is the end of its input, not of the connection. The connection ends when the output does, when
//! the detach keys come, when the client is gone or the server stops. A client that doesn't read delays only itself: the
//! engine's queue for it is bounded.

use std::io;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, stream};
use hyper::{
    ext::ReasonPhrase,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use runtime::{Attachment, view::Stream};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use super::{
    detach::{DetachKeys, Input},
    socket::Hangup,
    stream::{put, streamed},
};

/// Bytes read from a client at a time.
const READ: usize = 32 * 1024;
/// Pieces of output written at a time.
const BATCH: usize = 64;

/// What a client is to hold on a connection.
pub(super) struct Hold<A, L> {
    /// Begun when the connection is the client's; a failure is written there as it is.
    pub attaching: A,
    /// Done when the client leaves by the detach keys.
    pub left: L,
    /// One raw stream instead of two.
    pub tty: bool,
    /// The keys that leave.
    pub keys: Option<DetachKeys>,
}

/// Answers with an attachment: takes the connection over when the client offers that, and streams the body when not.
pub(super) fn answer(
    mut request: Request,
    hold: Hold<impl Future<Output = Result<Attachment, String>> + Send + 'static, impl FnOnce() + Send + 'static>,
    content_type: &'static str,
) -> Response {
    let hangup = request.extensions_mut().remove::<Hangup>();
    let asked = request.headers().contains_key(header::UPGRADE);
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>().filter(|_| asked) else {
        return plain(request.into_body(), hold.attaching, hold.tty, content_type);
    };
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let mut connection = TokioIo::new(upgraded);
                match hold.attaching.await {
                    Ok(attachment) => carry(connection, attachment, hold.keys, hangup, hold.left).await,
                    Err(text) => {
                        let _ = connection.write_all(&said(hold.tty, &text)).await;
                        let _ = connection.shutdown().await;
                    }
                }
            }
            Err(error) => tracing::debug!("a connection to attach to could not be taken over: {error}"),
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    response.extensions_mut().insert(ReasonPhrase::from_static(b"UPGRADED"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
    response
}

/// A text of ours in place of output.
fn said(tty: bool, text: &str) -> Bytes {
    let mut buffer = BytesMut::new();
    put(&mut buffer, tty, Stream::Stdout, &[text.as_bytes()]);
    buffer.freeze()
}

async fn carry(
    connection: TokioIo<Upgraded>,
    attachment: Attachment,
    keys: Option<DetachKeys>,
    hangup: Option<Hangup>,
    left: impl FnOnce(),
) {
    let (reader, mut writer) = tokio::io::split(connection);
    let Attachment { input, mut output, tty } = attachment;
    let leave = async {
        match forward(reader, input, keys).await {
            Ended::Left => {}
            Ended::Closed => std::future::pending::<()>().await,
        }
    };
    let gone = async {
        match hangup {
            Some(hangup) => hangup.gone().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = write(&mut writer, &mut output, tty) => {}
        () = leave => left(),
        () = gone => {}
    }
    let _ = writer.shutdown().await;
}

enum Ended {
    /// The detach keys came.
    Left,
    /// The client has no more input, or the container takes none.
    Closed,
}

async fn forward(
    mut reader: impl AsyncRead + Unpin,
    input: Option<mpsc::Sender<Bytes>>,
    mut keys: Option<DetachKeys>,
) -> Ended {
    let Some(input) = input else { return Ended::Closed };
    let mut buffer = BytesMut::with_capacity(READ);
    loop {
        buffer.reserve(READ);
        match reader.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Ended::Closed,
            Ok(_) => {}
        }
        let piece = buffer.split().freeze();
        let (piece, leave) = match keys.as_mut().map(|keys| keys.take(&piece)) {
            None => (piece, false),
            Some(Input::Pass(bytes)) => (Bytes::from(bytes), false),
            Some(Input::Leave(bytes)) => (Bytes::from(bytes), true),
        };
        if !piece.is_empty() && input.send(piece).await.is_err() {
            return Ended::Closed;
        }
        if leave {
            return Ended::Left;
        }
    }
}

async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut mpsc::Receiver<(Stream, Bytes)>,
    tty: bool,
) -> io::Result<()> {
    let mut pieces = Vec::with_capacity(BATCH);
    let mut buffer = BytesMut::new();
    while output.recv_many(&mut pieces, BATCH).await > 0 {
        for (stream, bytes) in pieces.drain(..) {
            put(&mut buffer, tty, stream, &[&bytes]);
        }
        writer.write_all_buf(&mut buffer).await?;
        writer.flush().await?;
    }
    Ok(())
}

/// Without an upgrade: the request's body is the input, the answer's the output.
fn plain(
    body: Body,
    attaching: impl Future<Output = Result<Attachment, String>> + Send + 'static,
    tty: bool,
    content_type: &'static str,
) -> Response {
    let pieces = async move {
        let Attachment { input, output, tty } = match attaching.await {
            Ok(attachment) => attachment,
            Err(text) => return stream::once(async move { Ok(said(tty, &text)) }).left_stream(),
        };
        if let Some(input) = input {
            tokio::spawn(async move {
                let mut body = body.into_data_stream();
                while let Some(Ok(bytes)) = body.next().await {
                    if input.send(bytes).await.is_err() {
                        return;
                    }
                }
            });
        }
        let pieces = stream::unfold(output, move |mut output| async move {
            let (stream, bytes) = output.recv().await?;
            let mut buffer = BytesMut::new();
            put(&mut buffer, tty, stream, &[&bytes]);
            Some((Ok::<_, io::Error>(buffer.freeze()), output))
        });
        pieces.right_stream()
    };
    streamed(content_type, pieces.flatten_stream())
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn input_goes_on_until_the_keys_come_and_they_do_not() {
        let (mut client, server) = duplex(64);
        let (input, mut got) = mpsc::channel(8);
        let forwarding = tokio::spawn(forward(server, Some(input), Some(DetachKeys::default())));
        client.write_all(b"ls\n").await.unwrap();
        assert_eq!(got.recv().await.unwrap(), "ls\n");
        client.write_all(b"x\x10\x11y").await.unwrap();
        assert_eq!(got.recv().await.unwrap(), "x");
        assert!(got.recv().await.is_none());
        assert!(matches!(forwarding.await.unwrap(), Ended::Left));
    }

    #[tokio::test]
    async fn the_end_of_input_closes_it() {
        let (client, server) = duplex(64);
        let (input, mut got) = mpsc::channel(8);
        let forwarding = tokio::spawn(forward(server, Some(input), None));
        drop(client);
        assert!(got.recv().await.is_none());
        assert!(matches!(forwarding.await.unwrap(), Ended::Closed));
    }

    #[tokio::test]
    async fn output_is_framed_in_order_and_ends() {
        let (mut client, mut server) = duplex(1024);
        let (send, mut output) = mpsc::channel(8);
        send.send((Stream::Stdout, Bytes::from_static(b"a"))).await.unwrap();
        send.send((Stream::Stderr, Bytes::from_static(b"b"))).await.unwrap();
        drop(send);
        write(&mut server, &mut output, false).await.unwrap();
        drop(server);
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"\x01\0\0\0\0\0\0\x01a\x02\0\0\0\0\0\0\x01b");
    }
}
