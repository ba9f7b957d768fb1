//! What containers use, read every few seconds while somebody looks, and kept for fifteen minutes in memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use runtime::{error::Result, id::ContainerId, view::Stats};
use tokio::sync::broadcast;

use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// Between two readings.
pub const EVERY: Duration = Duration::from_secs(5);
/// Readings kept: 15 minutes.
const KEPT: usize = 180;
/// Nobody has looked for so long: readings stop until somebody does.
const UNWATCHED: Duration = Duration::from_secs(30);

/// One reading of one container.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor time in percent of one CPU.
    pub cpu_percent: f64,
    /// Memory in use without the page cache that is given up first.
    pub memory_bytes: u64,
    /// The limit, or the host's memory.
    pub memory_limit_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes a second received.
    pub rx_bytes: f64,
    /// Bytes a second sent.
    pub tx_bytes: f64,
    /// Bytes a second read from disk.
    pub read_bytes: f64,
    /// Bytes a second written to disk.
    pub write_bytes: f64,
}

/// The rates between two readings `seconds` apart.
pub fn between(before: &Stats, after: &Stats, seconds: f64) -> Usage {
    let rate = |a: u64, b: u64| if seconds > 0.0 { b.saturating_sub(a) as f64 / seconds } else { 0.0 };
    let network =
        |stats: &Stats| stats.networks.values().fold((0, 0), |(rx, tx), one| (rx + one.rx_bytes, tx + one.tx_bytes));
    let ((rx_before, tx_before), (rx, tx)) = (network(before), network(after));
    Usage {
        cpu_percent: rate(before.cpu_usage_ns, after.cpu_usage_ns) / 1e7,
        memory_bytes: after.memory_usage_bytes.saturating_sub(after.memory_inactive_file_bytes),
        memory_limit_bytes: after.memory_limit_bytes,
        pids: after.pids,
        rx_bytes: rate(rx_before, rx),
        tx_bytes: rate(tx_before, tx),
        read_bytes: rate(before.block_io.0, after.block_io.0),
        write_bytes: rate(before.block_io.1, after.block_io.1),
    }
}

struct Known {
    last: Stats,
    at: Instant,
    history: VecDeque<Usage>,
}

/// All readings.
pub struct Readings {
    known: Mutex<HashMap<ContainerId, Known>>,
    looked: Mutex<Option<Instant>>,
    wanted: tokio::sync::Notify,
    taken: broadcast::Sender<()>,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            looked: Mutex::default(),
            wanted: tokio::sync::Notify::new(),
            taken: broadcast::channel(4).0,
        }
    }
}

impl Readings {
    fn look(&self) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.wanted.notify_one();
    }

    fn is_watched(&self) -> bool {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.is_some_and(|at| at.elapsed() < UNWATCHED)
    }
}

/// The readings of one container, oldest first.
///
/// # Errors
/// Without the right to view.
pub fn history(app: &App, actor: &Actor, id: &ContainerId) -> Result<Vec<Usage>> {
    actor.require(Right::View)?;
    app.readings.look();
    let known = app.readings.known.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(known.get(id).map(|one| one.history.iter().copied().collect()).unwrap_or_default())
}

/// The last reading of each running container.
///
/// # Errors
/// Without the right to view.
pub fn last(app: &App, actor: &Actor) -> Result<HashMap<ContainerId, Usage>> {
    actor.require(Right::View)?;
    app.readings.look();
    let known = app.readings.known.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(known.iter().filter_map(|(id, one)| Some((id.clone(), *one.history.back()?))).collect())
}

/// Says each time readings were taken.
///
/// # Errors
/// Without the right to view.
pub fn changes(app: &App, actor: &Actor) -> Result<broadcast::Receiver<()>> {
    actor.require(Right::View)?;
    app.readings.look();
    Ok(app.readings.taken.subscribe())
}

/// Takes readings until the server ends, while somebody looks or listens.
pub async fn keep_reading(app: App) {
    while !app.shutdown.is_cancelled() {
        if !app.readings.is_watched() && app.readings.taken.receiver_count() == 0 {
            tokio::select! {
                () = app.readings.wanted.notified() => {}
                () = app.shutdown.cancelled() => return,
            }
        }
        read_all(&app).await;
        let _ = app.readings.taken.send(());
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

async fn read_all(app: &App) {
    let running: Vec<ContainerId> =
        app.engine.containers().into_iter().filter(|one| one.state.is_running()).map(|one| one.id).collect();
    for id in &running {
        // A container that ended meanwhile has no reading; the next round drops it.
        let Ok(stats) = app.engine.stats(id).await else { continue };
        let now = Instant::now();
        let mut known = app.readings.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(id) {
            Some(one) => {
                let usage = between(&one.last, &stats, now.duration_since(one.at).as_secs_f64());
                one.history.push_back(usage);
                if one.history.len() > KEPT {
                    one.history.pop_front();
                }
                (one.last, one.at) = (stats, now);
            }
            None => {
                known.insert(id.clone(), Known { last: stats, at: now, history: VecDeque::new() });
            }
        }
    }
    let mut known = app.readings.known.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|id, _| running.contains(id));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_come_from_two_readings() {
        let before = Stats { cpu_usage_ns: 1_000_000_000, block_io: (0, 100), ..Stats::default() };
        let after = Stats {
            cpu_usage_ns: 2_500_000_000,
            block_io: (50, 300),
            memory_usage_bytes: 900,
            memory_inactive_file_bytes: 200,
            ..Stats::default()
        };
        let usage = between(&before, &after, 2.0);
        assert!((usage.cpu_percent - 75.0).abs() < 1e-9);
        assert_eq!((usage.memory_bytes, usage.read_bytes as u64, usage.write_bytes as u64), (700, 25, 100));
        assert!(between(&after, &before, 2.0).cpu_percent.abs() < f64::EPSILON, "a counter that went back is no use");
    }
}
