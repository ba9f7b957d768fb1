//! New container: the form, its preview, and what becomes of it.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use runtime::{
    error::{Error, ErrorKind},
    view::ContainerView,
};

use super::{
    error::{Fault, status},
    launch_form::{LaunchForm, Wrong},
    launch_input::Input,
    page::{Page, html, notify, see_other},
    request::{Posted, Signed},
    run_line::{Piece, RunLine},
};
use crate::{app::App, auth::actor::Right, i18n::Texts, ops};

/// Whether the image is here.
pub enum Presence {
    /// None was named yet.
    Unnamed,
    /// It is: so big.
    Here(String),
    /// It is not; it can be pulled.
    Missing,
}

/// The page.
#[derive(Template)]
#[template(path = "containers/new.html", blocks = ["preview"])]
pub struct NewPage {
    /// The frame.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// As typed.
    pub form: LaunchForm,
    /// What needs a change.
    pub wrong: Vec<Wrong>,
    /// Whether the image is here.
    pub presence: Presence,
    /// Images there are.
    pub known: Vec<String>,
    /// Volumes there are.
    pub volumes: Vec<String>,
    /// Networks people made.
    pub networks: Vec<String>,
    /// What opens a container to its host may be chosen.
    pub may_open: bool,
    /// The same thing as a command.
    pub line: RunLine,
    /// As the container is now that the form is to change; empty for a new one.
    pub before: Vec<Piece>,
    /// That container's name.
    pub editing: String,
}

/// A line of what an edit changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// It comes; else it goes.
    pub comes: bool,
    /// The option and its value.
    pub text: String,
}

/// What differs between two lines, each in its order: first what goes, then what comes.
pub fn changed(before: &[Piece], after: &[Piece]) -> Vec<Changed> {
    let only = |these: &[Piece], those: &[Piece], comes| {
        let mut left = those.to_vec();
        let mut found = Vec::new();
        for piece in these {
            match left.iter().position(|one| one == piece) {
                Some(at) => drop(left.swap_remove(at)),
                None => found.push(Changed { comes, text: format!("{} {}", piece.0, piece.1).trim().to_owned() }),
            }
        }
        found
    };
    [only(before, after, false), only(after, before, true)].concat()
}

