//! Images: the stores behind one door, and the verbs that are short. Pulling and loading have files of their own.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use tokio::sync::Semaphore;

use super::turns::Turns;
use crate::{
    build::cache::{Cache, Key},
    content::{Content, Sources, uploads::Uploads},
    digest::{ChainId, DiffId, Digest, ImageId},
    durable,
    error::{Error, Result},
    fault, image,
    lease::{Lease, Leases, Thing},
    oci,
    paths::Paths,
    reference::Reference,
    registry, repositories,
    snapshot::Snapshots,
    view::{ImageDefaults, ImageRemoval, ImageSummary, ImageView, PrunedImages},
};

pub use crate::image::User as ImageUser;

/// Blobs fetched at once, over all pulls.
const FETCHES: usize = 6;

/// Everything about images; cheap to clone.
#[derive(Clone, Debug)]
pub struct Images(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) paths: Paths,
    pub(super) content: Content,
    pub(super) snapshots: Snapshots,
    pub(super) store: image::Store,
    pub(super) registry: registry::Client,
    pub(super) leases: Leases,
    /// What builds have made.
    pub(super) cache: Arc<Cache>,
    /// Cache mounts in use: one build at a time where the Dockerfile wants that.
    pub(super) mounts: Turns<Key>,
    pub(super) blobs: Turns<Digest>,
    pub(super) layers: Turns<ChainId>,
    /// Blobs on their way to a repository.
    pub(super) uploads: Turns<(Reference, Digest)>,
    /// Which repositories have which blobs.
    pub(super) sources: Sources,
    /// Blobs on their way to the served registry.
    pub(super) arriving: Uploads,
    /// What the served registry has.
    pub(super) repositories: repositories::Store,
    /// Changes of one served repository come one after the other.
    pub(super) repository_turns: Turns<String>,
    pub(super) fetches: Semaphore,
    /// Layers unpacked at once: each takes two threads, and the disk is one.
    pub(super) unpacks: Arc<Semaphore>,
}

/// What a removal freed.
#[derive(Debug, Default)]
pub(super) struct Freed {
    /// Layers, in the order they were freed.
    pub layers: Vec<ChainId>,
    /// Bytes on disk, of layers and blobs.
    pub bytes: u64,
}

/// Keeps an image from being removed while a container is made from it.
#[derive(Debug)]
pub struct Hold {
    _lease: Lease,
}

impl Images {
    /// Opens the stores of a data root that this process owns, finishes what was half done, sweeps what nothing needs.
    /// `in_use` are the images containers were made from.
    pub fn open(paths: Paths, registry: registry::Config, in_use: &[ImageId]) -> Result<Self> {
        let content = Content::open(paths.clone())?;
        let snapshots = Snapshots::open(paths.clone())?;
        let config = |id| content.read(id, oci::MAX_CONFIG_BYTES);
        let store = image::Store::open(paths.clone(), config, |chain| snapshots.has(chain))?;
        store.forget_hidden(|id| in_use.contains(&id))?;
        let (mut blobs, mut layers) = store.needed();
        let cache = Cache::open(paths.clone(), |chain| snapshots.has(chain))?;
        layers.extend(cache.needed());
        let repositories = repositories::Store::open(paths.clone())?;
        blobs.extend(repositories.needed().iter().copied());
        content.sweep(&blobs)?;
        let arriving = Uploads::open(paths.clone())?;
        let sources = Sources::open(&paths, |digest| blobs.contains(&digest));
        snapshots.sweep(&layers)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let images = Self(Arc::new(Shared {
            paths,
            content,
            snapshots,
            store,
            registry: registry::Client::new(registry),
            leases: Leases::default(),
            blobs: Turns::default(),
            layers: Turns::default(),
            uploads: Turns::default(),
            sources,
            fetches: Semaphore::new(FETCHES),
            unpacks: Arc::new(Semaphore::new(cores)),
            cache: Arc::new(cache),
            mounts: Turns::default(),
            arriving,
            repositories,
            repository_turns: Turns::default(),
        }));
        images.sweep_builds()?;
        Ok(images)
    }

