//! What is asked about images that are made or removed here.

use jiff::Timestamp;

/// A container's changes as an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitContainer {
    /// The name it gets; none is fine.
    pub reference: Option<String>,
    /// Who made it.
    pub author: String,
    /// A remark.
    pub comment: String,
    /// Dockerfile instructions that change the image's config.
    pub changes: Vec<String>,
    /// Its processes stand still meanwhile.
    pub pause: bool,
}

/// A file system as an image of one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportImage {
    /// The name it gets; none is fine.
    pub reference: Option<String>,
    /// A remark.
    pub message: String,
    /// Dockerfile instructions that make the image's config.
    pub changes: Vec<String>,
    /// `os[/arch[/variant]]`, the host's when empty.
    pub platform: Option<String>,
}

/// Which images to remove of those that no container uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneImages {
    /// Images with names too, not only those without.
    pub named: bool,
    /// Only those built before this moment.
    pub until: Option<Timestamp>,
    /// Only those that have all these labels, `name` or `name=value`.
    pub labels: Vec<String>,
    /// Only those that have none of these.
    pub labels_not: Vec<String>,
}
