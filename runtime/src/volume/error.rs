//! What can go wrong with volumes, in Docker's words.

use std::io;

use crate::{durable, error::ErrorKind, id::ContainerId};

/// A volume operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such volume.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// Containers name it.
    #[error("remove {name}: volume is in use - [{}]", .users.iter().map(ContainerId::as_str).collect::<Vec<_>>().join(", "))]
    InUse {
        /// Its name.
        name: String,
        /// The containers.
        users: Vec<ContainerId>,
    },
    /// A name or an option that can't be.
    #[error("create {name}: {why}")]
    Invalid {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// What its options say can't be mounted.
    #[error("error while mounting volume {name:?}: failed to mount local volume: {why}")]
    Mount {
        /// Its name.
        name: String,
        /// What the kernel said, in words.
        why: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The disk failed.
    #[error("volume {name:?}: {source}")]
    Io {
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) => Self::not_found(error.to_string()),
            Error::InUse { .. } => Self::conflict(error.to_string()),
            Error::Invalid { .. } => Self::invalid(error.to_string()),
            Error::Mount { .. } => Self::with_source(ErrorKind::Unavailable, error.to_string(), error),
            Error::Io { ref source, .. } => {
                let kind = source.kind();
                durable::io_error("the volume can't be read or written", kind, error)
            }
            Error::Durable(error) => error.into(),
        }
    }
}
