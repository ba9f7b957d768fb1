//! One build from its beginning to its end.

use std::fs;

use jiff::Timestamp;
use runtime::{
    error::{Error, Result},
    request::{BuildImage, BuildSource},
    view::{BuildEvent, BuiltImage},
};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Asked, Building, Course, Live, Source,
    asked::bare_address,
    edit, keep,
    log::{self, Record, What},
    sweep,
};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
    ops::{
        Act,
        operation::{self, Kind, Snapshot},
    },
};

/// Events that wait between the engine and the log, and between the log and a follower; full, the build waits.
const QUEUE: usize = 64;

/// Begins to build an image.
///
/// # Errors
/// When it can't even begin; what happens later is the operation's result.
pub async fn begin(app: &App, actor: &Actor, request: BuildImage, source: Source) -> Result<Building> {
    let (app, actor) = (app.clone(), actor.clone());
    // A client that leaves in the middle leaves no half-recorded build.
    let begun = tokio::spawn(async move { record(&app, &actor, request, source).await });
    begun.await.map_err(|panic| Error::internal("this failed inside; see the log", panic))?
}

async fn record(app: &App, actor: &Actor, request: BuildImage, source: Source) -> Result<Building> {
    let mut asked = Asked::of(&request);
    let (word, origin) = match &source {
        Source::Client(_) => ("client", String::new()),
        Source::Upload { file_name, .. } => ("upload", file_name.chars().take(200).collect()),
        Source::Dockerfile(_) => ("dockerfile", String::new()),
        Source::Remote(address) => {
            let (bare, hidden) = bare_address(address);
            asked.hidden_address = hidden;
            ("remote", bare)
        }
    };
    let named = request.names.first().cloned();
    let thing = named.unwrap_or_else(|| if origin.is_empty() { "Dockerfile".to_owned() } else { origin.clone() });
    let kept = serde_json::to_string(&asked).map_err(|error| Error::internal("the request can't be kept", error))?;
    let act = Act {
        action: "image.build",
        object: thing.clone(),
        detail: json!({
            "source": word, "origin": origin, "names": asked.names, "target": asked.target, "platform": asked.platform,
            "no_cache": asked.no_cache, "build_args": asked.build_args, "hidden_args": asked.hidden_args,
            "secrets": asked.secrets, "network": asked.network,
        }),
    };
    let (id, cancelled) = operation::open(app, actor, Kind::Build, &thing, Right::Operate).await?;
    let pasted = if let Source::Dockerfile(text) = &source { Some(text.as_str()) } else { None };
    let recorded = app.db.begin_build(id, (word, &origin), pasted, &kept).await;
    let opened = match recorded {
        Ok(()) => open(app, id, source).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(source) => Ok(run(app, actor, id, act, cancelled, request, source)),
        Err(error) => {
            operation::close(app, id, Err(&error)).await;
            Err(error)
        }
    }
}

async fn open(app: &App, id: i64, source: Source) -> Result<BuildSource> {
    Ok(match source {
        Source::Client(archive) => BuildSource::Archive(archive),
        Source::Upload { upload, .. } => BuildSource::Archive(Box::new(upload.adopt(&app.builds.contexts, id).await?)),
        Source::Dockerfile(text) => BuildSource::Dockerfile(text.into_bytes()),
        Source::Remote(address) => BuildSource::Remote(address),
    })
}

fn run(
    app: &App,
    actor: &Actor,
    id: i64,
    act: Act,
    mut cancelled: watch::Receiver<bool>,
    request: BuildImage,
    source: BuildSource,
) -> Building {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    tokio::spawn(async move {
        // Its other end goes with the operation.
        if cancelled.wait_for(|cancel| *cancel).await.is_ok() {
            token.cancel();
        }
    });
    let (grown, _) = watch::channel(());
    edit(&app.builds.running, |running| running.insert(id, Live { course: Course::default(), grown }));
    let (told, events) = mpsc::channel(QUEUE);
    let (effect_app, token) = (app.clone(), cancel.clone());
    let effect = async move {
        let app = effect_app;
        let (events_in, events_out) = mpsc::channel(QUEUE);
        let secrets = request.secrets.values().map(|secret| secret.0.as_slice());
        let _ = fs::create_dir_all(&app.builds.logs);
        let writer = log::Writer::create(&app.builds.log_file(id), secrets);
        let noting = app.clone();
        let follower = Follower { told, cancelled: token.clone() };
        let noted = tokio::task::spawn_blocking(move || note(&noting, id, writer, events_out, &follower));
        let result = app.engine.build(request, source, token, events_in).await;
        let _ = noted.await;
        end(&app, id, result.as_ref().ok()).await;
        result
    };
    let end = operation::run(app, actor, id, Right::Operate, act, effect);
    Building { id, events, end, cancel }
}

/// Where events are passed on to.
struct Follower {
    told: mpsc::Sender<BuildEvent>,
    cancelled: CancellationToken,
}

impl Follower {
    /// Waits for a follower that reads slowly, until the build is cancelled.
    fn tell(&self, event: BuildEvent) {
        tokio::runtime::Handle::current().block_on(async {
            tokio::select! {
                biased;
                _ = self.told.send(event) => {}
                () = self.cancelled.cancelled() => {}
            }
        });
    }
}

/// Writes events down, keeps the course, and passes them on to whoever follows. In a thread that may wait for the disk.
fn note(app: &App, id: i64, mut writer: log::Writer, mut events: mpsc::Receiver<BuildEvent>, follower: &Follower) {
    let take = |records: Vec<Record>| {
        if records.is_empty() {
            return;
        }
        let is_output = records.iter().all(|record| matches!(record.what, What::Line { .. }));
        let counts = edit(&app.builds.running, |running| {
            let live = running.get_mut(&id)?;
            for record in &records {
                live.course.take(record);
            }
            live.grown.send_replace(());
            live.course.counts()
        });
        if !is_output {
            app.operations.note(id, |snapshot: &mut Snapshot| snapshot.steps = counts);
        }
    };
    while let Some(event) = events.blocking_recv() {
        take(writer.take(&event));
        follower.tell(event);
    }
    take(writer.end());
}

async fn end(app: &App, id: i64, built: Option<&BuiltImage>) {
    let mut course = app.builds.course(id).unwrap_or_default();
    course.end(Timestamp::now().as_microsecond());
    keep(app, id, &course, &built.map(|built| built.id.to_string()).unwrap_or_default()).await;
    edit(&app.builds.running, |running| running.remove(&id));
    sweep(app, false).await;
}
