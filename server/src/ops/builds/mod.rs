//! Builds: begin, look at, follow, do again, take off the record; and the cache they share.
//!
//! A build is an operation with a record beside it (`builds`), a log (`build-logs/<id>`, [`mod@log`]) and, when a browser sent
//! its files, those (`build-contexts/<id>`, [`contexts`]). The log is the truth while it runs and after a crash; when it
//! ends its [`Course`] is kept with the record. It goes on when whoever began it leaves, unless that one cancels.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use runtime::{
    error::{Error, Result},
    view::{BuildEvent, BuiltImage},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub use self::{
    asked::Asked,
    cache::{cache, prune_cache},
    check::check,
    contexts::Upload,
    course::{Course, Step, StepState},
    follow::{LogAsked, log},
    log::{Record, What},
    run::begin,
};
use super::{Act, Subject, audited};
pub use crate::db::builds::BuildRow;
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

pub mod asked;
mod cache;
mod check;
pub mod contexts;
pub mod course;
mod follow;
pub mod log;
mod run;

/// Records kept; the oldest go first.
const KEPT: u32 = 500;

impl Subject for BuiltImage {
    fn object_id(&self) -> String {
        self.id.to_string()
    }
}

/// Builds that run, and where the files of all are.
pub struct Builds {
    logs: PathBuf,
    contexts: PathBuf,
    running: Mutex<BTreeMap<i64, Live>>,
}

struct Live {
    course: Course,
    grown: watch::Sender<()>,
}

impl Builds {
    /// With their folders below the data folder.
    pub fn new(data: &Path) -> Self {
        Self { logs: data.join("build-logs"), contexts: data.join("build-contexts"), running: Mutex::default() }
    }

    /// The log of a build.
    pub(in crate::ops::builds) fn log_file(&self, id: i64) -> PathBuf {
        self.logs.join(id.to_string())
    }

    /// Says each time a running build's log grew, and ends with the build.
    pub(in crate::ops::builds) fn grown(&self, id: i64) -> Option<watch::Receiver<()>> {
        edit(&self.running, |running| running.get(&id).map(|live| live.grown.subscribe()))
    }

    fn course(&self, id: i64) -> Option<Course> {
        edit(&self.running, |running| running.get(&id).map(|live| live.course.clone()))
    }
}

