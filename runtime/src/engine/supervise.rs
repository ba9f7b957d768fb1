//! The end of a process: seen once, written down, what it held freed, those who wait told.

use std::{fs, sync::Arc};

use jiff::Timestamp;

use super::{Engine, blocking, start::timestamp, table::Container};
use crate::{
    monitor::{protocol::ExitReport, report},
    request::PidMode,
    view::{ContainerState, Exit},
};

impl Engine {
    /// Watches a running container until it ends.
    pub(in crate::engine) fn watch(&self, container: Arc<Container>) {
        let engine = self.clone();
        let Ok(client) = container.running() else { return };
        self.watch_health(&container);
        let watcher = async move {
            let report = client.exited().await;
            engine.ended_with(&container, &report).await;
        };
        self.inner.tasks.spawn(watcher);
    }

    /// Writes the end down and frees what the process held.
    pub(in crate::engine) async fn ended_with(&self, container: &Arc<Container>, report: &ExitReport) {
        // A new start waits for this lock, so it finds everything freed.
        let _world = container.world.lock().await;
        let started_at = match container.state() {
            ContainerState::Running { started_at, .. } => Some(started_at),
            _ => None,
        };
        let exit = exit_of(report, started_at);
        if report.monitor_lost {
            tracing::error!(container = container.record.name, "its monitor is gone; what is left of it is killed");
        }
        // Seen to end, the first process has taken all others of its process namespace with it, if it had one of its own.
        if report.monitor_lost || container.record.request.isolation.pid != PidMode::Private {
            let (engine, id) = (self.clone(), container.id().clone());
            let killed = blocking(move || engine.cgroup(id.as_str()).kill().map_err(Into::into)).await;
            if let Err(error) = killed {
                tracing::warn!(
                    container = container.record.name,
                    "its control group could not be emptied: {}",
                    error.chain()
                );
            }
        }
        if exit.oom_killed {
            self.tell("oom", container, []);
        }
        container.end_client();
        if let Some(proxy) = container.set_proxy(None) {
            proxy.stop().await;
        }
        let again = container.next_turn(&exit);
        let status = container.set_status(|status| {
            status.remember(&exit);
            status.unplug();
            if again.is_some() {
                status.restart_count += 1;
                status.state = ContainerState::Restarting(exit.clone());
            } else {
                status.state = ContainerState::Exited(exit.clone());
            }
        });
        let ran = started_at.map_or(0, |at| exit.finished_at.duration_since(at).as_secs());
        self.tell("die", container, [("exitCode", exit.code.to_string()), ("execDuration", ran.to_string())]);
        container.life.send_modify(|life| {
            life.ends += 1;
            life.last = Some(exit);
        });
        // After it is told: until it is written, the exit file says the same.
        if let Err(error) = self.write_status(container, status).await {
            tracing::error!(container = container.record.name, "its state can't be written: {}", error.chain());
        }
        self.free_world(container).await;
        self.forget_output(container).await;
        if let Some(wait) = again {
            self.start_after(Arc::clone(container), wait);
        }
        if container.record.request.auto_remove {
            self.remove_after_exit(container.clone());
        }
    }

    /// Control group, network and run folder. Absent is success; what fails is swept at the next start.
    pub(in crate::engine) async fn free_world(&self, container: &Arc<Container>) {
        let engine = self.clone();
        let id = container.id().clone();
        let ended = Arc::clone(container);
        let freed = blocking(move || {
            engine.inner.network.detach(&id)?;
            engine.cgroup(id.as_str()).remove()?;
            let _ = fs::remove_dir_all(engine.inner.paths.run_container(&id));
            engine.unmount(&ended.record);
            Ok(())
        })
        .await;
        if let Err(error) = freed {
            tracing::warn!(container = container.record.name, "not all it held could be freed: {}", error.chain());
        }
    }
}

/// The end as the monitor reported it; or that nobody saw it.
pub(in crate::engine) fn exit_of(report: &ExitReport, started_at: Option<Timestamp>) -> Exit {
    let unseen = report.monitor_lost;
    Exit {
        code: report.code,
        oom_killed: report.oom_killed,
        started_at: if unseen { started_at } else { Some(timestamp(report.started_at_ns)) },
        finished_at: if unseen { Timestamp::now() } else { timestamp(report.finished_at_ns) },
        error: unseen.then(|| "its end was not seen: the monitor is gone".to_owned()),
    }
}

/// What the monitor left behind, for a container whose monitor no longer answers.
pub(in crate::engine) fn left_behind(path: &std::path::Path) -> Option<ExitReport> {
    match report::read_exit(path) {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "an exit file can't be read");
            None
        }
    }
}
