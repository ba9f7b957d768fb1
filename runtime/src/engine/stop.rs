//! `stop`, `kill`, `restart`: signals, in order of patience.

use std::{io, sync::Arc, time::Duration};

use super::{Engine, Leave, blocking, table::Container};
use crate::{
    container::signal,
    error::{Error, ErrorKind, Result},
    fault,
    id::ContainerId,
    monitor::client::Client,
    view::ContainerState,
};
use futures_util::future::{BoxFuture, FutureExt as _};

/// What Docker waits when nobody says.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the kernel may take to end a killed process before its whole group is killed.
const AFTER_KILL: Duration = Duration::from_secs(10);

impl Engine {
    /// Its stop signal (or this one), then KILL after the timeout (its own, or 10 s).
    ///
    /// # Errors
    /// [`ErrorKind::NotModified`] when it doesn't run.
    pub fn stop<'a>(
        &'a self,
        id: &'a ContainerId,
        timeout: Option<Duration>,
        signal: Option<&'a str>,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.inner.table.get(id)?;
            let signal = signal.map(signal::parse).transpose()?;
            let _verbs = container.verbs.lock().await;
            if matches!(container.state(), ContainerState::Restarting(_)) {
                self.stay_down(&container).await?;
            } else if !container.state().is_running() {
                return Err(Error::new(ErrorKind::NotModified, "container is already stopped"));
            }
            self.stop_locked(&container, timeout, signal).await?;
            self.tell("stop", &container, []);
            Ok(())
        }
        .boxed()
    }

    /// Stops it if it runs, then starts it.
    ///
    /// # Errors
    /// As `start`.
    pub fn restart<'a>(
        &'a self,
        id: &'a ContainerId,
        timeout: Option<Duration>,
        signal: Option<&'a str>,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.inner.table.get(id)?;
            let signal = signal.map(signal::parse).transpose()?;
            let _verbs = container.verbs.lock().await;
            self.stay_down(&container).await?;
            if container.state().is_running() {
                self.stop_locked(&container, timeout, signal).await?;
                self.tell("stop", &container, []);
            }
            self.start_locked(&container, Leave::given()).await?;
            self.tell("restart", &container, []);
            Ok(())
        }
        .boxed()
    }

    /// One signal by name or number.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it doesn't run.
    pub fn kill<'a>(&'a self, id: &'a ContainerId, signal: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.inner.table.get(id)?;
            let number = signal::parse(if signal.is_empty() { "KILL" } else { signal })?;
            // Not ordered with `stop`: a person may lose patience with a stop that waits.
            let not_running = |()| {
                let name = container.name();
                Error::conflict(format!("cannot kill container: {name}: container {} is not running", container.id()))
            };
            if matches!(container.state(), ContainerState::Restarting(_)) {
                let _verbs = container.verbs.lock().await;
                self.stay_down(&container).await?;
            }
            let client = container.running().map_err(|_| not_running(()))?;
            let ends = container.life.borrow().ends;
            let last = number == signal::KILL || number == container.record.resolved.stop_signal;
            if last {
                self.note_stop(&container).await?;
            }
            // Before it is sent: who hears of the end has heard of its reason.
            self.tell("kill", &container, [("signal", number.to_string())]);
            match client.signal(number).await {
                Err(error) if error.kind() == io::ErrorKind::TimedOut && number == signal::KILL => {
                    return self.kill_hung(&container, &client, ends).await;
                }
                Err(error) => {
                    self.ended_before(&container, ends, error).await?;
                    return Err(not_running(()));
                }
                Ok(()) => {}
            }
            if last {
                self.wake(&container).await;
            }
            if number == signal::KILL {
                self.ended(&container, ends, AFTER_KILL).await;
            }
            Ok(())
        }
        .boxed()
    }

    pub(in crate::engine) async fn stop_locked(
        &self,
        container: &Arc<Container>,
        timeout: Option<Duration>,
        signal: Option<i32>,
    ) -> Result<()> {
        let Ok(client) = container.running() else { return Ok(()) };
        let ends = container.life.borrow().ends;
        self.note_stop(container).await?;
        let first = signal.unwrap_or(container.record.resolved.stop_signal);
        let patience = timeout.or(container.record.request.stop_timeout).unwrap_or(PATIENCE);
        self.tell("kill", container, [("signal", first.to_string())]);
        match client.signal(first).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return self.kill_hung(container, &client, ends).await;
            }
            Err(error) => return self.ended_before(container, ends, error).await,
            Ok(()) => {}
        }
        self.wake(container).await;
        fault::point("stop.signalled").map_err(|error| Error::internal("the container could not be stopped", error))?;
        if self.ended(container, ends, patience).await {
            return Ok(());
        }
        self.kill_locked(container, ends).await
    }

    /// KILL, then the whole group; returns when it has ended.
    pub(in crate::engine) async fn kill_locked(&self, container: &Arc<Container>, ends: u64) -> Result<()> {
        if let Ok(client) = container.running() {
            // The process may end at any time: a signal that finds none is what was wanted.
            self.tell("kill", container, [("signal", signal::KILL.to_string())]);
            let sent = client.signal(signal::KILL).await;
            self.wake(container).await;
            if sent.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                return self.kill_hung(container, &client, ends).await;
            }
        }
        if self.ended(container, ends, AFTER_KILL).await {
            return Ok(());
        }
        self.kill_group(container).await?;
        if self.ended(container, ends, AFTER_KILL).await { Ok(()) } else { Err(unkillable(container)) }
    }

    /// The monitor doesn't answer: kills what is in the group, then the monitor.
    async fn kill_hung(&self, container: &Arc<Container>, client: &Client, ends: u64) -> Result<()> {
        tracing::error!(
            container = container.record.name,
            "its monitor does not answer; it is killed with its container"
        );
        self.kill_group(container).await?;
        // Gone meanwhile is as wanted.
        let _ = client.end_monitor();
        if self.ended(container, ends, AFTER_KILL).await { Ok(()) } else { Err(unkillable(container)) }
    }

    async fn kill_group(&self, container: &Container) -> Result<()> {
        let (engine, id) = (self.clone(), container.id().clone());
        blocking(move || engine.cgroup(id.as_str()).kill().map_err(Into::into)).await
    }

    /// Waits until it has ended more often than `ends` and its ports and address are free; false when time ran out.
    async fn ended(&self, container: &Container, ends: u64, patience: Duration) -> bool {
        let mut life = container.life.subscribe();
        let ended = tokio::time::timeout(patience, life.wait_for(|life| life.ends > ends)).await.is_ok();
        if ended {
            drop(container.world.lock().await);
        }
        ended
    }

    /// A signal found nobody. Fine when that is because the process has just ended; waits until that is known.
    ///
    /// # Errors
    /// The monitor is there and does not answer, or the kernel refused.
    async fn ended_before(&self, container: &Container, ends: u64, error: io::Error) -> Result<()> {
        let kinds = [
            io::ErrorKind::NotConnected,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::UnexpectedEof,
        ];
        let left = kinds.contains(&error.kind()) || error.raw_os_error() == Some(libc::ESRCH);
        if left && self.ended(container, ends, AFTER_KILL).await {
            return Ok(());
        }
        let text = format!("the monitor of container {} does not answer", container.id().short());
        Err(Error::with_source(ErrorKind::Unavailable, text, error))
    }
}

fn unkillable(container: &Container) -> Error {
    let text = format!(
        "container {} did not end when it was killed; its processes may hang in the kernel",
        container.id().short()
    );
    Error::new(ErrorKind::Unavailable, text)
}
