//! What a container used in the last hours and days: charts of the samples that are kept.

use askama::Template;
use axum::response::Response;
use jiff::Timestamp;
use runtime::view::ContainerView;
use serde::Deserialize;

use super::{
    chart::{self, Chart},
    container::Head,
    error::Fault,
    page::Page,
    request::Signed,
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{self, usage::Sample},
};

/// How far back, and how many seconds one point of the chart stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct Span {
    name: &'static str,
    seconds: i64,
    step: i64,
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const SPANS: &[Span] = &[
    Span { name: "1h", seconds: HOUR, step: 10 },
    Span { name: "6h", seconds: 6 * HOUR, step: 60 },
    Span { name: "24h", seconds: DAY, step: 120 },
    Span { name: "7d", seconds: 7 * DAY, step: 900 },
    Span { name: "30d", seconds: 30 * DAY, step: HOUR },
];

/// The address's question.
#[derive(Debug, Deserialize)]
pub struct Asked {
    range: Option<String>,
}

impl Asked {
    /// The span it names; `None` is live.
    pub(in crate::ui) fn span(&self) -> Option<&'static Span> {
        let wanted = self.range.as_deref()?;
        SPANS.iter().find(|span| span.name == wanted)
    }
}

/// A way to another range.
pub struct Range {
    pub(in crate::ui) address: String,
    pub(in crate::ui) label: String,
    pub(in crate::ui) is_current: bool,
}

/// All ranges; `None` is live.
pub(in crate::ui) fn ranges(t: Texts, current: Option<&Span>) -> Vec<Range> {
    let live = Range { address: "stats".into(), label: t.get("usage-live"), is_current: current.is_none() };
    let past = |span: &Span| {
        let (hours, days) = (span.seconds / HOUR, span.seconds / DAY);
        Range {
            address: format!("stats?range={}", span.name),
            label: if days > 1 { t.one("usage-days", "count", days) } else { t.one("usage-hours", "count", hours) },
            is_current: current.is_some_and(|current| current == span),
        }
    };
    std::iter::once(live).chain(SPANS.iter().map(past)).collect()
}

/// One chart.
struct Figure {
    label: String,
    mean: String,
    most: String,
    chart: Chart,
}

/// The page.
#[derive(Template)]
#[template(path = "containers/usage.html")]
pub struct UsagePage {
    page: Page,
    t: Texts,
    head: Head,
    ranges: Vec<Range>,
    figures: Vec<Figure>,
    history: String,
    limit_bytes: u64,
    seconds: i64,
    until: i64,
}

impl UsagePage {
    /// From plain samples, oldest first.
    pub fn new(page: Page, t: Texts, view: &ContainerView, span: &Span, samples: &[Sample], now: Timestamp) -> Self {
        let until = now.as_second();
        let gap = 2 * span.step.max(30);
        let figure = |label: &str, least: f64, pick: fn(&Sample) -> f64, write: &dyn Fn(f64) -> String| {
            let values: Vec<f64> = samples.iter().map(pick).collect();
            let place = |sample: &Sample| 1.0 - (until - sample.at) as f64 / span.seconds as f64;
            let points: Vec<(f64, f64)> = samples.iter().map(place).zip(values.iter().copied()).collect();
            Figure {
                label: t.get(label),
                mean: write(values.iter().sum::<f64>() / values.len().max(1) as f64),
                most: write(chart::top(&values, 0.0)),
                chart: chart::draw(&points, gap as f64 / span.seconds as f64, chart::top(&values, least), 60.0),
            }
        };
        let rate = |bytes: f64| format!("{}/s", t.size(bytes as u64));
        let figures = if samples.is_empty() {
            Vec::new()
        } else {
            vec![
                figure("cpu", 5.0, cpu, &|percent| t.percent(percent)),
                figure("memory", 1e6, |one| one.memory_bytes as f64, &|bytes| t.memory(bytes as u64)),
                figure("network", 1e3, |one| (one.rx_bytes + one.tx_bytes) as f64, &rate),
                figure("disk", 1e3, |one| (one.write_bytes + one.read_bytes) as f64, &rate),
            ]
        };
        Self {
            head: Head::new(view, t, now, "stats"),
            ranges: ranges(t, Some(span)),
            figures,
            history: serde_json::to_string(&rows(samples, gap)).unwrap_or_default(),
            limit_bytes: view.request.limits.memory_bytes.unwrap_or_default(),
            seconds: span.seconds,
            until,
            page,
            t,
        }
    }
}

fn cpu(sample: &Sample) -> f64 {
    sample.cpu_milli_percent as f64 / 1000.0
}

/// Time and values as the script draws them; an empty row where nothing is known.
fn rows(samples: &[Sample], gap: i64) -> Vec<[Option<f64>; 7]> {
    let mut rows = Vec::with_capacity(samples.len());
    let mut last: Option<i64> = None;
    for sample in samples {
        if let Some(last) = last.filter(|last| sample.at - last > gap) {
            let mut empty = [None; 7];
            empty[0] = Some((last + 1) as f64);
            rows.push(empty);
        }
        last = Some(sample.at);
        let values = [sample.memory_bytes, sample.rx_bytes, sample.tx_bytes, sample.write_bytes, sample.read_bytes];
        let mut row = [Some(sample.at as f64), Some(cpu(sample)), None, None, None, None, None];
        for (place, value) in row[2..].iter_mut().zip(values) {
            *place = Some(value as f64);
        }
        rows.push(row);
    }
    rows
}

/// Draws it.
///
/// # Errors
/// [`Fault`].
pub(in crate::ui) async fn show(
    app: &App,
    signed: &Signed,
    view: &ContainerView,
    span: &'static Span,
) -> Result<Response, Fault> {
    let now = Timestamp::now();
    let until = now.as_second();
    let samples = ops::usage::past(app, &signed.actor, &view.id, until - span.seconds, until, span.step).await?;
    let page = Page::new(app, signed, view.name.clone(), "containers").await?.with_scripts(&["uplot.js", "stats.js"]);
    let whole = UsagePage::new(page, signed.t, view, span, &samples, now);
    signed.answer(&whole, &whole)
}

/// The longest span there is a page for, for the pages that are drawn in tests.
#[cfg(test)]
pub(in crate::ui) fn day() -> &'static Span {
    &SPANS[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_an_empty_row() {
        let at = |at| Sample { at, cpu_milli_percent: 1500, ..Sample::default() };
        let rows = rows(&[at(0), at(10), at(200)], 60);
        assert_eq!(rows.len(), 4);
        assert_eq!((rows[1][0], rows[1][1]), (Some(10.0), Some(1.5)));
        assert_eq!((rows[2][0], rows[2][1]), (Some(11.0), None));
    }

    #[test]
    fn a_range_that_is_not_there_is_live() {
        let asked = |range: &str| Asked { range: Some(range.into()) };
        assert_eq!(asked("24h").span().map(|span| span.seconds), Some(DAY));
        assert_eq!(asked("2y").span(), None);
        assert_eq!(Asked { range: None }.span(), None);
    }
}
