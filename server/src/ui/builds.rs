//! Builds: the list, one with its steps and its log, and what can be done with one.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use runtime::error::ErrorKind;

use super::{
    error::Fault,
    operations::Item,
    page::{Page, ZONE, micros, notify, see_other},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{
        self,
        builds::{Again, LogAsked, Record, Step, StepState, View, What},
        operation,
    },
};

/// Lines of output in the page; the download has all.
const LINES: usize = 5000;

/// One row.
pub struct Row {
    item: Item,
    step: String,
    cached: String,
    image: Option<String>,
}

impl Row {
    fn new(view: &View, t: Texts, now: Timestamp) -> Self {
        let progress = view.course.counts();
        let step =
            progress.map_or_else(|| "–".to_owned(), |(done, all)| t.two("builds-step-of", "done", done, "all", all));
        let cached = if view.course.cached() == 0 { "–".to_owned() } else { view.course.cached().to_string() };
        let image = Some(view.row.image.clone()).filter(|id| !id.is_empty());
        Self { item: item(view, t, now), step, cached, image }
    }
}

pub(in crate::ui) fn item(view: &View, t: Texts, now: Timestamp) -> Item {
    let steps = view.course.counts();
    let progress = operation::Snapshot { steps, ..operation::Snapshot::default() };
    let is_running = view.row.operation.state == "running";
    let whole = operation::View { row: view.row.operation.clone(), progress: is_running.then_some(progress) };
    Item::new(&whole, t, now)
}

/// The list's filters.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Filter {
    #[serde(default)]
    q: String,
    #[serde(default)]
    s: String,
}

/// The list.
#[derive(Template)]
#[template(path = "builds/list.html", blocks = ["rows"])]
pub struct ListPage {
    page: Page,
    t: Texts,
    address: String,
    filter: Filter,
    total: usize,
    lead: String,
    rows: Vec<Row>,
}

impl ListPage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, address: String, filter: Filter, views: &[View], now: Timestamp) -> Self {
        let count = |state: &str| views.iter().filter(|view| view.row.operation.state == state).count();
        let words = filter.q.trim().to_lowercase();
        let takes = |view: &&View| {
            let row = &view.row.operation;
            let text = [row.thing.as_str(), &row.actor, &view.row.origin].join(" ").to_lowercase();
            (filter.s.is_empty() || row.state == filter.s) && (words.is_empty() || text.contains(&words))
        };
        let rows = views.iter().filter(takes).map(|view| Row::new(view, t, now)).collect();
        let lead = t.two("operations-lead", "running", count("running"), "failed", count("failed"));
        Self { page, t, address, filter, total: views.len(), lead, rows }
    }
}

/// `GET /builds`.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed, Query(filter): Query<Filter>) -> Result<Response, Fault> {
    let views = ops::builds::list(&app, &signed.actor, 200).await?;
    let mut page = Page::new(&app, &signed, signed.t.get("nav-builds"), "builds").await?;
    page.refresh = if views.iter().any(|view| view.row.operation.state == "running") { 5 } else { 0 };
    let address = signed.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let whole = ListPage::new(page, signed.t, address, filter, &views, Timestamp::now());
    signed.answer(&whole, &whole.as_rows())
}

/// One step in the table.
pub struct StepRow {
    number: usize,
    stage: String,
    text: String,
    line: usize,
    state: String,
    class: &'static str,
    icon: &'static str,
    adds: String,
    took: String,
    is_chosen: bool,
    message: String,
}

