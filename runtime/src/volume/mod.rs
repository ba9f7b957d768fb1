//! Volumes: folders that outlive the containers they are mounted into.
//!
//! ```text
//! volumes/<name>/volume.json, data/
//! volumes/.tmp-*                     being made; swept at start
//! volumes/.new-<container id>.json   these volumes go if that container is not there
//! ```
//! Invariants: a volume is there when its folder has its name, which happens when its record is synced, and gone when
//! one rename took it away. One that a container names is never removed: containers say so before they look whether it is
//! there ([`Store::hold`]), and removal looks under the same lock. A volume with driver options is mounted on its own
//! `data` folder while a container that uses it runs.
//!
//! Knows nothing of images, and nothing of containers but their ids.

mod error;
pub mod local;
pub mod name;
mod record;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::record::VERSION;
pub use self::{
    error::Error,
    record::{Places, Record},
};
use crate::{
    durable, fault,
    id::ContainerId,
    paths::{Paths, VOLUME_INTENT},
    request::CreateVolume,
    view::{ANONYMOUS_LABEL, VolumeView},
};

/// All volumes of one engine.
#[derive(Debug)]
pub struct Store {
    paths: Paths,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    volumes: BTreeMap<String, Record>,
    /// Containers that name it, those included that are still being made.
    users: BTreeMap<String, BTreeSet<ContainerId>>,
    /// Running containers, of volumes with driver options.
    mounted: BTreeMap<String, BTreeSet<ContainerId>>,
}

/// Volumes that go should the container not be there.
#[derive(Serialize, Deserialize)]
struct Intent {
    volumes: Vec<String>,
}

