//! Restart policies: what is started again after it ended, and when.
//!
//! The wait doubles from 100 ms to a minute, and begins anew after a run of 10 s. Between an end and the next start a
//! container is `Restarting`, which is written down: an engine that is started meanwhile goes on with it.

use std::{
    sync::{Arc, MutexGuard},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Engine, Leave, current::lock, table::Container};
use crate::{
    error::{Error, Result},
    fault,
    request::RestartPolicy,
    view::{ContainerState, Exit},
};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A run this long is a good one.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// How often it failed lately, and what waits for its next start.
#[derive(Debug, Default)]
pub(in crate::engine) struct Backoff {
    wait: Duration,
    waiting: Option<CancellationToken>,
    /// It ended while no engine looked.
    pub unseen: bool,
}

impl Backoff {
    /// Someone starts it by hand, or wants it to stay down.
    pub fn forget(&mut self) {
        self.wait = Duration::ZERO;
        if let Some(waiting) = self.waiting.take() {
            waiting.cancel();
        }
    }

    fn next(&mut self, ran: Duration) -> Duration {
        self.wait = match self.wait {
            _ if ran >= GOOD_RUN => FIRST_WAIT,
            Duration::ZERO => FIRST_WAIT,
            wait => (wait * 2).min(LONGEST_WAIT),
        };
        self.wait
    }
}

impl Container {
    /// How often it failed lately.
    pub fn backoff(&self) -> MutexGuard<'_, Backoff> {
        lock(&self.backoff)
    }

    /// It has just ended: how long to wait before it is started again; `None` when it isn't.
    pub fn next_turn(&self, exit: &Exit) -> Option<Duration> {
        let status = self.status();
        if !wanted(self.restart_policy(), exit.code, status.stopped_by_hand, status.restart_count) {
            return None;
        }
        let ran = exit.started_at.map(|at| exit.finished_at.duration_since(at));
        let ran = ran.and_then(|ran| Duration::try_from(ran).ok()).unwrap_or_default();
        Some(self.backoff().next(ran))
    }
}

/// Whether an end asks for another start. `unless-stopped` and the rest differ only in what the next engine does.
fn wanted(policy: RestartPolicy, code: i32, by_hand: bool, restarts: u32) -> bool {
    match policy {
        RestartPolicy::No => false,
        _ if by_hand => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure(most) => code != 0 && (most == 0 || restarts < most),
    }
}

impl Engine {
    /// Starts it again after this time, unless someone thinks otherwise until then.
    pub(in crate::engine) fn start_after(&self, container: Arc<Container>, wait: Duration) {
        let waiting = CancellationToken::new();
        if let Some(before) = container.backoff().waiting.replace(waiting.clone()) {
            before.cancel();
        }
        let engine = self.clone();
        self.inner.tasks.spawn(async move {
            let over = tokio::time::timeout(wait, waiting.cancelled()).await.is_err();
            let _verbs = container.verbs.lock().await;
            if !over || waiting.is_cancelled() || !matches!(container.state(), ContainerState::Restarting(_)) {
                return;
            }
            container.backoff().waiting = None;
            let started = match fault::point("again.due") {
                Ok(()) => engine.run_locked(&container, Leave::given()).await,
                Err(error) => Err(Error::from_fault(error)),
            };
            if let Err(error) = started {
                tracing::warn!(container = container.name(), "it could not be started again: {}", error.chain());
                if let ContainerState::Restarting(exit) = container.state() {
                    engine.stays(&container, exit).await;
                }
            }
        });
    }

    /// An engine that has just been started: whether this one is to run.
    pub(in crate::engine) fn revive(&self, container: &Arc<Container>) {
        let status = container.status();
        let policy = container.restart_policy();
        let exit = match status.state {
            ContainerState::Restarting(_) => return self.start_after(Arc::clone(container), Duration::ZERO),
            ContainerState::Exited(exit) => exit,
            _ => return,
        };
        let unseen = std::mem::take(&mut container.backoff().unseen);
        let failed = unseen && wanted(policy, exit.code, status.stopped_by_hand, status.restart_count);
        // As in Docker, `always` means: whatever was, when the engine is started.
        if !failed && policy != RestartPolicy::Always {
            return;
        }
        container.set_status(|status| {
            status.restart_count = if failed { status.restart_count + 1 } else { 0 };
            status.stopped_by_hand = false;
            status.state = ContainerState::Restarting(exit);
        });
        self.start_after(Arc::clone(container), Duration::ZERO);
    }

    /// Whoever stops it wants it stopped, also by the next engine.
    pub(in crate::engine) async fn note_stop(&self, container: &Arc<Container>) -> Result<()> {
        if container.status().stopped_by_hand {
            return Ok(());
        }
        let status = container.set_status(|status| status.stopped_by_hand = true);
        if container.restart_policy() == RestartPolicy::No {
            return Ok(());
        }
        self.write_status(container, status).await
    }

    /// One that waits for its next start is not started; for who holds its `verbs`.
    pub(in crate::engine) async fn stay_down(&self, container: &Arc<Container>) -> Result<()> {
        let ContainerState::Restarting(exit) = container.state() else { return Ok(()) };
        container.backoff().forget();
        self.note_stop(container).await?;
        self.stays(container, exit).await;
        Ok(())
    }

    async fn stays(&self, container: &Arc<Container>, exit: Exit) {
        let status = container.set_status(|status| status.state = ContainerState::Exited(exit.clone()));
        container.life.send_modify(|life| {
            life.ends += 1;
            life.last = Some(exit);
        });
        if let Err(error) = self.write_status(container, status).await {
            tracing::error!(container = container.name(), "its state can't be written: {}", error.chain());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_to_a_minute_and_begins_anew_after_a_good_run() {
        let mut backoff = Backoff::default();
        let mut next = |seconds| backoff.next(Duration::from_secs(seconds)).as_millis();
        assert_eq!([next(0), next(1), next(9), next(0)], [100, 200, 400, 800]);
        assert_eq!([next(10), next(0)], [100, 200]);
        for _ in 0..20 {
            next(0);
        }
        assert_eq!(next(0), 60_000);
    }

    #[test]
    fn policies_want_what_docker_s_want() {
        use RestartPolicy::{Always, No, OnFailure, UnlessStopped};
        assert!(!wanted(No, 1, false, 0));
        assert!(wanted(Always, 0, false, 9) && wanted(UnlessStopped, 0, false, 9));
        assert!(!wanted(Always, 0, true, 0) && !wanted(OnFailure(0), 1, true, 0));
        assert!(wanted(OnFailure(0), 1, false, 99) && !wanted(OnFailure(0), 0, false, 0));
        assert!(wanted(OnFailure(2), 1, false, 1) && !wanted(OnFailure(2), 1, false, 2));
    }
}
