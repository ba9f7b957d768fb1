//! What the served registry refuses, in the words of the OCI distribution specification.

use crate::{
    content::uploads,
    digest::Digest,
    error::{Error, ErrorKind},
    repositories::document,
};

/// Why a registry request is refused. Travels as the source of an [`Error`]: see [`Refusal::of`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such blob in this repository.
    #[error("blob unknown to registry: {0}")]
    BlobUnknown(Digest),
    /// No such upload.
    #[error("there is no such upload")]
    UploadUnknown,
    /// It can't go on so.
    #[error("{0}")]
    UploadInvalid(String),
    /// The part begins elsewhere than the last one ended.
    #[error("{have} bytes have come; the next part must begin there")]
    Range {
        /// Bytes that have come.
        have: u64,
    },
    /// Other content than its digest says.
    #[error("{0}")]
    DigestInvalid(String),
    /// Larger than it may be, or than it says.
    #[error("{0}")]
    SizeInvalid(String),
    /// A manifest names what is not here.
    #[error("the manifest names {0}, which this repository does not have")]
    ManifestBlobUnknown(Digest),
    /// It can't be taken.
    #[error("{0}")]
    ManifestInvalid(String),
    /// No such manifest or tag.
    #[error("manifest unknown: {0}")]
    ManifestUnknown(String),
    /// Not a repository's name, or not a tag.
    #[error("{0}")]
    NameInvalid(String),
    /// No such repository.
    #[error("repository {0} is not known to this registry")]
    NameUnknown(String),
    /// Still needed.
    #[error("{0}")]
    Needed(String),
    /// Too many uploads at once.
    #[error("{0}")]
    TooMany(String),
}

impl Refusal {
    /// The refusal behind an error, if it is one.
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error).and_then(|source| source.downcast_ref())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::BlobUnknown(_)
            | Refusal::UploadUnknown
            | Refusal::ManifestUnknown(_)
            | Refusal::NameUnknown(_) => ErrorKind::NotFound,
            Refusal::Needed(_) | Refusal::Range { .. } => ErrorKind::Conflict,
            Refusal::TooMany(_) => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        Self::with_source(kind, refusal.to_string(), refusal)
    }
}

impl From<uploads::Error> for Error {
    fn from(error: uploads::Error) -> Self {
        match error {
            uploads::Error::Unknown => Refusal::UploadUnknown.into(),
            uploads::Error::TakenOver => Refusal::UploadInvalid(error.to_string()).into(),
            uploads::Error::TooMany => Refusal::TooMany(error.to_string()).into(),
            uploads::Error::Mismatch { .. } => Refusal::DigestInvalid(error.to_string()).into(),
            uploads::Error::Content(error) => error.into(),
        }
    }
}

impl From<document::Error> for Error {
    fn from(error: document::Error) -> Self {
        Refusal::ManifestInvalid(error.to_string()).into()
    }
}
