//! What a build tells while it runs, and what it made.

use bytes::Bytes;

use super::{Progress, Stream};
use crate::digest::{Digest, ImageId};

/// One step of a build, as planned: only those the target needs, in the order of the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildStep {
    /// The stage's number in the Dockerfile, from 0.
    pub stage: usize,
    /// The stage's name, or its number in words.
    pub stage_name: String,
    /// Line of the Dockerfile, from 1.
    pub line: usize,
    /// The instruction as people wrote it, on one line.
    pub text: String,
}

/// Something a person should look at; the build goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildWarning {
    /// The check's name as Docker's public list has it (`JSONArgsRecommended`), empty when it has none.
    pub check: String,
    /// Line of the Dockerfile, from 1; 0 for the whole.
    pub line: usize,
    /// What and why.
    pub text: String,
}

/// A moment of a build. Steps are numbers into [`BuildEvent::Plan`]; stages run side by side, so steps do too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildEvent {
    /// Of the Dockerfile; before anything runs.
    Warning(BuildWarning),
    /// What will be done; once, after the warnings.
    Plan(Vec<BuildStep>),
    /// A base image is being fetched.
    Pull {
        /// The step, a FROM.
        step: usize,
        /// How far.
        progress: Progress,
    },
    /// A step began.
    Began {
        /// Which.
        step: usize,
    },
    /// Its container runs.
    Running {
        /// Which.
        step: usize,
        /// The container's short id.
        container: String,
    },
    /// Bytes its program wrote.
    Output {
        /// Which.
        step: usize,
        /// Where to.
        stream: Stream,
        /// As they came.
        bytes: Bytes,
    },
    /// A step came to its end.
    Done {
        /// Which.
        step: usize,
        /// Its result was known.
        cached: bool,
        /// What the stage is now: a name for the state of files and configuration.
        result: Digest,
        /// Bytes on disk of the layer it made, if it made one.
        layer_bytes: Option<u64>,
    },
    /// A step failed, and with it the build.
    Failed {
        /// Which.
        step: usize,
        /// Why.
        message: String,
        /// Of its program, when that was it.
        exit_code: Option<i32>,
    },
    /// The image is there.
    Built(BuiltImage),
}

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltImage {
    /// The image.
    pub id: ImageId,
    /// Its new names, familiar form.
    pub names: Vec<String>,
    /// Bytes of all its layers on disk.
    pub size_bytes: u64,
}
