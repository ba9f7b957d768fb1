//! COPY, and ADD of what is local: sources are selected, digested for the cache, and written.
//!
//! A [`Selection`] holds what was chosen with its metadata, not a descriptor: the source's root must stay and must not
//! change until it is written. The target is the root of a file system nobody else writes to meanwhile.
//!
//! - A source that is a folder gives what is inside it; its own metadata is not copied (as BuildKit). A source that is a
//!   link is followed inside its root, links below are copied as links.
//! - The destination is resolved through links as inside the target. Below it links are not followed: a folder is never
//!   written through a link.
//! - Sockets are left out. Hard links among what one source selects stay hard links.

mod chmod;
mod content;
mod digest;
mod parts;
mod pick;
mod place;
mod walk;
mod write;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use self::pick::{Body, Pick};
pub(super) use self::walk::{FOLDER, joined, names};
pub use self::{
    chmod::{Change, Chmod},
    digest::Hashes,
    place::make_workdir,
};
use crate::{
    build::{
        add,
        ignore::{Ignore, IgnoreError},
    },
    digest::Digest,
};

/// Why something can't be copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such source.
    #[error(
        "{instruction} failed: file not found in build context or excluded by .dockerignore: stat {path}: file does not exist"
    )]
    NotInContext {
        /// COPY or ADD.
        instruction: &'static str,
        /// The source.
        path: String,
    },
    /// No such source in another stage.
    #[error("{instruction} failed: stat {path}: file does not exist")]
    NotInStage {
        /// COPY or ADD.
        instruction: &'static str,
        /// The source.
        path: String,
    },
    /// Patterns that match nothing.
    #[error("{0} failed: no source files were specified")]
    Nothing(&'static str),
    /// Several sources and a destination that is one file.
    #[error("When using {0} with more than one source file, the destination must be a directory and end with a /")]
    NotAFolder(&'static str),
    /// A folder onto something else.
    #[error("cannot copy to non-directory: {0}")]
    OntoFile(String),
    /// Something else onto a folder.
    #[error("cannot replace to directory {0} with file")]
    OntoFolder(String),
    /// A broken pattern.
    #[error("syntax error in pattern: {0}")]
    Pattern(String),
    /// A broken `--exclude`.
    #[error(transparent)]
    Exclude(#[from] IgnoreError),
    /// A broken `--chmod`.
    #[error("invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777, or symbolic")]
    Chmod(String),
    /// Too much of something.
    #[error("{0} exceeds the limit of {1}")]
    Limit(String, String),
    /// An archive that can't be unpacked.
    #[error("{path}: {source}")]
    Archive {
        /// Which.
        path: String,
        /// Why.
        source: crate::snapshot::UntarError,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    fn io(path: &[u8]) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = shown(path);
        |source| Self::Io { path, source }
    }
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        use crate::error::ErrorKind;
        match &error {
            Error::Io { source, .. }
            | Error::Archive { source: crate::snapshot::UntarError::Entry { source, .. }, .. } => {
                let kind = match source.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
                    io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Internal,
                    _ if source.raw_os_error() == Some(libc::EIO) => ErrorKind::Internal,
                    _ => ErrorKind::Invalid,
                };
                Self::with_source(kind, error.to_string(), error)
            }
            Error::Limit(..) | Error::Archive { source: crate::snapshot::UntarError::Full(_), .. } => {
                Self::with_source(ErrorKind::Exhausted, error.to_string(), error)
            }
            _ => Self::with_source(ErrorKind::Invalid, error.to_string(), error),
        }
    }
}

/// A path as people see it.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// Where sources are.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The root; links are resolved inside it.
    pub root: BorrowedFd<'a>,
    /// What is left out: `.dockerignore`.
    pub ignore: Option<&'a Ignore>,
    /// What kind of tree it is.
    pub kind: Kind,
    /// Hashes of files known already.
    pub hashes: Option<&'a Hashes>,
}

/// What kind of tree sources are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A build context: owned by nobody in particular.
    Context,
    /// A stage or an image: owners are kept.
    Layers,
}

/// A here-document to be written as a file.
#[derive(Clone, Debug)]
pub struct Heredoc {
    /// Its name, which is the file's.
    pub name: Vec<u8>,
    /// Its content.
    pub content: Vec<u8>,
}

