//! `rename`: the new name is taken, the record written anew, the old name given back.

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Engine, table::Container};
use crate::{
    container::name,
    error::{Error, Result},
    fault,
    id::ContainerId,
    view::ContainerState,
};

impl Engine {
    /// Gives it another name.
    ///
    /// # Errors
    /// Docker's texts when the name is wrong, taken, or its own.
    pub fn rename<'a>(&'a self, id: &'a ContainerId, new: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.inner.table.get(id)?;
            let _verbs = container.verbs.lock().await;
            self.rename_locked(&container, new).await
        }
        .boxed()
    }

    /// [`Engine::rename`] for a verb that holds the container's `verbs`.
    pub(in crate::engine) fn rename_locked<'a>(
        &'a self,
        container: &'a Container,
        new: &'a str,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let id = container.id();
            let new = new.strip_prefix('/').unwrap_or(new);
            if new.is_empty() {
                return Err(Error::invalid("Neither old nor new names may be empty"));
            }
            if matches!(container.state(), ContainerState::Removing) || container.life.borrow().removed {
                return Err(Error::not_found(format!("No such container: {id}")));
            }
            let mut changed = container.changeable();
            if changed.name == new {
                return Err(Error::invalid("Renaming a container with the same name as its current name"));
            }
            let allocating =
                |error: Error| Error::new(error.kind(), format!("Error when allocating new name: {}", error.message()));
            name::validate(new).map_err(allocating)?;
            self.inner.table.reserve_name(Some(new), id).map_err(allocating)?;
            let old = std::mem::replace(&mut changed.name, new.to_owned());
            let written = match self.write_record(container.with(changed.clone())).await {
                Ok(()) => fault::point("rename.record").map_err(Error::from_fault),
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                // A record that may say the new name must not: the old one is written again, and what fails there too is
                // settled by the next start.
                if let Err(again) = self.write_record(container.current()).await {
                    tracing::error!(container = old, "its record can't be written back: {}", again.chain());
                }
                self.inner.table.free_name(new);
                return Err(error);
            }
            container.change(changed);
            self.inner.table.free_name(&old);
            self.tell("rename", container, [("oldName", format!("/{old}"))]);
            Ok(())
        }
        .boxed()
    }
}
