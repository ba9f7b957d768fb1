//! Containers: files out of one and into one.

use std::io::Read;

use runtime::{Outflow, error::Result, request::CopyIn, view::PathStat};
use serde_json::json;

use super::{Act, Subject, audited, containers::called};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

impl Subject for (PathStat, Outflow) {}

/// What is at a path.
///
/// # Errors
/// `Could not find the file PATH in container NAME`.
pub async fn stat(app: &App, actor: &Actor, name: &str, path: &str) -> Result<PathStat> {
    let container = super::containers::get(app, actor, name)?;
    app.engine.path_stat(&container.id, path).await
}

/// Begins a tar of what is at a path.
///
/// # Errors
/// As [`stat`].
pub async fn copy_out(app: &App, actor: &Actor, name: &str, path: &str) -> Result<(PathStat, Outflow)> {
    let (engine, asked, path) = (app.engine.clone(), name.to_owned(), path.to_owned());
    let act = Act { action: "container.copy_out", object: called(app, name), detail: json!({ "path": path }) };
    audited(app, actor, Right::View, act, async move {
        let container = engine.container(&asked)?;
        engine.copy_out(&container.id, &path).await
    })
    .await
}

/// Unpacks a tar into a folder.
///
/// # Errors
/// No such folder, a read-only file system, or what is wrong with the tar.
pub async fn copy_in(
    app: &App,
    actor: &Actor,
    name: &str,
    path: &str,
    how: CopyIn,
    from: impl Read + Send + 'static,
) -> Result<()> {
    let (engine, asked, path) = (app.engine.clone(), name.to_owned(), path.to_owned());
    let act = Act { action: "container.copy_in", object: called(app, name), detail: json!({ "path": path }) };
    audited(app, actor, Right::Operate, act, async move {
        let container = engine.container(&asked)?;
        engine.copy_in(&container.id, &path, how, from).await
    })
    .await
}
