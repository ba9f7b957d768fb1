//! Long work with progress: it belongs to the server, survives the page and the client, and is on record.
//!
//! An operation has one row in the database (begun, ended, result) and, while it runs, its progress in memory. Watchers
//! get every step through a bounded channel; the slow ones lose steps, never the work.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use runtime::{
    digest::Digest,
    error::{Error, ErrorKind, Result},
    view::{LayerStep, Progress, PushStep},
};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

use super::{Act, Subject, audited};
pub use crate::db::operations::OperationRow;
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// Steps a watcher may lag behind before it loses some.
const WATCHER_LAG: usize = 512;

/// What kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An image from a registry.
    Pull,
    /// An image to a registry.
    Push,
    /// Images from an archive.
    Load,
    /// An image from a Dockerfile.
    Build,
}

impl Kind {
    /// The word stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Load => "load",
            Self::Build => "build",
        }
    }
}

/// Where a layer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// On its way here.
    Pull(LayerStep),
    /// On its way to a registry.
    Push(PushStep),
}

impl Step {
    /// Bytes so far and in all, while there is something to count.
    pub fn bytes(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Pull(LayerStep::Downloading { current, total } | LayerStep::Extracting { current, total })
            | Self::Push(PushStep::Uploading { current, total }) => Some((current, total)),
            _ => None,
        }
    }

    fn is_done(&self) -> bool {
        matches!(
            self,
            Self::Pull(LayerStep::Complete | LayerStep::Exists)
                | Self::Push(PushStep::Done | PushStep::Exists | PushStep::Mounted(_))
        )
    }
}

/// Progress of a running operation at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Each layer's last step, in the order they were first seen.
    pub layers: Vec<(Digest, Step)>,
    /// Steps of a build done and in all, once they are known.
    pub steps: Option<(usize, usize)>,
}

impl Snapshot {
    /// Bytes done and known in all, counting a layer's fetching and unpacking as one; `None` while nothing is known.
    pub fn bytes(&self) -> Option<(u64, u64)> {
        let mut sum = None;
        for (current, total) in self.layers.iter().filter_map(|(_, step)| step.bytes()) {
            let (done, all) = sum.get_or_insert((0, 0));
            *done += current;
            *all += total;
        }
        sum
    }

    /// Layers complete and in all.
    pub fn layers_done(&self) -> (usize, usize) {
        let done = self.layers.iter().filter(|(_, step)| step.is_done()).count();
        (done, self.layers.len())
    }

    fn take(&mut self, progress: &Progress) {
        let (digest, step) = match progress {
            Progress::Layer { digest, step } => (*digest, Step::Pull(*step)),
            Progress::Push { layer, step } => (layer.0, Step::Push(step.clone())),
            _ => return,
        };
        match self.layers.iter_mut().find(|(known, _)| *known == digest) {
            Some((_, known)) => *known = step,
            None => self.layers.push((digest, step)),
        }
    }
}

/// Progress of all running operations.
#[derive(Clone, Default)]
pub struct Operations(Arc<Inner>);

#[derive(Default)]
struct Inner {
    running: Mutex<BTreeMap<i64, Running>>,
    changed: Changed,
}

struct Changed(broadcast::Sender<()>);

impl Default for Changed {
    fn default() -> Self {
        Self(broadcast::channel(16).0)
    }
}

struct Running {
    snapshot: Snapshot,
    cancel: watch::Sender<bool>,
}

impl Operations {
    /// Says each time some operation began, moved or ended; several changes may come as one.
    pub fn changes(&self) -> broadcast::Receiver<()> {
        self.0.changed.0.subscribe()
    }

