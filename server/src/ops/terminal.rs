//! Terminals of the pages: shells in containers that go on for a while when nobody looks, and can be come back to.
//!
//! Each belongs to the person who opened it; nobody else sees it.

use runtime::{
    Attachment,
    error::{Error, Result},
    request::{AttachExec, ExecContainer},
    view::ExecView,
};

use super::exec;
use crate::{
    app::App,
    auth::actor::{Actor, Principal, Right},
};

/// A shell to be opened.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// The shell, one of [`SHELLS`]; any other is refused.
    pub shell: String,
    /// `user[:group]`; empty is the container's own.
    pub user: String,
    /// Rows and columns.
    pub size: Option<(u16, u16)>,
}

/// What can be chosen: the first takes the best there is.
pub const SHELLS: [&str; 5] = ["auto", "/bin/bash", "/bin/sh", "/bin/ash", "/bin/zsh"];

const BEST: &str = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi";

const EVERYTHING: AttachExec = AttachExec { stdin: true, stdout: true, stderr: true, replay: true };

fn owner(actor: &Actor) -> Option<String> {
    match &actor.principal {
        Principal::User { id, .. } => Some(id.to_string()),
        _ => None,
    }
}

/// Opens one in a container that runs.
///
/// # Errors
/// As [`exec::create`] and [`exec::start`].
pub async fn open(app: &App, actor: &Actor, name: &str, opening: Opening) -> Result<(ExecView, Attachment)> {
    let argv: &[&str] = match opening.shell.as_str() {
        "" | "auto" => &["/bin/sh", "-c", BEST],
        shell if SHELLS.contains(&shell) => &[shell],
        shell => return Err(Error::invalid(format!("no shell is called {shell:?} here"))),
    };
    let request = ExecContainer {
        argv: argv.iter().map(ToString::to_string).collect(),
        user: Some(opening.user.trim().to_owned()).filter(|user| !user.is_empty()),
        tty: true,
        attach_stdin: true,
        attach_stdout: true,
        attach_stderr: true,
        size: opening.size,
        replay: true,
        owner: owner(actor),
        ..ExecContainer::default()
    };
    let id = exec::create(app, actor, name, request).await?;
    let attachment = exec::start(app, actor, id.as_str(), EVERYTHING).await?;
    Ok((exec::get(app, actor, id.as_str())?, attachment))
}

/// Comes back to one.
///
/// # Errors
/// When it is not there, has ended, or is another person's.
pub fn back(app: &App, actor: &Actor, name: &str, id: &str) -> Result<(ExecView, Attachment)> {
    let terminal = own(app, actor, name, id)?;
    let attachment = app.engine.attach_exec(id, EVERYTHING)?;
    Ok((terminal, attachment))
}

/// The person's own in a container, oldest first.
///
/// # Errors
/// Without the right to operate.
pub fn list(app: &App, actor: &Actor, name: &str) -> Result<Vec<ExecView>> {
    actor.require(Right::Operate)?;
    let container = app.engine.container(name)?;
    let Some(owner) = owner(actor) else { return Ok(Vec::new()) };
    let mut own = app.engine.execs(&container.id);
    own.retain(|exec| exec.request.replay && exec.request.owner.as_ref() == Some(&owner) && exec.state.is_running());
    own.sort_by_key(|exec| exec.created_at);
    Ok(own)
}

/// Sets the size of one.
///
/// # Errors
/// As [`back`].
pub async fn resize(app: &App, actor: &Actor, id: &str, rows: u16, columns: u16) -> Result<()> {
    exec::resize(app, actor, id, rows, columns).await
}

/// Ends one: hangs up, then kills.
///
/// # Errors
/// As [`back`].
pub async fn end(app: &App, actor: &Actor, name: &str, id: &str) -> Result<()> {
    own(app, actor, name, id)?;
    app.engine.hang_up_exec(id).await
}

fn own(app: &App, actor: &Actor, name: &str, id: &str) -> Result<ExecView> {
    let found = list(app, actor, name)?.into_iter().find(|exec| exec.id.as_str() == id);
    found.ok_or_else(|| Error::not_found("this terminal has ended"))
}
