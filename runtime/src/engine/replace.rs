//! `replace`: another container takes one's place, under its name and with its volumes; and back again.
//!
//! What was and what is to be is written first. Then the old one is stopped and renamed aside, the new one gets the name
//! and starts. Whatever fails, and whatever the engine dies in, the old one is there again as it was, running if it ran;
//! unless the new one runs already, then it stays. They never run both: the old one has ended before the new one starts,
//! and the new one before the old one does.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    Engine, Leave,
    replaced::{Replaced, Replacing},
    table::Container,
};
use crate::{
    container::name,
    error::{Error, ErrorKind, Result},
    fault,
    id::ContainerId,
    request::{CreateContainer, NetworkMode},
    view::{ContainerState, Created},
};

/// Longest part of a name that is kept in the names beside it.
const STEM: usize = 100;

impl Engine {
    /// Makes a container in the place of another, which is kept beside it. It starts if the other ran.
    ///
    /// # Errors
    /// What `create` and `start` refuse; then the old one is as it was.
    pub fn replace<'a>(
        &'a self,
        id: &'a ContainerId,
        request: CreateContainer,
        leave: Leave,
    ) -> BoxFuture<'a, Result<Created>> {
        async move {
            let old = self.inner.table.get(id)?;
            let _verbs = old.verbs.lock().await;
            self.can_be_replaced(&old)?;
            if request.auto_remove {
                return Err(goes_with_its_end(request.name.as_deref().unwrap_or_default()));
            }
            let before = old.name();
            let name = request.name.clone().unwrap_or_else(|| before.clone());
            name::validate(&name)?;
            if name != before && self.inner.table.find(&name).is_ok_and(|other| other.name() == name) {
                return Err(Error::conflict(format!("Conflict. The container name \"/{name}\" is already in use.")));
            }
            let ran = runs(&old);
            let mut replacing = Replacing {
                aside: beside(&before, "previous"),
                next: beside(&name, "next"),
                other: None,
                name,
                before,
                made: true,
                ran,
                paused: old.state().is_paused(),
                start: ran,
            };
            leave.take().await?;
            self.keep_replacing(id, Some(&replacing)).await?;
            let made = match point("replace.intended") {
                Ok(()) => {
                    let request = CreateContainer { name: Some(replacing.next.clone()), ..request };
                    self.create(request, Leave::given()).await
                }
                Err(error) => Err(error),
            };
            let mut made = match made {
                Ok(made) => made,
                Err(error) => {
                    self.keep_replacing(id, None).await?;
                    return Err(error);
                }
            };
            let new = self.inner.table.get(&made.id)?;
            let _new_verbs = new.verbs.lock().await;
            replacing.other = Some(made.id.clone());
            self.switch_or_back(&old, &new, &replacing).await?;
            made.name.clone_from(&replacing.name);
            made.warnings.extend(self.left_behind_with(&old));
            Ok(made)
        }
        .boxed()
    }

    /// Puts a container that was replaced back in its place; what is there now is kept beside it.
    ///
    /// # Errors
    /// It is none that was replaced by this one, or can't be started; then all is as it was.
    pub fn go_back<'a>(
        &'a self,
        id: &'a ContainerId,
        previous: &'a ContainerId,
        leave: Leave,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let (old, new) = (self.inner.table.get(id)?, self.inner.table.get(previous)?);
            let _verbs = old.verbs.lock().await;
            let _new_verbs = new.verbs.lock().await;
            let replaced = new.replaced().filter(|_| !self.is_replaced(&old) && self.successors(&new).contains(id));
            let Some(replaced) = replaced else {
                let text = format!("container {} is no previous version of {}", new.name(), old.name());
                return Err(Error::conflict(text));
            };
            self.can_be_replaced(&old)?;
            if runs(&new) {
                return Err(Error::conflict(format!("container {} is running: stop it first", new.name())));
            }
            if new.life.borrow().removed || matches!(new.state(), ContainerState::Removing) {
                return Err(Error::not_found(format!("No such container: {previous}")));
            }
            let (before, ran) = (old.name(), runs(&old));
            let replacing = Replacing {
                aside: beside(&before, "previous"),
                next: new.name(),
                other: Some(previous.clone()),
                name: before.clone(),
                before,
                made: false,
                ran,
                paused: old.state().is_paused(),
                start: ran || replaced.ran,
            };
            leave.take().await?;
            self.switch_or_back(&old, &new, &replacing).await
        }
        .boxed()
    }

    async fn switch_or_back(&self, old: &Arc<Container>, new: &Arc<Container>, replacing: &Replacing) -> Result<()> {
        let Err(error) = self.switch(old, new, replacing).await else { return Ok(()) };
        match self.take_back(old, Some(new), replacing).await {
            Ok(()) => Err(error),
            Err(worse) => {
                let text =
                    format!("{}; and what was there before is not as it was: {}", error.message(), worse.message());
                tracing::error!(container = old.name(), "it can't be put back: {}", worse.chain());
                Err(Error::with_source(error.kind(), text, error))
            }
        }
    }

    async fn switch(&self, old: &Arc<Container>, new: &Arc<Container>, replacing: &Replacing) -> Result<()> {
        self.keep_replacing(old.id(), Some(replacing)).await?;
        point("replace.created")?;
        self.end(old).await?;
        point("replace.stopped")?;
        self.rename_locked(old, &replacing.aside).await?;
        point("replace.aside")?;
        if new.name() != replacing.name {
            self.rename_locked(new, &replacing.name).await?;
        }
        point("replace.named")?;
        if replacing.start && !new.state().is_running() {
            self.start_locked(new, Leave::given()).await?;
        }
        point("replace.started")?;
        self.settle(old, new, replacing).await
    }

    /// It is so: the old one is what was replaced.
    async fn settle(&self, old: &Container, new: &Container, replacing: &Replacing) -> Result<()> {
        self.keep_replaced(old, Some(Replaced { by: new.id().clone(), ran: replacing.ran })).await?;
        point("replace.kept")?;
        self.keep_replaced(new, None).await?;
        self.keep_replacing(old.id(), None).await
    }

    /// All as it was before, but that the old one is not started yet.
    async fn undo_switch(
        &self,
        old: &Arc<Container>,
        new: Option<&Arc<Container>>,
        replacing: &Replacing,
    ) -> Result<()> {
        if let Some(new) = new {
            self.end(new).await?;
            if replacing.made {
                self.remove_made(new).await?;
            } else if new.name() != replacing.next {
                self.rename_locked(new, &replacing.next).await?;
            }
        }
        if old.name() != replacing.before {
            self.rename_locked(old, &replacing.before).await?;
        }
        if old.replaced().is_some() {
            self.keep_replaced(old, None).await?;
        }
        Ok(())
    }

    async fn take_back(&self, old: &Arc<Container>, new: Option<&Arc<Container>>, replacing: &Replacing) -> Result<()> {
        self.undo_switch(old, new, replacing).await?;
        if replacing.ran {
            match self.start_locked(old, Leave::given()).await {
                // Its stop had only begun: nobody wants it stopped.
                Err(error) if error.kind() == ErrorKind::NotModified => {
                    let status = old.set_status(|status| status.stopped_by_hand = false);
                    self.write_status(old, status).await?;
                }
                started => started?,
            }
        }
        if replacing.paused && !old.state().is_paused() {
            self.pause_locked(old).await?;
        }
        self.keep_replacing(old.id(), None).await
    }

    /// For the start of an engine: whatever was taking a place has taken it, or never came. Answers those that are to be
    /// started again.
    pub(in crate::engine) async fn settle_replacements(&self) -> BTreeSet<ContainerId> {
        let mut returning = BTreeSet::new();
        for old in self.inner.table.all() {
            let replacing = match self.replacing(old.id()) {
                Ok(Some(replacing)) => replacing,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(container = old.name(), "{}", error.chain());
                    continue;
                }
            };
            let new = match &replacing.other {
                Some(other) => self.inner.table.get(other).ok(),
                None => self.inner.table.find(&replacing.next).ok(),
            };
            let has_name = new.as_ref().filter(|new| new.name() == replacing.name && old.name() == replacing.aside);
            let settled = match has_name {
                Some(new) if new.state().is_running() || !replacing.start => {
                    self.settle(&old, new, &replacing).await.map(|()| false)
                }
                _ => self.undo_switch(&old, new.as_ref(), &replacing).await.map(|()| replacing.ran),
            };
            match settled {
                Ok(true) => drop(returning.insert(old.id().clone())),
                Ok(false) => {
                    if let Err(error) = self.keep_replacing(old.id(), None).await {
                        tracing::error!(container = old.name(), "{}", error.chain());
                    }
                }
                Err(error) => {
                    tracing::error!(
                        container = old.name(),
                        "what was taking its place is not settled: {}",
                        error.chain()
                    );
                }
            }
        }
        returning
    }

    /// Starts what came back, as it ran.
    pub(in crate::engine) async fn bring_back(&self, returning: BTreeSet<ContainerId>) {
        for id in returning {
            let Ok(old) = self.inner.table.get(&id) else { continue };
            let _verbs = old.verbs.lock().await;
            let back = match self.replacing(&id) {
                Ok(Some(replacing)) => self.take_back(&old, None, &replacing).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = back {
                tracing::error!(container = old.name(), "it ran and can't be started again: {}", error.chain());
            }
        }
    }

    /// It does not run, and is not about to.
    async fn end(&self, container: &Arc<Container>) -> Result<()> {
        self.stay_down(container).await?;
        if container.state().is_running() {
            self.stop_locked(container, None, None).await?;
            self.tell("stop", container, []);
        }
        Ok(())
    }

    /// Takes what was made for a change that came to nothing away, with the volumes that only it has.
    async fn remove_made(&self, new: &Arc<Container>) -> Result<()> {
        if new.life.borrow().removed {
            return Ok(());
        }
        self.remove_locked(new, true, Leave::given()).await
    }

    fn can_be_replaced(&self, old: &Container) -> Result<()> {
        if old.life.borrow().removed || matches!(old.state(), ContainerState::Removing) {
            return Err(Error::not_found(format!("No such container: {}", old.id())));
        }
        if old.record.request.auto_remove {
            return Err(goes_with_its_end(&old.name()));
        }
        if self.is_replaced(old) {
            let text = format!("container {} is a previous version of another: go back to it first", old.name());
            return Err(Error::conflict(text));
        }
        Ok(())
    }

    /// Others that are inside this one's namespaces go on with them, or without.
    fn left_behind_with(&self, old: &Container) -> Vec<String> {
        let shares = |other: &Container| {
            let request = &other.record.request;
            let id = old.id().as_str();
            let network = matches!(&request.network, NetworkMode::Container(of) if of == id);
            network || request.isolation.pid.other() == Some(id) || request.isolation.ipc.other() == Some(id)
        };
        let others = self.inner.table.all();
        let names = others.iter().filter(|other| shares(other)).map(|other| other.name());
        names.map(|name| format!("{name} shares namespaces of what was replaced: make it anew too.")).collect()
    }
}

fn point(name: &str) -> Result<()> {
    fault::point(name).map_err(Error::from_fault)
}

fn runs(container: &Container) -> bool {
    let state = container.state();
    state.is_running() || matches!(state, ContainerState::Restarting(_))
}

/// A name that says whose it is and that nobody else has.
fn beside(name: &str, what: &str) -> String {
    let stem: String = name.chars().take(STEM).collect();
    format!("{stem}-{what}-{}", &ContainerId::random().as_str()[..6])
}

fn goes_with_its_end(name: &str) -> Error {
    Error::conflict(format!(
        "container {name} is removed when it ends (--rm), so there would be no way back: make a copy of it instead"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_are_names_and_differ() {
        let long = "n".repeat(128);
        let (one, other) = (beside(&long, "previous"), beside(&long, "previous"));
        assert_ne!(one, other);
        assert!(crate::container::name::validate(&one).is_ok() && one.len() <= 128, "{one}");
        assert!(beside("web", "next").starts_with("web-next-"));
    }
}
