//! Output of containers that keep no log (the log driver `none`).
//!
//! It passes through the log's folder like any other, so that attached clients get it the same way, and is forgotten once
//! the run is over and nobody reads it any more; after a crash of the engine, when the next one looks.

use std::{io, sync::Arc};

use tokio::runtime::Handle;

use super::{Engine, blocking, current::lock, table::Container};
use crate::{
    error::{Error, Result},
    logs,
};

/// A client's claim on output that nobody keeps: it stays as long as this lives.
pub(in crate::engine) struct Reading {
    engine: Engine,
    container: Arc<Container>,
    runtime: Handle,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = lock(&self.container.readers);
        *readers -= 1;
        if *readers > 0 {
            return;
        }
        let (engine, container) = (self.engine.clone(), Arc::clone(&self.container));
        self.runtime.spawn(async move {
            // With both held no run begins meanwhile.
            let _verbs = container.verbs.lock().await;
            let _world = container.world.lock().await;
            if container.client().is_none() {
                engine.forget_output(&container).await;
            }
        });
    }
}

impl Engine {
    /// Claims output that nobody keeps, before it is looked where it begins; `None` when it is kept anyway.
    pub(in crate::engine) fn reading(&self, container: &Arc<Container>) -> Option<Reading> {
        if container.record.request.log_driver.keeps() {
            return None;
        }
        *lock(&container.readers) += 1;
        Some(Reading { engine: self.clone(), container: Arc::clone(container), runtime: Handle::current() })
    }

    /// Removes what is left of the last run's output if nobody may keep it and nobody reads it. For who knows that it does
    /// not run and isn't being started.
    pub(in crate::engine) async fn forget_output(&self, container: &Arc<Container>) {
        if container.record.request.log_driver.keeps() {
            return;
        }
        let (folder, forgotten) = (self.inner.paths.log(container.id()), Arc::clone(container));
        let cleared = blocking(move || {
            // Held to the end: who attaches meanwhile waits, and then finds an empty folder.
            let readers = lock(&forgotten.readers);
            let cleared = if *readers == 0 { logs::clear(&folder) } else { Ok(()) };
            match cleared {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(Error::internal("output that is not to be kept can't be removed", error))
                }
                _ => Ok(()),
            }
        })
        .await;
        if let Err(error) = cleared {
            tracing::warn!(container = container.record.name, "{}", error.chain());
        }
    }
}

/// Docker's answer to who wants to read what isn't kept.
///
/// # Errors
/// That.
pub(in crate::engine) fn readable(container: &Container) -> Result<()> {
    if container.record.request.log_driver.keeps() {
        return Ok(());
    }
    Err(Error::unsupported("configured logging driver does not support reading"))
}
