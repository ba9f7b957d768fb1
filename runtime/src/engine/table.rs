//! The containers in memory: who is there, by name and id, and what each is doing right now.
//!
//! Two locks order what happens to one container. `verbs` is held by a verb from its first look to its last write, so two
//! verbs never mix. `world` is held while its cgroup, network and run folder are made or freed; the end of its process
//! takes it before it says so, and a new start waits for it. Lock order: `verbs`, then `world`. Neither is held by readers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tokio::sync::watch;

use crate::{
    container::record::{Record, Status},
    engine::{
        again::Backoff,
        current::{Changeable, lock},
        proxy::Proxy,
    },
    error::{Error, ErrorKind, Result},
    id::ContainerId,
    monitor::client::Client,
    request::NetworkAttachment,
    view::{ContainerState, Exit},
};

/// One container.
pub(in crate::engine) struct Container {
    /// As it was made or read; name, limits and restart policy of now are [`Container::current`]'s.
    pub record: Record,
    status: Mutex<Status>,
    /// Orders verbs.
    pub verbs: Arc<tokio::sync::Mutex<()>>,
    /// Orders what is made and freed around its process.
    pub world: tokio::sync::Mutex<()>,
    /// Its life so far, for those who wait.
    pub life: watch::Sender<Life>,
    client: Mutex<Option<Client>>,
    /// The client of the run before, whose monitor may still hold the root file system.
    last_client: Mutex<Option<Client>>,
    proxy: Mutex<Option<Proxy>>,
    /// Revision of the status on disk; its lock orders who writes.
    pub written: Arc<tokio::sync::Mutex<u64>>,
    pub(super) changeable: Mutex<Changeable>,
    pub(super) backoff: Mutex<Backoff>,
    attachments: Mutex<Vec<NetworkAttachment>>,
    /// Clients that read output which nobody keeps.
    pub(super) readers: Mutex<usize>,
    /// What took its place.
    pub(super) replaced: Mutex<Option<super::replaced::Replaced>>,
}

/// Counters that only grow, so that a waiter can't miss a short life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Life {
    /// Successful starts.
    pub starts: u64,
    /// Ends, failed starts included.
    pub ends: u64,
    /// The last end.
    pub last: Option<Exit>,
    /// It is gone.
    pub removed: bool,
}

