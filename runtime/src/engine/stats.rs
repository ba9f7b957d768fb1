//! `stats` and `resize`: one reading, one setting.

use super::{Engine, blocking};
use crate::{
    error::{Error, ErrorKind, Result},
    id::ContainerId,
    view::Stats,
};

impl Engine {
    /// One reading of what it uses; all zero when it doesn't run, as in Docker.
    ///
    /// # Errors
    /// No such container, or the kernel can't be read.
    pub async fn stats(&self, id: &ContainerId) -> Result<Stats> {
        let container = self.inner.table.get(id)?;
        if !container.state().is_running() {
            return Ok(Stats::default());
        }
        let engine = self.clone();
        blocking(move || {
            let mut stats = engine.cgroup(container.id().as_str()).stats()?;
            for endpoint in container.status().endpoints() {
                if let Some(counters) = engine.inner.network.counters(endpoint) {
                    stats.networks.insert(endpoint.interface().to_owned(), counters);
                }
            }
            Ok(stats)
        })
        .await
    }

    /// Sets its terminal's size in characters.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it doesn't run.
    pub async fn resize(&self, id: &ContainerId, rows: u16, columns: u16) -> Result<()> {
        let client = self.inner.table.get(id)?.running()?;
        client.resize(rows, columns).await.map_err(|error| {
            Error::with_source(ErrorKind::Conflict, format!("container {} has no terminal", id.short()), error)
        })
    }
}
