//! [`ExecSpec`]: one more program in a container that runs.

use serde::{Deserialize, Serialize};

use super::TtySize;

/// Number of the blob's layout, of its own: monitors outlive upgrades of the server, and go on running what is asked of
/// them in this way.
pub const EXEC_VERSION: u32 = 1;

/// How one more program is run in a container. What isn't here is as for the container's own program: its capabilities,
/// filter, limits, groups and environment.
#[derive(Clone, Serialize, Deserialize)]
pub struct ExecSpec {
    /// [`EXEC_VERSION`].
    pub version: u32,
    /// Its id, of the engine's choice.
    pub id: String,
    /// Program and arguments; not empty.
    pub argv: Vec<String>,
    /// `NAME=value`, in place of the container's variable of that name.
    pub env: Vec<String>,
    /// Working directory inside; empty is the container's own. It must be there.
    pub cwd: String,
    /// `user[:group]`; empty is the container's own.
    pub user: String,
    /// A terminal instead of pipes.
    pub tty: Option<TtySize>,
    /// Somebody will write to its standard input; otherwise that is /dev/null.
    pub open_stdin: bool,
    /// With every capability there is in the container's user namespace.
    pub privileged: bool,
    /// What the engine wants to be told again by a monitor that outlived it; means nothing to the monitor.
    pub note: Vec<u8>,
}

impl std::fmt::Debug for ExecSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments and environment may hold secrets.
        f.debug_struct("ExecSpec").field("id", &self.id).field("program", &self.argv.first()).finish_non_exhaustive()
    }
}
