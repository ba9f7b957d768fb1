//! The audit record: list with filters, one entry, the check of the chain, export.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use jiff::{civil::Date, tz::TimeZone};

use super::{
    error::Fault,
    page::{Page, When, ZONE, micros},
    request::Signed,
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{
        self,
        audit::{Entry, Filter, Wholeness},
    },
};

/// Entries on a page.
const ROWS: u32 = 100;

/// The key of an outcome's word.
pub fn outcome_key(outcome: Option<&str>) -> &'static str {
    match outcome {
        Some("done") => "outcome-done",
        Some("refused") => "outcome-refused",
        Some("failed") => "outcome-failed",
        Some(_) => "outcome-cut-off",
        None => "outcome-open",
    }
}

fn outcome_look(outcome: Option<&str>) -> (&'static str, &'static str) {
    match outcome {
        Some("done") => ("good", "done"),
        Some("refused") => ("badc", "lock"),
        Some("failed") => ("badc", "failed"),
        Some(_) => ("warnc", "warn"),
        None => ("dim2", "restarting"),
    }
}

/// One row.
pub struct Row {
    seq: i64,
    machine: String,
    clock: String,
    day: String,
    actor: String,
    action: String,
    object: String,
    outcome: String,
    class: &'static str,
    icon: &'static str,
    address: String,
}

impl Row {
    fn new(entry: &Entry, t: Texts) -> Self {
        let at = micros(entry.opened_at);
        let (class, icon) = outcome_look(entry.outcome.as_deref());
        Self {
            seq: entry.seq,
            machine: at.to_string(),
            clock: t.clock(at, &ZONE),
            day: t.day(at, &ZONE),
            actor: entry.actor.clone(),
            action: entry.action.clone(),
            object: entry.object.clone(),
            outcome: t.get(outcome_key(entry.outcome.as_deref())),
            class,
            icon,
            address: if entry.address.is_empty() { t.get("audit-this-host") } else { entry.address.clone() },
        }
    }
}

/// What is asked for, as it stands in the address.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    before: Option<i64>,
    #[serde(default)]
    format: String,
}

impl Asked {
    fn filter(&self, zone: &TimeZone) -> Filter {
        let day = |text: &str, plus: i64| {
            let date: Date = text.parse().ok()?;
            let date = date.checked_add(jiff::Span::new().days(plus)).ok()?;
            Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond())
        };
        Filter {
            actor: self.actor.clone(),
            action: self.action.clone(),
            outcome: self.outcome.clone(),
            words: self.q.trim().to_owned(),
            since: day(&self.from, 0),
            until: day(&self.to, 1),
        }
    }

    fn query(&self) -> String {
        let pairs = [
            ("q", &self.q),
            ("actor", &self.actor),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let filled = pairs.iter().filter(|(_, value)| !value.is_empty());
        filled.map(|(name, value)| format!("{name}={}", super::encode(value))).collect::<Vec<_>>().join("&")
    }
}

/// The list.
#[derive(Template)]
#[template(path = "audit/list.html")]
pub struct ListPage {
    page: Page,
    t: Texts,
    asked: Asked,
    count: String,
    whole: Wholeness,
    checked: String,
    rows: Vec<Row>,
    actors: Vec<String>,
    actions: Vec<String>,
    older: Option<String>,
}

impl ListPage {
    /// From plain values.
    pub fn new(
        page: Page,
        t: Texts,
        asked: Asked,
        whole: Wholeness,
        entries: &[Entry],
        choices: (Vec<String>, Vec<String>),
    ) -> Self {
        let older = (entries.len() == ROWS as usize)
            .then(|| entries.last().map(|last| format!("/audit?{}&before={}", asked.query(), last.seq)))
            .flatten();
        Self {
            page,
            t,
            asked,
            count: t.one("audit-lead", "count", whole.entries),
            checked: t.two("audit-checked", "count", whole.entries, "when", t.date(micros(whole.full_at), &ZONE)),
            rows: entries.iter().map(|entry| Row::new(entry, t)).collect(),
            whole,
            actors: choices.0,
            actions: choices.1,
            older,
        }
    }

    fn is_whole(&self) -> bool {
        self.whole.broken_entry.is_none() && self.whole.broken_outcome.is_none()
    }

    fn new_day(&self, at: &usize) -> bool {
        *at == 0 || self.rows[*at].day != self.rows[at - 1].day
    }

    fn head(&self) -> String {
        self.whole.head.as_bytes().chunks(4).take(8).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    }

    fn again(&self) -> String {
        format!("/audit/verify?{}", self.asked.query())
    }

    fn export(&self, format: &str) -> String {
        format!("/audit/export?format={format}&{}", self.asked.query())
    }
}

/// `GET /audit`.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let whole = ops::audit::verify_new(&app, &signed.actor).await?;
    draw(&app, &signed, asked, whole).await
}

/// `GET /audit/verify`: the list, after a check from the first entry on.
///
/// # Errors
/// [`Fault`].
pub async fn verify(State(app): State<App>, signed: Signed, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let whole = ops::audit::verify(&app, &signed.actor).await?;
    draw(&app, &signed, asked, whole).await
}