fn io(name: &str) -> impl FnOnce(io::Error) -> Error {
    let name = name.to_owned();
    |source| Error::Io { name, source }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Store {
    /// Finishes or takes back what was half done. `users` are all containers with the volumes they name.
    ///
    /// # Errors
    /// The folder can't be read. A volume that can't be read is left alone, and told in the log.
    pub fn open(paths: Paths, users: Vec<(ContainerId, Vec<String>)>) -> Result<Self, Error> {
        durable::create_dir(&paths.volumes())?;
        let mut state = State::default();
        let known: BTreeSet<ContainerId> = users.iter().map(|(id, _)| id.clone()).collect();
        for (id, names) in users {
            for name in names {
                state.users.entry(name).or_default().insert(id.clone());
            }
        }
        let mut intents = Vec::new();
        for entry in fs::read_dir(paths.volumes()).map_err(io("*"))?.flatten() {
            let file = entry.file_name();
            if file.as_bytes().starts_with(durable::TMP_PREFIX.as_bytes()) {
                let _ = fs::rename(entry.path(), paths.trash().join(durable::fresh_name("")));
                continue;
            }
            let Some(file) = file.to_str() else { continue };
            if let Some(id) = file.strip_prefix(VOLUME_INTENT).and_then(|rest| rest.strip_suffix(".json")) {
                intents.extend(id.parse::<ContainerId>());
                continue;
            }
            match durable::read_json::<Record>(&Places::of(entry.path()).record, VERSION) {
                Ok(Some(record)) => drop(state.volumes.insert(file.to_owned(), record)),
                Ok(None) => tracing::warn!(volume = file, "not a volume's folder; left alone"),
                Err(error) => {
                    tracing::error!(volume = file, %error, "a volume's record can't be read; it is left alone");
                }
            }
        }
        let store = Self { paths, state: Mutex::new(state) };
        for id in intents {
            if !known.contains(&id) {
                store.carry_out(&id);
            }
            durable::remove(&store.paths.volume_intent(&id))?;
        }
        Ok(store)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one insertion or removal.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The container never came to be, or is gone: so do these, unless another names them.
    fn carry_out(&self, id: &ContainerId) {
        let intent = durable::read_json::<Intent>(&self.paths.volume_intent(id), VERSION).ok().flatten();
        for name in intent.into_iter().flat_map(|intent| intent.volumes) {
            match self.remove(&name) {
                Ok(_) | Err(Error::InUse { .. } | Error::NotFound(_)) => {}
                Err(error) => tracing::warn!(volume = name, %error, "it could not be removed"),
            }
        }
    }

    /// Volumes into which an image's files were being copied when the engine died: what is there is not whole.
    pub fn half_filled(&self) -> Vec<String> {
        let names: Vec<_> = self.lock().volumes.keys().cloned().collect();
        names.into_iter().filter(|name| Places::named(&self.paths, name).filling.exists()).collect()
    }

    /// All of them by name.
    pub fn list(&self) -> Vec<VolumeView> {
        let state = self.lock();
        state.volumes.values().map(|record| self.view(&state, record)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, name: &str) -> Result<VolumeView, Error> {
        let state = self.lock();
        let record = state.volumes.get(name).ok_or_else(|| Error::NotFound(name.to_owned()))?;
        Ok(self.view(&state, record))
    }

    fn view(&self, state: &State, record: &Record) -> VolumeView {
        VolumeView {
            name: record.name.clone(),
            created_at: record.created_at,
            labels: record.labels.clone(),
            options: record.options.clone(),
            mountpoint: Places::named(&self.paths, &record.name).data,
            users: state.users.get(&record.name).into_iter().flatten().cloned().collect(),
        }
    }

    /// Makes one, or finds the one that has the name already; whether it is new comes with it.
    ///
    /// # Errors
    /// A wrong name or option; the disk.
    pub fn create(&self, request: CreateVolume) -> Result<(VolumeView, bool), Error> {
        let mut labels = request.labels;
        let name = request.name.filter(|name| !name.is_empty()).unwrap_or_else(|| {
            labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
            name::random()
        });
        name::validate(&name)?;
        let mut state = self.lock();
        if let Some(record) = state.volumes.get(&name) {
            return Ok((self.view(&state, record), false));
        }
        local::validate(&name, &request.options)?;
        let record = Record { name: name.clone(), created_at: Timestamp::now(), labels, options: request.options };
        let staged = Places::of(self.paths.volumes().join(durable::fresh_name(durable::TMP_PREFIX)));
        let made = (|| {
            fs::create_dir(&staged.folder).map_err(io(&name))?;
            fs::create_dir(&staged.data).map_err(io(&name))?;
            fs::set_permissions(&staged.data, fs::Permissions::from_mode(0o755)).map_err(io(&name))?;
            durable::write_staged_json(&staged.record, VERSION, &record)?;
            durable::sync_dir(&staged.folder)?;
            fault::point("volume.staged").map_err(io(&name))?;
            fs::rename(&staged.folder, self.paths.volume(&name)).map_err(io(&name))
        })();
        if let Err(error) = made {
            let _ = fs::remove_dir_all(&staged.folder);
            return Err(error);
        }
        let published = durable::sync_dir(&self.paths.volumes())
            .map_err(Error::from)
            .and_then(|()| fault::point("volume.record").map_err(io(&name)));
        if let Err(error) = published {
            let _ = fs::remove_dir_all(self.paths.volume(&name));
            return Err(error);
        }
        let view = self.view(&state, &record);
        state.volumes.insert(name, record);
        Ok((view, true))
    }

    /// Takes one away for good; its files are unlinked later from the trash. Answers what it was.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::NotFound`].
    pub fn remove(&self, name: &str) -> Result<VolumeView, Error> {
        let mut state = self.lock();
        let record = state.volumes.get(name).ok_or_else(|| Error::NotFound(name.to_owned()))?;
        let view = self.view(&state, record);
        if !view.users.is_empty() {
            return Err(Error::InUse { name: name.to_owned(), users: view.users });
        }
        if !record.options.is_empty() {
            // Else what is mounted there would be emptied.
            local::detach(&view.mountpoint).map_err(io(name))?;
        }
        fault::point("volume.found").map_err(io(name))?;
        let trash = self.paths.trash().join(durable::fresh_name(""));
        absent_is_fine(fs::rename(self.paths.volume(name), trash)).map_err(io(name))?;
        state.volumes.remove(name);
        fault::point("volume.removed").map_err(io(name))?;
        durable::sync_dir(&self.paths.volumes())?;
        Ok(view)
    }

    /// A container names these: from now on they are not removed. Answers those that are not there.
    pub fn hold(&self, id: &ContainerId, names: &[String]) -> Vec<String> {
        let mut state = self.lock();
        for name in names {
            state.users.entry(name.clone()).or_default().insert(id.clone());
        }
        let mut missing: Vec<_> = names.iter().filter(|name| !state.volumes.contains_key(*name)).cloned().collect();
        missing.dedup();
        missing
    }

    /// A container names nothing any more.
    pub fn release(&self, id: &ContainerId) {
        self.lock().users.retain(|_, users| {
            users.remove(id);
            !users.is_empty()
        });
    }

    /// These go should the container not be there at the next start.
    ///
    /// # Errors
    /// The disk.
    pub fn intend(&self, id: &ContainerId, volumes: Vec<String>) -> Result<(), Error> {
        Ok(durable::write_json(&self.paths.volume_intent(id), VERSION, &Intent { volumes })?)
    }

    /// The container is there, or what was intended is done. Not synced: read again, it says the same.
    pub fn intended(&self, id: &ContainerId) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.paths.volume_intent(id)))
    }

    /// Whether nothing is in it yet; never with driver options.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the disk.
    pub fn is_empty(&self, name: &str) -> Result<bool, Error> {
        let view = self.get(name)?;
        let mut entries = fs::read_dir(&view.mountpoint).map_err(io(name))?;
        Ok(view.options.is_empty() && entries.next().is_none())
    }

    /// A container that uses it starts: what its driver options say is mounted, once for all who use it.
    ///
    /// # Errors
    /// [`Error::Mount`].
    pub fn mount(&self, id: &ContainerId, name: &str) -> Result<PathBuf, Error> {
        let mut state = self.lock();
        let record = state.volumes.get(name).ok_or_else(|| Error::NotFound(name.to_owned()))?;
        let data = Places::named(&self.paths, name).data;
        if record.options.is_empty() {
            return Ok(data);
        }
        if !local::mount_points().map_err(io(name))?.contains(&data) {
            local::attach(name, &record.options, &data)?;
        }
        state.mounted.entry(name.to_owned()).or_default().insert(id.clone());
        Ok(data)
    }

    /// It ended: what nobody else uses is unmounted.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn unmount(&self, id: &ContainerId) -> io::Result<()> {
        let mut state = self.lock();
        let mut result = Ok(());
        let paths = &self.paths;
        state.mounted.retain(|name, users| {
            if users.remove(id) && users.is_empty() {
                result = local::detach(&Places::named(paths, name).data);
            }
            !users.is_empty()
        });
        result
    }

    /// After adoption: unmounts what no running container uses.
    ///
    /// # Errors
    /// The mount table can't be read.
    pub fn sweep_mounts(&self) -> io::Result<()> {
        let state = self.lock();
        let mounted = local::mount_points()?;
        for name in state.volumes.keys().filter(|name| !state.mounted.contains_key(*name)) {
            let data = Places::named(&self.paths, name).data;
            if mounted.contains(&data) {
                local::detach(&data)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
