//! What a push learns about an image that is here: where its layers' compressed bytes are, under which manifest it is
//! known, and by which name.

use super::{Error, Image, State, Store};
use crate::{
    digest::{DiffId, Digest, ImageId},
    fault,
    reference::Reference,
};

/// Manifests remembered for one image, the newest.
const MAX_MANIFESTS: usize = 8;

impl Store {
    /// The blob of a layer with these plain bytes, in whatever image.
    pub fn blob_of(&self, layer: DiffId) -> Vec<Digest> {
        let state = self.state();
        let layers = state.images.values().flat_map(|image| &image.record.layers);
        layers.filter(|one| one.diff_id == layer).filter_map(|one| one.blob).collect()
    }

    /// All tagged names of a repository.
    pub fn tagged(&self, repository: &Reference) -> Vec<(Reference, ImageId)> {
        let state = self.state();
        let own = |name: &&Reference| name.tag().is_some() && name.repository() == *repository;
        state.names.iter().filter(|(name, _)| own(name)).map(|(name, id)| (name.clone(), *id)).collect()
    }

    /// Every layer of the image with these plain bytes has this blob from now on. The blob is durable.
    pub fn set_blob(&self, id: ImageId, layer: DiffId, blob: Digest) -> Result<(), Error> {
        let _change = self.change();
        let (mut state, image) = self.current(id)?;
        let mut record = image.record.clone();
        for one in record.layers.iter_mut().filter(|one| one.diff_id == layer) {
            one.blob = Some(blob);
        }
        if record != image.record {
            fault::point("push.record")?;
            self.write_record(&record)?;
            state.images.insert(id, image.with(record));
            self.publish(state);
        }
        Ok(())
    }

    /// The image is known under this manifest, which is stored durably, and by `repository@manifest`.
    pub fn set_manifest(&self, id: ImageId, manifest: Digest, repository: &Reference) -> Result<(), Error> {
        let _change = self.change();
        let (mut state, image) = self.current(id)?;
        let mut record = image.record.clone();
        if !record.manifests.contains(&manifest) {
            record.manifests.insert(0, manifest);
            record.manifests.truncate(MAX_MANIFESTS);
            fault::point("push.manifest")?;
            self.write_record(&record)?;
            state.images.insert(id, image.with(record));
        }
        if state.names.insert(repository.at(manifest), id) != Some(id) {
            fault::point("push.names")?;
            self.write_names(&state)?;
        }
        self.publish(state);
        Ok(())
    }

    fn current(&self, id: ImageId) -> Result<(State, std::sync::Arc<Image>), Error> {
        let state = State::clone(&self.state());
        let image = state.images.get(&id).filter(|image| !image.record.removed).cloned();
        let image = image.ok_or_else(|| Error::NotFound(id.to_string()))?;
        Ok((state, image))
    }
}
