//! What the engine shows of its objects: plain values, complete, safe to keep.

use std::collections::BTreeMap;

use jiff::Timestamp;

mod build;
mod change;
mod container;
mod exec;
mod health;
mod host;
mod image;
mod log;
mod network;
mod progress;
mod stats;
mod volume;
mod volume_files;

pub use build::{BuildEvent, BuildStep, BuildWarning, BuiltImage};
pub use change::{Change, ChangeKind, PrunedImages};
pub use container::{
    ContainerSize, ContainerState, ContainerView, Created, Endpoint, Exit, PathStat, ProcessTable, PrunedContainers,
    PublishedPort,
};
pub use exec::{ExecState, ExecView};
pub use health::{Health, HealthState, Probe};
pub use host::{HostCheck, HostInfo, Verdict};
pub use image::{HistoryView, ImageDefaults, ImageRemoval, ImageSummary, ImageView, LoadedImage, PulledImage, Pushed};
pub use log::{LogEvent, LogLine, Stream};
pub use network::{Inet6, NetworkMember, NetworkView, PrunedNetworks};
pub use progress::{LayerStep, Progress, PushStep};
pub use stats::{NetworkStats, Stats};
pub use volume::{ANONYMOUS_LABEL, PrunedVolumes, VolumeView};
pub use volume_files::{FileEntry, FileKind, FolderView, TextFile};

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// `container` or `image` or `network`.
    pub object: &'static str,
    /// Docker's verb: `create start attach die stop kill oom destroy pull load tag untag delete`.
    pub action: String,
    /// The object's id.
    pub id: String,
    /// Docker's attributes: `name`, `image`, `exitCode`, `signal`, labels.
    pub attributes: BTreeMap<String, String>,
}
