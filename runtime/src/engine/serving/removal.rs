//! Removal: a tag, or a manifest with the tags that point to it; the images' names go first, what nobody needs last.

use super::{Refusal, ServedAs, Serving, named};
use crate::{
    digest::Digest,
    engine::images::{ImageUser, Images, blocking},
    error::{Error, ErrorKind, Result},
    fault,
    lease::Thing,
};

/// What a removal took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Tags.
    pub tags: Vec<String>,
    /// The manifest the request was about.
    pub digest: Digest,
}

impl Serving {
    /// Removes a tag, or by digest a manifest and its tags. With `all`, a manifest that loses its last tag goes too, and
    /// what only it led to. `users` are all containers: the image of one keeps running, without its name.
    ///
    /// # Errors
    /// A [`Refusal`], or a failure.
    pub async fn remove(
        &self,
        served: &ServedAs,
        repository: &str,
        reference: &str,
        all: bool,
        users: Vec<ImageUser>,
    ) -> Result<Removed> {
        let unknown = || Error::from(Refusal::ManifestUnknown(format!("{repository}:{reference}")));
        let digest = reference.parse::<Digest>().ok();
        let tagged = match digest {
            None => self.0.resolve(served, repository, reference).await?,
            Some(_) => None,
        };
        let _turn = self.0.0.repository_turns.take(repository.to_owned()).await;
        let record = self.0.0.repositories.get(repository).ok_or_else(unknown)?;
        let removed = match (digest, tagged) {
            (Some(digest), _) if record.manifests.contains_key(&digest) => {
                let points = |(tag, points): (&String, &crate::repositories::Tag)| {
                    (points.digest == digest).then(|| tag.clone())
                };
                Removed { tags: record.tags.iter().filter_map(points).collect(), digest }
            }
            (None, Some(digest)) => Removed { tags: vec![reference.to_owned()], digest },
            _ => return Err(unknown()),
        };
        let named_by = record.manifests.values().any(|manifest| manifest.manifests.contains(&removed.digest));
        if digest.is_some() && named_by {
            return Err(Refusal::Needed(format!("an index of {repository} still names {}", removed.digest)).into());
        }
        let (images, served, repository, gone) =
            (self.0.clone(), served.clone(), repository.to_owned(), removed.clone());
        let done = blocking(move || images.remove_pushed(&served, &repository, &gone, digest.is_some(), all, &users));
        done.await?;
        Ok(removed)
    }
}

impl Images {
    fn remove_pushed(
        &self,
        served: &ServedAs,
        repository: &str,
        removed: &Removed,
        by_digest: bool,
        all: bool,
        users: &[ImageUser],
    ) -> Result<()> {
        let record = self.0.repositories.get(repository);
        let last = record.as_ref().is_some_and(|record| {
            let mut tags = record.tags.iter().chain(&record.offers);
            tags.all(|(tag, points)| points.digest != removed.digest || removed.tags.contains(tag))
        });
        for host in served.hosts() {
            for tag in &removed.tags {
                self.remove_name(&named(host, repository, tag)?.to_string(), users)?;
            }
            if by_digest || (all && last) {
                self.remove_name(&named(host, repository, "latest")?.at(removed.digest).to_string(), users)?;
            }
        }
        fault::point("serve.unnamed").map_err(Error::from_fault)?;
        let free = self.0.repositories.edit(repository, |record| {
            for tag in &removed.tags {
                let pushed = record.tags.remove(tag);
                record.withdraw(tag);
                if let Some(pushed) = pushed.filter(|_| all) {
                    record.prune_from(pushed.digest);
                }
            }
            if by_digest {
                let named = record.manifests.get(&removed.digest).map(|manifest| manifest.manifests.clone());
                record.remove_manifest(removed.digest);
                for digest in named.into_iter().flatten().filter(|_| all) {
                    record.prune_from(digest);
                }
            } else if all {
                record.prune_from(removed.digest);
            }
        })?;
        fault::point("serve.removed").map_err(Error::from_fault)?;
        self.free_things(free.into_iter().map(Thing::Blob))?;
        Ok(())
    }

    /// Takes a name off, and removes the image when nothing else holds it.
    fn remove_name(&self, name: &str, users: &[ImageUser]) -> Result<()> {
        let reference: crate::reference::Reference = name.parse()?;
        if self.0.store.named(&reference).is_none() {
            return Ok(());
        }
        match self.remove_blocking(name, false, users) {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(self.0.store.unname(&reference)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result.map(drop),
        }
    }
}
