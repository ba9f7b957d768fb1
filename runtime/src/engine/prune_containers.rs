//! `prune` of containers: those that don't run and that the filters choose, each by itself.

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Engine, Leave};
use crate::{
    error::{Error, ErrorKind, Result},
    fault,
    request::PruneContainers,
    view::{ContainerState, PrunedContainers},
};

impl Engine {
    /// Removes containers that don't run.
    ///
    /// # Errors
    /// When one can't be removed; those removed until then are gone.
    pub fn prune_containers(&self, request: PruneContainers) -> BoxFuture<'_, Result<PrunedContainers>> {
        async move {
            let mut pruned = PrunedContainers::default();
            for container in self.inner.table.all() {
                let stands = matches!(container.state(), ContainerState::Created | ContainerState::Exited(_));
                let record = &container.record;
                if !stands || !request.chooses(record.created_at, &record.resolved.labels) {
                    continue;
                }
                let size = self.container_size(container.id()).await.unwrap_or_default();
                fault::point("prune_containers.one").map_err(Error::from_fault)?;
                match self.remove(container.id(), false, false, Leave::given()).await {
                    Ok(()) => {
                        pruned.ids.push(container.id().clone());
                        pruned.reclaimed_bytes += size.writable_bytes;
                    }
                    // Started, or removed by someone else, meanwhile.
                    Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            let reclaimed = [("reclaimed".to_owned(), pruned.reclaimed_bytes.to_string())];
            self.publish("container", "prune", String::new(), reclaimed.into());
            Ok(pruned)
        }
        .boxed()
    }
}
