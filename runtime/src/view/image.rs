//! Images.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::{DiffId, Digest, ImageId},
    request::{ContainerPort, HealthCheck},
};

/// An image as lists need it.
#[derive(Clone, Debug)]
pub struct ImageSummary {
    /// The config's digest.
    pub id: ImageId,
    /// `name:tag`, familiar form, sorted.
    pub tags: Vec<String>,
    /// `name@sha256:…`, familiar form, sorted.
    pub digests: Vec<String>,
    /// When it was built, if it says.
    pub created_at: Option<Timestamp>,
    /// When it came here.
    pub added_at: Timestamp,
    /// Its layers' unpacked bytes.
    pub size_bytes: u64,
    /// Of these, bytes of layers no other image has.
    pub unique_bytes: u64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// One line of an image's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryView {
    /// When.
    pub created_at: Option<Timestamp>,
    /// The instruction.
    pub created_by: String,
    /// A remark.
    pub comment: String,
    /// Unpacked bytes of its layer; 0 when it has none.
    pub size_bytes: u64,
    /// Its layer, if it made one.
    pub diff_id: Option<DiffId>,
}

/// An image in full.
#[derive(Clone, Debug)]
pub struct ImageView {
    /// The part lists show.
    pub summary: ImageSummary,
    /// `amd64`.
    pub architecture: String,
    /// `v8`, often empty.
    pub variant: String,
    /// `linux`.
    pub os: String,
    /// Who made it.
    pub author: String,
    /// The config as stored, for inspect: exactly the blob.
    pub config: serde_json::Value,
    /// How containers of it run by default.
    pub defaults: ImageDefaults,
    /// Layers, lowest first.
    pub layers: Vec<DiffId>,
    /// History, oldest first.
    pub history: Vec<HistoryView>,
    /// Digest of its manifest, where one was stored.
    pub manifest: Option<Digest>,
}

/// What an image says of the containers made from it (OCI image spec, `config`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDefaults {
    /// `user[:group]`.
    pub user: String,
    /// Exposed ports.
    pub exposed_ports: Vec<ContainerPort>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub cmd: Vec<String>,
    /// Paths declared as volumes.
    pub volumes: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Signal name or number.
    pub stop_signal: String,
    /// Health check.
    pub health: Option<HealthCheck>,
    /// The shell for command lines; empty is `/bin/sh -c`.
    pub shell: Vec<String>,
}

/// What removing an image did, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRemoval {
    /// This name no longer points to it.
    Untagged(String),
    /// The image, or a layer of it, is gone.
    Deleted(Digest),
}

/// An image that an archive brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    /// Its id.
    pub id: ImageId,
    /// The names it got, familiar form; may be empty.
    pub tags: Vec<String>,
}

/// What `pull` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledImage {
    /// Its id.
    pub id: ImageId,
    /// Digest of the manifest or index the name pointed to.
    pub digest: Digest,
    /// The name it has here, familiar form.
    pub reference: String,
    /// It was here already, under this name.
    pub up_to_date: bool,
}

/// What `push` answers for one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The image.
    pub id: ImageId,
    /// The name it was pushed under, familiar form.
    pub reference: String,
    /// Its tag.
    pub tag: String,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Bytes of its manifest.
    pub size: u64,
}
