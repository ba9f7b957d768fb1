//! Volumes, and what is mounted into containers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A volume to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateVolume {
    /// The engine chooses one when `None`.
    pub name: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options of Docker's local driver: `type`, `device` and `o` as for mount(8).
    pub options: BTreeMap<String, String>,
}

/// These driver options ask for memory and nothing of the host.
pub fn only_memory(options: &BTreeMap<String, String>) -> bool {
    let binds = |words: &String| words.split(',').any(|word| matches!(word.trim(), "bind" | "rbind"));
    options.get("type").is_some_and(|kind| kind == "tmpfs") && !options.get("o").is_some_and(binds)
}

/// Which volumes to remove of those that no container names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneVolumes {
    /// Those with a name of their own too, not only anonymous ones.
    pub named: bool,
    /// Only those that have all these labels, `name` or `name=value`.
    pub labels: Vec<String>,
    /// Only those that have none of these.
    pub labels_not: Vec<String>,
}

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerMount {
    /// Where inside; absolute.
    pub target: String,
    /// What.
    pub source: MountFrom,
    /// It can't be written to.
    pub read_only: bool,
    /// As it was written in one word (`-v`), to be shown again.
    pub spelled: Option<String>,
}

/// Where a [`ContainerMount`] comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum MountFrom {
    /// A file or folder of the host.
    Bind(BindMount),
    /// A volume.
    Volume(VolumeMount),
    /// Memory.
    Tmpfs(TmpfsMount),
}

/// A file or folder of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindMount {
    /// On the host; absolute.
    pub path: String,
    /// What is found at `path` may not lie outside this folder, wherever links lead.
    pub within: Option<String>,
    /// Make a folder where there is nothing.
    pub create: bool,
    /// With what is mounted below.
    pub recursive: bool,
    /// Mounts made later on the host show up inside.
    pub follows_host: bool,
}

/// A volume in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    /// Made when there is none; one without a name gets a new volume of its own, which goes with the container.
    pub name: Option<String>,
    /// The name was the engine's choice.
    pub anonymous: bool,
    /// A folder or file of the volume instead of all of it.
    pub subpath: String,
    /// An empty volume begins as what the image has in this place.
    pub copy: bool,
    /// Labels, should it be made.
    pub labels: BTreeMap<String, String>,
    /// Driver options, should it be made.
    pub options: BTreeMap<String, String>,
}

/// Memory in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsMount {
    /// Bytes it may hold.
    pub size_bytes: Option<u64>,
    /// Mode of its root; 01777 when `None`.
    pub mode: Option<u32>,
    /// Programs in it can be run.
    pub exec: bool,
}

/// All mounts of another container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumesFrom {
    /// Its name or id.
    pub container: String,
    /// None of them can be written to.
    pub read_only: bool,
}

impl ContainerMount {
    /// The volume it mounts.
    pub fn volume(&self) -> Option<&VolumeMount> {
        match &self.source {
            MountFrom::Volume(volume) => Some(volume),
            _ => None,
        }
    }

    /// The host path it mounts.
    pub fn bind(&self) -> Option<&BindMount> {
        match &self.source {
            MountFrom::Bind(bind) => Some(bind),
            _ => None,
        }
    }
}
