//! The only state requests share.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use runtime::Engine;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{gate::Gate, seal::Vault},
    db::{Db, usage::UsageDb},
    ops::{builds::Builds, operation::Operations, publishing::PortRule, registry_access::Desk, usage::Readings},
};

/// Everything a request may need; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// The parts, public to the rooms below `ops`.
pub struct Inner {
    /// Users, sessions, audit, operations.
    pub db: Db,
    /// What containers used over time.
    pub usage: UsageDb,
    /// The container engine.
    pub engine: Engine,
    /// Long work in progress.
    pub operations: Operations,
    /// Builds that run, and the files of all.
    pub builds: Builds,
    /// When this process began to serve.
    pub started_at: Timestamp,
    /// What containers use.
    pub readings: Readings,
    /// What signing in needs in memory.
    pub gate: Gate,
    /// What serving the registry needs in memory.
    pub registry: Desk,
    /// Seals the secrets that are kept.
    pub vault: Vault,
    /// Cancelled when the server is to end: long answers (events, logs) end then.
    pub shutdown: CancellationToken,
    /// The docker socket's path, when it is on.
    pub docker_socket: Option<PathBuf>,
    /// Host folders that who does not administer may mount too.
    pub bind_roots: Vec<PathBuf>,
    /// Host ports that who does not administer may publish; all when `None`.
    pub publish_ports: Option<Vec<PortRule>>,
}

impl App {
    /// Puts the parts together.
    pub fn new(
        (db, usage): (Db, UsageDb),
        engine: Engine,
        vault: Vault,
        data: &Path,
        docker_socket: Option<PathBuf>,
        registry: Desk,
        (bind_roots, publish_ports): (Vec<PathBuf>, Option<Vec<PortRule>>),
    ) -> Self {
        Self(Arc::new(Inner {
            db,
            usage,
            engine,
            operations: Operations::default(),
            builds: Builds::new(data),
            started_at: Timestamp::now(),
            readings: Readings::default(),
            gate: Gate::default(),
            registry,
            vault,
            shutdown: CancellationToken::new(),
            docker_socket,
            bind_roots,
            publish_ports,
        }))
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
