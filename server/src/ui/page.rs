//! The frame around every page: navigation, top bar, tray, notices. And the answer as a whole page or as its live part.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use askama::{FastWritable, Template};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest as _, Sha256};

use super::{assets, error::Fault, operations::Item, request::Signed};
use crate::{
    app::App,
    auth::{actor::Right, token::hex},
    i18n::Texts,
    ops::{self, operation},
};

/// This host's name.
pub static HOST: LazyLock<String> =
    LazyLock::new(|| nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());

/// The host's time zone, in which pages write dates.
pub static ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// An icon of the sprite. What it writes is markup made here, never a person's text.
pub struct Icon(&'static str);

impl FastWritable for Icon {
    fn write_into(&self, dest: &mut dyn std::fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        static SPRITE: LazyLock<String> = LazyLock::new(|| assets::address("icons.svg"));
        write!(dest, "<svg class=\"ic\" aria-hidden=\"true\"><use href=\"{}#i-{}\"/></svg>", *SPRITE, self.0)?;
        Ok(())
    }
}

impl std::fmt::Display for Icon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.write_into(f, askama::NO_VALUES).map_err(|_| std::fmt::Error)
    }
}

impl askama::filters::HtmlSafe for Icon {}

/// The icon of this name.
pub fn icon(name: &'static str) -> Icon {
    Icon(name)
}

/// A sentence about what was just done, shown once on the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `false` when it failed.
    pub good: bool,
    /// The sentence.
    pub text: String,
}

/// Notices by session, until its next page.
static NOTICES: LazyLock<Mutex<HashMap<i64, Vec<Notice>>>> = LazyLock::new(Mutex::default);

/// Everything the frame shows.
pub struct Page {
    /// `lang`.
    pub lang: &'static str,
    /// `system`, `light` or `dark`.
    pub theme: String,
    /// `dense` or `roomy`.
    pub density: String,
    /// Single keys act.
    pub keys: bool,
    /// Before " · Darsena".
    pub title: String,
    /// The navigation entry this page belongs to.
    pub section: &'static str,
    /// Token for forms.
    pub csrf: String,
    /// Login name.
    pub person: String,
    /// The person sees everything, not only what their teams have.
    pub sees_all: bool,
    /// Containers in all.
    pub containers: usize,
    /// Images in all.
    pub images: usize,
    /// Volumes in all.
    pub volumes: usize,
    /// Operations running.
    pub running: usize,
    /// The last operations.
    pub tray: Vec<Item>,
    /// What was just done.
    pub notices: Vec<Notice>,
    /// How long this server has run.
    pub uptime: String,
    /// Seconds after which the page reloads itself where there is no script; 0 is never.
    pub refresh: u32,
    /// Comma-separated topics of the event stream; empty means only operations.
    pub topics: &'static str,
    /// Extra scripts.
    pub scripts: &'static [&'static str],
}

impl Page {
    /// The frame of a page.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn new(app: &App, signed: &Signed, title: String, section: &'static str) -> Result<Self, Fault> {
        let actor = &signed.actor;
        let sees_all = actor.may(Right::View);
        let operations = if sees_all { operation::list(app, actor, 10).await? } else { Vec::new() };
        let now = Timestamp::now();
        let tray: Vec<Item> = operations.iter().map(|view| Item::new(view, signed.t, now)).collect();
        let notices = if signed.fragment { Vec::new() } else { take_notices(signed.session.id) };
        Ok(Self {
            lang: signed.t.language.code(),
            theme: signed.session.preferences.theme.clone(),
            density: signed.session.preferences.density.clone(),
            keys: signed.session.preferences.keys,
            title,
            section,
            csrf: signed.secret.form_token(),
            person: signed.session.name.clone(),
            sees_all,
            containers: if sees_all { ops::containers::list(app, actor)?.len() } else { 0 },
            images: if sees_all { ops::images::list(app, actor)?.len() } else { 0 },
            volumes: if sees_all { ops::volumes::list(app, actor)?.len() } else { 0 },
            running: tray.iter().filter(|item| item.is_running).count(),
            tray,
            notices,
            uptime: signed.t.duration(now.as_second() - app.started_at.as_second()),
            refresh: 0,
            topics: "operations",
            scripts: &[],
        })
    }

    /// With the topics its live parts wait for.
    #[must_use]
    pub fn listening(mut self, topics: &'static str) -> Self {
        self.topics = topics;
        self
    }

    /// With more scripts.
    #[must_use]
    pub fn with_scripts(mut self, scripts: &'static [&'static str]) -> Self {
        self.scripts = scripts;
        self
    }

    /// The icon of this name.
    pub fn icon(&self, name: &'static str) -> Icon {
        Icon(name)
    }

    /// An icon whose name is computed.
    pub fn ic(&self, name: &&'static str) -> Icon {
        Icon(name)
    }

    /// The address of an asset.
    pub fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// This host's name.
    pub fn host(&self) -> &str {
        &HOST
    }

    /// This program's version.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

fn take_notices(session: i64) -> Vec<Notice> {
    NOTICES.lock().unwrap_or_else(PoisonError::into_inner).remove(&session).unwrap_or_default()
}

/// Shows a sentence on this session's next page.
pub fn notify(signed: &Signed, good: bool, text: String) {
    let mut notices = NOTICES.lock().unwrap_or_else(PoisonError::into_inner);
    if notices.len() > 1000 {
        notices.clear();
    }
    let own = notices.entry(signed.session.id).or_default();
    if own.len() < 5 {
        own.push(Notice { good, text });
    }
}

/// `303` to a page.
pub fn see_other(to: &str) -> Response {
    Redirect::to(to).into_response()
}

/// A page that no cache keeps.
pub fn html(text: String) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Html(text)).into_response()
}

impl Signed {
    /// The whole page, or only its live part, or nothing when the page has it already.
    ///
    /// # Errors
    /// When it can't be drawn.
    pub fn answer(&self, whole: &impl Template, part: &impl Template) -> Result<Response, Fault> {
        let mut response = if self.fragment {
            let text = part.render()?;
            let tag = format!("\"{}\"", hex(&Sha256::digest(&text)[..8]));
            let mut response = if self.known.as_deref() == Some(tag.as_str()) {
                (StatusCode::NOT_MODIFIED, [(header::CACHE_CONTROL, "no-store")]).into_response()
            } else {
                html(text)
            };
            if let Ok(tag) = HeaderValue::from_str(&tag) {
                response.headers_mut().insert(header::ETAG, tag);
            }
            response
        } else {
            html(whole.render()?)
        };
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("HX-Request"));
        Ok(response)
    }
}

/// A time as pages write it: relative, with the whole date as title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// For `datetime`.
    pub machine: String,
    /// For `title`.
    pub full: String,
    /// What is read.
    pub text: String,
}

impl When {
    /// `3 h ago`.
    pub fn ago(t: Texts, at: Timestamp, now: Timestamp) -> Self {
        Self { machine: at.to_string(), full: t.date(at, &ZONE), text: t.ago(at, now, &ZONE) }
    }

    /// `24 Nov 2026, 17:05`.
    pub fn at(t: Texts, at: Timestamp) -> Self {
        Self { machine: at.to_string(), full: t.date(at, &ZONE), text: t.date(at, &ZONE) }
    }

    /// `3 h`.
    pub fn since(t: Texts, at: Timestamp, now: Timestamp) -> Self {
        Self { text: t.duration(now.as_second() - at.as_second()), ..Self::at(t, at) }
    }
}

/// A time from microseconds since 1970.
pub fn micros(at: i64) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap_or_default()
}
