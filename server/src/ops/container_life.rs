//! Containers: what changes one while it is there.

use runtime::{
    error::Result,
    request::{PruneContainers, UpdateContainer},
    view::{ContainerView, PrunedContainers},
};
use serde_json::json;

use super::{Act, Subject, audited, containers::called};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// A container that was changed, and what of the change this host can't do.
pub struct Updated {
    /// The container as it was.
    pub container: ContainerView,
    /// In Docker's words.
    pub warnings: Vec<String>,
}

impl Subject for Updated {
    fn object_id(&self) -> String {
        self.container.id.to_string()
    }
}

impl Subject for PrunedContainers {}

/// Makes its processes stand still.
///
/// # Errors
/// When it doesn't run or is paused already.
pub async fn pause(app: &App, actor: &Actor, name: &str) -> Result<ContainerView> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    audited(app, actor, Right::Operate, Act::on("container.pause", called(app, name)), async move {
        let container = engine.container(&asked)?;
        engine.pause(&container.id).await?;
        Ok(container)
    })
    .await
}

/// Lets them go on.
///
/// # Errors
/// When it isn't paused.
pub async fn unpause(app: &App, actor: &Actor, name: &str) -> Result<ContainerView> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    audited(app, actor, Right::Operate, Act::on("container.unpause", called(app, name)), async move {
        let container = engine.container(&asked)?;
        engine.unpause(&container.id).await?;
        Ok(container)
    })
    .await
}

/// Gives it another name.
///
/// # Errors
/// A wrong name, or one that is taken.
pub async fn rename(app: &App, actor: &Actor, name: &str, new: &str) -> Result<ContainerView> {
    let (engine, asked, new) = (app.engine.clone(), name.to_owned(), new.to_owned());
    let act = Act { action: "container.rename", object: called(app, name), detail: json!({ "to": new }) };
    audited(app, actor, Right::Operate, act, async move {
        let container = engine.container(&asked)?;
        engine.rename(&container.id, &new).await?;
        engine.container(container.id.as_str())
    })
    .await
}

/// Changes its limits and restart policy.
///
/// # Errors
/// What contradicts itself, or what the kernel refuses.
pub async fn update(app: &App, actor: &Actor, name: &str, change: UpdateContainer) -> Result<Updated> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let detail = json!({
        "restart": change.restart.map(runtime::request::RestartPolicy::name),
        "memory_bytes": change.memory_bytes, "nano_cpus": change.nano_cpus, "pids": change.pids,
    });
    let act = Act { action: "container.update", object: called(app, name), detail };
    audited(app, actor, Right::Operate, act, async move {
        let container = engine.container(&asked)?;
        let warnings = engine.update(&container.id, change).await?;
        Ok(Updated { container, warnings })
    })
    .await
}

/// Removes those that don't run.
///
/// # Errors
/// When one can't be removed.
pub async fn prune(app: &App, actor: &Actor, request: PruneContainers) -> Result<PrunedContainers> {
    let engine = app.engine.clone();
    let detail = json!({ "until": request.until, "labels": request.labels, "labels_not": request.labels_not });
    let act = Act { action: "container.prune", object: String::new(), detail };
    audited(app, actor, Right::Operate, act, async move { engine.prune_containers(request).await }).await
}
