//! What can go wrong with a registry, in words that name host and step, and Docker's own where clients match on them.

use std::time::Duration;

use crate::{digest::Digest, error::ErrorKind, oci};

/// A registry operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke.
    #[error("registry {host} can't be reached: {cause}")]
    Unreachable {
        /// Which.
        host: String,
        /// The innermost cause.
        cause: String,
    },
    /// The connection broke, or ended too early, while something was received.
    #[error("registry {host}: {cause}")]
    Broken {
        /// Which.
        host: String,
        /// The innermost cause.
        cause: String,
    },
    /// Nothing came for too long.
    #[error("registry {host}: less than 1 KiB/s came for {} s", after.as_secs())]
    Stalled {
        /// Which.
        host: String,
        /// How long.
        after: Duration,
    },
    /// An answer nobody hopes for.
    #[error("registry {host}: {step}: received unexpected HTTP status: {status}{detail}")]
    Status {
        /// Which.
        host: String,
        /// What was asked.
        step: &'static str,
        /// `502 Bad Gateway`.
        status: reqwest::StatusCode,
        /// What the registry said, with a colon before it.
        detail: String,
        /// What it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// No such tag or digest.
    #[error("manifest for {reference} not found: {detail}")]
    NoManifest {
        /// Familiar form.
        reference: String,
        /// The registry's words.
        detail: String,
    },
    /// No such repository.
    #[error("repository {repository} not found: {detail}")]
    NoRepository {
        /// Familiar form.
        repository: String,
        /// The registry's words.
        detail: String,
    },
    /// Not allowed, or not there.
    #[error("pull access denied for {repository}, repository does not exist or may require 'docker login': {detail}")]
    Denied {
        /// Familiar form.
        repository: String,
        /// The registry's words.
        detail: String,
    },
    /// Credentials are missing or wrong.
    #[error("{0}")]
    Unauthorized(String),
    /// The registry wants a name and password, and there is none.
    #[error("no basic auth credentials")]
    NoCredentials,
    /// The index has nothing for this platform.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoPlatform(oci::Platform),
    /// Another document than asked for.
    #[error("registry {host} sent a manifest with digest {found} instead of {wanted}")]
    ManifestDigest {
        /// Which.
        host: String,
        /// Asked for or announced.
        wanted: Digest,
        /// Found.
        found: Digest,
    },
    /// More bytes than there may be.
    #[error("registry {host}: {what} is larger than {limit} bytes")]
    TooLarge {
        /// Which.
        host: String,
        /// What.
        what: &'static str,
        /// The most.
        limit: u64,
    },
    /// The registry says that it stored something else than it was given.
    #[error("registry {host} stored {found} instead of {wanted}")]
    Stored {
        /// Which.
        host: String,
        /// Given.
        wanted: Digest,
        /// Said.
        found: Digest,
    },
    /// A redirect that is not followed.
    #[error("registry {host}: {why}")]
    Redirect {
        /// Which.
        host: String,
        /// Why not.
        why: &'static str,
    },
    /// An authentication scheme that is not spoken, or not safe.
    #[error("registry {host}: {why}")]
    Challenge {
        /// Which.
        host: String,
        /// Why not.
        why: &'static str,
    },
    /// A document is wrong.
    #[error(transparent)]
    Document(#[from] oci::Error),
    /// Another length than the manifest says.
    #[error("registry {host} sent {found} bytes for blob {digest} instead of {wanted}")]
    BlobSize {
        /// Which.
        host: String,
        /// Of the blob.
        digest: Digest,
        /// Announced with the answer.
        found: u64,
        /// By the manifest.
        wanted: u64,
    },
    /// What came can't be stored.
    #[error(transparent)]
    Store(crate::error::Error),
    /// This client can't be set up.
    #[error("registry client: {0}")]
    Setup(String),
}

impl Error {
    /// Trying again may help.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Stalled { .. } => true,
            Self::Status { status, .. } => status.as_u16() == 429 || status.is_server_error(),
            _ => false,
        }
    }
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Document(error) => return error.into(),
            Error::Store(error) => return error,
            Error::NoManifest { .. } | Error::NoRepository { .. } | Error::Denied { .. } | Error::NoPlatform(_) => {
                ErrorKind::NotFound
            }
            Error::Unauthorized(_) | Error::NoCredentials => ErrorKind::Unauthorized,
            Error::Setup(_) => ErrorKind::Internal,
            Error::Unreachable { .. }
            | Error::Broken { .. }
            | Error::Stalled { .. }
            | Error::Status { .. }
            | Error::ManifestDigest { .. }
            | Error::Stored { .. }
            | Error::TooLarge { .. }
            | Error::BlobSize { .. }
            | Error::Redirect { .. }
            | Error::Challenge { .. } => ErrorKind::Upstream,
        };
        Self::new(kind, error.to_string())
    }
}

/// The innermost cause's words: `connection refused` says more than `error sending request`.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
