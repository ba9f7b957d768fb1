//! The engine's one error: a small closed [`ErrorKind`] that decides the status code, and a message for the person.
//!
//! Rooms have `thiserror` enums of their own and convert into [`Error`] at the engine's door. The message is shown to
//! clients (Docker's CLI matches on some texts), the source chain only to the log.

use std::fmt;

/// What class of failure this is. Each dialect (Docker API, pages) maps it to a status in one `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// The thing's present state forbids it: name taken, in use, already removing.
    Conflict,
    /// Already so: started when running, stopped when exited. Docker answers 304.
    NotModified,
    /// The request is wrong in itself.
    Invalid,
    /// Not allowed.
    Forbidden,
    /// Credentials are missing or refused (by a registry).
    Unauthorized,
    /// This build or this host can't do it.
    Unsupported,
    /// A registry, mirror or other peer failed or can't be reached.
    Upstream,
    /// Out of room, descriptors, addresses or another finite thing.
    Exhausted,
    /// Cancelled by the caller or by shutdown.
    Cancelled,
    /// Temporarily not possible; trying again may help.
    Unavailable,
    /// A defect, or the host failed underneath.
    Internal,
}

/// An engine failure: kind, message for the client, source for the log.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Shorthand used across the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error whose message is the whole story.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// An error with the failure underneath, which only the log shows.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }

    /// [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// [`ErrorKind::Internal`] with its cause; the client sees only `message`.
    pub fn internal(message: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::with_source(ErrorKind::Internal, message, source)
    }

    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text for the client.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Message and all causes, for the log.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind, self.chain())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
