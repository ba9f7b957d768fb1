//! Docker's ways to send a container's output: raw for a terminal, or framed so that two streams share one connection.
//!
//! A frame is `[stream, 0, 0, 0, length as 4 bytes big-endian]` and that many bytes.

use std::io;

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream as FutureStream;
use runtime::view::Stream;

use super::version::{ApiVersion, NAMES_FRAMES};

/// Content type of one raw stream.
pub(super) const RAW: &str = "application/vnd.docker.raw-stream";
/// Content type of framed streams.
pub(super) const FRAMED: &str = "application/vnd.docker.multiplexed-stream";

/// The content type for a container with or without a terminal; old clients know only one.
pub(super) fn content_type(tty: bool, version: ApiVersion) -> &'static str {
    if tty || version < NAMES_FRAMES { RAW } else { FRAMED }
}

/// Appends output in the wanted way.
pub(super) fn put(buffer: &mut BytesMut, tty: bool, stream: Stream, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    buffer.reserve(length + 8);
    if !tty {
        buffer.put_u32(u32::from(stream as u8) << 24);
        buffer.put_u32(length as u32);
    }
    for part in parts {
        buffer.put_slice(part);
    }
}

/// An answer whose body comes bit by bit; its head is sent at once.
pub(super) fn streamed(
    content_type: &'static str,
    body: impl FutureStream<Item = Result<Bytes, io::Error>> + Send + 'static,
) -> Response {
    ([(header::CONTENT_TYPE, content_type)], Body::from_stream(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_dockers() {
        let mut buffer = BytesMut::new();
        put(&mut buffer, false, Stream::Stdout, &[b"12:00 ", b"hello\n"]);
        put(&mut buffer, false, Stream::Stderr, &[b"no"]);
        assert_eq!(&buffer[..], b"\x01\0\0\0\0\0\0\x0c12:00 hello\n\x02\0\0\0\0\0\0\x02no");
    }

    #[test]
    fn a_terminals_output_is_bare() {
        let mut buffer = BytesMut::new();
        put(&mut buffer, true, Stream::Stdout, &[b"a", b"b"]);
        assert_eq!(&buffer[..], b"ab");
    }
}
