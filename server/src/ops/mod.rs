//! The middle: one function per thing a user can do.
//!
//! Each is the same sentence: authorise, open the audit line, do it, close the audit line. Pages, the Docker API, jobs and
//! the command line come here and nowhere else, so a thing has one permission and one record however it was asked for.
//! A verb runs to its end even when the client that asked is gone.

use std::{future::Future, pin::Pin};

use runtime::error::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::{
    app::App,
    auth::actor::{Actor, Right},
    db::audit::Outcome,
};

pub mod audit;
pub mod containers;
pub mod images;
pub mod operation;
pub mod registries;
pub mod sessions;
pub mod system;
pub mod usage;
pub mod users;

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

/// Authorises, records the intent, runs the effect to its end, records the outcome.
///
/// # Errors
/// [`ErrorKind::Forbidden`] (recorded as refused), a database failure before the effect, or the effect's own.
pub(in crate::ops) async fn audited<T, F>(app: &App, actor: &Actor, right: Right, act: Act, effect: F) -> Result<T>
where
    T: Subject + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let seq = app.db.open_audit(actor, act.action, &act.object, &act.detail).await?;
    if let Err(refusal) = actor.require(right) {
        app.db.close_audit(seq, Outcome::Refused, refusal.message(), "").await?;
        return Err(refusal);
    }
    let (app, request_id) = (app.clone(), actor.request_id.clone());
    // Boxed, so that the compiler makes this once for each kind of result and not for each verb.
    let effect: Pin<Box<dyn Future<Output = Result<T>> + Send>> = Box::pin(effect);
    let running = tokio::spawn(async move {
        let result = effect.await;
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
            tracing::error!(request = request_id, audit = seq, "the outcome could not be recorded: {}", error.chain());
        }
        result
    });
    running.await.map_err(|panic| Error::internal("this failed inside; see the log", panic))?
}
