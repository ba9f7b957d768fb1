//! What builds keep for the next ones.

use runtime::{
    build::cache::{Kept, PruneCache},
    engine::PrunedCache,
    error::Result,
};
use serde_json::json;

use crate::{
    app::App,
    auth::actor::{Actor, Right},
    ops::{Act, Subject, audited},
};

impl Subject for PrunedCache {}

/// Everything builds have kept. Counts bytes on disk: slow.
///
/// # Errors
/// Without the right to view.
pub async fn cache(app: &App, actor: &Actor) -> Result<Vec<Kept>> {
    actor.require(Right::View)?;
    app.engine.build_cache().await
}

/// Removes what is chosen.
///
/// # Errors
/// What the disk refused.
pub async fn prune_cache(app: &App, actor: &Actor, prune: PruneCache) -> Result<PrunedCache> {
    let detail = json!({
        "all": prune.all,
        "unused_for_seconds": prune.unused_for.map(|time| time.as_secs()),
        "keep_bytes": prune.keep_bytes,
        "ids": prune.ids,
    });
    let act = Act { action: "build_cache.prune", object: String::new(), detail };
    let engine = app.engine.clone();
    audited(app, actor, Right::Operate, act, async move { engine.prune_build_cache(prune).await }).await
}
