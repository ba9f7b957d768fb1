//! Image records and names.
//!
//! ```text
//! images/<hex>.json    one image: its layers, blobs, when it came
//! references.json      canonical names (name:tag, name@digest) to image ids
//! ```
//! Invariants: a record's blobs and layers were durable before the record was; a name without record is no name. An
//! image is published by writing its record with the names it is to get (`naming`), then the names: whichever part a
//! crash leaves is finished by [`Store::open`]. It is removed by removing its record first.
//!
//! Readers never wait for the disk: they get the state of the last finished change.

mod amend;
pub mod archive;
pub mod edit;
mod name;
mod record;
mod remove;
mod view;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};

pub use self::{
    record::{Layer, Record},
    remove::User,
};
use crate::{
    digest::{ChainId, Digest, ImageId},
    durable, oci,
    paths::Paths,
    reference::Reference,
    view::ImageSummary,
};

const VERSION: u64 = 1;

/// An image operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// A document is wrong.
    #[error(transparent)]
    Document(#[from] oci::Error),
    /// Not a name.
    #[error(transparent)]
    Reference(#[from] crate::reference::ParseReferenceError),
    /// No image of that name.
    #[error("No such image: {0}")]
    NotFound(String),
    /// More than one image.
    #[error("image id prefix {0} is ambiguous: more than one image has it")]
    Ambiguous(String),
    /// In use, in Docker's words.
    #[error("{0}")]
    Conflict(String),
    /// The file system refused.
    #[error("image store: {0}")]
    Io(#[from] std::io::Error),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Durable(error) => error.into(),
            Error::Document(error) => error.into(),
            Error::Reference(error) => error.into(),
            Error::NotFound(_) => Self::not_found(error.to_string()),
            Error::Ambiguous(_) => Self::invalid(error.to_string()),
            Error::Conflict(text) => Self::conflict(text),
            Error::Io(error) => durable::io_error("an image record can't be read or written", error.kind(), error),
        }
    }
}

/// An image in memory; cheap to clone.
#[derive(Clone, Debug)]
pub struct Image {
    /// What is stored of it.
    pub record: Record,
    /// Its config, parsed.
    pub config: Arc<oci::Config>,
    /// Its config, as it is.
    pub raw: Arc<serde_json::Value>,
    /// The chain of each layer, lowest first.
    pub chains: Vec<ChainId>,
}

impl Image {
    fn new(record: Record, config: &[u8]) -> Result<Self, Error> {
        let raw = serde_json::from_slice(config).map_err(|source| oci::Error::Json { what: "image config", source })?;
        let config = oci::Config::parse(config)?;
        let chains = config.chains();
        Ok(Self { record, config: Arc::new(config), raw: Arc::new(raw), chains })
    }

    fn with(&self, record: Record) -> Arc<Self> {
        Arc::new(Self { record, ..self.clone() })
    }

    /// Every blob it needs.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> + '_ {
        let layers = self.record.layers.iter().filter_map(|layer| layer.blob);
        [self.record.id].into_iter().chain(self.record.manifests.iter().copied()).chain(layers)
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    images: BTreeMap<ImageId, Arc<Image>>,
    names: BTreeMap<Reference, ImageId>,
    summaries: Arc<Vec<ImageSummary>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct References {
    references: BTreeMap<Reference, ImageId>,
}

/// The image store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    paths: Paths,
    /// Held by whoever changes something, from reading the state to publishing the new one.
    change: Mutex<()>,
    state: RwLock<Arc<State>>,
}

