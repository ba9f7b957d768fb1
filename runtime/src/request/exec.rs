//! Execs: one more program in a container that runs.

use serde::{Deserialize, Serialize};

/// An exec to be made. What is `None` is as for the container's own program.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecContainer {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `NAME=value`; a bare `NAME` takes the container's variable away.
    pub env: Vec<String>,
    /// Absolute path.
    pub working_dir: Option<String>,
    /// `user[:group]` by name or number.
    pub user: Option<String>,
    /// A terminal instead of pipes.
    pub tty: bool,
    /// Somebody will write to its input.
    pub attach_stdin: bool,
    /// Somebody will read its standard output.
    pub attach_stdout: bool,
    /// Somebody will read its standard error.
    pub attach_stderr: bool,
    /// With every capability.
    pub privileged: bool,
    /// The keys that leave it; Docker's own when `None`.
    pub detach_keys: Option<String>,
    /// Rows and columns of the terminal.
    pub size: Option<(u16, u16)>,
    /// Its last output is kept for those who come back to it. For terminals.
    pub replay: bool,
    /// No events: the engine's own probes.
    pub quiet: bool,
    /// Whose it is, in the caller's words; means nothing to the engine.
    pub owner: Option<String>,
}

impl std::fmt::Debug for ExecContainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments and environment may hold secrets.
        f.debug_struct("ExecContainer")
            .field("program", &self.argv.first())
            .field("tty", &self.tty)
            .finish_non_exhaustive()
    }
}

/// Which streams of an exec a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachExec {
    /// Send input.
    pub stdin: bool,
    /// Receive standard output.
    pub stdout: bool,
    /// Receive standard error.
    pub stderr: bool,
    /// First what is kept of earlier output.
    pub replay: bool,
}
