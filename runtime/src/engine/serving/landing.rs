//! Landing: what was pushed becomes an image here, if it can run here.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Refusal;
use crate::{
    digest::{ChainId, DiffId, Digest, ImageId},
    engine::images::{Images, blocking},
    error::{Error, ErrorKind, Result},
    fault,
    lease::{Lease, Thing},
    oci::{self, Platform},
    reference::Reference,
    repositories::document::Document,
};

/// Layers of one push unpacked at once.
const LAYERS_AT_ONCE: usize = 4;

impl Images {
    /// Unpacks what can run here and names it. `None` for what can't: other platforms, artifacts.
    pub(super) async fn land(
        &self,
        repository: &str,
        document: &Document,
        bytes: &[u8],
        names: &[Reference],
        lease: &mut Lease,
    ) -> Result<Option<ImageId>> {
        if let Some(manifest) = document.image() {
            return self.land_image(manifest, vec![bytes.to_vec()], names, lease).await;
        }
        let Some(chosen) = document.choice() else { return Ok(None) };
        let record = self.0.repositories.get(repository);
        let Some(known) = record.as_ref().and_then(|record| record.manifests.get(&chosen)) else { return Ok(None) };
        let things = known.blobs.iter().copied().chain([chosen]).map(Thing::Blob);
        things.for_each(|thing| lease.add(thing));
        let content = self.0.content.clone();
        let inner = blocking(move || Ok(content.read(chosen, oci::MAX_MANIFEST_BYTES)?)).await?;
        let read = Document::read(&inner, &known.media_type)?;
        let Some(manifest) = read.image() else { return Ok(None) };
        self.land_image(manifest, vec![inner.clone(), bytes.to_vec()], names, lease).await
    }

    async fn land_image(
        &self,
        manifest: &oci::Manifest,
        documents: Vec<Vec<u8>>,
        names: &[Reference],
        lease: &mut Lease,
    ) -> Result<Option<ImageId>> {
        let invalid = |text: String| Error::from(Refusal::ManifestInvalid(text));
        let id = manifest.config.digest;
        if manifest.config.size > oci::MAX_CONFIG_BYTES {
            return Err(invalid(format!("an image config has at most {} bytes", oci::MAX_CONFIG_BYTES)));
        }
        let content = self.0.content.clone();
        let config_bytes = blocking(move || Ok(content.read(id, oci::MAX_CONFIG_BYTES)?)).await?;
        let config = oci::Config::parse(&config_bytes).map_err(|error| invalid(error.to_string()))?;
        if !Platform::host().accepts(&config.platform()) {
            return Ok(None);
        }
        let diff_ids = config.diff_ids().to_vec();
        if diff_ids.len() != manifest.layers.len() {
            let text = format!("the manifest has {} layers, its config {}", manifest.layers.len(), diff_ids.len());
            return Err(invalid(text));
        }
        let parts = manifest.layers.iter().zip(diff_ids).zip(config.chains());
        let layers: Vec<_> = parts.map(|((blob, diff_id), chain)| (diff_id, chain, blob.digest)).collect();
        lease.add(Thing::Image(id));
        for (_, chain, _) in &layers {
            lease.add(Thing::Layer(*chain));
        }
        for document in &documents {
            lease.add(Thing::Blob(Digest::of(document)));
        }
        // Collected first: a stream over borrowed layers would borrow this future into itself.
        let work: Vec<_> = layers.iter().map(|layer| self.unpack_pushed(*layer)).collect();
        stream::iter(work).buffer_unordered(LAYERS_AT_ONCE).try_collect::<()>().await?;

        let (images, names) = (self.clone(), names.to_vec());
        blocking(move || {
            fault::point("serve.layer").map_err(Error::from_fault)?;
            let put = |document: &Vec<u8>| images.0.content.put(document);
            let manifests = documents.iter().map(put).collect::<std::result::Result<_, _>>()?;
            let layers = layers.iter().map(|(diff_id, chain, blob)| (*diff_id, *chain, Some(*blob)));
            let record = images.record(id, manifests, layers)?;
            images.sync()?;
            images.0.store.put(record, &config_bytes, &names)?;
            Ok(Some(id))
        })
        .await
    }

    async fn unpack_pushed(&self, (diff_id, chain, blob): (DiffId, ChainId, Digest)) -> Result<()> {
        let _turn = self.0.layers.take(chain).await;
        if self.0.snapshots.has(chain) {
            return Ok(());
        }
        let permit = self.0.unpacks.clone().acquire_owned().await;
        let permit = permit.map_err(|error| Error::internal("shutting down", error))?;
        let images = self.clone();
        let unpacked = blocking(move || {
            let _permit = permit;
            images.unpack(chain, diff_id, blob, &mut |_| ())
        });
        unpacked.await.map_err(|error| match error.kind() {
            // The layer's own fault, not this host's.
            ErrorKind::Invalid | ErrorKind::Upstream | ErrorKind::Unsupported => {
                Refusal::ManifestInvalid(format!("layer {blob} can't be unpacked: {}", error.message())).into()
            }
            _ => error,
        })
    }
}
