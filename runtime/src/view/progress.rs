//! How far a pull, push or load is.

use super::{LoadedImage, PulledImage, Pushed};
use crate::digest::{DiffId, Digest};

/// A step of a pull, push or load, for progress bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The name was resolved: tag or digest and repository, familiar form.
    Pulling {
        /// `latest`.
        tag: String,
        /// `busybox` or `127.0.0.1:5000/web`.
        repository: String,
    },
    /// One layer moved on.
    Layer {
        /// The blob's digest.
        digest: Digest,
        /// Where it stands.
        step: LayerStep,
    },
    /// A whole image of an archive was stored.
    Loaded(LoadedImage),
    /// One of several tags was pulled.
    Pulled(PulledImage),
    /// A push begins: the repository, canonical form.
    PushingTo(String),
    /// One layer of a push moved on.
    Push {
        /// The layer's digest when unpacked, which is known before it is compressed.
        layer: DiffId,
        /// Where it stands.
        step: PushStep,
    },
    /// A tag was pushed.
    Pushed(Pushed),
}

/// Where a layer of a push stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushStep {
    /// Looked at, and compressed if need be.
    Preparing,
    /// Bytes so far and in all.
    Uploading {
        /// Compressed bytes sent.
        current: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// The repository has it already.
    Exists,
    /// The registry took it from another repository of its own.
    Mounted(String),
    /// Uploaded.
    Done,
}

/// Where a layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerStep {
    /// Queued.
    Waiting,
    /// Another request is fetching it already.
    Exists,
    /// Bytes so far and in all.
    Downloading {
        /// Compressed bytes received.
        current: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// Received whole and its digest agrees.
    Downloaded,
    /// Bytes so far and in all.
    Extracting {
        /// Compressed bytes unpacked.
        current: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// Unpacked and recorded.
    Complete,
}
