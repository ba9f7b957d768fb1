//! What the served registry has: repositories, their tags, manifests and blobs.
//!
//! ```text
//! registry/repositories/<hex>.json    one repository: tags, manifests
//! registry/loose/<hex>-<hex>          a blob that came to a repository and that no manifest there names yet
//! ```
//! Invariants: a manifest in a record, and every blob and manifest it names, was durable before the record was. A tag
//! points to a manifest of its record. A blob can be had from a repository only if a manifest there names it or it came
//! there: knowing a digest opens nothing. Loose blobs are forgotten after a day.
//!
//! It knows neither blobs nor images: who needs a blob is said by [`Store::needed`].

pub mod document;
mod loose;
mod record;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::SystemTime,
};

use self::loose::Loose;
pub use self::record::{Manifest, Record, Tag};
use crate::{digest::Digest, durable, paths::Paths};

const VERSION: u64 = 1;

/// A change that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// The file system refused.
    #[error("repositories: {0}")]
    Io(#[from] std::io::Error),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Durable(error) => error.into(),
            Error::Io(error) => durable::io_error("a repository can't be read or written", error.kind(), error),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    records: BTreeMap<String, Arc<Record>>,
    loose: Loose,
    needed: Arc<HashSet<Digest>>,
}

/// All repositories.
#[derive(Debug)]
pub struct Store {
    paths: Paths,
    /// Held by whoever changes something, from reading the state to publishing the new one.
    change: Mutex<()>,
    state: RwLock<Arc<State>>,
}

impl Store {
    /// Reads all records. One that can't be read is put aside, not lost.
    pub fn open(paths: Paths) -> Result<Self, Error> {
        durable::create_dir(&paths.repositories())?;
        durable::create_dir(&paths.loose_blobs())?;
        let mut state = State::default();
        for entry in fs::read_dir(paths.repositories())? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => {}
                Some("unreadable") => continue,
                _ => {
                    fs::remove_file(&path)?;
                    continue;
                }
            }
            match durable::read_json::<Record>(&path, VERSION) {
                Ok(Some(record)) => {
                    state.records.insert(record.name.clone(), Arc::new(record));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "a repository's record can't be read and is put aside");
                    fs::rename(&path, path.with_extension("unreadable"))?;
                }
            }
        }
        state.loose = Loose::read(&paths, SystemTime::now())?;
        let store = Self { paths, change: Mutex::default(), state: RwLock::default() };
        store.publish(state);
        Ok(store)
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, mut state: State) {
        let mut needed: HashSet<Digest> = state.records.values().flat_map(|record| record.needed()).collect();
        needed.extend(state.loose.blobs());
        state.needed = Arc::new(needed);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// One repository.
    pub fn get(&self, name: &str) -> Option<Arc<Record>> {
        self.state().records.get(name).cloned()
    }

    /// All, by name.
    pub fn all(&self) -> Vec<Arc<Record>> {
        self.state().records.values().cloned().collect()
    }

    /// Every blob and manifest a repository needs.
    pub fn needed(&self) -> Arc<HashSet<Digest>> {
        Arc::clone(&self.state().needed)
    }

    /// The blob can be had from this repository.
    pub fn has_blob(&self, name: &str, blob: Digest) -> bool {
        let state = self.state();
        state.loose.has(name, blob) || state.records.get(name).is_some_and(|record| record.has_blob(blob))
    }

    /// A blob came to this repository.
    pub fn link(&self, name: &str, blob: Digest) -> Result<(), Error> {
        let _change = self.change();
        let mut state = State::clone(&self.state());
        state.loose.add(&self.paths, name, blob, SystemTime::now())?;
        self.publish(state);
        Ok(())
    }

    /// Takes a blob from a repository, unless a manifest there names it; says whether it is gone.
    pub fn unlink(&self, name: &str, blob: Digest) -> Result<bool, Error> {
        let _change = self.change();
        let mut state = State::clone(&self.state());
        if state.records.get(name).is_some_and(|record| record.has_blob(blob)) {
            return Ok(false);
        }
        state.loose.remove(&self.paths, name, blob)?;
        self.publish(state);
        Ok(true)
    }

    /// Forgets loose blobs that nobody named for a day, and answers them.
    pub fn expire(&self, now: SystemTime) -> Result<Vec<Digest>, Error> {
        let _change = self.change();
        let mut state = State::clone(&self.state());
        let gone = state.loose.expire(&self.paths, now)?;
        if !gone.is_empty() {
            self.publish(state);
        }
        Ok(gone)
    }

    /// Adds a manifest. All it needs is durable. `point` lets tags lead to it; answers what is not needed any more then.
    pub fn put(
        &self,
        name: &str,
        digest: Digest,
        manifest: Manifest,
        point: impl FnOnce(&mut Record),
    ) -> Result<Vec<Digest>, Error> {
        let _change = self.change();
        let mut state = State::clone(&self.state());
        let mut record = state.records.get(name).map_or_else(|| Record::new(name), |record| Record::clone(record));
        let blobs = manifest.blobs.clone();
        record.manifests.insert(digest, manifest);
        let before: Vec<Digest> = record.needed().collect();
        point(&mut record);
        let left: HashSet<Digest> = record.needed().collect();
        self.write(&record)?;
        state.records.insert(name.to_owned(), Arc::new(record));
        for blob in blobs {
            state.loose.remove(&self.paths, name, blob)?;
        }
        self.publish(state);
        Ok(before.into_iter().filter(|digest| !left.contains(digest)).collect())
    }

    /// Changes a record that there is; an empty one goes. Answers what it needed before and does not any more: others
    /// may still.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Record)) -> Result<Vec<Digest>, Error> {
        let _change = self.change();
        let mut state = State::clone(&self.state());
        let Some(before) = state.records.get(name).cloned() else { return Ok(Vec::new()) };
        let mut record = Record::clone(&before);
        edit(&mut record);
        if record == *before {
            return Ok(Vec::new());
        }
        let left: HashSet<Digest> = record.needed().collect();
        if record.tags.is_empty() && record.offers.is_empty() && record.manifests.is_empty() {
            durable::remove(&self.paths.repository(name))?;
            state.records.remove(name);
        } else {
            self.write(&record)?;
            state.records.insert(name.to_owned(), Arc::new(record));
        }
        self.publish(state);
        Ok(before.needed().filter(|digest| !left.contains(digest)).collect())
    }

    fn write(&self, record: &Record) -> Result<(), Error> {
        Ok(durable::write_json(&self.paths.repository(&record.name), VERSION, record)?)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
