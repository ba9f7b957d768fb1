//! Images made here: their layers are folders, their config is written here, nothing of them came from a registry.
//!
//! A lease holds every part from before it is looked up until the image's record is written; what an attempt that
//! failed brought goes with its lease.

use std::sync::Arc;

use super::images::Images;
use crate::{
    digest::{DiffId, Digest, ImageId},
    error::{Error, Result},
    fault,
    image::{Image, edit::ConfigEditor},
    lease::{Lease, Thing},
    oci,
    reference::Reference,
};

/// The tar of an empty folder: two empty blocks.
const EMPTY_TAR: [u8; 1024] = [0; 1024];

impl Images {
    /// The layer changes nothing.
    pub(super) fn is_empty(layer: DiffId) -> bool {
        layer.0 == Digest::of(&EMPTY_TAR)
    }

    /// Begins with an image, hidden ones too, and its config. The lease keeps its parts.
    pub(super) fn base(&self, id: ImageId, lease: &mut Lease) -> Result<(Arc<Image>, ConfigEditor)> {
        let image = self.by_id(id)?;
        self.hold_parts(&image, lease)?;
        let editor = ConfigEditor::of(&self.0.content.read(id, oci::MAX_CONFIG_BYTES)?)?;
        Ok((image, editor))
    }

    /// Records an image whose layers are all here and leased. `base` is the image it was made from: their shared layers
    /// keep the blobs they came from.
    pub(super) fn put_made(
        &self,
        editor: &ConfigEditor,
        base: Option<&Image>,
        names: &[Reference],
        lease: &mut Lease,
    ) -> Result<ImageId> {
        let config = editor.to_bytes();
        let id = Digest::of(&config);
        lease.add(Thing::Image(id));
        lease.add(Thing::Blob(id));
        self.0.content.put(&config)?;
        let layers = editor.layers();
        for layer in &layers {
            self.hold_blobs_of(*layer, lease);
        }
        let known = |diff_id: &DiffId| base?.record.layers.iter().find(|layer| layer.diff_id == *diff_id)?.blob;
        let layers = layers.iter().zip(oci::chains(&layers)).map(|(id, chain)| (*id, chain, known(id)));
        let record = self.record(id, Vec::new(), layers)?;
        fault::point("made.record").map_err(Error::from_fault)?;
        self.sync()?;
        self.0.store.put(record, &config, names)?;
        Ok(id)
    }

    /// Keeps the blobs other images have of a layer, for an image that is to have it too.
    pub(super) fn hold_blobs_of(&self, layer: DiffId, lease: &mut Lease) {
        for blob in self.0.store.blob_of(layer) {
            lease.add(Thing::Blob(blob));
        }
    }

    /// Runs `make` under a lease; what it brought goes when it fails.
    pub(super) fn leased<T>(&self, make: impl FnOnce(&mut Lease) -> Result<T>) -> Result<T> {
        let mut lease = self.0.leases.open();
        let made = make(&mut lease);
        if made.is_err() {
            self.abandon(lease);
        }
        made
    }
}

/// The name an image is to get: a tag, `latest` where none is said.
pub(super) fn new_name(text: Option<&str>) -> Result<Vec<Reference>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let name = text.parse::<Reference>()?.or_latest();
    if name.digest().is_some() {
        return Err(Error::invalid(format!("{text:?}: an image can't be named by a digest")));
    }
    Ok(vec![name])
}
