//! Doing what was planned: the stages side by side, each step found in the cache or done and kept.
//!
//! A stage is worked on by a thread. It waits for the stages it takes from; a step waits for its turn, since no more steps
//! run at once than there are processors. The first failure ends the others at their next step.

use std::{
    collections::BTreeMap,
    error::Error as _,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    cache::{self, Entry, Key},
    dockerfile::Scope,
    host::{BaseImage, Host},
    plan::Plan,
    run::NonZeroExit,
    stage::Stage,
};
use crate::{
    digest::DiffId,
    error::{Error, ErrorKind, Result},
    image::edit::ConfigEditor,
    reference::Reference,
    request::BuildImage,
    view::{BuildEvent, BuildWarning, BuiltImage},
};

/// Stages that are worked on at once.
const MOST_THREADS: usize = 32;

/// A stage that was built.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    /// Its layers, lowest first.
    pub layers: Vec<DiffId>,
    /// Its config.
    pub config: ConfigEditor,
    /// Its variables.
    pub scope: Scope,
}

/// What all stages of a build share.
pub(super) struct Job<'a> {
    pub plan: &'a Plan,
    pub request: &'a BuildImage,
    pub host: &'a dyn Host,
    pub tell: &'a (dyn Fn(BuildEvent) + Sync),
    /// SOURCE_DATE_EPOCH: no file and no line of history is younger.
    pub epoch: Option<i64>,
    /// What the images of `--cache-from` say; asked for when the cache lacks a step.
    brought: OnceLock<BTreeMap<Key, Entry>>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    finished: BTreeMap<usize, Arc<Finished>>,
    images: BTreeMap<String, BaseImage>,
    working: usize,
    failed: bool,
}

/// A step's turn; others have theirs when it is dropped.
pub(super) struct Turn<'a, 'b>(&'a Job<'b>);

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        self.0.progress().working -= 1;
        self.0.changed.notify_all();
    }
}