    fn edit<T>(&self, change: impl FnOnce(&mut BTreeMap<i64, Running>) -> T) -> T {
        let result = change(&mut self.0.running.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = self.0.changed.0.send(());
        result
    }

    /// Changes the progress of one that runs.
    pub(in crate::ops) fn note(&self, id: i64, change: impl FnOnce(&mut Snapshot)) {
        self.edit(|running| running.get_mut(&id).map(|one| change(&mut one.snapshot)));
    }
}

/// A hold on one operation: its steps as they come, and its end.
pub struct Watch<T> {
    /// The operation's number.
    pub id: i64,
    /// Its steps.
    pub steps: broadcast::Receiver<Progress>,
    /// Its end.
    pub end: JoinHandle<Result<T>>,
}

/// A running or ended operation as pages show it.
#[derive(Clone, Debug)]
pub struct View {
    /// What is on record.
    pub row: OperationRow,
    /// Its progress, while it runs.
    pub progress: Option<Snapshot>,
}

/// Records, authorises and starts long work.
pub(in crate::ops) async fn begin<T, F, W>(
    app: &App,
    actor: &Actor,
    kind: Kind,
    thing: String,
    act: Act,
    right: Right,
    work: W,
) -> Result<Watch<T>>
where
    T: Subject + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
    W: FnOnce(mpsc::Sender<Progress>) -> F,
{
    let (id, mut cancelled) = open(app, actor, kind, &thing, right).await?;
    let (steps_in, steps) = broadcast::channel(WATCHER_LAG);
    let (progress_in, mut progress) = mpsc::channel(64);
    let operations = app.operations.clone();
    tokio::spawn(async move {
        while let Some(step) = progress.recv().await {
            operations.note(id, |snapshot| snapshot.take(&step));
            let _ = steps_in.send(step);
        }
    });
    let work = work(progress_in);
    let effect = async move {
        tokio::select! {
            result = work => result,
            _ = cancelled.wait_for(|cancel| *cancel) => Err(Error::new(ErrorKind::Cancelled, "cancelled; nothing was changed")),
        }
    };
    Ok(Watch { id, steps, end: run(app, actor, id, right, act, effect) })
}

/// Records that work begins; gives its number and what becomes true when someone cancels it.
pub(in crate::ops) async fn open(
    app: &App,
    actor: &Actor,
    kind: Kind,
    thing: &str,
    right: Right,
) -> Result<(i64, watch::Receiver<bool>)> {
    actor.require(right)?;
    let id = app.db.begin_operation(kind.word(), thing, &actor.name()).await?;
    let (cancel, cancelled) = watch::channel(false);
    app.operations.edit(|running| running.insert(id, Running { snapshot: Snapshot::default(), cancel }));
    Ok((id, cancelled))
}

/// Does work that was opened, to its end.
pub(in crate::ops) fn run<T, F>(
    app: &App,
    actor: &Actor,
    id: i64,
    right: Right,
    act: Act,
    effect: F,
) -> JoinHandle<Result<T>>
where
    T: Subject + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (app, actor) = (app.clone(), actor.clone());
    tokio::spawn(async move {
        let result = audited(&app, &actor, right, act, effect).await;
        close(&app, id, result.as_ref().map(Subject::object_id)).await;
        result
    })
}

/// Records how opened work ended.
pub(in crate::ops) async fn close(app: &App, id: i64, result: Result<String, &Error>) {
    let (state, message) = match result {
        Ok(id) => ("done", id),
        Err(error) if error.kind() == ErrorKind::Cancelled => ("cancelled", error.message().to_owned()),
        Err(error) => ("failed", error.message().to_owned()),
    };
    if let Err(error) = app.db.end_operation(id, state, &message).await {
        tracing::error!(operation = id, "its end could not be recorded: {}", error.chain());
    }
    app.operations.edit(|running| running.remove(&id));
}

/// Running ones first, then the newest; at most `limit`.
///
/// # Errors
/// Without the right to view, or when the database can't be read.
pub async fn list(app: &App, actor: &Actor, limit: u32) -> Result<Vec<View>> {
    actor.require(Right::View)?;
    let rows = app.db.operations(limit).await?;
    Ok(rows.into_iter().map(|row| with_progress(app, row)).collect())
}

/// One of them.
///
/// # Errors
/// `NotFound`.
pub async fn get(app: &App, actor: &Actor, id: i64) -> Result<View> {
    actor.require(Right::View)?;
    let row = app.db.operation(id).await?.ok_or_else(|| Error::not_found(format!("No such operation: {id}")))?;
    Ok(with_progress(app, row))
}

/// Says each time some operation began, moved or ended, but not which.
///
/// # Errors
/// Without an account.
pub fn changes(app: &App, actor: &Actor) -> Result<broadcast::Receiver<()>> {
    actor.require(Right::Account)?;
    Ok(app.operations.changes())
}

/// Cancels one that runs. What it brought so far is removed or kept for a retry; nothing half done shows.
///
/// # Errors
/// `NotFound`, or `Conflict` when it has ended.
pub async fn cancel(app: &App, actor: &Actor, id: i64) -> Result<()> {
    let view = get(app, actor, id).await?;
    let app_in = app.clone();
    let act = Act::on("operation.cancel", format!("{} {}", view.row.kind, view.row.thing));
    audited(app, actor, Right::Operate, act, async move {
        let sent = app_in.operations.edit(|running| running.get(&id).map(|one| one.cancel.send_replace(true)));
        sent.map(drop).ok_or_else(|| Error::conflict(format!("operation {id} has ended already")))
    })
    .await
}

fn with_progress(app: &App, row: OperationRow) -> View {
    let running = app.operations.0.running.lock().unwrap_or_else(PoisonError::into_inner);
    let progress = running.get(&row.id).map(|one| one.snapshot.clone());
    View { row, progress }
}
