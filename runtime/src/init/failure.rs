//! Turning a failed step into a [`Failure`] that names the step.

use std::io;

use crate::monitor::protocol::Failure;

/// The outcome of a step on the way to exec.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What every message begins with, in Docker's words.
pub const PREFIX: &str = "unable to start container process: ";

/// Names the step a failure happened in.
pub trait Stage<T> {
    /// What was being done, in a few words: `mount /proc`.
    fn stage(self, stage: impl AsRef<str>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Stage<T> for std::result::Result<T, E> {
    fn stage(self, stage: impl AsRef<str>) -> Result<T> {
        self.map_err(|error| {
            let (error, stage) = (error.into(), stage.as_ref());
            Failure {
                stage: stage.to_owned(),
                errno: error.raw_os_error().unwrap_or(0),
                message: format!("{PREFIX}{stage}: {error}"),
                exit_code: 128,
            }
        })
    }
}

/// A failure that isn't the kernel's.
pub fn refuse(stage: &str, message: impl std::fmt::Display) -> Failure {
    Failure { stage: stage.to_owned(), errno: 0, message: format!("{PREFIX}{message}"), exit_code: 128 }
}
