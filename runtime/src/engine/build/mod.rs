//! `build`: a folder for the build -> its files -> what is planned -> the steps => the image.
//!
//! What a build works on is in `builds/work/<name>`, which goes with it and is swept at start. Its layers are leased until
//! an image or the cache has them.

mod host;
mod remote;
mod steps;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::host::Builder;
use super::Engine;
use crate::{
    build::{context::Context, execute::execute, plan::Plan},
    durable,
    error::{Error, ErrorKind, Result},
    fault,
    request::{BuildImage, BuildSource},
    snapshot::Limits,
    view::{BuildEvent, BuiltImage},
};

impl Engine {
    /// Builds an image. Every event is told: the channel is to be read until it is closed. A build goes on when the caller
    /// goes away, and ends soon after it is cancelled.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the context, the Dockerfile or a step of it is wrong, in Docker's words;
    /// [`ErrorKind::Cancelled`]; the engine's own. Steps that came to their end stay in the cache.
    pub fn build(
        &self,
        request: BuildImage,
        source: BuildSource,
        cancel: CancellationToken,
        events: mpsc::Sender<BuildEvent>,
    ) -> BoxFuture<'static, Result<BuiltImage>> {
        let engine = self.clone();
        async move {
            let executor = tokio::runtime::Handle::current();
            let build = move || {
                let folder = Arc::new(Folder::make(&engine)?);
                Builder::new(engine, request, folder, events, cancel, executor).build(source)
            };
            super::blocking(build).await
        }
        .boxed()
    }
}

impl Builder {
    fn build(&self, source: BuildSource) -> Result<BuiltImage> {
        let (context, folder) = self.context(source)?;
        fault::point("build.context").map_err(Error::from_fault)?;
        let plan = Plan::new(&self.request, context, folder, &|name| self.known(name))?;
        for warning in plan.warnings() {
            self.tell(BuildEvent::Warning(warning.clone()));
        }
        self.tell(BuildEvent::Plan(plan.steps().to_vec()));
        execute(&plan, &self.request, self, &|event| self.tell(event))
    }

    /// The build's files, and the folder they are in.
    fn context(&self, source: BuildSource) -> Result<(Context, PathBuf)> {
        let folder = self.folder.path();
        let context = match source {
            BuildSource::Archive(archive) => Context::unpack(folder, archive, Limits::default())?,
            BuildSource::Dockerfile(text) => Context::from_dockerfile(folder, &text)?,
            BuildSource::Remote(address) => return self.remote_context(&address),
        };
        Ok((context, folder.join("context")))
    }
}

/// A build's folder; it goes when dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    trash: PathBuf,
    engine: Engine,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("data_root", &self.inner.paths.data_root()).finish_non_exhaustive()
    }
}

impl Folder {
    fn make(engine: &Engine) -> Result<Self> {
        let path = engine.inner.paths.build_work().join(durable::fresh_name(""));
        fs::create_dir(&path)
            .map_err(|error| durable::io_error("the build's folder can't be made", error.kind(), error))?;
        Ok(Self { path, trash: engine.inner.paths.trash(), engine: engine.clone() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A new folder in it.
    pub(super) fn fresh(&self) -> Result<PathBuf> {
        let path = self.path.join(durable::fresh_name("part-"));
        fs::create_dir(&path)
            .map_err(|error| durable::io_error("the build's folder can't be written", error.kind(), error))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::rename(&self.path, self.trash.join(durable::fresh_name(""))) {
            tracing::warn!(path = %self.path.display(), %error, "a build's folder stays until the next start");
        }
        self.engine.inner.trash.empty();
    }
}

/// The build was told to end.
fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the build was cancelled")
}
