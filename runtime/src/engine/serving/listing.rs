//! Lists: repositories, tags, referrers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Refusal, ServedAs, Serving};
use crate::{
    digest::{Digest, ImageId},
    error::Result,
    repositories::{Manifest, Record, Tag},
};

/// A repository as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryView {
    /// `team/app`.
    pub name: String,
    /// Its tags, by name.
    pub tags: Vec<TagView>,
    /// Manifests without a tag that are part of nothing.
    pub untagged: Vec<(Digest, u64, Timestamp)>,
    /// Bytes of all its blobs, each counted once for each manifest that names it.
    pub content_bytes: u64,
}

/// A tag as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagView {
    /// `1.2`.
    pub tag: String,
    /// What it points to; not known before an image that was never pushed is first pulled.
    pub digest: Option<Digest>,
    /// Bytes of the blobs, as they are sent.
    pub content_bytes: u64,
    /// An index: how many manifests.
    pub manifests: usize,
    /// Since when.
    pub pushed_at: Option<Timestamp>,
    /// By whom; empty when it was not pushed.
    pub pushed_by: String,
    /// The image here.
    pub image: Option<ImageId>,
}

/// A manifest that is about another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
    /// What kind of thing it is.
    pub artifact_type: String,
    /// Its remarks.
    pub annotations: BTreeMap<String, String>,
}

impl Serving {
    /// The names of all repositories, sorted. Memory only.
    pub fn repositories(&self, served: &ServedAs) -> Vec<String> {
        let mut names: BTreeSet<String> = self.0.0.repositories.all().iter().map(|one| one.name.clone()).collect();
        for host in served.hosts() {
            names.extend(self.0.0.store.tags_at(host).into_iter().map(|(name, _)| name.path().to_owned()));
        }
        names.into_iter().collect()
    }

    /// The tags of a repository, sorted. Memory only.
    ///
    /// # Errors
    /// [`Refusal::NameUnknown`].
    pub fn tags(&self, served: &ServedAs, repository: &str) -> Result<Vec<String>> {
        Ok(self.repository(served, repository)?.tags.into_iter().map(|tag| tag.tag).collect())
    }

    /// A repository with its tags. Memory only.
    ///
    /// # Errors
    /// [`Refusal::NameUnknown`].
    pub fn repository(&self, served: &ServedAs, repository: &str) -> Result<RepositoryView> {
        let record = self.0.0.repositories.get(repository);
        let names = self.0.names_here(served, repository);
        if record.is_none() && names.is_empty() {
            return Err(Refusal::NameUnknown(repository.to_owned()).into());
        }
        let mut tags = BTreeMap::new();
        for (tag, points) in record.iter().flat_map(|record| record.tags.iter()) {
            tags.insert(tag.clone(), known(record.as_deref(), tag, points));
        }
        for (tag, points) in record.iter().flat_map(|record| record.offers.iter()) {
            // Unless the image was pushed since, or the name is another's.
            let counts = names.get(tag).is_some_and(|id| Some(*id) == points.image);
            if counts && tags.get(tag).is_none_or(|pushed| pushed.image != points.image) {
                tags.insert(tag.clone(), known(record.as_deref(), tag, points));
            }
        }
        for (tag, id) in names {
            if tags.get(&tag).and_then(|view| view.image) != Some(id) {
                let size = self.0.size(id).unwrap_or(0);
                tags.insert(
                    tag.clone(),
                    TagView {
                        tag,
                        digest: None,
                        content_bytes: size,
                        manifests: 0,
                        pushed_at: None,
                        pushed_by: String::new(),
                        image: Some(id),
                    },
                );
            }
        }
        let manifests = || record.iter().flat_map(|record| &record.manifests);
        let is_free = |digest: &Digest, manifest: &Manifest| {
            manifest.subject.is_none()
                && !record
                    .iter()
                    .flat_map(|one| one.tags.values().chain(one.offers.values()))
                    .any(|tag| tag.digest == *digest)
                && !manifests().any(|(_, other)| other.manifests.contains(digest))
        };
        Ok(RepositoryView {
            name: repository.to_owned(),
            untagged: manifests()
                .filter(|(digest, manifest)| is_free(digest, manifest))
                .map(|(digest, manifest)| (*digest, manifest.content_bytes, manifest.pushed_at))
                .collect(),
            content_bytes: manifests().map(|(_, manifest)| manifest.content_bytes + manifest.size).sum(),
            tags: tags.into_values().collect(),
        })
    }

    /// What is about a manifest here, of one kind if that is said. Memory only.
    pub fn referrers(&self, repository: &str, digest: Digest, kind: Option<&str>) -> Vec<Referrer> {
        let record = self.0.0.repositories.get(repository);
        let about = record.iter().flat_map(|record| &record.manifests).filter(|(_, manifest)| {
            manifest.subject == Some(digest) && kind.is_none_or(|kind| kind == manifest.artifact_type)
        });
        about
            .map(|(digest, manifest)| Referrer {
                digest: *digest,
                media_type: manifest.media_type.clone(),
                size: manifest.size,
                artifact_type: manifest.artifact_type.clone(),
                annotations: manifest.annotations.clone(),
            })
            .collect()
    }
}

fn known(record: Option<&Record>, tag: &str, points: &Tag) -> TagView {
    let manifest = record.and_then(|record| record.manifests.get(&points.digest));
    let inner = |digest: &Digest| record.and_then(|record| record.manifests.get(digest));
    let below: u64 =
        manifest.iter().flat_map(|one| &one.manifests).filter_map(inner).map(|one| one.content_bytes).sum();
    TagView {
        tag: tag.to_owned(),
        digest: Some(points.digest),
        content_bytes: manifest.map_or(0, |manifest| manifest.content_bytes) + below,
        manifests: manifest.map_or(0, |manifest| manifest.manifests.len()),
        pushed_at: Some(points.pushed_at),
        pushed_by: points.pushed_by.clone(),
        image: points.image,
    }
}