    /// All images, newest first. Memory only.
    pub fn list(&self) -> Vec<ImageSummary> {
        self.0.store.list().to_vec()
    }

    /// One image by reference, id or unique id prefix. Memory only.
    pub fn get(&self, name: &str) -> Result<ImageView> {
        Ok(self.0.store.view(name)?)
    }

    /// The familiar form of the name a text means, for showing; ids as they are.
    pub fn familiar(name: &str) -> String {
        name.parse::<Reference>().map_or_else(|_| name.to_owned(), |name| name.or_latest().familiar())
    }

    /// Folders for overlay's `lowerdir`, topmost first. Also for images that were removed while containers use them.
    pub fn lowers(&self, id: ImageId) -> Result<Vec<PathBuf>> {
        let image = self.by_id(id)?;
        Ok(self.0.snapshots.lowers(image.config.diff_ids())?)
    }

    /// How containers of it run by default.
    pub fn defaults(&self, id: ImageId) -> Result<ImageDefaults> {
        Ok(self.by_id(id)?.config.defaults())
    }

    /// Bytes of its unpacked layers.
    pub fn size(&self, id: ImageId) -> Result<u64> {
        Ok(self.by_id(id)?.record.layers.iter().map(|layer| layer.size_bytes).sum())
    }

    /// Folders of these layers, topmost first, kept as long as the lease is.
    pub(super) fn hold_layers(&self, layers: &[DiffId]) -> Result<(Lease, Vec<PathBuf>)> {
        let mut lease = self.0.leases.open();
        for chain in oci::chains(layers) {
            lease.add(Thing::Layer(chain));
        }
        let lowers = self.0.snapshots.lowers(layers)?;
        Ok((lease, lowers))
    }

    pub(super) fn by_id(&self, id: ImageId) -> Result<Arc<image::Image>> {
        self.0.store.by_id(id).ok_or_else(|| Error::not_found(format!("No such image: {id}")))
    }

    /// Keeps an image from being removed until the hold is dropped. A removal meanwhile says that it is in use.
    pub fn hold(&self, id: ImageId) -> Result<Hold> {
        let mut lease = self.0.leases.open();
        lease.add(Thing::Image(id));
        self.by_id(id)?;
        Ok(Hold { _lease: lease })
    }

    /// Gives an image another name. Says which image.
    pub async fn tag(&self, name: &str, reference: &str) -> Result<ImageId> {
        let (images, name, reference) = (self.clone(), name.to_owned(), reference.to_owned());
        blocking(move || Ok(images.0.store.tag(&name, &reference)?.record.id)).await
    }

    /// Untags, and removes what no name and no container holds. `users` are all containers.
    pub async fn remove(&self, name: &str, force: bool, users: &[ImageUser]) -> Result<PrunedImages> {
        let (images, name, users) = (self.clone(), name.to_owned(), users.to_vec());
        blocking(move || images.remove_blocking(&name, force, &users)).await
    }

    pub(super) fn remove_blocking(&self, name: &str, force: bool, users: &[ImageUser]) -> Result<PrunedImages> {
        let id = self.0.store.get(name)?.record.id;
        let removed = self.0.leases.unless_held(Thing::Image(id), || self.0.store.remove(name, force, users));
        let in_use = || {
            let text = format!(
                "conflict: unable to delete {} (cannot be forced) - image is being used by a container being created",
                id.short()
            );
            Error::conflict(text)
        };
        let removed = removed.ok_or_else(in_use)??;
        let mut gone = PrunedImages { steps: removed.steps, reclaimed_bytes: 0 };
        if let Err(error) = self.withdraw_offers() {
            tracing::warn!(error = error.chain(), "an image that is gone is still offered");
        }
        if let Some(image) = removed.image {
            // The image is gone for good: what fails from here on is left to the next start's sweep.
            match fault::point("rmi.layers").map_err(Error::from_fault).and_then(|()| self.free_parts(&image)) {
                Ok(freed) => {
                    gone.steps.extend(freed.layers.into_iter().map(|chain| ImageRemoval::Deleted(chain.0)));
                    gone.reclaimed_bytes = freed.bytes;
                }
                Err(error) => {
                    tracing::warn!(image = %id, error = error.chain(), "not everything of an image was freed");
                }
            }
        }
        Ok(gone)
    }

