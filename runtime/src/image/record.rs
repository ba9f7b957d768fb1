//! What is stored of an image.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::{DiffId, Digest, ImageId},
    reference::Reference,
};

/// One layer of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Digest of its plain bytes.
    pub diff_id: DiffId,
    /// Its unpacked bytes on disk.
    pub size_bytes: u64,
    /// Its tar as it came, if that is kept.
    pub blob: Option<Digest>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Digest of its config.
    pub id: ImageId,
    /// When it came here.
    pub added_at: Timestamp,
    /// Its manifest, where one was given, then the indexes that led there.
    pub manifests: Vec<Digest>,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
    /// Names it is about to get: a crash in between is finished by the next start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub naming: Vec<Reference>,
    /// Removed by the user while stopped containers still need its layers: kept for them alone, shown to nobody.
    #[serde(default)]
    pub removed: bool,
}
