//! Execs and where they stand.

use jiff::Timestamp;

use crate::{
    id::{ContainerId, ExecId},
    request::ExecContainer,
};

/// Where an exec stands in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecState {
    /// Not started.
    Created,
    /// Being started.
    Starting,
    /// It runs.
    Running {
        /// Process id on the host.
        pid: i32,
    },
    /// It has ended, or could not be started.
    Ended {
        /// 0 to 255; 128 + n after signal n; 126 or 127 when it could not be started.
        code: i32,
        /// When.
        at: Timestamp,
        /// Why it could not be started, or that its end was not seen.
        error: Option<String>,
    },
}

/// An exec.
#[derive(Clone, Debug)]
pub struct ExecView {
    /// Its id.
    pub id: ExecId,
    /// The container it is in.
    pub container: ContainerId,
    /// What was asked for.
    pub request: ExecContainer,
    /// Where it stands.
    pub state: ExecState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ExecState {
    /// Its process exists, or is about to.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Starting | Self::Running { .. })
    }
}