/// Builds the image.
///
/// # Errors
/// Those of the steps, in Docker's words; cancelled; or the engine's own.
pub fn execute(
    plan: &Plan,
    request: &BuildImage,
    host: &dyn Host,
    tell: &(dyn Fn(BuildEvent) + Sync),
) -> Result<BuiltImage> {
    let names = request.names.iter().map(|name| tag(name)).collect::<Result<Vec<_>>>()?;
    let epoch = plan.epoch()?;
    let (progress, brought) = (Mutex::default(), OnceLock::new());
    let job = Job { plan, request, host, tell, epoch, brought, progress, changed: Condvar::new() };
    // Those that others need come first, so whoever waits for a stage waits for one that is worked on or done.
    let (stages, next) = (plan.stages(), AtomicUsize::new(0));
    let next = &next;
    let outcomes: Vec<Result<()>> = thread::scope(|scope| {
        let work = |index| {
            // Others wait for this stage: they must hear of its end whatever that is.
            let built = catch_unwind(AssertUnwindSafe(|| job.build_stage(index)))
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a stage failed inside; see the log")));
            let mut progress = job.progress();
            let outcome = match built {
                Ok(finished) => {
                    progress.finished.insert(index, Arc::new(finished));
                    Ok(())
                }
                Err(error) => {
                    progress.failed = true;
                    Err(error)
                }
            };
            drop(progress);
            job.changed.notify_all();
            outcome
        };
        let work_on = move || {
            let mut outcomes = Vec::new();
            while let Some(&index) = stages.get(next.fetch_add(1, Ordering::Relaxed)) {
                outcomes.push(work(index));
            }
            outcomes
        };
        let started: Vec<_> = (0..stages.len().min(MOST_THREADS)).map(|_| scope.spawn(work_on)).collect();
        started.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    // The cause, not those that ended because of it.
    let mut failures = outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    failures.sort_by_key(|error| error.kind() == ErrorKind::Cancelled);
    if let Some(error) = failures.into_iter().next() {
        return Err(error);
    }
    let finished = job.wait_for(plan.target())?;
    let mut config = finished.config.clone();
    for (name, value) in &request.labels {
        config.add_label(name, value);
    }
    let built = host.publish(&config.to_bytes(), &finished.layers, &names)?;
    tell(BuildEvent::Built(built.clone()));
    Ok(built)
}

fn tag(name: &str) -> Result<Reference> {
    let reference = name
        .parse::<Reference>()
        .map_err(|error| Error::invalid(format!("invalid tag \"{name}\": {error}")))?
        .or_latest();
    if reference.digest().is_some() {
        return Err(Error::invalid(format!("invalid tag \"{name}\": a digest can't be given as a tag")));
    }
    Ok(reference)
}

impl Job<'_> {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build_stage(&self, index: usize) -> Result<Finished> {
        let mut step = self.plan.first_step(index);
        let mut stage = self.reported(step, || Stage::begin(self, index, step))?;
        for instruction in self.plan.instructions(index) {
            step += 1;
            self.reported(step, || stage.apply(step, instruction))?;
        }
        Ok(stage.finish())
    }

    /// Tells when a step began and that it failed; what it did it tells itself.
    fn reported<T>(&self, step: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.go_on()?;
        work().inspect_err(|error| {
            if error.kind() != ErrorKind::Cancelled {
                let message = error.message().to_owned();
                let exit_code =
                    error.source().and_then(|source| source.downcast_ref::<NonZeroExit>()).map(|exit| exit.0);
                (self.tell)(BuildEvent::Failed { step, message, exit_code });
            }
        })
    }

    /// # Errors
    /// The build was cancelled, or another stage failed.
    pub(super) fn go_on(&self) -> Result<()> {
        if self.host.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the build was cancelled"));
        }
        if self.progress().failed {
            return Err(Error::new(ErrorKind::Cancelled, "another stage failed"));
        }
        Ok(())
    }

    /// Waits for a stage to be built.
    pub(super) fn wait_for(&self, index: usize) -> Result<Arc<Finished>> {
        if !self.plan.stages().contains(&index) {
            // A trigger of an image that was fetched just now: the next build knows of it.
            let text = format!("stage {index} is asked for by an ONBUILD of an image that was not here; build again");
            return Err(Error::invalid(text));
        }
        loop {
            self.go_on()?;
            let progress = self.progress();
            if let Some(finished) = progress.finished.get(&index) {
                return Ok(Arc::clone(finished));
            }
            drop(self.changed.wait_timeout(progress, self.host.patience()));
        }
    }

    /// Waits until a processor is free.
    pub(super) fn turn(&self) -> Result<Turn<'_, '_>> {
        let most = thread::available_parallelism().map_or(1, NonZero::get);
        loop {
            self.go_on()?;
            let mut progress = self.progress();
            if progress.working < most {
                progress.working += 1;
                return Ok(Turn(self));
            }
            drop(self.changed.wait_timeout(progress, self.host.patience()));
        }
    }

    /// An image named by `--from`; asked for once in a build.
    pub(super) fn image(&self, name: &str, platform: Option<&str>, step: usize) -> Result<BaseImage> {
        let key = format!("{name} {}", platform.unwrap_or_default());
        if let Some(image) = self.progress().images.get(&key) {
            return Ok(image.clone());
        }
        let image = self.host.base(name, platform, step)?;
        self.progress().images.insert(key, image.clone());
        Ok(image)
    }

    /// An earlier result, unless everything is to be done again.
    pub(super) fn find(&self, key: Key) -> Option<Entry> {
        if self.request.no_cache {
            return None;
        }
        self.host.find(key).or_else(|| self.brought.get_or_init(|| self.bring()).get(&key).cloned())
    }

    /// Reads the images of `--cache-from`. One that can't be had is no failure.
    fn bring(&self) -> BTreeMap<Key, Entry> {
        let mut brought = BTreeMap::new();
        for name in self.request.cache_from.iter().filter(|name| !name.is_empty()) {
            let platform = self.request.platform.as_deref();
            match self.image(name, platform, self.plan.first_step(self.plan.target())) {
                Ok(image) => brought.extend(cache::of_image(&image).into_iter().map(|entry| (entry.key, entry))),
                Err(error) => {
                    let text = format!("--cache-from {name}: {}", error.message());
                    (self.tell)(BuildEvent::Warning(BuildWarning { check: String::new(), line: 0, text }));
                }
            }
        }
        brought
    }
}
