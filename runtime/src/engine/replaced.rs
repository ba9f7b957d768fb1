//! Containers whose place another one took: kept as they were, to go back to.
//!
//! ```text
//! containers/<old>/replacing.json   while another takes its place: what was, and what is to be
//! containers/<old>/replaced.json    afterwards: by which; such a container is started by hand only
//! ```

use serde::{Deserialize, Serialize};

use super::{Engine, blocking, current::lock, table::Container};
use crate::{
    container::record::VERSION,
    durable,
    error::{Error, Result},
    id::ContainerId,
};

/// replaced.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Replaced {
    /// What took its place.
    pub by: ContainerId,
    /// It ran then.
    pub ran: bool,
}

/// replacing.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Replacing {
    /// Its name before.
    pub before: String,
    /// Its name afterwards.
    pub aside: String,
    /// The other's name before, which nobody else has: what is found under it is the other.
    pub next: String,
    /// The other, once it is there.
    pub other: Option<ContainerId>,
    /// The other's name afterwards.
    pub name: String,
    /// The other is made for this, and goes if this comes to nothing.
    pub made: bool,
    /// It ran.
    pub ran: bool,
    /// It ran and stood still.
    pub paused: bool,
    /// The other is to be started.
    pub start: bool,
}

impl Container {
    /// What took its place.
    pub fn replaced(&self) -> Option<Replaced> {
        lock(&self.replaced).clone()
    }
}

impl Engine {
    /// For the start of an engine: what took a container's place.
    pub(in crate::engine) fn remember_replaced(&self, container: &Container) {
        match durable::read_json::<Replaced>(&self.inner.paths.container_replaced(container.id()), VERSION) {
            Ok(replaced) => *lock(&container.replaced) = replaced,
            Err(error) => {
                tracing::error!(container = container.record.name, %error, "what took its place can't be read");
            }
        }
    }

    /// Notes what took its place, or that nothing did.
    pub(in crate::engine) async fn keep_replaced(
        &self,
        container: &Container,
        replaced: Option<Replaced>,
    ) -> Result<()> {
        let path = self.inner.paths.container_replaced(container.id());
        let noted = replaced.clone();
        blocking(move || match &noted {
            Some(noted) => Ok(durable::write_json(&path, VERSION, noted)?),
            None => Ok(durable::remove(&path)?),
        })
        .await?;
        *lock(&container.replaced) = replaced;
        Ok(())
    }

    /// Those that took its place one after the other, up to the one that has it now.
    pub(in crate::engine) fn successors(&self, container: &Container) -> Vec<ContainerId> {
        let mut found: Vec<ContainerId> = Vec::new();
        let mut replaced = container.replaced();
        while let Some(Replaced { by, .. }) = replaced {
            if found.contains(&by) {
                break;
            }
            replaced = self.inner.table.get(&by).ok().and_then(|next| next.replaced());
            found.push(by);
        }
        found
    }

    /// Another has its place, and is still there.
    pub(in crate::engine) fn is_replaced(&self, container: &Container) -> bool {
        container.replaced().is_some_and(|replaced| self.inner.table.get(&replaced.by).is_ok())
    }

    /// It is about to go: those whose place it took are kept for what took its own.
    ///
    /// # Errors
    /// The disk.
    pub(in crate::engine) async fn hand_on(&self, gone: &Container) -> Result<()> {
        let Some(next) = gone.replaced() else { return Ok(()) };
        for one in self.inner.table.all() {
            if let Some(replaced) = one.replaced().filter(|replaced| replaced.by == *gone.id()) {
                self.keep_replaced(&one, Some(Replaced { by: next.by.clone(), ..replaced })).await?;
            }
        }
        Ok(())
    }

    /// Notes that another is taking its place, or no longer is.
    pub(in crate::engine) async fn keep_replacing(
        &self,
        id: &ContainerId,
        replacing: Option<&Replacing>,
    ) -> Result<()> {
        let (path, replacing) = (self.inner.paths.container_replacing(id), replacing.cloned());
        blocking(move || match &replacing {
            Some(replacing) => Ok(durable::write_json(&path, VERSION, replacing)?),
            None => Ok(durable::remove(&path)?),
        })
        .await
    }

    /// What was taking its place when the last engine died.
    pub(in crate::engine) fn replacing(&self, id: &ContainerId) -> Result<Option<Replacing>> {
        let path = self.inner.paths.container_replacing(id);
        durable::read_json(&path, VERSION)
            .map_err(|error| Error::internal("what was being replaced can't be read", error))
    }
}
