//! The build cache as people see it, and its pruning.

use std::{collections::HashMap, fs, sync::Arc};

use jiff::Timestamp;

use super::{
    Engine,
    images::{Images, blocking},
};
use crate::{
    build::cache::{Cache, Kept, Key, PruneCache},
    durable,
    error::Result,
    lease::Thing,
    oci,
    snapshot::disk_usage,
};

/// What a prune did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedCache {
    /// Records and cache mounts that are gone.
    pub removed: Vec<Key>,
    /// Bytes on disk that are free now.
    pub reclaimed_bytes: u64,
}

impl Engine {
    /// Everything builds have kept. Counts the bytes of cache mounts: slow.
    ///
    /// # Errors
    /// None of its own.
    pub async fn build_cache(&self) -> Result<Vec<Kept>> {
        let images = self.inner.images.clone();
        blocking(move || Ok(images.kept())).await
    }

    /// Removes what is chosen, and the layers that nothing needs any more.
    ///
    /// # Errors
    /// The file system refused; what was removed until then stays removed.
    pub async fn prune_build_cache(&self, prune: PruneCache) -> Result<PrunedCache> {
        let images = self.inner.images.clone();
        let pruned = blocking(move || images.prune_cache(&prune)).await?;
        self.inner.trash.empty();
        Ok(pruned)
    }
}

impl Images {
    pub(super) fn cache(&self) -> &Arc<Cache> {
        &self.0.cache
    }

    fn kept(&self) -> Vec<Kept> {
        let (_, used) = self.0.store.needed();
        let leased = |layers: &[_]| {
            oci::chains(layers)
                .last()
                .is_some_and(|chain| used.contains(chain) || self.0.leases.holds(Thing::Layer(*chain)))
        };
        let steps = self.cache().steps().into_iter().map(|entry| Kept {
            key: entry.key,
            is_mount: false,
            in_use: entry.made_layer && leased(&entry.layers),
            description: entry.instruction,
            size_bytes: if entry.made_layer { entry.size_bytes } else { 0 },
            made_at: entry.made_at,
            used_at: entry.used_at,
            uses: entry.uses,
        });
        let mounts = self.cache().cache_mounts().into_iter().map(|(key, mount)| Kept {
            key,
            is_mount: true,
            in_use: self.0.mounts.is_taken(&key),
            description: mount.id,
            size_bytes: disk_usage(&self.0.paths.cache_mount(key)).unwrap_or(0),
            made_at: mount.made_at,
            used_at: mount.used_at,
            uses: 0,
        });
        steps.chain(mounts).collect()
    }

    fn prune_cache(&self, prune: &PruneCache) -> Result<PrunedCache> {
        let kept = self.kept();
        let mut pruned = PrunedCache::default();
        let mut layers = Vec::new();
        let sizes: HashMap<Key, &Kept> = kept.iter().map(|one| (one.key, one)).collect();
        for key in prune.choose(&kept, Timestamp::now()) {
            let Some(one) = sizes.get(&key) else { continue };
            if one.is_mount {
                if one.in_use {
                    continue;
                }
                let removed = self
                    .cache()
                    .remove_mount(key)
                    .map_err(|error| durable::io_error("a cache mount can't be removed", error.kind(), error))?;
                if removed {
                    pruned.reclaimed_bytes += one.size_bytes;
                    pruned.removed.push(key);
                }
            } else if let Some(entry) = self.cache().forget(key) {
                layers.extend(oci::chains(&entry.layers).into_iter().rev());
                pruned.removed.push(key);
            }
        }
        pruned.reclaimed_bytes += self.free_things(layers.into_iter().map(Thing::Layer))?.bytes;
        Ok(pruned)
    }

    /// Sweeps what builds of a dead server left.
    pub(super) fn sweep_builds(&self) -> Result<()> {
        let work = self.0.paths.build_work();
        if work.exists() {
            durable::create_dir(&self.0.paths.trash())?;
            fs::rename(&work, self.0.paths.trash().join(durable::fresh_name("")))
                .map_err(|error| durable::io_error("the builds' folder can't be swept", error.kind(), error))?;
        }
        Ok(durable::create_dir(&work)?)
    }
}