impl Store {
    /// Reads all records, finishes a publication that was broken off, drops names without image. `config` reads a config
    /// blob; `whole` says whether a layer is unpacked here. An image that lacks either is dropped: it can't run and can
    /// be had again.
    pub fn open<E: std::fmt::Display>(
        paths: Paths,
        config: impl Fn(ImageId) -> Result<Vec<u8>, E>,
        whole: impl Fn(ChainId) -> bool,
    ) -> Result<Self, Error> {
        durable::create_dir(&paths.images())?;
        let mut state = State::default();
        let stored: Option<References> = durable::read_json(&paths.references(), VERSION)?;
        state.names = stored.unwrap_or_default().references;
        let before = state.names.clone();
        let mut unfinished = Vec::new();
        let listed = fs::read_dir(paths.images()).and_then(Iterator::collect::<std::io::Result<Vec<_>>>)?;
        for path in listed.iter().map(fs::DirEntry::path) {
            if path.extension().is_none_or(|extension| extension != "json") {
                durable::remove(&path)?;
                continue;
            }
            let image = durable::read_json::<Record>(&path, VERSION).map_err(|e| e.to_string()).and_then(|record| {
                let record = record.ok_or("it has gone")?;
                let config = config(record.id).map_err(|error| error.to_string())?;
                Image::new(record, &config).map_err(|error| error.to_string())
            });
            match image {
                Ok(image) if image.chains.iter().all(|chain| whole(*chain)) => {
                    for name in &image.record.naming {
                        state.names.insert(name.clone(), image.record.id);
                    }
                    if !image.record.naming.is_empty() {
                        unfinished.push(Record { naming: Vec::new(), ..image.record.clone() });
                    }
                    state.images.insert(image.record.id, Arc::new(image));
                }
                Ok(image) => {
                    tracing::warn!(image = %image.record.id, "an image lacks a layer and is dropped; pull it again");
                    durable::remove(&path)?;
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "an image can't be read and is dropped; pull it again");
                    durable::remove(&path)?;
                }
            }
        }
        let images = &state.images;
        state.names.retain(|_, id| images.get(id).is_some_and(|image| !image.record.removed));
        let store = Self(Arc::new(Shared { paths, change: Mutex::default(), state: RwLock::default() }));
        if state.names != before {
            store.write_names(&state)?;
        }
        for record in unfinished {
            store.write_record(&record)?;
            if let Some(image) = state.images.get_mut(&record.id) {
                *image = image.with(record);
            }
        }
        store.publish(state);
        Ok(store)
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.0.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.0.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, mut state: State) {
        state.summaries = Arc::new(view::summaries(&state));
        *self.0.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    fn write_names(&self, state: &State) -> Result<(), Error> {
        let references = References { references: state.names.clone() };
        Ok(durable::write_json(&self.0.paths.references(), VERSION, &references)?)
    }

    fn write_record(&self, record: &Record) -> Result<(), Error> {
        Ok(durable::write_json(&self.0.paths.image(record.id), VERSION, record)?)
    }

    /// Publishes an image under these names; each name leaves the image it had. All its blobs and layers are durable.
    /// Says whether anything changed.
    pub fn put(&self, record: Record, config: &[u8], names: &[Reference]) -> Result<bool, Error> {
        let image = Image::new(Record { naming: Vec::new(), ..record }, config)?;
        let record = image.record.clone();
        let _change = self.change();
        let mut state = State::clone(&self.state());
        let known = state.images.get(&record.id).filter(|image| !image.record.removed).cloned();
        if known.is_some() && names.iter().all(|name| state.names.get(name) == Some(&record.id)) {
            return Ok(false);
        }
        let hidden = state.images.get(&record.id).map(|image| image.record.clone());
        let id = record.id;
        for name in names {
            state.names.insert(name.clone(), id);
        }
        if known.is_none() {
            self.write_record(&Record { naming: names.to_vec(), ..record.clone() })?;
        }
        let finished = (|| {
            self.write_names(&state)?;
            if known.is_none() {
                self.write_record(&record)?;
                state.images.insert(id, Arc::new(image));
            }
            Ok(())
        })();
        if finished.is_err() && known.is_none() {
            match &hidden {
                Some(hidden) => self.write_record(hidden)?,
                None => durable::remove(&self.0.paths.image(id))?,
            }
        }
        finished.map(|()| {
            self.publish(state);
            true
        })
    }

    /// Gives an image another name.
    pub fn tag(&self, image: &str, name: &str) -> Result<Arc<Image>, Error> {
        let name = name.parse::<Reference>()?.or_latest();
        if name.digest().is_some() {
            return Err(Error::Conflict("cannot create a tag reference with a digest".to_owned()));
        }
        let _change = self.change();
        let image = self.get(image)?;
        let mut state = State::clone(&self.state());
        if state.names.insert(name, image.record.id) != Some(image.record.id) {
            self.write_names(&state)?;
            self.publish(state);
        }
        Ok(image)
    }

    /// One image by id, hidden ones too.
    pub fn by_id(&self, id: ImageId) -> Option<Arc<Image>> {
        self.state().images.get(&id).cloned()
    }

    /// What this name points to.
    pub fn named(&self, name: &Reference) -> Option<ImageId> {
        self.state().names.get(name).copied()
    }

    /// Every blob and every layer that an image needs, hidden images included.
    pub fn needed(&self) -> (HashSet<Digest>, HashSet<ChainId>) {
        let state = self.state();
        let images = || state.images.values();
        (images().flat_map(|image| image.blobs()).collect(), images().flat_map(|image| image.chains.clone()).collect())
    }
}
