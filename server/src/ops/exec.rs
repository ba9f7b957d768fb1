//! Execs: one more program in a container that runs.

use futures_util::FutureExt as _;
use runtime::{
    Attachment,
    error::Result,
    id::ExecId,
    request::{AttachExec, ExecContainer},
    view::ExecView,
};
use serde_json::json;

use super::{Act, audited, audited_with_leave};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// With more capabilities than the container has, a program may reach what the container may not.
fn right(request: &ExecContainer) -> Right {
    if request.privileged { Right::Administer } else { Right::Operate }
}

/// What is recorded. Arguments and variables may hold secrets: only the program is named.
fn act(container: String, request: &ExecContainer) -> Act {
    let detail = json!({
        "program": request.argv.first(),
        "arguments": request.argv.len().saturating_sub(1),
        "user": request.user,
        "tty": request.tty,
        "privileged": request.privileged,
    });
    Act { action: "container.exec", object: container, detail }
}

/// Makes one, to be started with [`start`].
///
/// # Errors
/// `Conflict` when the container doesn't run or is paused.
pub async fn create(app: &App, actor: &Actor, name: &str, request: ExecContainer) -> Result<ExecId> {
    let need = right(&request);
    if actor.require(need).is_err() {
        // Refused and recorded as such; what is allowed is recorded when it is started.
        let refused = act(name.to_owned(), &request);
        audited(app, actor, need, refused, async { Ok(()) }).await?;
    }
    let container = app.engine.container(name)?;
    app.engine.create_exec(&container.id, request)
}

/// Starts one, and gives its streams.
///
/// # Errors
/// `Conflict` when it was started before; with Docker's text when the program can't be run.
pub async fn start(app: &App, actor: &Actor, id: &str, attach: AttachExec) -> Result<Attachment> {
    let exec = get(app, actor, id)?;
    let act = act(app.engine.container(exec.container.as_str())?.name, &exec.request);
    let engine = app.engine.clone();
    let start = |leave| async move { engine.start_exec(exec.id.as_str(), attach, leave).await }.boxed();
    audited_with_leave(app, actor, right(&exec.request), act, start).await
}

/// Whether one can be started now.
///
/// # Errors
/// As [`start`].
pub fn startable(app: &App, actor: &Actor, id: &str) -> Result<ExecView> {
    let exec = get(app, actor, id)?;
    actor.require(right(&exec.request))?;
    app.engine.exec_startable(id)?;
    Ok(exec)
}

/// One of them.
///
/// # Errors
/// `No such exec instance: ID`.
pub fn get(app: &App, actor: &Actor, id: &str) -> Result<ExecView> {
    actor.require(Right::View)?;
    app.engine.exec(id)
}

/// Sets its terminal's size in characters.
///
/// # Errors
/// When it has no terminal or doesn't run.
pub async fn resize(app: &App, actor: &Actor, id: &str, rows: u16, columns: u16) -> Result<()> {
    let exec = app.engine.exec(id)?;
    actor.require(right(&exec.request))?;
    app.engine.resize_exec(id, rows, columns).await
}

/// Says how large its terminal is to be when it starts.
///
/// # Errors
/// As [`get`].
pub fn size(app: &App, actor: &Actor, id: &str, rows: u16, columns: u16) -> Result<()> {
    get(app, actor, id)?;
    app.engine.size_exec(id, rows, columns)
}

/// Tells that its client left it running.
///
/// # Errors
/// As [`get`].
pub fn left(app: &App, actor: &Actor, id: &str) -> Result<()> {
    get(app, actor, id)?;
    app.engine.exec_detached(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_not_recorded_and_more_rights_are_the_administrator_s() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut request =
            ExecContainer { argv: words("mysql -psecret"), env: words("TOKEN=secret"), ..Default::default() };
        let act = act("db".to_owned(), &request);
        let recorded = format!("{} {} {}", act.action, act.object, act.detail);
        assert!(recorded.contains("mysql") && recorded.contains("\"arguments\":1"), "{recorded}");
        assert!(!recorded.contains("secret"), "{recorded}");
        assert_eq!(right(&request), Right::Operate);
        request.privileged = true;
        assert_eq!(right(&request), Right::Administer);
    }
}
