//! Reading a build's log, also while it is written.

use std::path::PathBuf;

use runtime::error::{Error, Result};
use tokio::sync::{mpsc, watch};

use super::log::{self, Record, What};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// Bytes read in one go.
const CHUNK: u64 = 256 << 10;

/// What of a log is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogAsked {
    /// Only this step's records; the whole log's when `None`.
    pub step: Option<usize>,
    /// Records later than this.
    pub after: i64,
    /// Go on until the build ends.
    pub follow: bool,
}

impl LogAsked {
    fn takes(&self, record: &Record) -> bool {
        let step = match &record.what {
            What::Began { step }
            | What::Running { step, .. }
            | What::Line { step, .. }
            | What::Done { step, .. }
            | What::Failed { step, .. } => Some(*step),
            What::Plan { .. } | What::Warning(_) | What::Built(_) | What::Full => None,
        };
        record.at > self.after && (self.step.is_none() || step.is_none() || step == self.step)
    }
}

/// Records of a build's log, oldest first. The channel is bounded: a slow reader reads later, the build goes on.
///
/// # Errors
/// `NotFound`.
pub async fn log(app: &App, actor: &Actor, id: i64, asked: LogAsked) -> Result<mpsc::Receiver<Record>> {
    actor.require(Right::View)?;
    if app.db.build(id).await?.is_none() {
        return Err(Error::not_found(format!("No such build: {id}")));
    }
    // Told before the file is read: what is written in between is read or told of.
    let grown = app.builds.grown(id).filter(|_| asked.follow);
    let (records_in, records) = mpsc::channel(256);
    let path = app.builds.log_file(id);
    tokio::spawn(send(path, asked, grown, records_in));
    Ok(records)
}

async fn send(path: PathBuf, asked: LogAsked, mut grown: Option<watch::Receiver<()>>, records: mpsc::Sender<Record>) {
    let mut from = 0;
    loop {
        let (file, at) = (path.clone(), from);
        let read = tokio::task::spawn_blocking(move || log::read(&file, at, CHUNK)).await;
        let Ok(Ok((found, next))) = read else { return };
        for record in found.into_iter().filter(|record| asked.takes(record)) {
            if records.send(record).await.is_err() {
                return;
            }
        }
        let is_end = next == from;
        from = next;
        if !is_end {
            continue;
        }
        let Some(waiting) = &mut grown else { return };
        tokio::select! {
            () = records.closed() => return,
            // The build ended: what it wrote last is still to be read.
            told = waiting.changed() => if told.is_err() { grown = None },
        }
    }
}
