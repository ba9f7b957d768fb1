//! The only state requests share.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use runtime::Engine;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{gate::Gate, seal::Vault},
    db::Db,
    ops::{operation::Operations, usage::Readings},
};

/// Everything a request may need; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// The parts, public to the rooms below `ops`.
pub struct Inner {
    /// Users, sessions, audit, operations.
    pub db: Db,
    /// The container engine.
    pub engine: Engine,
    /// Long work in progress.
    pub operations: Operations,
    /// When this process began to serve.
    pub started_at: Timestamp,
    /// What containers use.
    pub readings: Readings,
    /// What signing in needs in memory.
    pub gate: Gate,
    /// Seals the secrets that are kept.
    pub vault: Vault,
    /// Cancelled when the server is to end: long answers (events, logs) end then.
    pub shutdown: CancellationToken,
    /// The docker socket's path, when it is on.
    pub docker_socket: Option<PathBuf>,
}

impl App {
    /// Puts the parts together.
    pub fn new(db: Db, engine: Engine, vault: Vault, docker_socket: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            db,
            engine,
            operations: Operations::default(),
            started_at: Timestamp::now(),
            readings: Readings::default(),
            gate: Gate::default(),
            vault,
            shutdown: CancellationToken::new(),
            docker_socket,
        }))
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
