//! `prune` of images: those that no container uses and, unless asked for, those with a name stay.
//!
//! Each image goes by itself: whatever ends the prune, an image is there or gone.

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    Engine, blocking,
    images::{ImageUser, Images},
};
use crate::{
    error::{Error, Result},
    fault,
    lease::Thing,
    request::PruneImages,
    view::{ImageRemoval, ImageSummary, PrunedImages},
};

impl PruneImages {
    /// Whether it takes an image that no container uses.
    pub fn chooses(&self, image: &ImageSummary) -> bool {
        let has = |label: &String| match label.split_once('=') {
            Some((name, value)) => image.labels.get(name).is_some_and(|found| found == value),
            None => image.labels.contains_key(label),
        };
        (self.named || image.tags.is_empty())
            && self.until.is_none_or(|until| image.created_at.unwrap_or(image.added_at) < until)
            && self.labels.iter().all(has)
            && !self.labels_not.iter().any(has)
    }
}

impl Images {
    /// `users` tells all containers of the moment it is called.
    pub(super) fn prune(&self, request: &PruneImages, users: &dyn Fn() -> Vec<ImageUser>) -> Result<PrunedImages> {
        let mut pruned = PrunedImages::default();
        for image in self.list().iter().filter(|image| request.chooses(image)) {
            // A container that is being made holds its image until `users` tells it.
            let removed = self.0.leases.unless_held(Thing::Image(image.id), || {
                if users().iter().any(|user| user.image == image.id) {
                    return Ok::<_, Error>(None);
                }
                fault::point("prune.image").map_err(Error::from_fault)?;
                Ok(Some(self.0.store.remove(&image.id.to_string(), true, &[])))
            });
            let removed = match removed.unwrap_or(Ok(None))? {
                // Someone uses it, or someone else removed it.
                None | Some(Err(crate::image::Error::NotFound(_))) => continue,
                Some(removed) => removed?,
            };
            pruned.steps.extend(removed.steps);
            if let Some(image) = removed.image {
                let freed = self.free_parts(&image)?;
                pruned.steps.extend(freed.layers.into_iter().map(|chain| ImageRemoval::Deleted(chain.0)));
                pruned.reclaimed_bytes += freed.bytes;
            }
        }
        Ok(pruned)
    }
}

impl Engine {
    /// Removes images that no container uses.
    ///
    /// # Errors
    /// When the disk fails; images removed until then are gone.
    pub fn prune_images(&self, request: PruneImages) -> BoxFuture<'_, Result<PrunedImages>> {
        async move {
            let engine = self.clone();
            let pruned = blocking(move || engine.inner.images.prune(&request, &|| engine.image_users())).await?;
            self.tell_removals(&pruned.steps);
            self.tell_image("prune", "", &pruned.reclaimed_bytes.to_string());
            Ok(pruned)
        }
        .boxed()
    }
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