fn step_row(number: usize, step: &Step, chosen: Option<usize>, t: Texts, now: i64) -> StepRow {
    let (word, class, icon) = match step.state {
        StepState::Waiting => ("build-step-waiting", "created", "created"),
        StepState::Running => ("operation-state-running", "running", "running"),
        StepState::Done => ("operation-state-done", "done", "done"),
        StepState::Failed => ("operation-state-failed", "failed", "failed"),
        StepState::Stopped => ("operation-state-interrupted", "paused", "paused"),
    };
    let took = match (step.began_at, step.cached) {
        (Some(began), false) => {
            let tenths = (step.ended_at.unwrap_or(now) - began).max(0) / 100_000;
            if tenths < 100 {
                t.one("build-seconds", "seconds", t.decimal(tenths as f64 / 10.0, 1))
            } else {
                t.duration(tenths / 10)
            }
        }
        (_, true) => "–".to_owned(),
        (None, _) => String::new(),
    };
    StepRow {
        number,
        stage: step.planned.stage.clone(),
        text: step.planned.text.clone(),
        line: step.planned.line,
        state: t.get(word),
        class,
        icon,
        adds: match (step.cached, step.layer_bytes) {
            (true, _) => t.get("build-cached"),
            (false, Some(bytes)) => t.size(bytes),
            (false, None) => String::new(),
        },
        took,
        is_chosen: chosen == Some(number),
        message: step.message.clone(),
    }
}

/// One line of the log.
pub struct LogRow {
    machine: String,
    clock: String,
    is_err: bool,
    text: String,
    gap: bool,
}

fn log_row(record: &Record, view: &View, t: Texts) -> Option<LogRow> {
    let row = |is_err, text: String, gap| {
        let at = micros(record.at);
        let clock = at.to_zoned(ZONE.clone()).strftime("%H:%M:%S%.3f").to_string();
        Some(LogRow { machine: at.to_string(), clock, is_err, text, gap })
    };
    match &record.what {
        What::Full => row(false, t.get("build-log-full"), true),
        _ => record.what.shown(&view.course.steps).and_then(|(is_err, text)| row(is_err, text, false)),
    }
}

/// A warning of the Dockerfile.
pub struct Finding {
    /// The check's name.
    pub check: String,
    /// Its line, or 0.
    pub line: usize,
    /// What and why.
    pub text: String,
}

/// What of a build's log is wanted.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
pub struct DetailAsked {
    step: Option<usize>,
}

/// One build.
#[derive(Template)]
#[template(path = "builds/detail.html", blocks = ["rows"])]
pub struct DetailPage {
    page: Page,
    t: Texts,
    item: Item,
    lead: String,
    address: String,
    step_line: String,
    cached: String,
    steps: Vec<StepRow>,
    has_stages: bool,
    warnings: Vec<Finding>,
    chosen: Option<usize>,
    output_title: String,
    socket: String,
    last: String,
    lines: Vec<LogRow>,
    image: String,
    size: String,
    failure: String,
    again: Again,
    facts: Vec<(String, String)>,
    dockerfile: String,
}

impl DetailPage {
    /// From plain views. `chosen` counts from 1.
    pub fn new(page: Page, t: Texts, view: &View, records: &[Record], chosen: Option<usize>, now: Timestamp) -> Self {
        let (row, course) = (&view.row, &view.course);
        let id = row.operation.id;
        let item = item(view, t, now);
        let steps: Vec<StepRow> = course
            .steps
            .iter()
            .enumerate()
            .map(|(at, step)| step_row(at + 1, step, chosen, t, now.as_microsecond()))
            .collect();
        let lines: Vec<LogRow> = records.iter().filter_map(|record| log_row(record, view, t)).collect();
        let skip = lines.len().saturating_sub(LINES);
        let query = chosen.map(|step| format!("?step={step}")).unwrap_or_default();
        let origin = match row.source.as_str() {
            "upload" => t.one("build-from-upload", "file", &row.origin),
            "remote" => t.one("build-from-remote", "address", &row.origin),
            "dockerfile" => t.get("build-from-dockerfile"),
            _ => t.get("build-from-client"),
        };
        let failed = row.operation.state == "failed";
        Self {
            lead: format!("{} · {origin} · {}", row.operation.actor, item.when.text),
            address: format!("/builds/{id}{query}"),
            step_line: course.counts().map_or_else(
                || t.get("operations-beginning"),
                |(done, all)| t.two("builds-steps-done", "done", done, "all", all),
            ),
            cached: t.one("builds-cached", "count", course.cached()),
            has_stages: steps.iter().any(|step| step.stage != steps[0].stage),
            steps,
            warnings: course
                .warnings
                .iter()
                .map(|one| Finding { check: one.check.clone(), line: one.line, text: one.text.clone() })
                .collect(),
            chosen,
            output_title: chosen.map_or_else(|| t.get("build-output"), |step| t.one("build-output-of", "step", step)),
            socket: format!("/live/builds/{id}/log{query}"),
            last: records.last().map(|record| micros(record.at).to_string()).unwrap_or_default(),
            lines: lines.into_iter().skip(skip).collect(),
            image: row.image.clone(),
            size: course.built.as_ref().map(|built| t.size(built.size_bytes)).unwrap_or_default(),
            failure: if failed { row.operation.message.clone() } else { String::new() },
            again: view.again,
            facts: facts(view, t),
            dockerfile: row.dockerfile.clone().unwrap_or_default(),
            page,
            t,
            item,
        }
    }
}

