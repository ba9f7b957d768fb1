//! `logs`: lines of the past, and those to come.

use std::{ops::ControlFlow, thread};

use tokio::sync::mpsc;

use super::{Engine, attach::NextEnd, unkept::readable};
use crate::{
    error::{Error, Result},
    id::ContainerId,
    logs::{self, Stop},
    request::LogQuery,
    view::LogEvent,
};

/// Lines on their way to one reader. When full, the reader's thread waits; the container never does.
const LINES: usize = 256;

impl Engine {
    /// Its log. Following ends with the run; a container that doesn't run has nothing to follow.
    ///
    /// # Errors
    /// No such container, it keeps no log, or no output was asked for.
    pub fn logs(&self, id: &ContainerId, mut query: LogQuery) -> Result<mpsc::Receiver<LogEvent>> {
        let container = self.inner.table.get(id)?;
        if !query.stdout && !query.stderr {
            return Err(Error::invalid("Bad parameters: you must choose at least one stream"));
        }
        readable(&container)?;
        let end = NextEnd::of(&container);
        query.follow &= container.state().is_running();
        let failed = |error: std::io::Error| Error::internal("the log can't be read", error);
        let stop = Stop::new().map_err(failed)?;
        let (sender, lines) = mpsc::channel(LINES);
        let guard = query.follow.then(|| end.stops(&stop, sender.clone()));
        let folder = self.inner.paths.log(id);
        let reader = move || {
            let _guard = guard;
            let read = logs::follow(&folder, &query, &stop, |event| {
                if sender.blocking_send(event).is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if let Err(error) = read {
                tracing::warn!(folder = %folder.display(), %error, "a log could not be read to its end");
            }
        };
        thread::Builder::new().name("logs".to_owned()).spawn(reader).map_err(failed)?;
        Ok(lines)
    }
}
