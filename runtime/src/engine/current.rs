//! What of a container's record may change while it is there: its name, its limits, when it is started again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Engine, blocking, table::Container};
use crate::{
    container::record::{Record, VERSION},
    durable,
    error::Result,
    request::{Limits, RestartPolicy},
};

/// The part of a record that changes.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Changeable {
    pub name: String,
    pub limits: Limits,
    pub restart: RestartPolicy,
}

impl Changeable {
    /// As the record says.
    pub fn of(record: &Record) -> Self {
        let request = &record.request;
        Self { name: record.name.clone(), limits: request.limits.clone(), restart: request.restart }
    }
}

impl Container {
    /// Its name now.
    pub fn name(&self) -> String {
        lock(&self.changeable).name.clone()
    }

    /// When it is started again, as of now.
    pub fn restart_policy(&self) -> RestartPolicy {
        lock(&self.changeable).restart
    }

    /// What may change, as of now.
    pub fn changeable(&self) -> Changeable {
        lock(&self.changeable).clone()
    }

    /// Its record as of now.
    pub fn current(&self) -> Record {
        self.with(self.changeable())
    }

    /// Its record with other values of what may change.
    pub fn with(&self, changed: Changeable) -> Record {
        let mut record = self.record.clone();
        record.name = changed.name;
        record.request.limits = changed.limits;
        record.request.restart = changed.restart;
        record
    }

    /// From now on it is so; for who has written it down.
    pub fn change(&self, changed: Changeable) {
        *lock(&self.changeable) = changed;
    }
}

impl Engine {
    /// Writes the record anew, synced; it is the old whole one or the new whole one, whatever happens.
    pub(in crate::engine) async fn write_record(&self, record: Record) -> Result<()> {
        let path = self.inner.paths.container_record(&record.id);
        blocking(move || Ok(durable::write_json(&path, VERSION, &record)?)).await
    }
}

/// A poisoned lock means a panic elsewhere; the data is still whole, since every change is one assignment.
pub(in crate::engine) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
