//! The log of one container: the tab and the download.

use std::ops::Range;

use askama::Template;
use axum::{
    extract::{OriginalUri, Path, Query, State},
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use runtime::{
    request::LogQuery,
    view::{ContainerView, LogEvent, Stream},
};

use super::{
    container::{Head, find},
    error::Fault,
    page::{Page, ZONE},
    request::Signed,
};
use crate::{app::App, i18n::Texts, ops};

/// Log lines in the page, unless it is asked for more.
const LINES: u64 = 500;
/// Log lines a page keeps at most.
const KEPT: u64 = 5000;

/// From when on a log is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// The last lines, whenever they were written.
    #[default]
    Last,
    /// The last quarter of an hour.
    Quarter,
    /// The last hour.
    Hour,
    /// The last day.
    Day,
    /// As much as a page keeps.
    All,
}

impl Since {
    const ALL: [(Self, &str, &str); 5] = [
        (Self::Last, "", "logs-since-last"),
        (Self::Quarter, "15m", "logs-since-15m"),
        (Self::Hour, "1h", "logs-since-1h"),
        (Self::Day, "24h", "logs-since-24h"),
        (Self::All, "all", "logs-since-all"),
    ];

    /// As it stands in the address; anything else is the last lines.
    fn parse(text: &str) -> Self {
        Self::ALL.iter().find(|(_, value, _)| *value == text).map(|(one, ..)| *one).unwrap_or_default()
    }

    fn query(self, now: Timestamp) -> LogQuery {
        let seconds = match self {
            Self::Last | Self::All => None,
            Self::Quarter => Some(900),
            Self::Hour => Some(3600),
            Self::Day => Some(86_400),
        };
        LogQuery {
            tail: Some(if self == Self::Last { LINES } else { KEPT }),
            since: seconds.and_then(|seconds| Timestamp::from_second(now.as_second() - seconds).ok()),
            stdout: true,
            stderr: true,
            ..LogQuery::default()
        }
    }
}

/// What the logs page is asked for.
#[derive(Debug, Default, serde::Deserialize)]
pub struct LogsAsked {
    #[serde(default)]
    since: String,
    /// The moment of a part's first line.
    from: Option<Timestamp>,
    /// Lines of that moment that are before the part.
    #[serde(default)]
    after: usize,
    /// Lines of the part.
    #[serde(default)]
    count: usize,
}

impl LogsAsked {
    /// A part that the live view skipped.
    fn part(&self) -> Option<LogQuery> {
        Some(LogQuery { since: Some(self.from?), stdout: true, stderr: true, ..LogQuery::default() })
    }

    /// Which of the lines since its moment are the part; a long one is cut.
    fn lines(&self) -> Range<usize> {
        self.after..self.after.saturating_add(self.count.min(KEPT as usize))
    }
}

/// One log line in the page.
pub struct LogRow {
    machine: String,
    clock: String,
    is_err: bool,
    text: String,
    skipped: String,
}

fn clock(at: Timestamp) -> String {
    at.to_zoned(ZONE.clone()).strftime("%H:%M:%S%.3f").to_string()
}

/// The second tab.
#[derive(Template)]
#[template(path = "containers/logs.html", blocks = ["rows"])]
pub struct LogsPage {
    page: Page,
    t: Texts,
    head: Head,
    lines: Vec<LogRow>,
    since: Since,
    last: String,
    /// Which part it is, or why there is none, when it doesn't go on.
    pub part: String,
}

impl LogsPage {
    /// From plain events.
    pub fn new(page: Page, t: Texts, view: &ContainerView, events: &[LogEvent], since: Since, now: Timestamp) -> Self {
        // What follows begins after the last line shown, or where the lines asked for begin.
        let mut last = since.query(now).since.map(|since| since.to_string()).unwrap_or_default();
        let lines = events
            .iter()
            .map(|event| match event {
                LogEvent::Line(line) => {
                    last = line.at.to_string();
                    LogRow {
                        machine: line.at.to_string(),
                        clock: clock(line.at),
                        is_err: line.stream == Stream::Stderr,
                        text: String::from_utf8_lossy(&line.bytes).trim_end_matches(['\n', '\r']).to_owned(),
                        skipped: String::new(),
                    }
                }
                LogEvent::Skipped(bytes) => LogRow {
                    machine: String::new(),
                    clock: String::new(),
                    is_err: false,
                    text: String::new(),
                    skipped: t.one("logs-rotated", "bytes", t.size(*bytes)),
                },
            })
            .collect();
        Self { head: Head::new(view, t, now, "logs"), page, t, lines, since, last, part: String::new() }
    }