impl NewPage {
    fn why(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|wrong| wrong.field == field).map(|wrong| wrong.why.as_str())
    }

    fn why_at(&self, field: &str, at: &usize) -> Option<&str> {
        self.why(&format!("{field}{at}"))
    }

    fn ports_line(&self) -> String {
        let rows = self.form.ports.iter().filter(|row| !row.container.is_empty());
        let lines: Vec<String> = rows
            .map(|row| format!("{}→{}", if row.host.is_empty() { "*" } else { &row.host }, row.container))
            .collect();
        if lines.is_empty() { self.t.get("none") } else { lines.join(", ") }
    }

    fn mounts_line(&self) -> String {
        super::launch_volumes::mounts_line(&self.form.mounts, &self.form.tmpfs)
    }

    fn why_mount(&self) -> bool {
        self.wrong.iter().any(|wrong| wrong.field.starts_with("ms") || wrong.field == "tm")
    }

    /// A section with something said, or something wrong, is open.
    fn opens(&self, inputs: impl AsRef<[Input]>) -> bool {
        let usual = |input: &Input| input.value.is_empty() || input.value == "json-file";
        inputs.as_ref().iter().any(|input| !usual(input) || self.why(input.id).is_some())
    }

    /// How many of these say something.
    fn said(&self, inputs: impl AsRef<[Input]>) -> String {
        match inputs.as_ref().iter().filter(|input| !input.value.is_empty()).count() {
            0 => self.t.get("launch-usual"),
            count => self.t.one("launch-said", "count", count),
        }
    }

    fn health_inputs(&self) -> Vec<Input> {
        self.form.health.inputs(self.t)
    }

    fn isolation_inputs(&self) -> Vec<Input> {
        self.form.isolation.inputs(self.t)
    }

    fn opening_inputs(&self) -> Vec<Input> {
        self.form.isolation.opening_inputs(self.t)
    }

    fn log_inputs(&self) -> Vec<Input> {
        self.form.life.log_inputs(self.t)
    }

    fn stop_inputs(&self) -> Vec<Input> {
        self.form.life.stop_inputs(self.t)
    }

    fn names_inputs(&self) -> Vec<Input> {
        self.form.names.inputs(self.t)
    }

    fn places_inputs(&self) -> Vec<Input> {
        self.form.names.places_inputs(self.t)
    }

    fn limit_inputs(&self) -> Vec<Input> {
        self.form.limits.inputs(self.t)
    }

    fn health_line(&self) -> String {
        self.form.health.line(self.t)
    }

    fn tmpfs_input(&self) -> Input {
        let label = self.t.get("launch-tmpfs");
        Input::lines("tm", "tmpfs", label, &self.form.tmpfs).hint(self.t.get("launch-tmpfs-hint"))
    }

    fn program_inputs(&self) -> Vec<Input> {
        let (t, form) = (self.t, &self.form);
        vec![
            Input::text("cm", "command", t.get("launch-command"), &form.command).hint(t.get("launch-command-hint")),
            Input::text("ep", "entrypoint", t.get("launch-entrypoint"), &form.entrypoint),
            Input::text("us", "user", t.get("container-user"), &form.user),
            Input::text("gr", "groups", t.get("launch-groups"), &form.groups),
            Input::text("wd", "working_dir", t.get("launch-folder"), &form.working_dir),
        ]
    }

    fn ticks(&self) -> Vec<Input> {
        let (t, form) = (self.t, &self.form);
        let mut ticks = vec![
            Input::tick("tt", "tty", t.get("launch-tty"), form.tty),
            Input::tick("si", "stdin", t.get("launch-stdin"), form.stdin),
        ];
        if self.editing.is_empty() {
            ticks.push(Input::tick("ar", "auto_remove", t.get("launch-auto-remove"), form.auto_remove));
        }
        ticks
    }

    /// A network that is none of those to choose from.
    fn other_mode(&self) -> bool {
        let network = &self.form.network;
        !["", "bridge", "none", "host"].contains(&network.as_str()) && !self.networks.contains(network)
    }

    /// The networks it may be in besides the chosen one.
    fn further(&self) -> Vec<&str> {
        std::iter::once("bridge").chain(self.networks.iter().map(String::as_str)).collect()
    }

    fn changes(&self) -> Vec<Changed> {
        changed(&self.before, &self.line.pieces)
    }

    fn env_line(&self) -> String {
        self.t.one("launch-variables", "count", self.form.env.iter().filter(|row| !row.name.is_empty()).count())
    }

    fn limits_line(&self) -> String {
        let form = &self.form;
        let mut parts = Vec::new();
        if let Ok(cores) = form.cpus.replace(',', ".").parse::<f64>() {
            parts.push(self.t.one("limit-cores", "cores", cores));
        }
        if !form.memory.is_empty() {
            parts.push(format!("{} {}", form.memory, form.memory_unit));
        }
        if let Ok(count) = form.pids.parse::<u64>() {
            parts.push(self.t.one("limit-pids", "count", count));
        }
        if parts.is_empty() { self.t.get("none") } else { parts.join(", ") }
    }

    fn policies(&self) -> Vec<(&'static str, String, bool)> {
        super::container_restart::choices(self.t, &self.form.restart)
    }

    fn joint(&self, first: &bool) -> &'static str {
        if *first { " " } else { " \\\n  " }
    }

    fn gap(&self, option: &str, value: &str) -> &'static str {
        if option.is_empty() || value.is_empty() { "" } else { " " }
    }

    fn pull_address(&self) -> String {
        format!("/images?pull={}", super::encode(&self.form.image))
    }
}

/// The container that a form was filled from; `None` for a form of nobody's, or when it is gone.
pub fn base(app: &App, signed: &Signed, form: &LaunchForm) -> Option<ContainerView> {
    if form.base.is_empty() { None } else { ops::containers::get(app, &signed.actor, &form.base).ok() }
}

/// The page for this form.
///
/// # Errors
/// [`Fault`].
pub async fn draw(
    app: &App,
    signed: &Signed,
    mut form: LaunchForm,
    wrong: Vec<Wrong>,
    propose: bool,
) -> Result<NewPage, Fault> {
    let mut presence = Presence::Unnamed;
    if !form.image.is_empty() {
        presence = match ops::images::get(app, &signed.actor, &form.image).await {
            Ok(image) => {
                if propose {
                    form.propose(&image);
                }
                Presence::Here(signed.t.size(image.summary.size_bytes))
            }
            Err(_) => Presence::Missing,
        };
    }
    let base = base(app, signed, &form);
    let line = RunLine::new(&form.parse(signed.t, base.as_ref()).0);
    let mut before = Vec::new();
    let mut editing = String::new();
    if let Some(view) = &base {
        let as_it_is = LaunchForm::like(view, form.edit);
        if form.edit {
            before = RunLine::new(&as_it_is.parse(signed.t, Some(view)).0).pieces;
            editing.clone_from(&view.name);
        }
        super::launch_volumes::remember(&mut form.mounts, &as_it_is.parse(signed.t, Some(view)).0.mounts);
    }
    if form.ports.is_empty() {
        form.ports.push(super::launch_form::PortRow { protocol: "tcp".into(), ..Default::default() });
    }
    if form.mounts.is_empty() {
        form.mounts.push(super::launch_volumes::MountRow::default());
    }
    if form.env.is_empty() {
        form.env.push(super::launch_form::PairRow::default());
    }
    let known = ops::images::list(app, &signed.actor)?.into_iter().flat_map(|image| image.tags).collect();
    let named = ops::volumes::list(app, &signed.actor)?.into_iter().filter(|volume| !volume.is_anonymous());
    let volumes = named.map(|volume| volume.name).collect();
    let title = match editing.as_str() {
        "" => signed.t.get("launch-title"),
        name => signed.t.one("edit-title", "name", name),
    };
    let page = Page::new(app, signed, title, "containers").await?;
    let networks = ops::networks::list(app, &signed.actor)?;
    let networks = networks.into_iter().filter(|one| !one.predefined).map(|one| one.name).collect();
    let may_open = signed.actor.may(Right::Administer);
    let t = signed.t;
    Ok(NewPage { page, t, form, wrong, presence, known, volumes, networks, may_open, line, before, editing })
}

