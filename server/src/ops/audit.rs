//! The audit record: look, export, check.

use runtime::error::{Error, Result};
use serde_json::json;

use super::users::recorded;
pub use crate::db::{
    audit::{Entry, Filter},
    wholeness::Wholeness,
};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// Entries that fit, newest first; at most `limit`, before number `before` when given.
///
/// # Errors
/// Without the right to administer.
pub async fn list(app: &App, actor: &Actor, filter: &Filter, before: Option<i64>, limit: u32) -> Result<Vec<Entry>> {
    actor.require(Right::Administer)?;
    app.db.audit_entries(filter, before, limit).await
}

/// One entry.
///
/// # Errors
/// `NotFound`.
pub async fn get(app: &App, actor: &Actor, seq: i64) -> Result<Entry> {
    actor.require(Right::Administer)?;
    app.db.audit_entry(seq).await?.ok_or_else(|| Error::not_found(format!("No such audit entry: {seq}")))
}

/// The names and actions there are, for the filters.
///
/// # Errors
/// Without the right to administer.
pub async fn choices(app: &App, actor: &Actor) -> Result<(Vec<String>, Vec<String>)> {
    actor.require(Right::Administer)?;
    app.db.audit_choices().await
}

/// All entries that fit, oldest first, for a file. That they were taken out is on record too.
///
/// # Errors
/// Without the right to administer.
pub async fn export(app: &App, actor: &Actor, filter: &Filter, format: &str) -> Result<Vec<Entry>> {
    actor.require(Right::Administer)?;
    let effect = async {
        let mut entries = app.db.audit_entries(filter, None, u32::MAX).await?;
        entries.reverse();
        Ok(entries)
    };
    recorded(&app.db, actor, "audit.export", &json!({ "format": format }).to_string(), effect).await
}

/// Computes both chains again from the first row to the last.
///
/// # Errors
/// Without the right to administer, or when the database can't be read.
pub async fn verify(app: &App, actor: &Actor) -> Result<Wholeness> {
    actor.require(Right::Administer)?;
    app.db.verify_audit().await
}

/// Computes what came since the last check; everything, at the first one and when something was wrong.
///
/// # Errors
/// Without the right to administer, or when the database can't be read.
pub async fn verify_new(app: &App, actor: &Actor) -> Result<Wholeness> {
    actor.require(Right::Administer)?;
    app.db.verify_new_audit().await
}
