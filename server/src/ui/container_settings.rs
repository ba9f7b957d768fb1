//! What of a container can be changed while it is there: its name, when it is started again, its limits; beside what it uses,
//! and how its last runs ended.

use askama::Template;
use axum::{
    extract::{OriginalUri, Path, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    error::ErrorKind,
    request::{Limits, RestartPolicy, UpdateContainer},
    view::{ContainerView, Exit},
};

use super::{
    container::{Head, find},
    container_restart::{choices, policy, retries},
    error::{Fault, status},
    page::{Page, When, html, notify, see_other},
    request::{Fields, Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{self, usage::Usage},
};

/// The form as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsForm {
    restart: String,
    retries: String,
    memory: String,
    reservation: String,
    cpus: String,
    shares: String,
    cpuset: String,
    pids: String,
    io_weight: String,
}

impl SettingsForm {
    /// As it is now.
    pub fn of(view: &ContainerView) -> Self {
        let limits = &view.request.limits;
        let text = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        let mib = |bytes: Option<u64>| text(bytes.map(|bytes| bytes >> 20));
        let restart = view.request.restart;
        Self {
            restart: restart.name().to_owned(),
            retries: retries(restart),
            memory: mib(limits.memory_bytes),
            reservation: mib(limits.memory_reservation_bytes),
            cpus: limits.nano_cpus.map_or_else(String::new, |nano| (nano as f64 / 1e9).to_string()),
            shares: text(limits.cpu_shares),
            cpuset: limits.cpuset_cpus.clone().unwrap_or_default(),
            pids: text(limits.pids),
            io_weight: text(limits.blkio_weight.map(u64::from)),
        }
    }

    fn read(fields: &Fields) -> Self {
        Self {
            restart: fields.text("restart"),
            retries: fields.text("retries"),
            memory: fields.text("memory"),
            reservation: fields.text("reservation"),
            cpus: fields.text("cpus"),
            shares: fields.text("shares"),
            cpuset: fields.text("cpuset"),
            pids: fields.text("pids"),
            io_weight: fields.text("io_weight"),
        }
    }

    /// What differs from how it is; an empty field takes its limit away.
    ///
    /// # Errors
    /// The name of the first field that makes no sense.
    fn change(&self, now: &Limits, restart: RestartPolicy, cpus: u32) -> Result<UpdateContainer, &'static str> {
        let number = |text: &str, label: &'static str, old: Option<u64>, factor: u64| {
            let new = match text {
                "" => u64::MAX,
                text => text.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or(label)?,
            };
            // What is shown in whole MiB is the same while it is not touched.
            let same = match old {
                Some(old) => new != u64::MAX && old / factor == new / factor,
                None => new == u64::MAX,
            };
            Ok::<_, &'static str>(if same { None } else { Some(new) })
        };
        let memory_bytes = number(&self.memory, "memory", now.memory_bytes, 1 << 20)?;
        let nano_cpus = match self.cpus.replace(',', ".").as_str() {
            "" => u64::MAX,
            text => {
                let cpus = text.parse::<f64>().ok().filter(|cpus| *cpus >= 0.01 && *cpus <= 8192.0);
                (cpus.ok_or("launch-cpus")? * 1e9).round() as u64
            }
        };
        let io_weight = match self.io_weight.as_str() {
            "" => None,
            text => Some(text.parse::<u16>().map_err(|_| "settings-io-weight")?),
        };
        let cpuset = match self.cpuset.as_str() {
            "" if now.cpuset_cpus.is_some() => Some(format!("0-{}", cpus.saturating_sub(1))),
            text => Some(text.to_owned()).filter(|text| !text.is_empty() && now.cpuset_cpus.as_ref() != Some(text)),
        };
        let wanted = policy(&self.restart, &self.retries).ok_or("restart-policy")?;
        Ok(UpdateContainer {
            memory_bytes,
            // Docker's proportion of both, so that a limit can grow by itself.
            memory_swap_bytes: memory_bytes.filter(|bytes| *bytes != u64::MAX).map(|bytes| bytes.saturating_mul(2)),
            memory_reservation_bytes: number(
                &self.reservation,
                "settings-reservation",
                now.memory_reservation_bytes,
                1 << 20,
            )?,
            nano_cpus: Some(nano_cpus).filter(|new| *new != now.nano_cpus.unwrap_or(u64::MAX)),
            cpu_shares: number(&self.shares, "settings-shares", now.cpu_shares, 1)?,
            cpuset_cpus: cpuset,
            pids: number(&self.pids, "launch-pids", now.pids, 1)?,
            blkio_weight: io_weight.filter(|new| now.blkio_weight != Some(*new)),
            restart: Some(wanted).filter(|wanted| *wanted != restart),
            ..UpdateContainer::default()
        })
    }
}