/// What the form starts with.
#[derive(serde::Deserialize)]
pub struct Start {
    #[serde(default)]
    image: String,
    #[serde(default)]
    like: String,
}

/// `GET /containers/new`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed, Query(start): Query<Start>) -> Result<Response, Fault> {
    let form = if start.like.is_empty() {
        LaunchForm { image: start.image, memory_unit: "MiB".into(), ..LaunchForm::default() }
    } else {
        LaunchForm::like(&ops::containers::get(&app, &signed.actor, &start.like)?, false)
    };
    Ok(html(draw(&app, &signed, form, Vec::new(), true).await?.render()?))
}

/// `POST /containers/new`: the page again with another row, or a fresh preview.
///
/// # Errors
/// [`Fault`].
pub async fn again(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let form = LaunchForm::read(&posted.fields);
    let propose = posted.fields.get("add") == Some("image");
    let whole = draw(&app, &posted.signed, form, Vec::new(), propose).await?;
    let fragment =
        posted.signed.fragment && posted.fields.get("add").is_none() && posted.fields.get("remove").is_none();
    Ok(html(if fragment { whole.as_preview().render()? } else { whole.render()? }))
}

/// `POST /containers`.
///
/// # Errors
/// [`Fault`].
pub async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let (signed, fields) = (posted.signed, posted.fields);
    let t = signed.t;
    let form = LaunchForm::read(&fields);
    let base = base(&app, &signed, &form);
    if base.is_none() && !form.base.is_empty() {
        let wrong = vec![Wrong { field: "main".into(), label: t.get("launch-title"), why: t.get("launch-base-gone") }];
        return refuse(&app, &signed, form, wrong, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let (request, wrong) = form.parse(t, base.as_ref());
    if !wrong.is_empty() {
        return refuse(&app, &signed, form, wrong, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let created = match ops::containers::create(&app, &signed.actor, request).await {
        Ok(created) => created,
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => return Err(error.into()),
        Err(error) => return refuse_for(&app, &signed, form, &error).await,
    };
    for warning in created.warnings {
        notify(&signed, false, warning);
    }
    if fields.get("start") == Some("no") {
        notify(&signed, true, t.one("launch-created", "name", &created.name));
    } else {
        match ops::containers::start(&app, &signed.actor, created.id.as_str()).await {
            Ok(_) => notify(&signed, true, t.one("launch-started", "name", &created.name)),
            Err(error) => {
                notify(&signed, false, t.two("launch-not-started", "name", &created.name, "why", error.message()));
            }
        }
    }
    Ok(see_other(&format!("/containers/{}", created.name)))
}

/// Words of the engine's refusals, and the field each is about: its id, and the key of its name.
const BLAME: &[(&str, &str, &str)] = &[
    ("invalid capability", "ca", "launch-cap-add"),
    ("sysctl", "sy", "launch-sysctls"),
    ("invalid signal", "sg", "launch-stop-signal"),
    ("ulimit", "ul", "launch-ulimits"),
    ("Requested CPUs", "cs", "settings-cpuset"),
    ("cpuset", "cs", "settings-cpuset"),
    ("range of CPUs", "l2", "launch-cpus"),
    ("memory reservation", "mr", "launch-reservation"),
    ("emoryswap", "ms", "launch-swap"),
    ("Minimum memory limit", "l1", "memory"),
    ("blkio weight", "iw", "settings-io-weight"),
    ("oom score", "os", "launch-oom-score"),
    ("hostname", "hn", "container-hostname"),
    ("Healthcheck", "hc", "launch-health-command"),
    ("host port", "ph0", "launch-host-port"),
    ("already allocated", "ph0", "launch-host-port"),
    ("unable to start container process", "cm", "launch-command"),
    ("Duplicate mount point", "ms0", "nav-volumes"),
    ("mount", "ms0", "nav-volumes"),
    ("bind source", "ms0", "nav-volumes"),
    ("volume", "ms0", "nav-volumes"),
    ("working directory", "wd", "launch-folder"),
    ("bad format for path", "de", "launch-devices"),
    ("namespace", "pi", "launch-pid"),
    ("no command specified", "cm", "launch-command"),
    ("address", "ip", "address"),
    ("network", "nw", "network"),
];

/// The field that the engine's refusal is about.
pub fn blame(t: Texts, error: &Error) -> Wrong {
    let message = error.message();
    let found = BLAME.iter().find(|(words, ..)| message.contains(words)).map(|(_, field, label)| (*field, *label));
    let (field, label) = match error.kind() {
        ErrorKind::NotFound if !message.contains("network") => ("im", "image"),
        ErrorKind::Conflict if message.contains("container name") => ("nm", "name"),
        _ => found.unwrap_or(("main", "launch-title")),
    };
    Wrong { field: field.to_owned(), label: t.get(label), why: message.to_owned() }
}

/// The page again, with what the engine refused beside its field.
///
/// # Errors
/// [`Fault`].
pub async fn refuse_for(app: &App, signed: &Signed, form: LaunchForm, error: &Error) -> Result<Response, Fault> {
    let code = match error.kind() {
        // Each is about a field of this form.
        ErrorKind::NotFound | ErrorKind::Conflict => StatusCode::UNPROCESSABLE_ENTITY,
        kind => status(kind),
    };
    let mut wrong = blame(signed.t, error);
    if form.edit && wrong.field == "main" {
        wrong.label = signed.t.get("edit-do");
    }
    let wrong = vec![wrong];
    refuse(app, signed, form, wrong, code).await
}

/// The page again, with what needs a change.
///
/// # Errors
/// [`Fault`].
pub async fn refuse(
    app: &App,
    signed: &Signed,
    form: LaunchForm,
    wrong: Vec<Wrong>,
    code: StatusCode,
) -> Result<Response, Fault> {
    let mut response = html(draw(app, signed, form, wrong, false).await?.render()?);
    *response.status_mut() = code;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_told_line_by_line() {
        let piece = |option: &str, value: &str| (option.to_owned(), value.to_owned());
        let before = [piece("-d", ""), piece("-e", "A=1"), piece("-e", "A=1"), piece("", "web:1")];
        let after = [piece("-d", ""), piece("-e", "A=1"), piece("-m", "64m"), piece("", "web:2")];
        let told: Vec<_> = changed(&before, &after).into_iter().map(|one| (one.comes, one.text)).collect();
        let wanted = [(false, "-e A=1"), (false, "web:1"), (true, "-m 64m"), (true, "web:2")];
        assert_eq!(told, wanted.map(|(comes, text)| (comes, text.to_owned())));
        assert_eq!(changed(&before, &before), []);
    }

    #[test]
    fn refusals_are_put_beside_their_field() {
        let field = |text: &str| blame(Texts::default(), &Error::invalid(text)).field;
        assert_eq!(field("invalid capability: \"X\""), "ca");
        assert_eq!(field("sysctl \"a\" is not of the container's own namespaces"), "sy");
        assert_eq!(field("Minimum memoryswap limit should be larger than memory limit, see usage"), "ms");
        assert_eq!(field("unable to start container process: exec: \"/x\": no such file"), "cm");
        assert_eq!(field("something else"), "main");
        assert_eq!(blame(Texts::default(), &Error::not_found("No such image: x")).field, "im");
    }

    /// A form like a privileged container's, for who administers or not.
    fn privileged(may_open: bool) -> String {
        let fields =
            crate::ui::request::Fields::parse(b"image=web&privileged=on&devices=%2Fdev%2Ffuse%0D%0A%2Fdev%2Fnull");
        let (form, t) = (LaunchForm::read(&fields), Texts::default());
        let line = RunLine::new(&form.parse(t, None).0);
        let page = NewPage {
            page: crate::ui::drawn::page(t, "", "containers"),
            t,
            form,
            wrong: Vec::new(),
            presence: Presence::Missing,
            known: Vec::new(),
            volumes: Vec::new(),
            networks: Vec::new(),
            may_open,
            line,
            before: Vec::new(),
            editing: String::new(),
        };
        page.render().expect("drawn")
    }

    #[test]
    fn what_opens_to_the_host_is_for_administrators_and_never_dropped() {
        let (theirs, others) = (privileged(true), privileged(false));
        assert!(theirs.contains(r#"id="pr" name="privileged" checked"#) && theirs.contains(r#"id="de""#));
        assert!(!others.contains(r#"id="pr""#) && !others.contains(r#"id="de""#));
        assert!(others.contains(r#"<input type="hidden" name="privileged" value="on">"#), "{others}");
        assert!(others.contains("<input type=\"hidden\" name=\"devices\" value=\"/dev/fuse\n/dev/null\">"));
    }
}
