//! `wait`: for the end of a process, without missing a short one.

use jiff::Timestamp;

use super::{Engine, table::Life};
use crate::{
    error::{Error, Result},
    id::ContainerId,
    request::WaitCondition,
    view::{ContainerState, Exit},
};

impl Engine {
    /// Waits for its end. The wait begins when the future is first polled; [`Engine::waiter`] begins at once.
    ///
    /// # Errors
    /// No such container.
    pub async fn wait(&self, id: &ContainerId, condition: WaitCondition) -> Result<Exit> {
        self.waiter(id, condition)?.await
    }

    /// Like [`Engine::wait`], but from the moment of the call: an end before the first poll is not missed.
    ///
    /// # Errors
    /// No such container.
    pub fn waiter(
        &self,
        id: &ContainerId,
        condition: WaitCondition,
    ) -> Result<impl Future<Output = Result<Exit>> + Send + use<>> {
        let container = self.inner.table.get(id)?;
        let mut life = container.life.subscribe();
        let ends = life.borrow_and_update().ends;
        Ok(async move {
            let over = |life: &Life| match condition {
                // One that waits for its next start counts as running, as in Docker, but each end is one.
                WaitCondition::NotRunning => match container.state() {
                    ContainerState::Running { .. } | ContainerState::Restarting(_) => life.ends > ends,
                    _ => true,
                },
                WaitCondition::NextExit => life.ends > ends || life.removed,
                WaitCondition::Removed => life.removed,
            };
            let seen = life.wait_for(over).await;
            let last = seen.map_err(|gone| Error::internal("the container went away unseen", gone))?.last.clone();
            // The state is set a moment before the life is told of.
            Ok(match (condition, container.state()) {
                (WaitCondition::NotRunning, ContainerState::Exited(exit)) => exit,
                _ => last.unwrap_or_else(never_ran),
            })
        })
    }
}

/// What Docker answers for a container that was never started: code 0.
fn never_ran() -> Exit {
    Exit { code: 0, oom_killed: false, started_at: None, finished_at: Timestamp::now(), error: None }
}
