//! `pause` and `unpause`: its processes stand still, and go on as if nothing had been.
//!
//! A paused container outlives the engine as any other. What its status says counts: an engine that died between freezing
//! and noting leaves one that goes on, and one that died between noting and thawing, likewise.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Engine, blocking, table::Container};
use crate::{
    error::{Error, Result},
    fault,
    id::ContainerId,
    view::ContainerState,
};

impl Engine {
    /// Makes all its processes stand still.
    ///
    /// # Errors
    /// Docker's texts when it doesn't run, is paused already, or waits for its next start.
    pub fn pause<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.inner.table.get(id)?;
            let _verbs = container.verbs.lock().await;
            self.pause_locked(&container).await
        }
        .boxed()
    }

    /// [`Engine::pause`] for a verb that holds the container's `verbs`.
    pub(in crate::engine) fn pause_locked<'a>(&'a self, container: &'a Container) -> BoxFuture<'a, Result<()>> {
        async move {
            let id = container.id();
            match container.state() {
                ContainerState::Running { paused: false, .. } => {}
                ContainerState::Running { .. } => {
                    return Err(Error::conflict(format!("Container {id} is already paused")));
                }
                ContainerState::Restarting(_) => return Err(restarting(id)),
                _ => return Err(Error::conflict(format!("container {id} is not running"))),
            }
            let group = self.cgroup(id.as_str());
            let frozen = blocking(move || {
                let frozen = group.freeze()?;
                fault::point("pause.frozen").map_err(Error::from_fault)?;
                Ok(frozen)
            })
            .await?;
            // It may have ended meanwhile.
            let status = container.set_status(|status| {
                if let ContainerState::Running { paused, .. } = &mut status.state {
                    *paused = true;
                }
            });
            if !status.state.is_paused() {
                return Err(Error::conflict(format!("container {id} is not running")));
            }
            if let Err(error) = self.write_status(container, status).await {
                container.set_status(|status| goes_on(&mut status.state));
                return Err(error);
            }
            frozen.keep();
            self.tell("pause", container, []);
            Ok(())
        }
        .boxed()
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// Docker's text when it isn't paused.
    pub fn unpause<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.inner.table.get(id)?;
            let _verbs = container.verbs.lock().await;
            if !container.state().is_paused() {
                return Err(Error::conflict(format!("Container {id} is not paused")));
            }
            self.thaw(&container).await?;
            Ok(())
        }
        .boxed()
    }

    /// A signal reaches what is paused only when it goes on.
    pub(in crate::engine) async fn wake(&self, container: &Arc<Container>) {
        if container.state().is_paused()
            && let Err(error) = self.thaw(container).await
        {
            tracing::warn!(container = container.name(), "it can't be thawed: {}", error.chain());
        }
    }

    async fn thaw(&self, container: &Arc<Container>) -> Result<()> {
        let mut status = container.status();
        goes_on(&mut status.state);
        self.write_status(container, status).await?;
        fault::point("unpause.noted").map_err(Error::from_fault)?;
        let group = self.cgroup(container.id().as_str());
        blocking(move || group.thaw().map_err(Into::into)).await?;
        container.set_status(|status| goes_on(&mut status.state));
        self.tell("unpause", container, []);
        Ok(())
    }

    /// For one that is found running: frozen if it was paused, else not. Tells which.
    pub(in crate::engine) fn as_it_was(&self, container: &Container) -> bool {
        let group = self.cgroup(container.id().as_str());
        let paused = container.state().is_paused();
        // An engine that died while it read a frozen container left it so.
        let done = if paused { group.freeze().map(crate::cgroup::Frozen::keep) } else { group.thaw() };
        if let Err(error) = done {
            tracing::error!(container = container.name(), %error, "it can't be frozen or thawed as it was");
        }
        paused
    }
}

fn goes_on(state: &mut ContainerState) {
    if let ContainerState::Running { paused, .. } = state {
        *paused = false;
    }
}

/// What Docker says of one that waits for its next start.
pub(in crate::engine) fn restarting(id: &ContainerId) -> Error {
    Error::conflict(format!("Container {id} is restarting, wait until the container is running"))
}
