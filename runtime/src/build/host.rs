//! What a builder needs of the engine.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;

use super::{
    cache::{Entry, Key},
    dockerfile::Sharing,
};
use crate::{
    digest::{DiffId, ImageId},
    error::Result,
    reference::Reference,
    request::{BuildNetwork, Secret},
    view::{BuiltImage, Stream},
};

/// An image a stage begins with.
#[derive(Clone, Debug)]
pub struct BaseImage {
    /// The image.
    pub id: ImageId,
    /// Its layers, lowest first.
    pub layers: Vec<DiffId>,
    /// Its config, as it is.
    pub config: Vec<u8>,
}

/// A folder or file that is seen at another place while a command runs.
#[derive(Clone, Debug)]
pub struct StepMount {
    /// Absolute path inside.
    pub target: String,
    /// It can't be written.
    pub read_only: bool,
    /// What is seen there.
    pub source: StepSource,
}

/// What a [`StepMount`] shows.
#[derive(Clone, Debug)]
pub enum StepSource {
    /// Part of a host folder of the engine's: the build context. What is written is thrown away.
    Folder {
        /// The folder.
        root: PathBuf,
        /// Path in it.
        path: String,
    },
    /// Part of a stack of layers. What is written is thrown away.
    Layers {
        /// The stack, lowest first.
        layers: Vec<DiffId>,
        /// Path in it.
        path: String,
    },
    /// A cache folder; what is written stays.
    Cache {
        /// What builds call it.
        id: String,
        /// Who may have it at the same time.
        sharing: Sharing,
        /// Mode and owner it is made with.
        made: (u32, u32, u32),
        /// What a new one begins with: a folder of a stack of layers.
        seed: Option<(Vec<DiffId>, String)>,
    },
    /// Memory.
    Tmpfs {
        /// Most bytes; half the memory when `None`.
        size_bytes: Option<u64>,
    },
    /// A program that can be run and not written.
    Script {
        /// Its text.
        content: Vec<u8>,
    },
    /// A file in memory that is in no layer.
    Secret {
        /// Its content.
        content: Secret,
        /// Its mode and owner.
        made: (u32, u32, u32),
    },
}

/// A command to be run on a stack of layers.
#[derive(Clone, Debug)]
pub struct RunStep {
    /// The stack, lowest first.
    pub layers: Vec<DiffId>,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<String>,
    /// Working directory inside.
    pub cwd: String,
    /// `user[:group]`; empty is root.
    pub user: String,
    /// The network.
    pub network: BuildNetwork,
    /// What else is to be seen.
    pub mounts: Vec<StepMount>,
}

/// How a command ended.
#[derive(Debug)]
pub struct RunEnd {
    /// As wait(2) has it, 128 + n after signal n.
    pub exit_code: i32,
    /// The kernel ended it for memory.
    pub oom_killed: bool,
    /// What it changed.
    pub changes: Box<dyn Changes>,
}

/// What was changed on top of a stack of layers; gone when dropped.
pub trait Changes: std::fmt::Debug + Send {
    /// The overlay's upper folder.
    fn upper(&self) -> &Path;
}

/// A writable view of a stack of layers; what was written is gone when dropped.
pub trait Tree: std::fmt::Debug + Send {
    /// Its root.
    fn root(&self) -> BorrowedFd<'_>;
    /// What was written.
    fn finish(self: Box<Self>) -> Result<Box<dyn Changes>>;
}

/// A layer a step made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeLayer {
    /// Its hash.
    pub diff_id: DiffId,
    /// Bytes on disk.
    pub size_bytes: u64,
}

/// What ADD wants from elsewhere.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The address.
    pub address: String,
    /// It must have a name for the file: the destination is a folder.
    pub named: bool,
    /// `sha256:…` it must have.
    pub checksum: Option<String>,
    /// Keep `.git`.
    pub keep_git_dir: bool,
}

/// What was fetched: a folder that holds it.
#[derive(Debug)]
pub struct Fetched {
    /// The folder; gone with the build.
    pub root: OwnedFd,
    /// The file's name in it; `None` when the folder itself is meant (a git checkout).
    pub file: Option<String>,
}

/// The engine as a builder sees it. All calls may wait; a cancelled build makes them fail.
pub trait Host: Sync {
    /// The image of this name, fetched when it is not here.
    fn base(&self, name: &str, platform: Option<&str>, step: usize) -> Result<BaseImage>;
    /// Runs a command; `output` gets what it writes, in order and whole.
    fn run(&self, step: &RunStep, name: &dyn Fn(&str), output: &mut dyn FnMut(Stream, Bytes)) -> Result<RunEnd>;
    /// A stack of layers to write on.
    fn tree(&self, layers: &[DiffId]) -> Result<Box<dyn Tree>>;
    /// A stack of layers to read.
    fn view(&self, layers: &[DiffId]) -> Result<OwnedFd>;
    /// Makes changes a layer; `None` when there are none.
    fn adopt(&self, changes: Box<dyn Changes>, below: &[DiffId], clamp: Option<i64>) -> Result<Option<MadeLayer>>;
    /// Puts the uppermost of these layers on others; `None` when it doesn't come out the same.
    fn restack(&self, layers: &[DiffId], below: &[DiffId]) -> Result<Option<MadeLayer>>;
    /// A step's result from an earlier build.
    fn find(&self, key: Key) -> Option<Entry>;
    /// Keeps a step's result.
    fn keep(&self, entry: Entry);
    /// Fetches what ADD names.
    fn fetch(&self, wanted: &Wanted) -> Result<Fetched>;
    /// Publishes the image.
    fn publish(&self, config: &[u8], layers: &[DiffId], names: &[Reference]) -> Result<BuiltImage>;
    /// The build is to end.
    fn is_cancelled(&self) -> bool;
    /// How long a wait between looks at [`Host::is_cancelled`] may be.
    fn patience(&self) -> Duration {
        Duration::from_millis(100)
    }
}