impl Container {
    /// As it was read or made.
    pub fn new(record: Record, status: Status) -> Self {
        let last = match &status.state {
            ContainerState::Exited(exit) | ContainerState::Restarting(exit) => Some(exit.clone()),
            _ => None,
        };
        Self {
            changeable: Mutex::new(Changeable::of(&record)),
            backoff: Mutex::default(),
            written: Arc::default(),
            attachments: Mutex::new(record.attachments()),
            record,
            status: Mutex::new(status),
            verbs: Arc::default(),
            world: tokio::sync::Mutex::default(),
            life: watch::Sender::new(Life { last, ..Life::default() }),
            client: Mutex::new(None),
            last_client: Mutex::new(None),
            proxy: Mutex::new(None),
            readers: Mutex::default(),
            replaced: Mutex::default(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &ContainerId {
        &self.record.id
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// Where it stands, without the rest.
    pub fn state(&self) -> ContainerState {
        lock(&self.status).state.clone()
    }

    /// Changes where it stands; answers the new status for writing down.
    pub fn set_status(&self, change: impl FnOnce(&mut Status)) -> Status {
        let mut status = lock(&self.status);
        change(&mut status);
        status.revision += 1;
        status.clone()
    }

    /// The way to its monitor, while it runs.
    pub fn client(&self) -> Option<Client> {
        lock(&self.client).clone()
    }

    /// It runs: the way to its monitor.
    pub fn set_client(&self, client: Client) {
        *lock(&self.client) = Some(client);
    }

    /// It ended: its monitor is only to be waited for.
    pub fn end_client(&self) {
        let ended = lock(&self.client).take();
        *lock(&self.last_client) = ended;
    }

    /// The last run's monitor, once.
    pub fn take_last_client(&self) -> Option<Client> {
        lock(&self.last_client).take()
    }

    /// Keeps what serves its ports on loopback; answers what did before.
    pub fn set_proxy(&self, proxy: Option<Proxy>) -> Option<Proxy> {
        std::mem::replace(&mut *lock(&self.proxy), proxy)
    }

    /// The networks it is in when it runs.
    pub fn attachments(&self) -> Vec<NetworkAttachment> {
        lock(&self.attachments).clone()
    }

    /// Changes the networks it is in.
    pub fn set_attachments(&self, attachments: Vec<NetworkAttachment>) {
        *lock(&self.attachments) = attachments;
    }

    /// The way to its monitor.
    ///
    /// # Errors
    /// Docker's text when it doesn't run.
    pub fn running(&self) -> Result<Client> {
        let not_running = || Error::conflict(format!("container {} is not running", self.id()));
        self.client().ok_or_else(not_running)
    }
}

/// All containers.
#[derive(Default)]
pub(in crate::engine) struct Table(RwLock<Rows>);

#[derive(Default)]
struct Rows {
    by_id: BTreeMap<ContainerId, Arc<Container>>,
    /// Also holds names of containers that are still being made.
    by_name: HashMap<String, ContainerId>,
}

impl Table {
    fn read<T>(&self, look: impl FnOnce(&Rows) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Rows) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes this name, or a random free one, for a container to be.
    ///
    /// # Errors
    /// Docker's text when the name is taken.
    pub fn reserve_name(&self, wanted: Option<&str>, id: &ContainerId) -> Result<String> {
        self.write(|rows| {
            let name = match wanted {
                None => crate::container::name::random(|name| rows.by_name.contains_key(name)),
                Some(name) => name.to_owned(),
            };
            if let Some(owner) = rows.by_name.get(&name) {
                return Err(Error::conflict(format!(
                    "Conflict. The container name \"/{name}\" is already in use by container \"{owner}\". You have to remove (or \
                     rename) that container to be able to reuse that name."
                )));
            }
            rows.by_name.insert(name.clone(), id.clone());
            Ok(name)
        })
    }

    /// Gives a name back that no container came to bear.
    pub fn free_name(&self, name: &str) {
        self.write(|rows| rows.by_name.remove(name));
    }

    /// Shows a container.
    pub fn insert(&self, container: Arc<Container>) {
        self.write(|rows| {
            rows.by_name.insert(container.name(), container.id().clone());
            rows.by_id.insert(container.id().clone(), container);
        });
    }

    /// Hides a container and frees its name.
    pub fn remove(&self, container: &Container) {
        self.write(|rows| {
            rows.by_id.remove(container.id());
            rows.by_name.remove(&container.name());
        });
    }

    /// By full id.
    pub fn get(&self, id: &ContainerId) -> Result<Arc<Container>> {
        self.read(|rows| rows.by_id.get(id).cloned()).ok_or_else(|| no_such(id.as_str()))
    }

    /// By full id, name (with or without Docker's slash), or unique id prefix, in this order.
    ///
    /// # Errors
    /// Docker's text when there is none, or more than one.
    pub fn find(&self, name: &str) -> Result<Arc<Container>> {
        let bare = name.strip_prefix('/').unwrap_or(name);
        self.read(|rows| {
            let exact = bare.parse::<ContainerId>().ok().and_then(|id| rows.by_id.get(&id));
            if let Some(found) = exact.or_else(|| rows.by_name.get(bare).and_then(|id| rows.by_id.get(id))) {
                return Ok(Arc::clone(found));
            }
            let is_prefix = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            let mut matching = rows.by_id.values().filter(|one| is_prefix && one.id().as_str().starts_with(bare));
            match (matching.next(), matching.next()) {
                (None, _) => Err(no_such(bare)),
                (Some(found), None) => Ok(Arc::clone(found)),
                (Some(_), Some(_)) => {
                    Err(Error::invalid(format!("Multiple IDs found with provided prefix: {bare}; give more of the id")))
                }
            }
        })
    }

    /// All of them, in no order that means something.
    pub fn all(&self) -> Vec<Arc<Container>> {
        self.read(|rows| rows.by_id.values().cloned().collect())
    }
}

fn no_such(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("No such container: {name}"))
}
