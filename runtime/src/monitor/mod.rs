//! One process per container that stays with it: parent of its first process, keeper of its output, witness of its end.
//!
//! ```text
//! <run dir>/sock    control socket (SOCK_SEQPACKET, root only)
//!           state   who runs: pid and start time
//!           mnt     mount point used in the monitor's own mount namespace
//! <exit file>       written before anybody is told of the end
//! ```
//!
//! The monitor states facts; policy (restarts, removal) is the engine's. It has one thread and no async code, runs from
//! a sealed memory file, and lives on when the server dies. When it is killed itself, the kernel kills the container's
//! first process. Server and monitor speak [`protocol`].

#[cfg(feature = "engine")]
pub mod client;
mod connections;
mod devices;
mod execs;
mod join;
mod output;
mod prepare;
mod probe;
pub mod protocol;
pub mod report;
mod run;
mod source;

pub use self::{report::read_exit, run::main};
