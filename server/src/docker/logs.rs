//! `GET /containers/{id}/logs`.

use std::io;

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use runtime::{
    request::LogQuery,
    view::{LogEvent, Stream},
};

use super::{
    error::{Failure, Result},
    log_details::prefix,
    phrase::stamp,
    query::Query,
    stream::{content_type, put, streamed},
    version::ApiVersion,
};
use crate::{app::App, auth::actor::Actor, ops};

/// Log events sent at a time.
const BATCH: usize = 128;

pub(super) async fn read(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Extension(version): Extension<ApiVersion>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let asked = asked(&query)?;
    let container = ops::containers::get(&app, &actor, &name)?;
    let head =
        Head { timestamps: query.flag("timestamps"), details: query.flag("details").then(|| prefix(&container)) };
    let tty = container.request.tty;
    let lines = ops::containers::logs(&app, &actor, container.id.as_str(), asked)?;
    let pieces = stream::unfold((lines, head), move |(mut lines, head)| async move {
        let mut events = Vec::with_capacity(BATCH);
        if lines.recv_many(&mut events, BATCH).await == 0 {
            return None;
        }
        let mut buffer = BytesMut::new();
        for event in &events {
            write(&mut buffer, event, tty, &head, asked.stderr);
        }
        Some((Ok::<Bytes, io::Error>(buffer.freeze()), (lines, head)))
    });
    Ok(streamed(content_type(tty, version), pieces))
}

fn asked(query: &Query) -> Result<LogQuery> {
    let asked = LogQuery {
        follow: query.flag("follow"),
        tail: query.text("tail").and_then(|text| text.parse().ok()),
        since: query.moment("since")?,
        until: query.moment("until")?,
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
    };
    if !(asked.stdout || asked.stderr) {
        return Err(Failure::invalid("Bad parameters: you must choose at least one stream"));
    }
    Ok(asked)
}

/// What stands before each line.
#[derive(Default)]
struct Head {
    timestamps: bool,
    details: Option<String>,
}

/// Writes one event. That lines were rotated away is said on standard error, where it can't be taken for output.
fn write(buffer: &mut BytesMut, event: &LogEvent, tty: bool, head: &Head, stderr: bool) {
    match event {
        LogEvent::Line(line) => {
            let at = if head.timestamps { stamp(line.at) + " " } else { String::new() };
            let details = head.details.as_deref().unwrap_or_default();
            put(buffer, tty, line.stream, &[at.as_bytes(), details.as_bytes(), &line.bytes]);
        }
        LogEvent::Skipped(bytes) if stderr => {
            let words = format!("darsena: {bytes} bytes of this log were rotated away before they could be sent\n");
            put(buffer, tty, Stream::Stderr, &[words.as_bytes()]);
        }
        LogEvent::Skipped(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use runtime::view::LogLine;

    use super::*;

    fn line() -> LogEvent {
        LogEvent::Line(LogLine {
            stream: Stream::Stderr,
            at: Timestamp::UNIX_EPOCH,
            bytes: Bytes::from_static(b"hi\n"),
        })
    }

    #[test]
    fn lines_are_written_with_and_without_time() {
        let mut buffer = BytesMut::new();
        write(&mut buffer, &line(), false, &Head::default(), true);
        assert_eq!(&buffer[..], b"\x02\0\0\0\0\0\0\x03hi\n");
        let head = Head { timestamps: true, details: Some("a=b ".to_owned()) };
        let mut buffer = BytesMut::new();
        write(&mut buffer, &line(), true, &head, true);
        assert_eq!(&buffer[..], b"1970-01-01T00:00:00.000000000Z a=b hi\n");
    }

    #[test]
    fn lost_lines_are_told_only_to_who_reads_errors() {
        let mut buffer = BytesMut::new();
        write(&mut buffer, &LogEvent::Skipped(7), false, &Head::default(), false);
        assert!(buffer.is_empty());
        write(&mut buffer, &LogEvent::Skipped(7), false, &Head::default(), true);
        assert!(buffer.starts_with(b"\x02\0\0\0") && buffer.ends_with(b"sent\n"));
    }

    #[test]
    fn queries_are_read() {
        let read = |text: &str| asked(&Query::parse(text));
        let all = read("stdout=1&stderr=true&tail=all&since=0").unwrap();
        assert_eq!(all, LogQuery { stdout: true, stderr: true, ..LogQuery::default() });
        let some = read("stdout=1&tail=5&follow=1&since=10.5&until=20").unwrap();
        assert_eq!((some.tail, some.follow, some.stderr), (Some(5), true, false));
        assert_eq!(some.since, Some(Timestamp::new(10, 500_000_000).unwrap()));
        assert!(read("tail=1").is_err() && read("stdout=1&since=soon").is_err());
    }
}
