//! Health: one task for each container that has a check, which runs its probes as execs and draws the conclusion.
//!
//! What is concluded is written down when it changes, so an engine that is started anew goes on from there.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Engine, Leave, table::Container};
use crate::{
    error::Result,
    request::{AttachExec, ExecContainer, HealthCheck},
    view::{ContainerState, Health, HealthState, Probe},
};

/// Probes that are remembered.
const KEPT: usize = 5;
/// Bytes of a probe's output that are.
const OUTPUT_BYTES: usize = 4096;

impl Engine {
    /// Begins to probe a container that runs, until it ends.
    pub(in crate::engine) fn watch_health(&self, container: &Arc<Container>) {
        let resolved = &container.record.resolved;
        let Some(check) = resolved.health.clone() else { return };
        let Some(argv) = check.command(&resolved.shell) else { return };
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.inner.tasks.spawn(async move { engine.probe_until_end(&container, &check, argv).await });
    }

    /// A start makes all that was known of its health void.
    pub(in crate::engine) fn fresh_health(container: &Container) -> Option<Health> {
        let resolved = &container.record.resolved;
        resolved.health.as_ref().and_then(|check| check.command(&resolved.shell)).map(|_| Health::default())
    }

    async fn probe_until_end(&self, container: &Arc<Container>, check: &HealthCheck, argv: Vec<String>) {
        let Some(client) = container.client() else { return };
        loop {
            let status = container.status();
            let health = status.health.unwrap_or_default();
            let wait = if health.state == HealthState::Starting && in_grace(&container.state(), check) {
                check.every_at_start().min(check.every())
            } else {
                check.every()
            };
            tokio::select! {
                _ = client.exited() => return,
                () = tokio::time::sleep(wait) => {}
            }
            if container.state().word() != "running" {
                // Paused: it can't answer, and that says nothing.
                continue;
            }
            let probe = tokio::select! {
                _ = client.exited() => return,
                probe = self.probe(container, check, argv.clone()) => probe,
            };
            if container.state().is_running() {
                self.conclude(container, check, probe).await;
            }
        }
    }

    async fn probe(&self, container: &Arc<Container>, check: &HealthCheck, argv: Vec<String>) -> Probe {
        let started_at = Timestamp::now();
        let patience = check.patience();
        let mut output = Vec::new();
        let mut exec = None;
        let asked = self.ask(container, argv, &mut exec, &mut output);
        let (code, said) = match tokio::time::timeout(patience, asked).await {
            Ok(Ok(code)) => (code, None),
            Ok(Err(error)) => (-1, Some(error.message().to_owned())),
            Err(_) => {
                if let Some(id) = exec {
                    let _ = self.signal_exec(&id, libc::SIGKILL).await;
                }
                (-1, Some(format!("Health check exceeded timeout ({})", seconds(patience))))
            }
        };
        let output = said.unwrap_or_else(|| text(&output));
        Probe { started_at, ended_at: Timestamp::now(), code, output }
    }

    async fn ask(
        &self,
        container: &Arc<Container>,
        argv: Vec<String>,
        exec: &mut Option<String>,
        output: &mut Vec<u8>,
    ) -> Result<i32> {
        let request =
            ExecContainer { argv, attach_stdout: true, attach_stderr: true, quiet: true, ..ExecContainer::default() };
        let id = self.create_exec(container.id(), request)?.to_string();
        *exec = Some(id.clone());
        let wants = AttachExec { stdout: true, stderr: true, ..AttachExec::default() };
        let mut attachment = self.start_exec(&id, wants, Leave::given()).await?;
        while let Some((_, bytes)) = attachment.output.recv().await {
            // One more byte than is kept tells that there was more.
            let room = (OUTPUT_BYTES + 1).saturating_sub(output.len());
            output.extend(&bytes[..bytes.len().min(room)]);
        }
        self.wait_exec(&id).await
    }

    async fn conclude(&self, container: &Arc<Container>, check: &HealthCheck, probe: Probe) {
        let counts = !in_grace(&container.state(), check);
        let mut before = Health::default();
        let status = container.set_status(|status| {
            let health = status.health.get_or_insert_default();
            before = health.clone();
            *health = after(before.clone(), probe, counts, check.most_failures());
        });
        let Some(now) = status.health.clone() else { return };
        if now.state != before.state {
            self.tell(&format!("health_status: {}", now.state.word()), container, []);
        }
        if (now.state, now.failing_streak) != (before.state, before.failing_streak)
            && let Err(error) = self.write_status(container, status).await
        {
            tracing::error!(container = container.record.name, "its health can't be written: {}", error.chain());
        }
    }
}

/// Failures don't count yet.
fn in_grace(state: &ContainerState, check: &HealthCheck) -> bool {
    match state {
        ContainerState::Running { started_at, .. } => {
            Timestamp::now().duration_since(*started_at).unsigned_abs() < check.grace()
        }
        _ => false,
    }
}

fn after(mut health: Health, probe: Probe, counts: bool, most: u32) -> Health {
    if probe.code == 0 {
        (health.state, health.failing_streak) = (HealthState::Healthy, 0);
    } else if counts || health.state != HealthState::Starting {
        health.failing_streak += 1;
        if health.failing_streak >= most {
            health.state = HealthState::Unhealthy;
        }
    }
    health.log.push(probe);
    let over = health.log.len().saturating_sub(KEPT);
    health.log.drain(..over);
    health
}

fn text(output: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&output[..output.len().min(OUTPUT_BYTES)]).into_owned();
    if output.len() > OUTPUT_BYTES {
        text.push_str("...");
    }
    text
}

/// As Go writes a duration: `30s`, `1m30s`, `500ms`.
fn seconds(time: Duration) -> String {
    let (minutes, rest) = (time.as_secs() / 60, time.as_secs() % 60);
    match (minutes, time.subsec_millis()) {
        (0, millis) if rest == 0 && millis > 0 => format!("{millis}ms"),
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{}s", time.as_secs_f64()),
        _ => format!("{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(code: i32) -> Probe {
        let at = Timestamp::UNIX_EPOCH;
        Probe { started_at: at, ended_at: at, code, output: String::new() }
    }

    #[test]
    fn enough_failures_in_a_row_make_it_unhealthy_and_one_success_well() {
        let mut health = Health::default();
        let mut states = Vec::new();
        for (code, counts) in [(1, false), (1, true), (1, true), (0, true), (1, true), (1, true), (1, true), (0, true)]
        {
            health = after(health, probe(code), counts, 3);
            states.push((health.state.word(), health.failing_streak));
        }
        let wanted = [
            ("starting", 0),
            ("starting", 1),
            ("starting", 2),
            ("healthy", 0),
            ("healthy", 1),
            ("healthy", 2),
            ("unhealthy", 3),
            ("healthy", 0),
        ];
        assert_eq!((states, health.log.len()), (wanted.to_vec(), KEPT));
    }

    #[test]
    fn times_are_written_as_docker_writes_them() {
        let told = [30_000, 500, 90_000, 1500].map(|millis| seconds(Duration::from_millis(millis)));
        assert_eq!(told, ["30s", "500ms", "1m30s", "1.5s"]);
    }
}
