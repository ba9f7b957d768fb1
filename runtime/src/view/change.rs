//! What changed: in a container, and by a prune.

use std::path::PathBuf;

use super::ImageRemoval;

/// A path of a container that is not as its image has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub kind: ChangeKind,
    /// From the root.
    pub path: PathBuf,
}

/// How a path changed; the numbers are Docker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is another.
    Modified = 0,
    /// It was not there.
    Added = 1,
    /// It was there.
    Deleted = 2,
}

/// What a removal or a prune of images took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedImages {
    /// Names taken off, images and layers removed.
    pub steps: Vec<ImageRemoval>,
    /// Bytes on disk that are free again: layers' files and blobs.
    pub reclaimed_bytes: u64,
}
