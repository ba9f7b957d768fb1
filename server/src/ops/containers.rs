//! Containers: what a person can do with them.

use std::time::Duration;

use futures_util::FutureExt as _;
use runtime::{
    Attachment, Outflow,
    digest::ImageId,
    error::Result,
    request::{
        AttachContainer, CommitContainer, CreateContainer, IpcMode, LogQuery, PidMode, SeccompProfile, UserNamespace,
        WaitCondition,
    },
    view::{Change, ContainerSize, ContainerView, Created, Exit, LogEvent, ProcessTable, Stats},
};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Act, Subject, audited, audited_with_leave, publishing, volumes};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

impl Subject for Created {
    fn object_id(&self) -> String {
        self.id.to_string()
    }
}

impl Subject for ContainerView {
    fn object_id(&self) -> String {
        self.id.to_string()
    }
}

impl Subject for Attachment {}

/// All of them, newest first.
///
/// # Errors
/// Without the right to view.
pub fn list(app: &App, actor: &Actor) -> Result<Vec<ContainerView>> {
    actor.require(Right::View)?;
    Ok(app.engine.containers())
}

/// One, by name, id or unique id prefix.
///
/// # Errors
/// `No such container: NAME`.
pub fn get(app: &App, actor: &Actor, name: &str) -> Result<ContainerView> {
    actor.require(Right::View)?;
    app.engine.container(name)
}

/// Counts the bytes one takes on disk. Slow.
///
/// # Errors
/// As [`get`].
pub async fn size(app: &App, actor: &Actor, name: &str) -> Result<ContainerSize> {
    let container = get(app, actor, name)?;
    app.engine.container_size(&container.id).await
}

/// Makes one, without starting it.
///
/// # Errors
/// Image not here, name taken, a port that may not be published, or a wrong value, in words that say which.
pub async fn create(app: &App, actor: &Actor, mut request: CreateContainer) -> Result<Created> {
    let object = request.name.clone().unwrap_or_default();
    let Judged { need, detail, confined } = judge(app, actor, &mut request);
    let act = Act { action: "container.create", object, detail };
    let engine = app.engine.clone();
    let create = |leave| {
        async move {
            confined?;
            engine.create(request, leave).await
        }
        .boxed()
    };
    audited_with_leave(app, actor, need, act, create).await
}

/// What a request for a container takes.
pub(in crate::ops) struct Judged {
    /// The right.
    pub need: Right,
    /// For the record.
    pub detail: serde_json::Value,
    /// Its ports may be published.
    pub confined: Result<()>,
}

/// Judges a request, and holds it to what this actor may have.
pub(in crate::ops) fn judge(app: &App, actor: &Actor, request: &mut CreateContainer) -> Judged {
    let need = volumes::need(app, actor, request).max(super::networks::need(request));
    let openings = openings(request);
    let mut detail = json!({ "image": request.image, "mounts": volumes::told(request) });
    if !openings.is_empty() {
        detail["opened"] = json!(openings);
    }
    let confined = publishing::confine(app.publish_ports.as_deref(), actor, request);
    Judged { need: if openings.is_empty() { need } else { Right::Administer }, detail, confined }
}

/// What a request opens to the host or to another container, each in one word; to ask for any of it takes an administrator.
pub fn openings(request: &CreateContainer) -> Vec<&'static str> {
    let isolation = &request.isolation;
    let opened = [
        ("privileged", isolation.privileged),
        ("host-users", request.userns == UserNamespace::Host),
        ("devices", !isolation.devices.is_empty() || !isolation.device_rules.is_empty()),
        ("host-processes", isolation.pid == PidMode::Host),
        ("shared-processes", isolation.pid.other().is_some()),
        ("host-ipc", isolation.ipc == IpcMode::Host),
        ("shared-ipc", isolation.ipc.other().is_some()),
        ("host-name", isolation.host_uts),
        ("host-cgroups", isolation.host_cgroups),
        ("no-seccomp", request.seccomp == SeccompProfile::Unconfined),
        ("own-seccomp", isolation.seccomp_profile.is_some()),
        ("system-paths", isolation.masked_paths.is_some() || isolation.readonly_paths.is_some()),
    ];
    opened.into_iter().filter(|(_, is_opened)| *is_opened).map(|(word, _)| word).collect()
}

/// The name of what was asked for by name or id, for the record; what is asked for where there is none.
pub(in crate::ops) fn called(app: &App, asked: &str) -> String {
    app.engine.container(asked).map_or_else(|_| asked.to_owned(), |container| container.name)
}

/// Starts one.
///
/// # Errors
/// `NotModified` when it runs.
pub async fn start(app: &App, actor: &Actor, name: &str) -> Result<ContainerView> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let start = |leave| {
        async move {
            let container = engine.container(&asked)?;
            engine.start(&container.id, leave).await?;
            engine.container(container.id.as_str())
        }
        .boxed()
    };
    audited_with_leave(app, actor, Right::Operate, Act::on("container.start", called(app, name)), start).await
}

