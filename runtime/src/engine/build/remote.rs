//! Files from elsewhere: what ADD names, and contexts given by address.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{cancelled, host::Builder};
use crate::{
    build::{
        context::Context,
        git::{self, Checkout, GitSource},
        host::{Fetched, Host as _, Wanted},
        reach::Reach,
        remote,
    },
    digest::Digest,
    durable,
    error::{Error, Result},
    snapshot::Limits,
};

/// How long fetching a repository may take.
const GIT_PATIENCE: Duration = Duration::from_mins(15);

impl Builder {
    fn reach(&self) -> Reach {
        Reach { private: self.engine.inner.private_sources, ..Reach::default() }
    }

    pub(super) fn fetched(&self, wanted: &Wanted) -> Result<Fetched> {
        if let Some(source) = GitSource::parse(&wanted.address) {
            let checkout = self.checkout(&source, wanted.keep_git_dir)?;
            if let Some(checksum) = wanted.checksum.as_deref().filter(|text| !checkout.commit.starts_with(*text)) {
                let text = format!("expected checksum to match {checksum}, got {}", checkout.commit);
                return Err(Error::invalid(text));
            }
            return Ok(Fetched { root: checkout.root, file: None });
        }
        let checksum = wanted.checksum.as_deref().map(checksum).transpose()?;
        let folder = self.folder.fresh()?;
        let file = self.wait(async {
            let (address, reach) = (&wanted.address, self.reach());
            Ok(remote::fetch(address, &folder, wanted.named, checksum, &reach).await?)
        })?;
        Ok(Fetched { root: opened(&folder)?, file: Some(file.name) })
    }

    /// A repository, an archive, or a Dockerfile.
    pub(super) fn remote_context(&self, address: &str) -> Result<(Context, PathBuf)> {
        if let Some(source) = GitSource::parse_context(address) {
            let root = self.checkout(&source, false)?.root;
            let folder = fs::read_link(format!("/proc/self/fd/{}", root.as_raw_fd())).map_err(failed)?;
            return Ok((Context::of(root), folder));
        }
        if !remote::is_address(address) {
            return Err(Error::invalid(format!(
                "{address:?} is no context: give the address of a git repository, of an archive or of a Dockerfile"
            )));
        }
        let folder = self.folder.fresh()?;
        let fetched = self.wait(async {
            let reach = self.reach();
            Ok(remote::fetch(address, &folder, false, None, &reach).await?)
        })?;
        let file = File::open(&fetched.path).map_err(failed)?;
        let context = Context::from_file(self.folder.path(), file, Limits::default())?;
        Ok((context, self.folder.path().join("context")))
    }

    fn checkout(&self, source: &GitSource, keep_git_folder: bool) -> Result<Checkout> {
        let folder = self.folder.fresh()?;
        let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let checkout = thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    stop.store(self.is_cancelled(), Ordering::Relaxed);
                    thread::park_timeout(self.patience());
                }
            });
            let checkout = git::checkout(source, &folder, keep_git_folder, &self.reach(), GIT_PATIENCE, &stop);
            done.store(true, Ordering::Relaxed);
            checkout
        });
        if self.is_cancelled() {
            return Err(cancelled());
        }
        Ok(checkout?)
    }
}

fn checksum(text: &str) -> Result<Digest> {
    text.parse().map_err(|_| Error::invalid(format!("invalid checksum {text:?}: write sha256: and 64 digits")))
}

fn opened(folder: &std::path::Path) -> Result<OwnedFd> {
    File::open(folder).map(OwnedFd::from).map_err(failed)
}

fn failed(error: io::Error) -> Error {
    durable::io_error("what was fetched can't be read", error.kind(), error)
}