/// How one run ended.
pub struct Past {
    pub(in crate::ui) when: When,
    pub(in crate::ui) code: String,
    pub(in crate::ui) ran: String,
    pub(in crate::ui) remark: String,
}

impl Past {
    /// From the engine's view.
    pub(in crate::ui) fn new(exit: &Exit, t: Texts, now: Timestamp) -> Self {
        let ran = exit.started_at.map(|at| t.duration(exit.finished_at.duration_since(at).as_secs()));
        Self {
            when: When::ago(t, exit.finished_at, now),
            code: exit.code.to_string(),
            ran: ran.unwrap_or_else(|| "–".to_owned()),
            remark: if exit.oom_killed { t.get("state-out-of-memory") } else { exit.error.clone().unwrap_or_default() },
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "containers/settings.html")]
pub struct SettingsPage {
    page: Page,
    t: Texts,
    head: Head,
    form: SettingsForm,
    name: String,
    wrong: String,
    used: Option<Usage>,
    restarts: String,
    past: Vec<Past>,
}

impl SettingsPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        view: &ContainerView,
        form: SettingsForm,
        wrong: String,
        used: Option<Usage>,
        now: Timestamp,
    ) -> Self {
        Self {
            head: Head::new(view, t, now, "settings"),
            form,
            name: view.name.clone(),
            wrong,
            used: used.filter(|_| view.state.is_running()),
            restarts: t.one("settings-restarts", "count", view.restart_count),
            past: view.past.iter().map(|exit| Past::new(exit, t, now)).collect(),
            page,
            t,
        }
    }

    fn policies(&self) -> Vec<(&'static str, String, bool)> {
        choices(self.t, &self.form.restart)
    }

    fn memory_used(&self) -> String {
        self.used
            .map_or_else(String::new, |used| self.t.one("settings-used", "amount", self.t.memory(used.memory_bytes)))
    }

    fn cpu_used(&self) -> String {
        self.used
            .map_or_else(String::new, |used| self.t.one("settings-used", "amount", self.t.percent(used.cpu_percent)))
    }

    fn pids_used(&self) -> String {
        self.used.map_or_else(String::new, |used| self.t.one("settings-used", "amount", used.pids))
    }
}

async fn draw(
    app: &App,
    signed: &Signed,
    view: &ContainerView,
    form: SettingsForm,
    wrong: String,
) -> Result<Response, Fault> {
    let used = ops::usage::last(app, &signed.actor)?.get(&view.id).copied();
    let page = Page::new(app, signed, view.name.clone(), "containers").await?;
    Ok(html(SettingsPage::new(page, signed.t, view, form, wrong, used, Timestamp::now()).render()?))
}

/// `GET /containers/{name}/settings`.
///
/// # Errors
/// [`Fault`].
pub async fn show(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    uri: OriginalUri,
) -> Result<Response, Fault> {
    let view = match find(&app, &signed, &name, &uri)? {
        Ok(view) => view,
        Err(elsewhere) => return Ok(elsewhere),
    };
    draw(&app, &signed, &view, SettingsForm::of(&view), String::new()).await
}

