//! `stats` and `resize`: one reading, one setting.

use std::time::Instant;

use super::{Engine, blocking, table::Container};
use crate::{
    cgroup::HostUse,
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
        blocking(move || engine.stats_now(&container, &HostUse::read()?)).await
    }

    /// One reading of each container that runs, with its moment, and without the kernel's memory.stat: some KiB each that
    /// is no use to who keeps them. One that ends meanwhile has none.
    ///
    /// # Errors
    /// The host's own use can't be read.
    pub async fn stats_of_all(&self) -> Result<Vec<(ContainerId, Stats, Instant)>> {
        let engine = self.clone();
        // One after the other in one thread: handing each over would cost more than reading it.
        let read = move || {
            let host = HostUse::read()?;
            let running = engine.inner.table.all().into_iter().filter(|one| one.state().is_running());
            let readings = running.filter_map(|one| {
                let mut stats = engine.stats_now(&one, &host).ok()?;
                stats.memory_stat.clear();
                Some((one.id().clone(), stats, Instant::now()))
            });
            Ok(readings.collect())
        };
        blocking(read).await
    }

    fn stats_now(&self, container: &Container, host: &HostUse) -> Result<Stats> {
        let mut stats = self.cgroup(container.id().as_str()).stats_beside(host)?;
        for endpoint in container.status().endpoints() {
            if let Some(counters) = self.inner.network.counters(endpoint) {
                stats.networks.insert(endpoint.interface().to_owned(), counters);
            }
        }
        Ok(stats)
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
