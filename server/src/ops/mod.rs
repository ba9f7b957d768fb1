//! The middle: one function per thing a user can do.
//!
//! Each is the same sentence: authorise, open the audit line, do it, close the audit line. Pages, the Docker API, jobs and
//! the command line come here and nowhere else, so a thing has one permission and one record however it was asked for.
//! A verb runs to its end even when the client that asked is gone.

use std::{future::Future, pin::Pin};

use runtime::{
    Leave,
    error::{Error, ErrorKind, Result},
};
use serde_json::Value;

use crate::{
    app::App,
    auth::actor::{Actor, Need},
    db::audit::Outcome,
};

pub mod api_tokens;
pub mod audit;
pub mod builds;
pub mod container_copy;
pub mod container_life;
pub mod container_replace;
pub mod containers;
pub mod exec;
pub mod image_choice;
pub mod images;
pub mod log_options;
pub mod log_tag;
pub mod networks;
pub mod operation;
pub mod people;
pub mod publishing;
pub mod registries;
pub mod registry;
pub mod registry_access;
pub mod sessions;
pub mod spelled;
pub mod system;
pub mod teams;
pub mod terminal;
pub mod usage;
pub mod users;
pub mod volume_files;
pub mod volumes;

/// What is being done, for the audit record.
pub(in crate::ops) struct Act {
    /// `container.start`.
    pub action: &'static str,
    /// Name or reference as asked for.
    pub object: String,
    /// More of the request, without secrets.
    pub detail: Value,
}

impl Act {
    /// An act without more to say than its object.
    pub fn on(action: &'static str, object: impl Into<String>) -> Self {
        Self { action, object: object.into(), detail: Value::Null }
    }
}

/// What an effect may tell the record: the id of the object it made or changed.
pub(in crate::ops) trait Subject {
    /// The id, or nothing.
    fn object_id(&self) -> String {
        String::new()
    }
}

impl Subject for () {}

/// Authorises, records the intent, runs the effect to its end, records the outcome. The effect begins when the intent is
/// on disk.
///
/// # Errors
/// [`ErrorKind::Forbidden`] (recorded as refused), a database failure before the effect, or the effect's own.
pub(in crate::ops) async fn audited<T, F>(
    app: &App,
    actor: &Actor,
    need: impl Into<Need>,
    act: Act,
    effect: F,
) -> Result<T>
where
    T: Subject + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let begin = |leave: Leave| {
        let effect = async move {
            leave.take().await?;
            effect.await
        };
        Box::pin(effect) as Effect<T>
    };
    audited_with_leave(app, actor, need.into(), act, begin).await
}

type Effect<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Like [`audited`] for an effect that can prepare unseen: it begins at once, and makes nothing visible before it has
/// taken its leave, which it gets when the intent is on disk.
///
/// # Errors
/// As [`audited`].
pub(in crate::ops) async fn audited_with_leave<T>(
    app: &App,
    actor: &Actor,
    need: impl Into<Need>,
    act: Act,
    effect: impl FnOnce(Leave) -> Effect<T>,
) -> Result<T>
where
    T: Subject + Send + 'static,
{
    if let Err(refusal) = actor.require(need) {
        let seq = app.db.open_audit(actor, act.action, &act.object, &act.detail).await?;
        app.db.close_audit(seq, Outcome::Refused, refusal.message(), "").await?;
        return Err(refusal);
    }
    let (giver, leave) = Leave::awaited();
    // Boxed, so that the compiler makes this once for each kind of result and not for each verb.
    let effect = effect(leave);
    let (app, actor) = (app.clone(), actor.clone());
    let running = tokio::spawn(async move {
        let opened = async {
            let seq = app.db.open_audit(&actor, act.action, &act.object, &act.detail).await?;
            giver.give();
            Ok(seq)
        };
        let (seq, result) = tokio::join!(opened, effect);
        let seq = match seq {
            Ok(seq) => seq,
            Err(error) => return Err(error),
        };
        let closed = match &result {
            Ok(subject) => app.db.close_audit(seq, Outcome::Done, "", &subject.object_id()).await,
            Err(error) if error.kind() == ErrorKind::NotModified => {
                app.db.close_audit(seq, Outcome::Done, error.message(), "").await
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                app.db.close_audit(seq, Outcome::Refused, error.message(), "").await
            }
            Err(error) => app.db.close_audit(seq, Outcome::Failed, error.message(), "").await,
        };
        if let Err(error) = closed {
            tracing::error!(
                request = actor.request_id,
                audit = seq,
                "the outcome could not be recorded: {}",
                error.chain()
            );
        }
        result
    });
    running.await.map_err(|panic| Error::internal("this failed inside; see the log", panic))?
}