    fn choices(&self) -> Vec<(&'static str, String, bool)> {
        Since::ALL.iter().map(|(one, value, key)| (*value, self.t.get(key), *one == self.since)).collect()
    }

    fn state(&self) -> String {
        if !self.part.is_empty() {
            self.part.clone()
        } else if !self.head.is_running {
            self.head.state.word.clone()
        } else if self.since == Since::Last {
            self.t.get("logs-last")
        } else {
            String::new()
        }
    }
}

/// `GET /containers/{name}/logs`; `?from=&after=&count=` is a part, in a page the lines alone.
///
/// # Errors
/// [`Fault`].
pub async fn logs(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    Query(asked): Query<LogsAsked>,
    uri: OriginalUri,
) -> Result<Response, Fault> {
    let view = match find(&app, &signed, &name, &uri)? {
        Ok(view) => view,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let (since, now) = (Since::parse(&asked.since), Timestamp::now());
    let part = asked.part();
    let keeps = view.request.log_driver.keeps();
    let query = part.unwrap_or_else(|| since.query(now));
    let mut events = keeps.then(|| ops::containers::logs(&app, &signed.actor, &view.name, query)).transpose()?;
    let mut lines = Vec::new();
    let (wanted, mut at) = (part.map(|_| asked.lines()), 0);
    while let Some(events) = &mut events
        && let Some(event) = events.recv().await
    {
        match &wanted {
            None => lines.push(event),
            Some(wanted) if at >= wanted.end => break,
            Some(wanted) if matches!(event, LogEvent::Line(_)) => {
                if wanted.contains(&at) {
                    lines.push(event);
                }
                at += 1;
            }
            Some(_) => {}
        }
    }
    let page = Page::new(&app, &signed, view.name.clone(), "containers").await?.with_scripts(&["logs.js"]);
    let mut whole = LogsPage::new(page, signed.t, &view, &lines, since, now);
    if let Some(from) = asked.from {
        let to = whole.last.parse().unwrap_or(from);
        whole.part = signed.t.two("logs-part", "from", clock(from), "to", clock(to));
    }
    if !keeps {
        whole.part = signed.t.get("logs-not-kept");
    }
    signed.answer(&whole, &whole.as_rows())
}

/// `GET /containers/{name}/logs/download`: all of it, as plain text.
///
/// # Errors
/// [`Fault`].
pub async fn download(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    use axum::http::header;
    let view = ops::containers::get(&app, &signed.actor, &name)?;
    let query = LogQuery { stdout: true, stderr: true, ..LogQuery::default() };
    let events = ops::containers::logs(&app, &signed.actor, &view.name, query)?;
    let stream = futures_util::stream::unfold(events, |mut events| async move {
        let event = events.recv().await?;
        let bytes = match event {
            LogEvent::Line(line) => line.bytes,
            LogEvent::Skipped(_) => bytes::Bytes::new(),
        };
        Some((Ok::<_, std::convert::Infallible>(bytes), events))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.log\"", view.name)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, axum::body::Body::from_stream(stream)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_bounds_the_lines() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let of = |text: &str| Since::parse(text).query(now);
        assert_eq!((of("").tail, of("").since), (Some(LINES), None));
        assert_eq!(of("1h").since, Timestamp::from_second(996_400).ok());
        assert_eq!((of("all").tail, of("all").since), (Some(KEPT), None));
        assert_eq!(of("<script>"), of(""));
    }

    #[test]
    fn a_part_begins_within_its_moment_and_is_bounded() {
        let asked =
            |after, count| LogsAsked { from: Some(Timestamp::UNIX_EPOCH), after, count, ..LogsAsked::default() };
        assert_eq!(asked(3, 10).part().and_then(|query| query.since), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(asked(3, 10).lines(), 3..13);
        assert_eq!(asked(3, usize::MAX).lines(), 3..3 + KEPT as usize);
        assert_eq!(LogsAsked::default().part(), None);
    }
}