    /// After containers went: frees images that were removed while they used them. `in_use` are the images of all
    /// containers that are left.
    pub async fn collect(&self, in_use: &[ImageId]) -> Result<()> {
        let (images, in_use) = (self.clone(), in_use.to_vec());
        blocking(move || {
            let held = |id| in_use.contains(&id) || images.0.leases.holds(Thing::Image(id));
            for image in images.0.store.forget_hidden(held)? {
                images.free(&image)?;
            }
            Ok(())
        })
        .await
    }

    /// Frees what only this image, which is gone, needed. Returns the layers, topmost first.
    fn free(&self, image: &image::Image) -> Result<Vec<ChainId>> {
        Ok(self.free_parts(image)?.layers)
    }

    /// As `free`, and says how many bytes that were.
    pub(super) fn free_parts(&self, image: &image::Image) -> Result<Freed> {
        let layers = image.chains.iter().rev().map(|chain| Thing::Layer(*chain));
        self.free_things(layers.chain(image.blobs().map(Thing::Blob)))
    }

    /// Ends a lease: what was held and nobody needs goes, as after a pull that failed.
    pub(super) fn abandon(&self, lease: Lease) {
        if let Err(error) = self.0.content.expire_ingests(std::time::SystemTime::now()) {
            tracing::warn!(%error, "what came of old pulls stays until the next one");
        }
        if let Err(error) = self.free_things(lease.end().into_iter().rev()) {
            tracing::warn!(error = error.chain(), "what a failed pull or load brought stays until the next start");
        }
    }

    /// Frees those that no image needs and nobody holds.
    pub(super) fn free_things(&self, things: impl Iterator<Item = Thing>) -> Result<Freed> {
        let Shared { content, snapshots, store, leases, cache, repositories, .. } = &*self.0;
        let (mut freed, mut gone) = (Freed::default(), HashSet::new());
        for thing in things {
            let free = || -> Result<()> {
                let (blobs, layers) = store.needed();
                match thing {
                    Thing::Layer(chain)
                        if !layers.contains(&chain) && snapshots.has(chain) && !cache.needed().contains(&chain) =>
                    {
                        freed.bytes += snapshots.remove(chain)?;
                        freed.layers.push(chain);
                    }
                    Thing::Blob(blob) if !blobs.contains(&blob) && !repositories.needed().contains(&blob) => {
                        let bytes = content.size(blob).unwrap_or(0);
                        content.remove(blob)?;
                        freed.bytes += bytes;
                        gone.insert(blob);
                    }
                    Thing::Layer(_) | Thing::Blob(_) | Thing::Image(_) => {}
                }
                Ok(())
            };
            leases.unless_held(thing, free).transpose()?;
        }
        self.forget_sources(&gone);
        Ok(freed)
    }

    /// Makes all that was written so far durable, before a record says so.
    pub(super) fn sync(&self) -> Result<()> {
        Ok(durable::sync_tree(self.0.paths.data_root())?)
    }
}

impl Error {
    /// A failpoint fired.
    pub(super) fn from_fault(source: std::io::Error) -> Self {
        durable::io_error("a step failed", source.kind(), source)
    }
}

/// Runs work that waits for the disk off the async threads. It is not cancelled with the caller.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("a worker failed", error))?
}

#[cfg(test)]
#[path = "images_tests.rs"]
pub(super) mod tests;

#[cfg(test)]
#[path = "fake_registry_tests.rs"]
mod fake_registry;

#[cfg(test)]
#[path = "pull_tests.rs"]
mod pull_tests;

#[cfg(test)]
#[path = "push_tests.rs"]
mod push_tests;

#[cfg(test)]
#[path = "hostile_registry_tests.rs"]
mod hostile_registry_tests;

#[cfg(test)]
#[path = "serving_tests.rs"]
mod serving_tests;

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod recovery_tests;