fn edit<T>(running: &Mutex<BTreeMap<i64, Live>>, change: impl FnOnce(&mut BTreeMap<i64, Live>) -> T) -> T {
    change(&mut running.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Where a build's files come from.
pub enum Source {
    /// A client sends them as an archive; they are not kept.
    Client(Box<dyn Read + Send>),
    /// A browser sent them.
    Upload {
        /// The archive.
        upload: Upload,
        /// Its name.
        file_name: String,
    },
    /// A Dockerfile was pasted.
    Dockerfile(String),
    /// They are at this address.
    Remote(String),
}

/// A hold on a build that was begun. Letting it go stops nothing.
pub struct Building {
    /// The operation's and the build's number.
    pub id: i64,
    /// All of its events, in order. Not reading them stops the build; dropping this does not.
    pub events: mpsc::Receiver<BuildEvent>,
    /// Its end.
    pub end: JoinHandle<Result<BuiltImage>>,
    /// Stops it.
    pub cancel: CancellationToken,
}

/// A build as pages show it.
#[derive(Clone, Debug)]
pub struct View {
    /// What is on record.
    pub row: BuildRow,
    /// What was asked.
    pub asked: Asked,
    /// How it goes or went.
    pub course: Course,
    /// What is in the way of doing it again, if anything is.
    pub again: Again,
}

/// Whether a build can be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// As it was.
    Yes,
    /// Once what was secret is given again.
    WithSecrets,
    /// Its files are not here any more.
    No,
}

async fn keep(app: &App, id: i64, course: &Course, image: &str) {
    // A course of texts and numbers is written without fail.
    let text = serde_json::to_string(course).unwrap_or_default();
    if let Err(error) = app.db.end_build(id, &text, image).await {
        tracing::error!(build = id, "how it went could not be recorded: {}", error.chain());
    }
}

/// Removes records beyond those kept, and files nobody needs.
async fn sweep(app: &App, at_start: bool) {
    match app.db.old_builds(KEPT).await {
        Ok(old) => {
            for id in old {
                take_away(app, id).await;
            }
        }
        Err(error) => tracing::warn!("old builds are not swept: {}", error.chain()),
    }
    let folder = app.builds.contexts.clone();
    let _ = tokio::task::spawn_blocking(move || contexts::sweep(&folder, at_start)).await;
}

async fn take_away(app: &App, id: i64) {
    let _ = fs::remove_file(app.builds.log_file(id));
    contexts::remove(&app.builds.contexts, id);
    if let Err(error) = app.db.remove_build(id).await {
        tracing::warn!(build = id, "its record stays: {}", error.chain());
    }
}

/// At start: builds that the last server didn't bring to their end get the course their log tells of.
///
/// # Errors
/// When the database can't be read.
pub async fn recover(app: &App) -> Result<()> {
    for id in app.db.cut_off_builds().await? {
        let path = app.builds.log_file(id);
        let read = tokio::task::spawn_blocking(move || log::read(&path, 0, u64::MAX)).await;
        let records = read.ok().and_then(Result::ok).map(|(records, _)| records).unwrap_or_default();
        let mut course = Course::default();
        for record in &records {
            course.take(record);
        }
        course.end(records.last().map_or(0, |record| record.at));
        let image = course.built.as_ref().map(|built| built.id.clone()).unwrap_or_default();
        keep(app, id, &course, &image).await;
    }
    sweep(app, true).await;
    Ok(())
}

/// Running ones first, then the newest; at most `limit`.
///
/// # Errors
/// Without the right to view, or when the database can't be read.
pub async fn list(app: &App, actor: &Actor, limit: u32) -> Result<Vec<View>> {
    actor.require(Right::View)?;
    let rows = app.db.builds(limit).await?;
    Ok(rows.into_iter().map(|row| view(app, row)).collect())
}

/// One of them.
///
/// # Errors
/// `NotFound`.
pub async fn get(app: &App, actor: &Actor, id: i64) -> Result<View> {
    actor.require(Right::View)?;
    let row = app.db.build(id).await?.ok_or_else(|| Error::not_found(format!("No such build: {id}")))?;
    Ok(view(app, row))
}

/// The newest build that made this image, if it is on record.
///
/// # Errors
/// Without the right to view.
pub async fn of_image(app: &App, actor: &Actor, image: &str) -> Result<Option<i64>> {
    actor.require(Right::View)?;
    app.db.build_of_image(image).await
}

fn view(app: &App, row: BuildRow) -> View {
    let id = row.operation.id;
    let asked: Asked = serde_json::from_str(&row.request).unwrap_or_default();
    let course = app.builds.course(id).unwrap_or_else(|| serde_json::from_str(&row.course).unwrap_or_default());
    let here = match row.source.as_str() {
        "dockerfile" => row.dockerfile.is_some(),
        "upload" => contexts::find(&app.builds.contexts, id).is_some(),
        source => source == "remote",
    };
    let again = match (here, asked.lacks()) {
        (false, _) => Again::No,
        (true, true) => Again::WithSecrets,
        (true, false) => Again::Yes,
    };
    View { row, asked, course, again }
}

/// Takes the files a browser sends, to build from them.
///
/// # Errors
/// Without the right to operate, or when the disk refuses.
pub async fn upload(app: &App, actor: &Actor) -> Result<Upload> {
    actor.require(Right::Operate)?;
    Upload::begin(&app.builds.contexts).await
}

/// Builds the same again.
///
/// # Errors
/// `NotFound`; `Conflict` when what it needs is not kept.
pub async fn rebuild(app: &App, actor: &Actor, id: i64) -> Result<Building> {
    let view = get(app, actor, id).await?;
    match view.again {
        Again::Yes => {}
        Again::WithSecrets => {
            return Err(Error::conflict("this build had secrets, which are never kept: begin a new one and give them"));
        }
        Again::No => return Err(Error::conflict("the files of this build are not kept any more: send them again")),
    }
    let source = again(app, actor, &view).await?;
    begin(app, actor, view.asked.request(), source).await
}

/// The source of a build that is on record, for another one.
///
/// # Errors
/// `Conflict` when it is not kept.
pub async fn again(app: &App, actor: &Actor, view: &View) -> Result<Source> {
    let row = &view.row;
    Ok(match (row.source.as_str(), &row.dockerfile) {
        ("remote", _) => Source::Remote(row.origin.clone()),
        ("dockerfile", Some(text)) => Source::Dockerfile(text.clone()),
        ("upload", _) => {
            let Some(file) = contexts::find(&app.builds.contexts, row.operation.id) else {
                return Err(Error::conflict("the files of this build are not kept any more: send them again"));
            };
            let mut upload = upload(app, actor).await?;
            upload.copy(file).await?;
            Source::Upload { upload, file_name: row.origin.clone() }
        }
        _ => return Err(Error::conflict("the files of this build were not kept: send them again")),
    })
}

/// Takes the record, the log and the kept files of a build away. What it made stays.
///
/// # Errors
/// `NotFound`; `Conflict` while it runs.
pub async fn remove_record(app: &App, actor: &Actor, id: i64) -> Result<()> {
    let view = get(app, actor, id).await?;
    let act = Act::on("build.remove", format!("{id} {}", view.row.operation.thing));
    let removing = app.clone();
    audited(app, actor, Right::Operate, act, async move {
        if edit(&removing.builds.running, |running| running.contains_key(&id)) {
            return Err(Error::conflict(format!("build {id} still runs; cancel it first")));
        }
        take_away(&removing, id).await;
        Ok(())
    })
    .await
}
