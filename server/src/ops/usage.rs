//! What containers use: read every few seconds while somebody looks, and kept for fifteen minutes in memory; and every ten
//! seconds, somebody looking or not, for the charts of days.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use runtime::{error::Result, id::ContainerId, view::Stats};
use tokio::sync::broadcast;

pub use crate::db::usage::Sample;
use crate::{
    app::App,
    auth::actor::{Actor, Right},
    db::usage::FINE,
};

/// Between two readings.
pub const EVERY: Duration = Duration::from_secs(5);
/// How long readings are kept in memory, in ms.
const KEPT_MS: i64 = 15 * 60_000;
/// Between two rounds of making means and dropping what is too old.
const TIDY: Duration = Duration::from_mins(1);
/// Nobody has looked for so long: readings stop until somebody does.
const UNWATCHED: Duration = Duration::from_secs(30);

/// One reading of one container.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// When, in ms since 1970; 0 when only the rates count.
    pub at_ms: i64,
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
        at_ms: 0,
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
    recorded: Mutex<HashMap<ContainerId, (Stats, Instant)>>,
    looked: Mutex<Option<Instant>>,
    wanted: tokio::sync::Notify,
    taken: broadcast::Sender<()>,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            recorded: Mutex::default(),
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

/// What a container used from `since` on (both in seconds since 1970), one sample for each `step` seconds, oldest first.
/// Nothing where it did not run.
///
/// # Errors
/// Without the right to view.
pub async fn past(
    app: &App,
    actor: &Actor,
    id: &ContainerId,
    since: i64,
    until: i64,
    step: i64,
) -> Result<Vec<Sample>> {
    actor.require(Right::View)?;
    app.usage.between(id.as_str(), since, until, step).await
}

/// Takes readings until the server ends: often while somebody looks or listens, else as the charts of days need them.
pub async fn keep_reading(app: App) {
    let mut record = tokio::time::interval(FINE);
    record.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tidied: Option<Instant> = None;
    while !app.shutdown.is_cancelled() {
        let is_watched = app.readings.is_watched() || app.readings.taken.receiver_count() > 0;
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            _ = record.tick() => {
                let stats = read_all(&app).await;
                record_all(&app, &stats).await;
                if tidied.is_none_or(|at| at.elapsed() > TIDY) {
                    tidied = Some(Instant::now());
                    tidy(&app).await;
                }
                remember(&app, stats);
            }
            () = tokio::time::sleep(EVERY), if is_watched => remember(&app, read_all(&app).await),
            () = app.readings.wanted.notified(), if !is_watched => remember(&app, read_all(&app).await),
        }
    }
}

type Read = Vec<(ContainerId, Stats, Instant)>;

async fn read_all(app: &App) -> Read {
    app.engine.stats_of_all().await.unwrap_or_else(|error| {
        tracing::warn!("what containers use can't be read: {}", error.chain());
        Vec::new()
    })
}

/// Keeps what was used since the record before this one.
async fn record_all(app: &App, read: &Read) {
    let now = Timestamp::now().as_second();
    let samples: Vec<(String, Sample)> = {
        let mut recorded = app.readings.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |(id, stats, at): &(ContainerId, Stats, Instant)| {
            let (last, then) = recorded.get(id)?;
            let usage = between(last, stats, at.duration_since(*then).as_secs_f64());
            Some((id.to_string(), sample(&usage, now)))
        };
        let samples = read.iter().filter_map(since).collect();
        *recorded = read.iter().map(|(id, stats, at)| (id.clone(), (stats.clone(), *at))).collect();
        samples
    };
    if samples.is_empty() {
        return;
    }
    if let Err(error) = app.usage.keep(&samples).await {
        tracing::warn!("what containers use can't be recorded: {}", error.chain());
    }
}

fn sample(usage: &Usage, at: i64) -> Sample {
    Sample {
        at,
        cpu_milli_percent: (usage.cpu_percent * 1000.0) as i64,
        memory_bytes: usage.memory_bytes as i64,
        pids: usage.pids as i64,
        rx_bytes: usage.rx_bytes as i64,
        tx_bytes: usage.tx_bytes as i64,
        write_bytes: usage.write_bytes as i64,
        read_bytes: usage.read_bytes as i64,
    }
}

async fn tidy(app: &App) {
    let known: Vec<String> = app.engine.containers().into_iter().map(|one| one.id.to_string()).collect();
    if let Err(error) = app.usage.tidy(Timestamp::now().as_second(), &known).await {
        tracing::warn!("the record of what containers use can't be tidied: {}", error.chain());
    }
}

/// Keeps the readings for who looks now.
fn remember(app: &App, read: Read) {
    let mut known = app.readings.known.lock().unwrap_or_else(PoisonError::into_inner);
    let running: HashSet<&ContainerId> = read.iter().map(|(id, ..)| id).collect();
    known.retain(|id, _| running.contains(id));
    let at_ms = Timestamp::now().as_millisecond();
    for (id, stats, now) in read {
        match known.get_mut(&id) {
            Some(one) => {
                let seconds = now.duration_since(one.at).as_secs_f64();
                if seconds < 1.0 {
                    // Two clocks drive this; rates over a moment say nothing.
                    continue;
                }
                one.history.push_back(Usage { at_ms, ..between(&one.last, &stats, seconds) });
                while one.history.front().is_some_and(|oldest| oldest.at_ms < at_ms - KEPT_MS) {
                    one.history.pop_front();
                }
                (one.last, one.at) = (stats, now);
            }
            None => {
                known.insert(id, Known { last: stats, at: now, history: VecDeque::new() });
            }
        }
    }
    drop(known);
    let _ = app.readings.taken.send(());
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