/// One COPY or ADD, variables expanded.
#[derive(Clone, Debug)]
pub struct CopyRequest {
    /// Sources as written.
    pub sources: Vec<Vec<u8>>,
    /// Here-documents among the sources.
    pub heredocs: Vec<Heredoc>,
    /// The destination as written.
    pub dest: Vec<u8>,
    /// What a destination that is not absolute starts from.
    pub workdir: Vec<u8>,
    /// Owner of all that is written.
    pub chown: Option<(u32, u32)>,
    /// Change of permissions.
    pub chmod: Option<Chmod>,
    /// Patterns of what is left out, relative to each source.
    pub excludes: Vec<Vec<u8>>,
    /// Folders above a source are kept, from `/./` on if it is in there.
    pub parents: bool,
    /// Archives are unpacked.
    pub unpack: bool,
    /// `COPY` or `ADD`, for messages.
    pub instruction: &'static str,
}

impl CopyRequest {
    /// A plain COPY.
    pub fn new(sources: Vec<Vec<u8>>, dest: impl Into<Vec<u8>>) -> Self {
        Self {
            sources,
            heredocs: Vec::new(),
            dest: dest.into(),
            workdir: b"/".to_vec(),
            chown: None,
            chmod: None,
            excludes: Vec::new(),
            parents: false,
            unpack: false,
            instruction: "COPY",
        }
    }

    /// The destination as a clean absolute path, with a slash at its end where it must be a folder.
    pub fn destination(&self) -> Vec<u8> {
        let mut whole = Vec::new();
        if !self.dest.starts_with(b"/") {
            whole.extend_from_slice(&self.workdir);
            whole.push(b'/');
        }
        whole.extend_from_slice(&self.dest);
        let folder = self.dest.is_empty() || self.dest == b"." || self.dest.ends_with(b"/");
        let mut clean = b"/".to_vec();
        clean.extend(parts::parts(&whole).join(&b'/'));
        if folder && clean != b"/" {
            clean.push(b'/');
        }
        clean
    }
}

/// What one instruction copies.
pub struct Selection<'a> {
    picks: Vec<Pick<'a>>,
    request: CopyRequest,
}

impl<'a> Selection<'a> {
    /// Finds the sources.
    pub fn new(source: &Source<'a>, request: &CopyRequest) -> Result<Self, Error> {
        Self::join(vec![Self::part(source, request)?])
    }

    /// Sources of one instruction that come from another tree than the rest: to be [joined](Self::join).
    pub fn part(source: &Source<'a>, request: &CopyRequest) -> Result<Self, Error> {
        let excludes = Ignore::new(request.excludes.iter().map(Vec::as_slice))?;
        let mut picks = Vec::new();
        for written in &request.sources {
            pick::pick(source, request, &excludes, written, &mut picks)?;
        }
        for heredoc in &request.heredocs {
            picks.push(Pick::inline(*source, heredoc));
        }
        if picks.is_empty() {
            return Err(Error::Nothing(request.instruction));
        }
        if request.unpack {
            for pick in &mut picks {
                if let Body::File(node) = pick.body
                    && add::is_archive(pick.open().map_err(Error::io(&pick.from))?)
                {
                    pick.body = Body::Archive(node);
                }
            }
        }
        Ok(Self { picks, request: request.clone() })
    }

    /// Several parts, in order, as one selection of the first one's request.
    pub fn join(parts: Vec<Self>) -> Result<Self, Error> {
        let mut parts = parts.into_iter();
        let Some(mut whole) = parts.next() else { return Err(Error::Nothing("COPY")) };
        whole.picks.extend(parts.flat_map(|part| part.picks));
        if whole.picks.len() > 1 && !whole.request.destination().ends_with(b"/") {
            return Err(Error::NotAFolder(whole.request.instruction));
        }
        Ok(whole)
    }

    /// A digest of all that will be written but the place and the times: for the cache.
    pub fn digest(&self) -> Result<Digest, Error> {
        digest::digest(&self.picks, &self.request)
    }

    /// Writes into a tree. What is younger than `epoch` gets that time.
    pub fn write(&self, target: BorrowedFd<'_>, epoch: Option<i64>) -> Result<(), Error> {
        write::write(&self.picks, &self.request, target, epoch)
    }

    /// Files, folders and links that will be written at most.
    pub fn entries(&self) -> usize {
        self.picks
            .iter()
            .map(|pick| match &pick.body {
                Body::Tree(entries) => entries.len(),
                _ => 1,
            })
            .sum()
    }
}

impl Source<'_> {
    /// A build context.
    pub fn context<'a>(root: &'a impl AsFd, ignore: Option<&'a Ignore>) -> Source<'a> {
        Source { root: root.as_fd(), ignore, kind: Kind::Context, hashes: None }
    }

    /// A stage or an image.
    pub fn layers(root: &impl AsFd) -> Source<'_> {
        Source { root: root.as_fd(), ignore: None, kind: Kind::Layers, hashes: None }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
