//! `remove`: everything it held is freed, then one rename takes it away for good; unlinking goes on behind.

use std::{fs, io, sync::Arc};

use super::{Engine, Leave, blocking, table::Container};
use crate::{
    durable,
    error::{Error, ErrorKind, Result},
    fault,
    id::ContainerId,
    view::ContainerState,
};
use futures_util::future::{BoxFuture, FutureExt as _};

impl Engine {
    /// Removes it; `force` kills it first; `volumes` takes those with it whose names were the engine's choice.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it runs and `force` is not set.
    pub fn remove<'a>(
        &'a self,
        id: &'a ContainerId,
        force: bool,
        volumes: bool,
        leave: Leave,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.inner.table.get(id)?;
            let _verbs = container.verbs.lock().await;
            if container.life.borrow().removed {
                return Err(Error::not_found(format!("No such container: {id}")));
            }
            let mut leave = Some(leave);
            let state = container.state();
            if state.is_running() || matches!(state, ContainerState::Restarting(_)) {
                if !force {
                    let (name, word) = (container.name(), state.word());
                    let todo = if state.is_paused() {
                        " and must be unpaused first"
                    } else {
                        ": stop the container before removing or force remove"
                    };
                    return Err(Error::conflict(format!(
                        "cannot remove container \"{name}\": container is {word}{todo}"
                    )));
                }
                if let Some(leave) = leave.take() {
                    leave.take().await?;
                }
                self.stay_down(&container).await?;
                let ends = container.life.borrow().ends;
                if container.state().is_running() {
                    self.kill_locked(&container, ends).await?;
                }
            }
            self.remove_locked(&container, volumes, leave.unwrap_or_else(Leave::given)).await
        }
        .boxed()
    }

    /// For `auto_remove`: in its own task, since the watcher that saw the end must not wait for itself.
    pub(in crate::engine) fn remove_after_exit(&self, container: Arc<Container>) {
        let engine = self.clone();
        tokio::spawn(async move {
            if let Err(error) = engine.remove(container.id(), false, true, Leave::given()).await
                // Gone already, or restarted: then its next end removes it.
                && !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict)
            {
                tracing::warn!(
                    container = container.record.name,
                    "it could not be removed after its end: {}",
                    error.chain()
                );
            }
        });
    }

    /// [`Engine::remove`] for a verb that holds the container's `verbs`; it doesn't run.
    pub(in crate::engine) async fn remove_locked(
        &self,
        container: &Arc<Container>,
        volumes: bool,
        leave: Leave,
    ) -> Result<()> {
        let _world = container.world.lock().await;
        leave.take().await?;
        self.hand_on(container).await?;
        let before = container.status();
        container.set_status(|status| status.state = ContainerState::Removing);
        let engine = self.clone();
        let id = container.id().clone();
        let durably = !container.record.request.auto_remove;
        let volumes = if volumes { container.record.anonymous_volumes() } else { Vec::new() };
        let removed = blocking(move || {
            engine.inner.network.release(&id)?;
            engine.cgroup(id.as_str()).remove()?;
            fault::point("remove.released").map_err(failed)?;
            if !volumes.is_empty() {
                engine.inner.volumes.intend(&id, volumes.clone())?;
            }
            let trash = engine.inner.paths.trash().join(durable::fresh_name(""));
            match fs::rename(engine.inner.paths.container(&id), &trash) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
            fault::point("remove.renamed").map_err(failed)?;
            if durably {
                durable::sync_dir(&engine.inner.paths.containers())?;
            }
            super::lock(&engine.inner.id_ranges).remove(&id);
            engine.free_volumes(&id, &volumes);
            engine.inner.trash.empty();
            Ok(())
        })
        .await;
        if let Err(error) = removed {
            container.set_status(|status| *status = before);
            return Err(error);
        }
        self.inner.table.remove(container);
        let in_use: Vec<_> = self.inner.table.all().iter().map(|one| one.record.image_id).collect();
        container.life.send_modify(|life| life.removed = true);
        self.tell("destroy", container, []);
        // The container is gone whatever becomes of layers that nothing needs any more; they are tried again.
        if let Err(error) = self.inner.images.collect(&in_use).await {
            tracing::warn!("layers of removed images could not be removed: {}", error.chain());
        }
        Ok(())
    }
}

fn failed(error: io::Error) -> Error {
    durable::io_error("the container could not be removed", error.kind(), error)
}
