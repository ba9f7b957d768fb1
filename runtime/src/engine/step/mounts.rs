//! What is mounted into a build step, as its author thinks of it, and as the launch specification wants it.

use std::path::PathBuf;

use super::super::{Engine, create::IDS_EACH};
use crate::{
    digest::DiffId,
    error::{Error, Result},
    lease::Lease,
    spec::{Mount, MountSource},
};

/// One mount of a step.
#[derive(Clone, Debug)]
pub struct StepMount {
    /// What is mounted.
    pub source: StepSource,
    /// The file or folder of the source, links resolved as inside it; empty is all of it.
    pub subpath: String,
    /// Absolute.
    pub target: String,
    /// It can't be written to.
    pub read_only: bool,
}

/// Where a [`StepMount`] comes from.
#[derive(Clone)]
pub enum StepSource {
    /// Another stage or an image, lowest layer first. What is written to it is thrown away.
    Layers(Vec<DiffId>),
    /// A folder of the host, such as a build context. What is written to it is thrown away.
    Folder(PathBuf),
    /// A folder of the engine's that keeps what is written, with the ids it has inside.
    Cache(PathBuf),
    /// A socket (of an SSH agent) owned by the host's user 0, who is root inside.
    Socket(PathBuf),
    /// A file with this in it, in memory alone.
    Secret {
        /// What is in it.
        bytes: Vec<u8>,
        /// Permissions.
        mode: u32,
        /// Owner inside.
        uid: u32,
        /// Group inside.
        gid: u32,
    },
    /// Empty, in memory alone.
    Tmpfs {
        /// Bytes it may hold; half of the memory when `None`.
        size_bytes: Option<u64>,
    },
}

impl std::fmt::Debug for StepSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Layers(layers) => f.debug_tuple("Layers").field(layers).finish(),
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Cache(path) => f.debug_tuple("Cache").field(path).finish(),
            Self::Socket(path) => f.debug_tuple("Socket").field(path).finish(),
            Self::Secret { .. } => f.write_str("Secret"),
            Self::Tmpfs { size_bytes } => f.debug_tuple("Tmpfs").field(size_bytes).finish(),
        }
    }
}

/// The mount for the launch specification; layers are leased. A folder for what is written is still to be filled in.
pub(super) fn resolve(engine: &Engine, mount: &StepMount, leases: &mut Vec<Lease>) -> Result<Mount> {
    let StepMount { source, subpath, target, read_only } = mount;
    let named = target.split('/').any(|part| !part.is_empty() && part != ".");
    if !target.starts_with('/') || !named || target.contains('\0') || subpath.contains('\0') {
        return Err(Error::invalid(format!("invalid mount target {target:?}: it must be absolute and not /")));
    }
    let writable = (!read_only).then(PathBuf::new);
    let bind =
        |path: &PathBuf| MountSource::Bind { path: path.clone(), mapped: true, recursive: false, follows_host: false };
    let source = match source {
        StepSource::Layers(layers) => {
            let (lease, lowers) = engine.inner.images.hold_layers(layers)?;
            leases.push(lease);
            MountSource::Overlay { lowers, writable }
        }
        StepSource::Folder(path) if *read_only => bind(path),
        StepSource::Folder(path) => MountSource::Overlay { lowers: vec![path.clone()], writable },
        StepSource::Cache(path) | StepSource::Socket(path) => bind(path),
        StepSource::Secret { bytes, mode, uid, gid } => {
            if *uid >= IDS_EACH || *gid >= IDS_EACH {
                return Err(Error::invalid(format!("the owner of {target} must have ids below {IDS_EACH}")));
            }
            MountSource::Content { bytes: bytes.clone(), mode: *mode, uid: *uid, gid: *gid }
        }
        StepSource::Tmpfs { size_bytes } => {
            let size = size_bytes.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
            MountSource::Tmpfs { options: format!("mode=1777,exec,suid{size}") }
        }
    };
    Ok(Mount {
        // A secret is not a program.
        no_suid: matches!(source, MountSource::Content { .. }),
        no_exec: matches!(source, MountSource::Content { .. }),
        source,
        subpath: subpath.clone(),
        target: target.clone(),
        read_only: *read_only,
    })
}
