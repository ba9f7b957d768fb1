//! Images here under the registry's name that were never pushed: pulling one makes its manifest.

use std::collections::BTreeMap;

use super::ServedAs;
use crate::{
    digest::{Digest, ImageId},
    engine::images::{Images, blocking},
    error::Result,
    lease::Thing,
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
