//! Reads the rest of a request's body that its answer did not need.
//!
//! A server that answers before it has read all of a request and then closes the connection makes the kernel reset it
//! (RFC 9112, section 9.6): the client, still writing, sees a broken pipe instead of the refusal. So what a handler
//! leaves unread is read and thrown away beside the answer, up to a bound; then the connection can go on as well.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::{
    Request,
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    header,
};

/// Most bytes that are read for nothing.
const MOST: u64 = 64 << 20;
/// Longest time spent with it.
const LONGEST: Duration = Duration::from_secs(10);

/// The request with a body that is read to its end, within bounds, even if its handler drops it.
///
/// A client that waits for `100 Continue` sends nothing unasked: its body is left alone.
pub fn read_on(request: Request<Incoming>) -> Request<Body> {
    if request.headers().contains_key(header::EXPECT) {
        return request.map(Body::new);
    }
    request.map(|body| Body::new(Read { body: Some(body) }))
}

struct Read {
    body: Option<Incoming>,
}

impl HttpBody for Read {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        if body.size_hint().lower() > MOST {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LONGEST, throw_away(body)));
        }
    }
}

async fn throw_away(mut body: Incoming) {
    let mut left = MOST;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(rest) = left.checked_sub(size) else { return };
        left = rest;
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::StatusCode, routing::post};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };
    use tokio_util::sync::CancellationToken;

    use crate::serve::serve;

    /// A client that reads nothing before it has written all it has to say, twice on one connection.
    #[tokio::test]
    async fn who_is_refused_early_can_finish_and_go_on() {
        let refusing = Router::new().route("/", post(|| async { (StatusCode::FORBIDDEN, "no") }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(refusing, listener, shutdown.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        for _ in 0..2 {
            client.write_all(b"POST / HTTP/1.1\r\nhost: d\r\ncontent-length: 8388608\r\n\r\n").await.unwrap();
            for _ in 0..1024 {
                client.write_all(&[b'x'; 8192]).await.unwrap();
            }
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\nno") {
                assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "closed");
            }
            assert!(answer.starts_with(b"HTTP/1.1 403 "), "{}", String::from_utf8_lossy(&answer));
        }
        shutdown.cancel();
        server.await.unwrap();
    }
}
