//! Volumes.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;

use crate::id::ContainerId;

/// The label of volumes whose name was the engine's choice, as Docker has it.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// A volume as lists need it; making it touches no disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeView {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Where its files are on the host.
    pub mountpoint: PathBuf,
    /// Containers that mount it, running or not.
    pub users: Vec<ContainerId>,
}

impl VolumeView {
    /// Its name was the engine's choice.
    pub fn is_anonymous(&self) -> bool {
        self.labels.contains_key(ANONYMOUS_LABEL)
    }
}

/// What a prune took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedVolumes {
    /// Their names.
    pub removed: Vec<String>,
    /// Bytes on disk.
    pub reclaimed_bytes: u64,
}
