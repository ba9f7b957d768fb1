//! What is kept of a container: the [`Record`], which only rename and update change and which survives power loss, and the
//! [`Status`], which changes often and need only survive the server.
//!
//! ```text
//! containers/<id>/record.json    synced; written last by `create`, so a folder without one was never a container
//! containers/<id>/status.json    renamed into place; synced only where a restart policy reads it after power loss
//! ```

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::ImageId,
    id::ContainerId,
    request::{ContainerMount, ContainerPort, CreateContainer, HealthCheck, NetworkAttachment, NetworkMode},
    view::{ContainerState, ContainerView, Endpoint, Exit, Health},
};

/// The layout of both files written today.
pub const VERSION: u64 = 1;

/// Ends that are remembered.
const PAST: usize = 20;

/// What is known of one container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What was asked for.
    pub request: CreateContainer,
    /// Its image.
    pub image_id: ImageId,
    /// What request and image say together.
    pub resolved: Resolved,
    /// First host id of its range; `None` with host ids.
    pub id_base: Option<u32>,
    /// What is mounted into it, outer targets first; every volume has its name.
    #[serde(default)]
    pub mounts: Vec<ContainerMount>,
}

/// Where a container stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The state.
    pub state: ContainerState,
    /// Its place in the network, while it runs.
    pub endpoint: Option<Endpoint>,
    /// How often the engine restarted it.
    pub restart_count: u32,
    /// Someone stopped it since it was last started.
    #[serde(default)]
    pub stopped_by_hand: bool,
    /// How its last runs ended, the latest first.
    #[serde(default)]
    pub past: Vec<Exit>,
    /// Grows with each change; an older status is never written over a newer one.
    #[serde(skip)]
    pub revision: u64,
    /// Its health, where it has a check.
    #[serde(default)]
    pub health: Option<Health>,
    /// Its places in further networks, while it runs.
    #[serde(default)]
    pub also: Vec<Endpoint>,
}

impl Status {
    /// All its places in networks; the first is its way out.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoint.iter().chain(&self.also)
    }

    /// It is in no network any more.
    pub fn unplug(&mut self) {
        self.endpoint = None;
        self.also.clear();
    }

    /// Of a container that was never started.
    pub fn created() -> Self {
        Self {
            state: ContainerState::Created,
            endpoint: None,
            restart_count: 0,
            stopped_by_hand: false,
            past: Vec::new(),
            revision: 0,
            health: None,
            also: Vec::new(),
        }
    }

    /// Notes how a run ended.
    pub fn remember(&mut self, exit: &Exit) {
        self.past.insert(0, exit.clone());
        self.past.truncate(PAST);
    }
}

/// What request and image say together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Entry point and arguments.
    pub argv: Vec<String>,
    /// Length of the entry point within `argv`.
    pub entrypoint_len: usize,
    /// Environment, in order, one entry a name.
    pub env: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// `user[:group]`; empty is root.
    pub user: String,
    /// Host name.
    pub hostname: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Ports.
    pub exposed_ports: Vec<ContainerPort>,
    /// The signal `stop` sends first.
    pub stop_signal: i32,
    /// Capabilities as a bit mask of capabilities(7) numbers.
    pub capabilities: u64,
    /// Its health check.
    #[serde(default)]
    pub health: Option<HealthCheck>,
    /// What a line of a health check is given to.
    #[serde(default)]
    pub shell: Vec<String>,
}

impl Record {
    /// The networks it was made for: the one of its mode first.
    pub fn attachments(&self) -> Vec<NetworkAttachment> {
        let first = match &self.request.network {
            NetworkMode::Bridge => "bridge",
            NetworkMode::Named(name) => name,
            NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_) => return Vec::new(),
        };
        let mut all = self.request.networks.clone();
        let place = all.iter().position(|one| one.network == first).map(|place| all.remove(place));
        let other = || NetworkAttachment { network: first.to_owned(), ..NetworkAttachment::default() };
        all.insert(0, place.unwrap_or_else(other));
        all
    }

    /// What callers see.
    pub fn view(&self, status: &Status, log_path: PathBuf) -> ContainerView {
        ContainerView {
            id: self.id.clone(),
            name: self.name.clone(),
            state: status.state.clone(),
            created_at: self.created_at,
            request: self.request.clone(),
            image_id: self.image_id,
            argv: self.resolved.argv.clone(),
            entrypoint_len: self.resolved.entrypoint_len,
            env: self.resolved.env.clone(),
            working_dir: self.resolved.working_dir.clone(),
            user: self.resolved.user.clone(),
            hostname: self.resolved.hostname.clone(),
            labels: self.resolved.labels.clone(),
            exposed_ports: self.resolved.exposed_ports.clone(),
            stop_signal: self.resolved.stop_signal,
            endpoint: status.endpoint.clone(),
            id_base: self.id_base,
            restart_count: status.restart_count,
            log_path,
            past: status.past.clone(),
            mounts: self.mounts.clone(),
            volumes_path: PathBuf::new(),
            exec_ids: Vec::new(),
            health: status.health.clone(),
            health_check: self.resolved.health.clone(),
            also: status.also.clone(),
            attachments: self.attachments(),
            replaced_by: None,
        }
    }
}
