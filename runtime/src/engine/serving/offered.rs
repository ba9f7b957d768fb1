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
    repositories::{self, Record, Tag, document::Document},
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
        let record = self.0.repositories.get(repository);
        let of = |tags: fn(&Record) -> &BTreeMap<String, Tag>| record.as_ref().and_then(|one| tags(one).get(tag));
        let (pushed, offered) = (of(|record| &record.tags), of(|record| &record.offers));
        let Some(id) = self.names_here(served, repository).remove(tag) else {
            return Ok(pushed.map(|tag| tag.digest));
        };
        match pushed.into_iter().chain(offered).find(|tag| tag.image == Some(id)) {
            Some(known) => Ok(Some(known.digest)),
            None => self.offer(repository, tag, id).await.map(Some),
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
            let points = Tag { digest, pushed_at: now, pushed_by: String::new(), image: Some(id) };
            let point = |record: &mut Record| {
                let before = record.offers.insert(tag, points).filter(|before| before.digest != digest);
                if let Some(before) = before {
                    record.prune_from(before.digest);
                }
            };
            let free = images.0.repositories.put(&repository, digest, manifest, point)?;
            drop((lease, blobs));
            // Plain layers whose compressed ones are kept from now on, too.
            images.free_things(free.into_iter().chain(image.blobs()).map(Thing::Blob))?;
            Ok(digest)
        })
        .await
    }

    /// Takes back the offers whose names are gone.
    pub(in crate::engine) fn withdraw_offers(&self) -> Result<()> {
        for record in self.0.repositories.all() {
            let is_gone = |(tag, points): &(&String, &Tag)| {
                points.image.is_none_or(|id| !self.0.store.is_named(&record.name, tag, id))
            };
            let gone: Vec<String> = record.offers.iter().filter(is_gone).map(|(tag, _)| tag.clone()).collect();
            if !gone.is_empty() {
                let free = self.0.repositories.edit(&record.name, |record| {
                    for tag in &gone {
                        record.withdraw(tag);
                    }
                })?;
                self.free_things(free.into_iter().map(Thing::Blob))?;
            }
        }
        Ok(())
    }
}
