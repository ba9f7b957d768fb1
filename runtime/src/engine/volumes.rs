//! Volumes: made, looked at, removed.

use std::collections::BTreeMap;

use super::{Engine, blocking};
use crate::{
    error::{Error, ErrorKind, Result},
    request::{CreateVolume, PruneVolumes, only_memory},
    snapshot::disk_usage,
    view::{PrunedVolumes, VolumeView},
};

impl PruneVolumes {
    /// Whether it takes a volume that no container names.
    pub fn chooses(&self, volume: &VolumeView) -> bool {
        let has = |label: &String| match label.split_once('=') {
            Some((name, value)) => volume.labels.get(name).is_some_and(|found| found == value),
            None => volume.labels.contains_key(label),
        };
        volume.users.is_empty()
            && (self.named || volume.is_anonymous())
            && self.labels.iter().all(has)
            && !self.labels_not.iter().any(has)
    }
}

impl Engine {
    /// All volumes, by name.
    pub fn volumes(&self) -> Vec<VolumeView> {
        self.inner.volumes.list()
    }

    /// One volume.
    ///
    /// # Errors
    /// `get NAME: no such volume`.
    pub fn volume(&self, name: &str) -> Result<VolumeView> {
        Ok(self.inner.volumes.get(name)?)
    }

    /// Makes a volume, or finds the one that has the name already.
    ///
    /// # Errors
    /// A wrong name or option, in Docker's words.
    pub async fn create_volume(&self, request: CreateVolume) -> Result<VolumeView> {
        let engine = self.clone();
        blocking(move || {
            let (volume, new) = engine.inner.volumes.create(request)?;
            if new {
                engine.tell_volume("create", &volume.name, []);
            }
            Ok(volume)
        })
        .await
    }

    /// Removes a volume that no container names. One that is not there is removed, when `force` says so.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when containers name it, [`ErrorKind::NotFound`].
    pub async fn remove_volume(&self, name: &str, force: bool) -> Result<()> {
        let (engine, name) = (self.clone(), name.to_owned());
        blocking(move || match engine.remove_volume_now(&name) {
            Err(error) if force && error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        })
        .await
    }

    /// Removes those that no container names: anonymous ones, or all.
    ///
    /// # Errors
    /// The disk; what was removed before stays so.
    pub async fn prune_volumes(&self, request: PruneVolumes) -> Result<PrunedVolumes> {
        let engine = self.clone();
        blocking(move || {
            let mut pruned = PrunedVolumes::default();
            for volume in engine.volumes().iter().filter(|volume| request.chooses(volume)) {
                let bytes = size(volume).unwrap_or(0);
                match engine.remove_volume_now(&volume.name) {
                    Ok(()) => {
                        pruned.removed.push(volume.name.clone());
                        pruned.reclaimed_bytes += bytes;
                    }
                    // Someone took it, or took it away, meanwhile.
                    Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            let reclaimed = BTreeMap::from([("reclaimed".to_owned(), pruned.reclaimed_bytes.to_string())]);
            engine.publish("volume", "prune", String::new(), reclaimed);
            Ok(pruned)
        })
        .await
    }

    /// Counts the bytes a volume takes on disk; `None` when they are somebody else's.
    ///
    /// # Errors
    /// No such volume.
    pub async fn volume_size(&self, name: &str) -> Result<Option<u64>> {
        let volume = self.volume(name)?;
        blocking(move || Ok(size(&volume))).await
    }

    pub(in crate::engine) fn remove_volume_now(&self, name: &str) -> Result<()> {
        self.inner.volumes.remove(name)?;
        self.inner.trash.empty();
        self.tell_volume("destroy", name, []);
        Ok(())
    }

    pub(in crate::engine) fn tell_volume<const N: usize>(&self, action: &str, name: &str, more: [(&str, String); N]) {
        let mut attributes = BTreeMap::from([("driver".to_owned(), "local".to_owned())]);
        attributes.extend(more.map(|(key, value)| (key.to_owned(), value)));
        self.publish("volume", action, name.to_owned(), attributes);
    }
}

/// Only memory and the engine's own disk are counted.
fn size(volume: &VolumeView) -> Option<u64> {
    (volume.options.is_empty() || only_memory(&volume.options)).then(|| disk_usage(&volume.mountpoint).ok()).flatten()
}

/// For who reads or writes a volume's files.
pub(in crate::engine) fn failed(error: std::io::Error) -> Error {
    crate::durable::io_error("the volume can't be read or written", error.kind(), error)
}
