//! RUN steps, and stacks of layers to read and to write on.

use std::{
    fs, io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::fs::{PermissionsExt as _, chown},
    },
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{cancelled, host::Builder};
use crate::{
    build::{
        cache::Key,
        copy::{CopyRequest, Selection, Source},
        dockerfile::Sharing,
        host::{Changes, RunEnd, RunStep, StepSource, Tree},
    },
    digest::DiffId,
    durable,
    engine::{
        scratch::Scratch,
        step::{self, Step, StepNetwork, Upper},
        turns::Turn,
    },
    error::{Error, Result},
    request::BuildNetwork,
    view::Stream,
};

/// Pieces of output that wait to be told.
const OUTPUT_LAG: usize = 64;

impl Changes for Upper {
    fn upper(&self) -> &Path {
        self.path()
    }
}

impl Tree for Scratch {
    fn root(&self) -> BorrowedFd<'_> {
        Self::root(self)
    }

    fn finish(self: Box<Self>) -> Result<Box<dyn Changes>> {
        Ok(Box::new(Scratch::finish(*self)))
    }
}

impl Builder {
    pub(super) fn writable(&self, layers: &[DiffId]) -> Result<Box<dyn Tree>> {
        Ok(Box::new(self.wait(self.engine.scratch(layers.to_vec()))?))
    }

    pub(super) fn readable(&self, layers: &[DiffId]) -> Result<OwnedFd> {
        let view = self.wait(self.engine.layers_view(layers.to_vec()))?;
        // The build's lease outlives what is read.
        view.root().try_clone_to_owned().map_err(failed)
    }

    pub(super) fn run_container(
        &self,
        step: &RunStep,
        running: &dyn Fn(&str),
        output: &mut dyn FnMut(Stream, Bytes),
    ) -> Result<RunEnd> {
        let mut turns = Vec::new();
        let mut mounts = Vec::new();
        for mount in &step.mounts {
            let (source, subpath) = self.source(&mount.source, &mut turns)?;
            let (target, read_only) = (mount.target.clone(), mount.read_only);
            mounts.push(step::StepMount { source, subpath, target, read_only });
        }
        let (sender, mut receiver) = mpsc::channel(OUTPUT_LAG);
        let request = Step {
            layers: step.layers.clone(),
            argv: step.argv.clone(),
            env: step.env.clone(),
            cwd: step.cwd.clone(),
            user: step.user.clone(),
            hostname: None,
            network: match step.network {
                BuildNetwork::Default => StepNetwork::Default,
                BuildNetwork::None => StepNetwork::None,
                BuildNetwork::Host => StepNetwork::Host,
            },
            mounts,
            insecure: false,
            limits: self.request.limits.clone(),
            rlimits: self.request.rlimits.clone(),
            shm_size_bytes: self.request.shm_size_bytes,
            extra_hosts: self.request.extra_hosts.clone(),
            output: sender,
            cancel: self.cancel.clone(),
        };
        let id = crate::id::ContainerId::random();
        running(id.short());
        let end = self.executor.spawn(self.engine.run_step_as(id, request));
        while let Some((stream, bytes)) = receiver.blocking_recv() {
            output(stream, bytes);
        }
        let end =
            self.executor.block_on(end).map_err(|panic| Error::internal("this failed inside; see the log", panic))?;
        if self.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let end = end?;
        Ok(RunEnd { exit_code: end.exit_code, oom_killed: end.oom_killed, changes: Box::new(end.upper) })
    }

    fn source(&self, source: &StepSource, turns: &mut Vec<Turn<Key>>) -> Result<(step::StepSource, String)> {
        Ok(match source {
            StepSource::Folder { root, path } => (step::StepSource::Folder(root.clone()), path.clone()),
            StepSource::Layers { layers, path } => (step::StepSource::Layers(layers.clone()), path.clone()),
            StepSource::Tmpfs { size_bytes } => (step::StepSource::Tmpfs { size_bytes: *size_bytes }, String::new()),
            StepSource::Secret { content, made: (mode, uid, gid) } => {
                let (bytes, mode, uid, gid) = (content.0.clone(), *mode, *uid, *gid);
                (step::StepSource::Secret { bytes, mode, uid, gid }, String::new())
            }
            StepSource::Script { content } => {
                let folder = self.folder.fresh()?;
                let file = folder.join("script");
                fs::write(&file, content).map_err(failed)?;
                fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).map_err(failed)?;
                (step::StepSource::Folder(folder), "script".to_owned())
            }
            StepSource::Cache { id, sharing, made, seed } => {
                let seed = seed.as_ref().map(|(layers, path)| (&layers[..], &path[..]));
                (step::StepSource::Cache(self.cache_folder(id, *sharing, *made, seed, turns)?), String::new())
            }
        })
    }

    /// The cache folder of this id, or of the first free one of a row when it is private.
    fn cache_folder(
        &self,
        id: &str,
        sharing: Sharing,
        (mode, uid, gid): (u32, u32, u32),
        seed: Option<(&[DiffId], &str)>,
        turns: &mut Vec<Turn<Key>>,
    ) -> Result<PathBuf> {
        let images = &self.engine.inner.images;
        let cache = images.cache();
        let name = match sharing {
            Sharing::Shared => id.to_owned(),
            Sharing::Locked => {
                let turn = self.wait(async { Ok(images.0.mounts.take(crate::build::cache::mount_key(id)).await) })?;
                turns.push(turn);
                id.to_owned()
            }
            Sharing::Private => {
                let names = (0_u32..).map(|n| if n == 0 { id.to_owned() } else { format!("{id} ({n})") });
                let mut free = names
                    .filter_map(|name| Some((images.0.mounts.try_take(crate::build::cache::mount_key(&name))?, name)));
                // There is always one more.
                let (turn, name) = free.next().ok_or_else(cancelled)?;
                turns.push(turn);
                name
            }
        };
        let (key, data, new) = cache.mount(&name)?;
        if new {
            if let Some((layers, path)) = seed {
                self.fill(&data, layers, path).inspect_err(|_| drop(cache.remove_mount(key)))?;
            }
            fs::set_permissions(&data, fs::Permissions::from_mode(mode)).map_err(failed)?;
            chown(&data, Some(uid), Some(gid)).map_err(failed)?;
        }
        Ok(data)
    }
}

impl Builder {
    /// Copies a folder of a stack of layers.
    fn fill(&self, data: &Path, layers: &[DiffId], path: &str) -> Result<()> {
        let view = self.readable(layers)?;
        let request = CopyRequest::new(vec![path.as_bytes().to_vec()], "/");
        let into = fs::File::open(data).map_err(failed)?;
        Ok(Selection::new(&Source::layers(&view), &request)?.write(into.as_fd(), None)?)
    }
}

fn failed(error: io::Error) -> Error {
    durable::io_error("the stage's files can't be reached", error.kind(), error)
}