fn facts(view: &View, t: Texts) -> Vec<(String, String)> {
    let asked = &view.asked;
    let pair = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    let hidden = asked.hidden_args.iter().map(|name| format!("{name}=•••"));
    let args: Vec<String> = asked.build_args.iter().map(pair).chain(hidden).collect();
    let labels: Vec<String> = asked.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let yes = |is: bool| if is { t.get("yes") } else { String::new() };
    [
        ("build-names", asked.names.join(", ")),
        ("build-dockerfile-path", asked.dockerfile.clone().unwrap_or_default()),
        ("build-target", asked.target.clone().unwrap_or_default()),
        ("build-args", args.join("\n")),
        ("labels", labels.join("\n")),
        ("build-secrets", asked.secrets.join(", ")),
        ("build-platform", asked.platform.clone().unwrap_or_default()),
        ("build-no-cache", yes(asked.no_cache)),
        ("build-pull", yes(asked.pull)),
        ("memory", asked.limits.memory_bytes.map(|bytes| t.memory(bytes)).unwrap_or_default()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, value)| (t.get(key), value))
    .collect()
}

/// `GET /builds/{id}`; `?step=` shows the output of one.
///
/// # Errors
/// [`Fault`].
pub async fn detail(
    State(app): State<App>,
    signed: Signed,
    Path(id): Path<i64>,
    Query(asked): Query<DetailAsked>,
) -> Result<Response, Fault> {
    let view = ops::builds::get(&app, &signed.actor, id).await?;
    let chosen = asked.step.filter(|step| *step > 0 && *step <= view.course.steps.len());
    let mut records = Vec::new();
    if !signed.fragment {
        let wanted = LogAsked { step: chosen.map(|step| step - 1), ..LogAsked::default() };
        let mut log = ops::builds::log(&app, &signed.actor, id, wanted).await?;
        while let Some(record) = log.recv().await {
            records.push(record);
        }
    }
    let mut page = Page::new(&app, &signed, view.row.operation.thing.clone(), "builds").await?;
    let is_running = view.row.operation.state == "running";
    page.refresh = if is_running { 5 } else { 0 };
    let page = page.with_scripts(&["logs.js"]);
    let whole = DetailPage::new(page, signed.t, &view, &records, chosen, Timestamp::now());
    signed.answer(&whole, &whole.as_rows())
}