/// Sends the stop signal, then kills after the timeout.
///
/// # Errors
/// `NotModified` when it doesn't run.
pub async fn stop(
    app: &App,
    actor: &Actor,
    name: &str,
    timeout: Option<Duration>,
    signal: Option<String>,
) -> Result<ContainerView> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let act = Act {
        action: "container.stop",
        object: called(app, name),
        detail: json!({ "timeout_s": timeout.map(|t| t.as_secs()) }),
    };
    audited(app, actor, Right::Operate, act, async move {
        let container = engine.container(&asked)?;
        engine.stop(&container.id, timeout, signal.as_deref()).await?;
        Ok(container)
    })
    .await
}

/// Stops it if it runs, then starts it.
///
/// # Errors
/// As [`start`] and [`stop`].
pub async fn restart(
    app: &App,
    actor: &Actor,
    name: &str,
    timeout: Option<Duration>,
    signal: Option<String>,
) -> Result<ContainerView> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    audited(app, actor, Right::Operate, Act::on("container.restart", called(app, name)), async move {
        let container = engine.container(&asked)?;
        engine.restart(&container.id, timeout, signal.as_deref()).await?;
        Ok(container)
    })
    .await
}

/// Sends one signal.
///
/// # Errors
/// A wrong signal, or it doesn't run.
pub async fn kill(app: &App, actor: &Actor, name: &str, signal: &str) -> Result<ContainerView> {
    let (engine, asked, signal) = (app.engine.clone(), name.to_owned(), signal.to_owned());
    let act = Act { action: "container.kill", object: called(app, name), detail: json!({ "signal": signal }) };
    audited(app, actor, Right::Operate, act, async move {
        let container = engine.container(&asked)?;
        engine.kill(&container.id, &signal).await?;
        Ok(container)
    })
    .await
}

/// Removes it; `force` kills it first; `volumes` takes those with it whose names were the engine's choice.
///
/// # Errors
/// `Conflict` when it runs and `force` is not set.
pub async fn remove(app: &App, actor: &Actor, name: &str, force: bool, volumes: bool) -> Result<ContainerView> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let act = Act {
        action: "container.remove",
        object: called(app, name),
        detail: json!({ "force": force, "volumes": volumes }),
    };
    let remove = |leave| {
        async move {
            let container = engine.container(&asked)?;
            engine.remove(&container.id, force, volumes, leave).await?;
            Ok(container)
        }
        .boxed()
    };
    audited_with_leave(app, actor, Right::Operate, act, remove).await
}

/// Waits for its end.
///
/// # Errors
/// As [`get`].
pub async fn wait(app: &App, actor: &Actor, name: &str, condition: WaitCondition) -> Result<Exit> {
    let container = get(app, actor, name)?;
    app.engine.wait(&container.id, condition).await
}

/// Sets its terminal's size in characters.
///
/// # Errors
/// When it doesn't run.
pub async fn resize(app: &App, actor: &Actor, name: &str, rows: u16, columns: u16) -> Result<()> {
    actor.require(Right::Operate)?;
    let container = app.engine.container(name)?;
    app.engine.resize(&container.id, rows, columns).await
}

/// Reads its log.
///
/// # Errors
/// As [`get`].
pub fn logs(app: &App, actor: &Actor, name: &str, query: LogQuery) -> Result<mpsc::Receiver<LogEvent>> {
    let container = get(app, actor, name)?;
    app.engine.logs(&container.id, query)
}

/// Attaches to its streams.
///
/// # Errors
/// As [`get`].
pub async fn attach(app: &App, actor: &Actor, name: &str, request: AttachContainer) -> Result<Attachment> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let act = Act { action: "container.attach", object: called(app, name), detail: json!({ "stdin": request.stdin }) };
    audited(app, actor, Right::Operate, act, async move {
        let container = engine.container(&asked)?;
        engine.attach(&container.id, request)
    })
    .await
}

/// One reading of what it uses.
///
/// # Errors
/// As [`get`].
pub async fn stats(app: &App, actor: &Actor, name: &str) -> Result<Stats> {
    let container = get(app, actor, name)?;
    app.engine.stats(&container.id).await
}

/// Its processes.
///
/// # Errors
/// When it doesn't run, or the ps(1) options are not known.
pub async fn top(app: &App, actor: &Actor, name: &str, ps_args: &str) -> Result<ProcessTable> {
    let container = get(app, actor, name)?;
    app.engine.top(&container.id, ps_args).await
}

/// Begins a tar of its whole file system.
///
/// # Errors
/// As [`get`].
pub async fn export(app: &App, actor: &Actor, name: &str) -> Result<Outflow> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    audited(app, actor, Right::View, Act::on("container.export", called(app, name)), async move {
        let container = engine.container(&asked)?;
        engine.export(&container.id).await
    })
    .await
}

/// What it changed of its image.
///
/// # Errors
/// As [`get`].
pub async fn changes(app: &App, actor: &Actor, name: &str) -> Result<Vec<Change>> {
    let container = get(app, actor, name)?;
    app.engine.changes(&container.id).await
}

/// Makes an image of its changes.
///
/// # Errors
/// As [`get`], or a wrong name or instruction.
pub async fn commit(app: &App, actor: &Actor, name: &str, request: CommitContainer) -> Result<ImageId> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let detail = json!({ "reference": request.reference, "changes": request.changes, "pause": request.pause });
    let act = Act { action: "container.commit", object: called(app, name), detail };
    audited(app, actor, Right::Operate, act, async move {
        let container = engine.container(&asked)?;
        engine.commit(&container.id, request).await
    })
    .await
}
