//! The files a build may read: unpacked from what the client sent, or made of one Dockerfile.
//!
//! ```text
//! <folder>/context/   everything is root's; no devices
//! <folder>/trash/     in the way while that was unpacked; empty
//! ```
//! The folder is the caller's, and its removal too.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt as _},
    },
    path::Path,
};

use nix::fcntl::OFlag;

use super::{
    add, copy,
    ignore::{self, Ignore, IgnoreError},
    strip,
};
use crate::{
    snapshot::{Inflate, Limits, Rules, UntarError, unpack},
    sys::path::open_in_root,
};

/// A Dockerfile is no bigger.
const MOST_BYTES: u64 = 4 << 20;
/// Nor an ignore file: each of its patterns is asked about each file.
const MOST_IGNORE_BYTES: u64 = 1 << 20;
const PADDING_BYTES: u64 = 1 << 20;
const DOCKERFILE: &str = "Dockerfile";

/// A build context that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such Dockerfile.
    #[error("Cannot locate specified Dockerfile: {0}")]
    NoDockerfile(String),
    /// It is a folder, a device, or far too big.
    #[error("{path} {why}")]
    Dockerfile {
        /// Its path.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A broken ignore file.
    #[error("{path}: {source}")]
    Ignore {
        /// Its path.
        path: String,
        /// What is wrong.
        source: IgnoreError,
    },
    /// The archive is broken or refused.
    #[error("Error processing tar file: {0}")]
    Archive(#[from] UntarError),
    /// The file system or the stream failed.
    #[error("the build context can't be read: {0}")]
    Io(#[from] io::Error),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        use crate::error::ErrorKind;
        let full =
            |source: &io::Error| matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match &error {
            Error::Archive(UntarError::Full(_) | UntarError::Limit(_)) => {
                Self::with_source(ErrorKind::Exhausted, error.to_string(), error)
            }
            Error::Archive(UntarError::Entry { source, .. }) | Error::Io(source) if full(source) => {
                Self::with_source(ErrorKind::Exhausted, error.to_string(), error)
            }
            _ => Self::with_source(ErrorKind::Invalid, error.to_string(), error),
        }
    }
}

/// A build context.
#[derive(Debug)]
pub struct Context {
    root: OwnedFd,
}

impl Context {
    /// Unpacks a tar stream, compressed or not, into the folder `dir`.
    pub fn unpack(dir: &Path, stream: impl Read + Send, limits: Limits) -> Result<Self, Error> {
        let (context, trash) = (dir.join("context"), dir.join("trash"));
        for folder in [&context, &trash] {
            fs::create_dir(folder)?;
        }
        fs::set_permissions(&context, fs::Permissions::from_mode(0o755))?;
        let root = OwnedFd::from(File::open(&context)?);
        let trash = OwnedFd::from(File::open(&trash)?);
        let rules =
            Rules { whiteouts: false, devices: false, owner: Some((0, 0)), newest: None, base: Vec::new(), live: None };
        let mut stream = Inflate::new(stream)?;
        unpack(&mut stream, &root, Some(&trash), limits, rules)?;
        // What pads the archive's end is read too: who sends it is not cut off.
        io::copy(&mut stream.take(PADDING_BYTES), &mut io::sink())?;
        Ok(Self { root })
    }

    /// A context with nothing but this Dockerfile.
    pub fn from_dockerfile(dir: &Path, text: &[u8]) -> Result<Self, Error> {
        let context = dir.join("context");
        fs::create_dir(&context)?;
        fs::set_permissions(&context, fs::Permissions::from_mode(0o755))?;
        File::create_new(context.join(DOCKERFILE))?.write_all(text)?;
        Ok(Self { root: File::open(&context)?.into() })
    }

    /// Of a file that was fetched: an archive is a context, anything else a Dockerfile.
    pub fn from_file(dir: &Path, mut file: File, limits: Limits) -> Result<Self, Error> {
        let archive = add::is_archive(file.try_clone()?);
        file.seek(SeekFrom::Start(0))?;
        if archive {
            return Self::unpack(dir, file, limits);
        }
        let mut text = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MOST_BYTES {
            return Err(Error::Dockerfile { path: DOCKERFILE.to_owned(), why: "is too big" });
        }
        Self::from_dockerfile(dir, &text)
    }

    /// An existing folder: a checkout.
    pub fn of(folder: OwnedFd) -> Self {
        Self { root: folder }
    }

    /// Its root, for [`copy::Source`].
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// As what COPY takes from.
    pub fn source<'a>(&'a self, ignore: Option<&'a Ignore>) -> copy::Source<'a> {
        copy::Source::context(&self.root, ignore)
    }

    /// The Dockerfile and its path in the context: the one that was asked for, else `Dockerfile`, else `dockerfile`.
    pub fn dockerfile(&self, path: Option<&str>) -> Result<(Vec<u8>, String), Error> {
        let path = path.filter(|path| !path.is_empty());
        let names = path.map_or_else(|| vec![DOCKERFILE, "dockerfile"], |path| vec![path]);
        for name in &names {
            if let Some(text) = self.read(name, MOST_BYTES)? {
                return Ok((text, (*name).to_owned()));
            }
        }
        Err(Error::NoDockerfile(names[0].to_owned()))
    }

    /// What the build leaves out: as `<Dockerfile>.dockerignore` says, else `.dockerignore`; nothing without either.
    pub fn ignore(&self, dockerfile: &str) -> Result<Ignore, Error> {
        for name in ignore::candidates(dockerfile) {
            if let Some(text) = self.read(&name, MOST_IGNORE_BYTES)? {
                return Ignore::parse(&text).map_err(|source| Error::Ignore { path: name, source });
            }
        }
        Ok(Ignore::default())
    }

    /// Takes out what the build leaves out.
    pub fn strip(&self, ignore: &Ignore) -> Result<(), Error> {
        Ok(strip::strip(self.root(), ignore)?)
    }

    fn read(&self, path: &str, most_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let file = match open_in_root(&self.root, OsStr::from_bytes(path.as_bytes()), flags) {
            Ok(file) => File::from(file),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let refused = |why| Error::Dockerfile { path: path.to_owned(), why };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(refused("is not a file"));
        }
        if meta.len() > most_bytes {
            return Err(refused("is too big"));
        }
        let mut text = Vec::new();
        file.take(most_bytes).read_to_end(&mut text)?;
        Ok(Some(text))
    }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
