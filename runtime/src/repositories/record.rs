//! What is stored of one repository.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::document::Document;
use crate::digest::{Digest, ImageId};

/// One repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `team/app`.
    pub name: String,
    /// When the first manifest came.
    pub created_at: Timestamp,
    /// Tags.
    pub tags: BTreeMap<String, Tag>,
    /// Tags that stand for names images here have and that were never pushed: made when they are first pulled.
    #[serde(default)]
    pub offers: BTreeMap<String, Tag>,
    /// Manifests and indexes, tagged or not.
    pub manifests: BTreeMap<Digest, Manifest>,
}

/// What a tag points to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// A manifest of the same record.
    pub digest: Digest,
    /// Since when.
    pub pushed_at: Timestamp,
    /// By whom; empty when the tag was not pushed.
    pub pushed_by: String,
    /// The image it became here.
    pub image: Option<ImageId>,
}

/// What is known of a manifest or an index without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// Its own bytes.
    pub size: u64,
    /// Bytes of the blobs it names.
    pub content_bytes: u64,
    /// When it came.
    pub pushed_at: Timestamp,
    /// What it is about.
    pub subject: Option<Digest>,
    /// What kind of thing it is, where it is no image.
    pub artifact_type: String,
    /// Its remarks.
    pub annotations: BTreeMap<String, String>,
    /// Blobs it names.
    pub blobs: Vec<Digest>,
    /// Manifests it names.
    pub manifests: Vec<Digest>,
}

impl Manifest {
    /// Of a document that comes now.
    pub fn of(document: &Document, size: u64) -> Self {
        Self {
            media_type: document.media_type.clone(),
            size,
            content_bytes: document.blobs.iter().map(|blob| blob.size).sum(),
            pushed_at: Timestamp::now(),
            subject: document.subject,
            artifact_type: document.artifact_type.clone(),
            annotations: document.annotations.clone(),
            blobs: document.blobs.iter().map(|blob| blob.digest).collect(),
            manifests: document.manifests.iter().map(|manifest| manifest.digest).collect(),
        }
    }
}

impl Record {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            created_at: Timestamp::now(),
            tags: BTreeMap::new(),
            offers: BTreeMap::new(),
            manifests: BTreeMap::new(),
        }
    }

    /// Every blob it needs, manifests among them.
    pub fn needed(&self) -> impl Iterator<Item = Digest> + '_ {
        self.manifests.iter().flat_map(|(digest, manifest)| [*digest].into_iter().chain(manifest.blobs.iter().copied()))
    }

    /// A manifest here names this blob.
    pub fn has_blob(&self, blob: Digest) -> bool {
        self.manifests.values().any(|manifest| manifest.blobs.contains(&blob))
    }

    /// Removes a manifest and the tags that point to it, which are answered.
    pub fn remove_manifest(&mut self, digest: Digest) -> Vec<String> {
        self.manifests.remove(&digest);
        let tags = self.tags.iter().filter(|(_, tag)| tag.digest == digest).map(|(name, _)| name.clone());
        let tags: Vec<_> = tags.collect();
        self.tags.retain(|_, tag| tag.digest != digest);
        self.offers.retain(|_, tag| tag.digest != digest);
        tags
    }

    /// Takes an offer back, and what only it led to.
    pub fn withdraw(&mut self, tag: &str) {
        if let Some(gone) = self.offers.remove(tag) {
            self.prune_from(gone.digest);
        }
    }

    /// Removes what nothing leads to from this manifest on: itself, if neither tag nor index has it, then likewise what
    /// it named, and what is about it.
    pub fn prune_from(&mut self, digest: Digest) {
        let mut left = vec![digest];
        while let Some(digest) = left.pop() {
            let is_tagged = self.tags.values().chain(self.offers.values()).any(|tag| tag.digest == digest);
            let is_named = self.manifests.values().any(|manifest| manifest.manifests.contains(&digest));
            if is_tagged || is_named {
                continue;
            }
            if let Some(gone) = self.manifests.remove(&digest) {
                left.extend(gone.manifests);
                let about = self.manifests.iter().filter(|(_, manifest)| manifest.subject == Some(digest));
                left.extend(about.map(|(digest, _)| *digest));
            }
        }
    }
}
