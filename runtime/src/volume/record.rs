//! What is kept of a volume, and where.
//!
//! ```text
//! volumes/<name>/volume.json   synced before the folder gets its name
//! volumes/<name>/data/         the files; with driver options the place of their mount
//! volumes/<name>/filling       there while the image's files are copied in
//! ```

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::paths::Paths;

/// The layout written today.
pub const VERSION: u64 = 1;

/// What is known of one volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
}

/// A volume's places on disk.
#[derive(Debug)]
pub struct Places {
    /// Its folder.
    pub folder: PathBuf,
    /// Its record.
    pub record: PathBuf,
    /// Its files.
    pub data: PathBuf,
    /// The mark that what is in `data` is not whole.
    pub filling: PathBuf,
}

impl Places {
    /// Of a volume's folder, staged or not.
    pub fn of(folder: PathBuf) -> Self {
        Self { record: folder.join("volume.json"), data: folder.join("data"), filling: folder.join("filling"), folder }
    }

    /// Of a volume by its name.
    pub fn named(paths: &Paths, name: &str) -> Self {
        Self::of(paths.volume(name))
    }
}