/// `GET /builds/{id}/log`: all of it, as plain text.
///
/// # Errors
/// [`Fault`].
pub async fn download(State(app): State<App>, signed: Signed, Path(id): Path<i64>) -> Result<Response, Fault> {
    let view = ops::builds::get(&app, &signed.actor, id).await?;
    let log = ops::builds::log(&app, &signed.actor, id, LogAsked::default()).await?;
    let stream = futures_util::stream::unfold((log, view.course.steps), |(mut log, steps)| async move {
        let record = log.recv().await?;
        let line = record.what.shown(&steps).map(|(_, text)| format!("{} {text}\n", micros(record.at)));
        Some((Ok::<_, std::convert::Infallible>(line.unwrap_or_default()), (log, steps)))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"build-{id}.log\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, axum::body::Body::from_stream(stream)).into_response())
}

/// `POST /builds/{id}/cancel`.
///
/// # Errors
/// [`Fault`].
pub async fn cancel(State(app): State<App>, Path(id): Path<i64>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    operation::cancel(&app, &signed.actor, id).await?;
    notify(&signed, true, signed.t.get("operations-cancel-asked"));
    Ok(see_other(&format!("/builds/{id}")))
}

/// `POST /builds/{id}/again`.
///
/// # Errors
/// [`Fault`].
pub async fn again(State(app): State<App>, Path(id): Path<i64>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    match ops::builds::rebuild(&app, &signed.actor, id).await {
        Ok(building) => Ok(see_other(&format!("/builds/{}", building.id))),
        Err(error) if error.kind() == ErrorKind::Conflict => {
            notify(&signed, false, error.message().to_owned());
            Ok(see_other(&format!("/builds/{id}")))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
pub(in crate::ui) mod samples {
    //! Builds to draw pages with.

    use runtime::request::BuildImage;

    use super::*;
    use crate::ops::{
        builds::{
            Asked, BuildRow, Course,
            course::{Built, Planned, Warning},
        },
        operation::OperationRow,
    };

    /// A build in this state.
    pub fn view(state: &str, now: Timestamp) -> View {
        let began = now.as_microsecond() - 130_000_000;
        let texts =
            ["FROM rust:1.82-slim AS build", "COPY src ./src", "RUN cargo build --release <fast>", "FROM base:3"];
        let steps = texts.iter().enumerate().map(|(at, text)| Step {
            planned: Planned { stage: if at < 3 { "build" } else { "1" }.into(), line: at + 1, text: (*text).into() },
            state: match (at, state) {
                (0 | 1, _) | (_, "done") => StepState::Done,
                (2, "running") => StepState::Running,
                (2, "failed") => StepState::Failed,
                _ => StepState::Waiting,
            },
            began_at: (at < 3).then_some(began),
            ended_at: (at < 2).then_some(began + 1_300_000),
            cached: at == 0,
            layer_bytes: (at == 1).then_some(1_200_000),
            message: if state == "failed" && at == 2 { "non-zero code: 1".into() } else { String::new() },
            exit_code: None,
        });
        let done = state == "done";
        let id = runtime::digest::Digest::of(b"built").to_string();
        View {
            row: BuildRow {
                operation: OperationRow {
                    id: 7,
                    kind: "build".into(),
                    thing: "shop/api:2.15.0".into(),
                    actor: "ana.ruiz".into(),
                    state: state.into(),
                    message: if state == "failed" { "non-zero code: 1".into() } else { String::new() },
                    began_at: began,
                    ended_at: (state != "running").then(|| now.as_microsecond()),
                },
                source: "upload".into(),
                origin: "api.tar.gz".into(),
                dockerfile: None,
                request: String::new(),
                course: String::new(),
                image: if done { id.clone() } else { String::new() },
            },
            asked: Asked::of(&BuildImage {
                names: vec!["shop/api:2.15.0".into()],
                build_args: [("TOKEN".to_owned(), Some("x".to_owned()))].into(),
                ..BuildImage::default()
            }),
            course: Course {
                steps: steps.collect(),
                warnings: vec![Warning { check: "StageNameCasing".into(), line: 1, text: "lower case <b>".into() }],
                built: done.then(|| Built { id, names: vec!["shop/api:2.15.0".into()], size_bytes: 84_000_000 }),
            },
            again: if done { Again::Yes } else { Again::WithSecrets },
        }
    }

    /// Some of its log.
    pub fn records(now: Timestamp) -> Vec<Record> {
        let at = now.as_microsecond();
        let line = |err, text: &str| What::Line { step: 2, err, text: text.into() };
        [What::Began { step: 2 }, line(false, "Compiling <script>"), line(true, "warning: unused"), What::Full]
            .into_iter()
            .enumerate()
            .map(|(n, what)| Record { at: at + n as i64, what })
            .collect()
    }
}
