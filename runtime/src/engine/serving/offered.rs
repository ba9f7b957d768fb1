//! Images here under the registry's name that were never pushed: pulling one makes its manifest.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{Refusal, ServedAs};
use crate::{
    digest::{Digest, ImageId},
    engine::{
        images::{Images, blocking},
        push,
    },
    error::{Error, Result},
    lease::Thing,
    repositories::{self, Tag, document::Document},
};

impl Images {
    /// The tags images here have in a repository.
    pub(super) fn names_here(&self, served: &ServedAs, repository: &str) -> BTreeMap<String, ImageId> {
        let pushed = self.0.repositories.get(repository);
        let mut names = BTreeMap::new();
        for host in served.hosts() {
            for (name, id) in self.0.store.tags_at(host) {
                let Some(tag) = name.tag().filter(|_| name.path() == repository) else { continue };
                let was = pushed.as_ref().and_then(|record| record.tags.get(tag)).and_then(|tag| tag.image);
                // Of several names the one that was given since the push counts.
                if was != Some(id) || !names.contains_key(tag) {
                    names.insert(tag.to_owned(), id);
                }
            }
        }
        names
    }

    /// The manifest a tag means.
    pub(super) async fn resolve(&self, served: &ServedAs, repository: &str, tag: &str) -> Result<Option<Digest>> {
        let points = self.0.repositories.get(repository).and_then(|record| record.tags.get(tag).cloned());
        let named = self.names_here(served, repository).remove(tag);
        match (named, points) {
            (Some(id), Some(points)) if points.image == Some(id) => Ok(Some(points.digest)),
            (Some(id), _) => self.offer(repository, tag, id).await.map(Some),
            (None, Some(points)) if !points.offered => Ok(Some(points.digest)),
            (None, Some(_)) => {
                let (images, repository, tag) = (self.clone(), repository.to_owned(), tag.to_owned());
                blocking(move || images.withdraw(&repository, &tag)).await?;
                Ok(None)
            }
            (None, None) => Ok(None),
        }
    }

    /// Makes the manifest of an image that has this tag's name, and records both.
    async fn offer(&self, repository: &str, tag: &str, id: ImageId) -> Result<Digest> {
        let _turn = self.0.repository_turns.take(repository.to_owned()).await;
        let mut lease = self.0.leases.open();
        lease.add(Thing::Image(id));
        let gone = || Error::from(Refusal::ManifestUnknown(format!("{repository}:{tag}")));
        let image = self.0.store.by_id(id).filter(|image| !image.record.removed).ok_or_else(gone)?;
        for thing in image.blobs().map(Thing::Blob).chain(image.chains.iter().copied().map(Thing::Layer)) {
            lease.add(thing);
        }
        let (images, of) = (self.clone(), Arc::clone(&image));
        let fitting = blocking(move || Ok(images.fitting(&of))).await?;
        let mut blobs = Vec::new();
        for (index, chain) in image.chains.iter().enumerate() {
            let _turn = self.0.layers.take(*chain).await;
            let (images, of, as_it_is) = (self.clone(), Arc::clone(&image), fitting.is_some());
            blobs.push(blocking(move || images.blob_to_push(&of, index, as_it_is)).await?);
        }
        let (images, repository, tag) = (self.clone(), repository.to_owned(), tag.to_owned());
        blocking(move || {
            let config_bytes = images.0.content.size(id).unwrap_or_default();
            let ready = fitting.map_or_else(|| push::manifest(id, config_bytes, &blobs), Ok)?;
            let digest = ready.descriptor.digest;
            lease.add(Thing::Blob(digest));
            images.0.content.put(&ready.bytes)?;
            images.sync()?;
            let document = Document::read(&ready.bytes, &ready.descriptor.media_type)?;
            let manifest = repositories::Manifest::of(&document, ready.bytes.len() as u64);
            let now = Timestamp::now();
            let points = Tag { digest, pushed_at: now, pushed_by: String::new(), offered: true, image: Some(id) };
            let before = images.0.repositories.get(&repository).and_then(|record| record.tags.get(&tag).cloned());
            images.0.repositories.put(&repository, digest, manifest, Some((tag, points)))?;
            // What an earlier offer under this tag was made of.
            if let Some(before) = before.filter(|before| before.offered && before.digest != digest) {
                let free = images.0.repositories.edit(&repository, |record| record.prune_from(before.digest))?;
                images.free_things(free.into_iter().map(Thing::Blob))?;
            }
            Ok(digest)
        })
        .await
    }

    /// The name an offer stood for is gone.
    fn withdraw(&self, repository: &str, tag: &str) -> Result<()> {
        let free = self.0.repositories.edit(repository, |record| {
            if let Some(gone) = record.tags.get(tag).filter(|tag| tag.offered).map(|tag| tag.digest) {
                record.tags.remove(tag);
                record.prune_from(gone);
            }
        })?;
        self.free_things(free.into_iter().map(Thing::Blob))?;
        Ok(())
    }
}