async fn draw(app: &App, signed: &Signed, asked: Asked, whole: Wholeness) -> Result<Response, Fault> {
    let actor = &signed.actor;
    let entries = ops::audit::list(app, actor, &asked.filter(&ZONE), asked.before, ROWS).await?;
    let choices = ops::audit::choices(app, actor).await?;
    let page = Page::new(app, signed, signed.t.get("nav-audit"), "audit").await?;
    let whole = ListPage::new(page, signed.t, asked, whole, &entries, choices);
    signed.answer(&whole, &whole)
}

/// One entry.
#[derive(Template)]
#[template(path = "audit/entry.html")]
pub struct EntryPage {
    page: Page,
    t: Texts,
    entry: Entry,
    outcome: String,
    class: &'static str,
    icon: &'static str,
    opened: When,
    took: String,
}

/// `GET /audit/{seq}`.
///
/// # Errors
/// [`Fault`].
pub async fn entry(State(app): State<App>, signed: Signed, Path(seq): Path<i64>) -> Result<Response, Fault> {
    let t = signed.t;
    let entry = ops::audit::get(&app, &signed.actor, seq).await?;
    let (class, icon) = outcome_look(entry.outcome.as_deref());
    let page = Page::new(&app, &signed, format!("#{seq} {}", entry.action), "audit").await?;
    let whole = EntryPage {
        page,
        t,
        outcome: t.get(outcome_key(entry.outcome.as_deref())),
        class,
        icon,
        opened: When::at(t, micros(entry.opened_at)),
        took: entry.closed_at.map_or_else(
            || "–".to_owned(),
            |closed| format!("{}\u{202f}ms", t.number((closed - entry.opened_at) / 1000)),
        ),
        entry,
    };
    signed.answer(&whole, &whole)
}

/// One field of a CSV file; what a spreadsheet would take as a formula gets an apostrophe.
fn csv(field: &str) -> String {
    let safe = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{field}") } else { field.to_owned() };
    if safe.contains([',', '"', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

/// `GET /audit/export?format=csv|jsonl`.
///
/// # Errors
/// [`Fault`].
pub async fn export(State(app): State<App>, signed: Signed, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let format = if asked.format == "jsonl" { "jsonl" } else { "csv" };
    let entries = ops::audit::export(&app, &signed.actor, &asked.filter(&ZONE), format).await?;
    let text = |at: i64| micros(at).to_string();
    let mut out = String::new();
    if format == "csv" {
        out.push_str("seq,opened_at,actor_kind,actor,via,address,request_id,action,object,detail,outcome,closed_at,message,object_id,hash\r\n");
    }
    for entry in entries {
        let (opened, closed) = (text(entry.opened_at), entry.closed_at.map(text).unwrap_or_default());
        if format == "jsonl" {
            let mut value = serde_json::to_value(&entry).unwrap_or_default();
            value["opened_at"] = opened.into();
            value["closed_at"] = closed.into();
            out.push_str(&value.to_string());
            out.push('\n');
            continue;
        }
        let outcome = entry.outcome.unwrap_or_default();
        let fields = [
            &entry.seq.to_string(),
            &opened,
            &entry.actor_kind,
            &entry.actor,
            &entry.via,
            &entry.address,
            &entry.request_id,
            &entry.action,
            &entry.object,
            &entry.detail,
            &outcome,
            &closed,
            &entry.message,
            &entry.object_id,
            &entry.hash,
        ];
        out.push_str(&fields.map(|field| csv(field)).join(","));
        out.push_str("\r\n");
    }
    let kind = if format == "csv" { "text/csv; charset=utf-8" } else { "application/jsonl; charset=utf-8" };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"darsena-audit.{format}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, out).into_response())
}

#[cfg(test)]
pub(in crate::ui) mod samples {
    //! Entries to draw pages with.

    use super::*;

    /// An entry.
    pub fn entry(seq: i64, action: &str, outcome: &str) -> Entry {
        Entry {
            seq,
            opened_at: 1_795_539_902_000_000 - (100 - seq) * 400_000_000,
            actor_kind: "user".into(),
            actor: "ana.ruiz".into(),
            via: "web".into(),
            address: "10.0.4.12".into(),
            request_id: "0123456789abcdef".into(),
            action: action.into(),
            object: "shop-worker".into(),
            detail: "{}".into(),
            hash: "9f2c41d0a7be03c6".repeat(4),
            outcome: Some(outcome.into()),
            closed_at: Some(1_795_539_902_400_000),
            message: String::new(),
            object_id: String::new(),
        }
    }

    #[test]
    fn csv_fields_are_quoted_and_are_no_formulas() {
        assert_eq!(csv("plain"), "plain");
        assert_eq!(csv("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(csv("=cmd()"), "'=cmd()");
    }

    #[test]
    fn dates_cover_whole_days() {
        let asked = Asked { from: "2026-11-24".into(), to: "2026-11-24".into(), ..Asked::default() };
        let filter = asked.filter(&TimeZone::UTC);
        assert_eq!(filter.until.expect("a day") - filter.since.expect("a day"), 86_400_000_000);
        assert_eq!(Asked { from: "x".into(), ..Asked::default() }.filter(&TimeZone::UTC).since, None);
    }
}
