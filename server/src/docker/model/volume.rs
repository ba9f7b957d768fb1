//! Volumes and mounts, as Docker writes them.

use std::collections::BTreeMap;

use runtime::{
    request::{ContainerMount, MountFrom},
    view::{ContainerView, VolumeView},
};
use serde::{Deserialize, Serialize};

/// One volume.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Volume<'a> {
    created_at: String,
    driver: &'static str,
    labels: Option<&'a BTreeMap<String, String>>,
    mountpoint: String,
    name: &'a str,
    options: Option<&'a BTreeMap<String, String>>,
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_data: Option<UsageData>,
}

/// What it takes, and how many containers name it. -1 is not known.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct UsageData {
    pub size: i64,
    pub ref_count: i64,
}

impl<'a> Volume<'a> {
    /// For lists and inspect.
    pub(in crate::docker) fn of(volume: &'a VolumeView) -> Self {
        let some = |map: &'a BTreeMap<String, String>| Some(map).filter(|map| !map.is_empty());
        Self {
            created_at: volume.created_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            driver: "local",
            labels: some(&volume.labels),
            mountpoint: volume.mountpoint.to_string_lossy().into_owned(),
            name: &volume.name,
            options: some(&volume.options),
            scope: "local",
            usage_data: None,
        }
    }

    /// With what it takes.
    pub(in crate::docker) fn with_usage(mut self, bytes: Option<u64>, users: usize) -> Self {
        let size = bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1);
        self.usage_data = Some(UsageData { size, ref_count: i64::try_from(users).unwrap_or(i64::MAX) });
        self
    }
}

/// The body of `POST /volumes/create`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct CreateBody {
    pub name: Option<String>,
    pub driver: Option<String>,
    pub driver_opts: Option<BTreeMap<String, String>>,
    pub labels: Option<BTreeMap<String, String>>,
    pub cluster_volume_spec: Option<serde_json::Value>,
}

/// One of `HostConfig.Mounts`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct MountBody {
    #[serde(rename = "Type")]
    pub kind: Option<String>,
    pub source: Option<String>,
    pub target: Option<String>,
    pub read_only: Option<bool>,
    pub bind_options: Option<BindOptions>,
    pub volume_options: Option<VolumeOptions>,
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// How a host folder is bound.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct BindOptions {
    pub propagation: Option<String>,
    pub non_recursive: Option<bool>,
    pub create_mountpoint: Option<bool>,
    pub read_only_non_recursive: Option<bool>,
}

/// How a volume is mounted.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct VolumeOptions {
    pub no_copy: Option<bool>,
    pub labels: Option<BTreeMap<String, String>>,
    pub driver_config: Option<DriverConfig>,
    pub subpath: Option<String>,
}

/// Who makes a volume.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct DriverConfig {
    pub name: Option<String>,
    pub options: Option<BTreeMap<String, String>>,
}

/// How memory is mounted.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct TmpfsOptions {
    pub size_bytes: Option<i64>,
    pub mode: Option<u32>,
    pub options: Option<Vec<Vec<String>>>,
}

/// One line of `Mounts` in inspect and lists of containers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct MountPoint<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    source: String,
    destination: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<&'static str>,
    mode: &'a str,
    #[serde(rename = "RW")]
    rw: bool,
    propagation: &'static str,
}

impl<'a> MountPoint<'a> {
    /// All of a container's.
    pub(in crate::docker) fn all(container: &'a ContainerView) -> Vec<Self> {
        container.mounts.iter().map(|mount| Self::of(container, mount)).collect()
    }

    fn of(container: &ContainerView, mount: &'a ContainerMount) -> Self {
        let options = mount.spelled.as_deref().and_then(|text| text.split(':').nth(2));
        let named = |mode: &'static str| options.unwrap_or(if mount.spelled.is_some() { mode } else { "" });
        let shown = Self {
            kind: "tmpfs",
            name: None,
            source: String::new(),
            destination: &mount.target,
            driver: None,
            mode: options.unwrap_or_default(),
            rw: !mount.read_only,
            propagation: "",
        };
        match &mount.source {
            MountFrom::Bind(bind) => Self {
                kind: "bind",
                source: bind.path.clone(),
                propagation: if bind.follows_host { "rslave" } else { "rprivate" },
                ..shown
            },
            MountFrom::Volume(volume) => {
                let name = volume.name.as_deref().unwrap_or_default();
                let source = container.volumes_path.join(name).join("data").to_string_lossy().into_owned();
                let mode = named("z");
                Self { kind: "volume", name: Some(name), source, driver: Some("local"), mode, ..shown }
            }
            MountFrom::Tmpfs(_) => shown,
        }
    }
}

/// One of `HostConfig.Mounts`, said back.
pub(in crate::docker) fn said_back(mount: &ContainerMount) -> serde_json::Value {
    let mut said = serde_json::json!({ "Target": mount.target });
    if mount.read_only {
        said["ReadOnly"] = true.into();
    }
    match &mount.source {
        MountFrom::Bind(bind) => {
            said["Type"] = "bind".into();
            said["Source"] = bind.path.as_str().into();
            let mut options = serde_json::Map::new();
            if bind.follows_host {
                options.insert("Propagation".to_owned(), "rslave".into());
            }
            for (name, set) in [("NonRecursive", !bind.recursive), ("CreateMountpoint", bind.create)] {
                if set {
                    options.insert(name.to_owned(), true.into());
                }
            }
            if !options.is_empty() {
                said["BindOptions"] = options.into();
            }
        }
        MountFrom::Volume(volume) => {
            said["Type"] = "volume".into();
            if let Some(name) = &volume.name {
                said["Source"] = name.as_str().into();
            }
            let mut options = serde_json::Map::new();
            if !volume.copy {
                options.insert("NoCopy".to_owned(), true.into());
            }
            if !volume.subpath.is_empty() {
                options.insert("Subpath".to_owned(), volume.subpath.as_str().into());
            }
            if !volume.labels.is_empty() {
                options.insert("Labels".to_owned(), serde_json::json!(volume.labels));
            }
            if !volume.options.is_empty() {
                let driver = serde_json::json!({ "Name": "local", "Options": volume.options });
                options.insert("DriverConfig".to_owned(), driver);
            }
            if !options.is_empty() {
                said["VolumeOptions"] = options.into();
            }
        }
        MountFrom::Tmpfs(memory) => {
            said["Type"] = "tmpfs".into();
            if memory.size_bytes.is_some() || memory.mode.is_some() || memory.exec {
                let mut options = serde_json::json!({
                    "SizeBytes": memory.size_bytes.unwrap_or(0), "Mode": memory.mode.unwrap_or(0),
                });
                if memory.exec {
                    options["Options"] = serde_json::json!([["exec"]]);
                }
                said["TmpfsOptions"] = options;
            }
        }
    }
    said
}