/// `POST /containers/{name}/settings`.
///
/// # Errors
/// [`Fault`].
pub async fn save(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, form) = (posted.signed, SettingsForm::read(&posted.fields));
    let t = signed.t;
    let view = ops::containers::get(&app, &signed.actor, &name)?;
    let cpus = ops::system::info(&app, &signed.actor)?.cpus;
    let change = match form.change(&view.request.limits, view.request.restart, cpus) {
        Ok(change) => change,
        Err(label) => {
            let why = t.one("settings-wrong", "field", t.get(label));
            let mut response = draw(&app, &signed, &view, form, why).await?;
            *response.status_mut() = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(response);
        }
    };
    if change == UpdateContainer::default() {
        notify(&signed, true, t.get("settings-same"));
        return Ok(see_other(&format!("/containers/{}/settings", view.name)));
    }
    match ops::container_life::update(&app, &signed.actor, &view.name, change).await {
        Ok(updated) => {
            for warning in updated.warnings {
                notify(&signed, false, warning);
            }
            notify(&signed, true, t.one("settings-saved", "name", &view.name));
            Ok(see_other(&format!("/containers/{}/settings", view.name)))
        }
        Err(error) => refuse(&app, &signed, &view, form, error).await,
    }
}

/// `POST /containers/{name}/rename`.
///
/// # Errors
/// [`Fault`].
pub async fn rename(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, new) = (posted.signed, posted.fields.text("name"));
    let view = ops::containers::get(&app, &signed.actor, &name)?;
    if new == view.name {
        return Ok(see_other(&format!("/containers/{new}/settings")));
    }
    match ops::container_life::rename(&app, &signed.actor, &view.name, &new).await {
        Ok(renamed) => {
            notify(&signed, true, signed.t.two("container-renamed", "name", &view.name, "new", &renamed.name));
            Ok(see_other(&format!("/containers/{}/settings", renamed.name)))
        }
        Err(error) => {
            let form = SettingsForm::of(&view);
            refuse(&app, &signed, &view, form, error).await
        }
    }
}

async fn refuse(
    app: &App,
    signed: &Signed,
    view: &ContainerView,
    form: SettingsForm,
    error: runtime::error::Error,
) -> Result<Response, Fault> {
    if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden | ErrorKind::NotFound) {
        return Err(error.into());
    }
    let mut response = draw(app, signed, view, form, error.message().to_owned()).await?;
    *response.status_mut() = status(error.kind());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { memory_bytes: Some((64 << 20) + 5), nano_cpus: Some(500_000_000), pids: Some(9), ..Limits::default() }
    }

    fn form() -> SettingsForm {
        SettingsForm {
            restart: "no".into(),
            memory: "64".into(),
            cpus: "0.5".into(),
            pids: "9".into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_not_touched_is_not_changed() {
        assert_eq!(form().change(&limits(), RestartPolicy::No, 2), Ok(UpdateContainer::default()));
    }

    #[test]
    fn what_is_emptied_is_taken_away_and_what_grows_takes_swap_along() {
        let form = SettingsForm { memory: "128".into(), pids: String::new(), cpus: String::new(), ..form() };
        let change = form.change(&limits(), RestartPolicy::Always, 2).unwrap();
        assert_eq!((change.memory_bytes, change.memory_swap_bytes), (Some(128 << 20), Some(256 << 20)));
        assert_eq!((change.pids, change.nano_cpus), (Some(u64::MAX), Some(u64::MAX)));
        assert_eq!(change.restart, Some(RestartPolicy::No));
    }

    #[test]
    fn nonsense_is_named() {
        let wrong = |form: SettingsForm| form.change(&limits(), RestartPolicy::No, 2).unwrap_err();
        assert_eq!(wrong(SettingsForm { memory: "much".into(), ..form() }), "memory");
        assert_eq!(wrong(SettingsForm { restart: "sometimes".into(), ..form() }), "restart-policy");
        assert_eq!(
            wrong(SettingsForm { retries: "x".into(), restart: "on-failure".into(), ..form() }),
            "restart-policy"
        );
    }
}
