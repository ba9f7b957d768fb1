//! `commit`: what a container changed becomes a layer on its image.
//!
//! The new image's config is its image's, with the instructions that were asked for; how this one container was run is
//! no part of it.

use std::{io, sync::Arc, thread};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;

use super::{Engine, blocking, images::Images, made::new_name, table::Container};
use crate::{
    digest::{ChainId, ImageId},
    error::{Error, Result},
    fault,
    id::ContainerId,
    image::edit::Step,
    lease::{Lease, Thing},
    request::CommitContainer,
    snapshot::{self, Adopted, Adoption, write_layer_without},
};

impl Images {
    /// Makes an image of another one and a layer. `layer` leases what it makes.
    pub(super) fn commit(
        &self,
        base: ImageId,
        request: &CommitContainer,
        created_by: String,
        layer: impl FnOnce(Option<ChainId>, &mut Lease) -> Result<Adopted>,
    ) -> Result<ImageId> {
        let names = new_name(request.reference.as_deref())?;
        self.leased(|lease| {
            let (base, mut editor) = self.base(base, lease)?;
            super::instructions::apply(&mut editor, &request.changes)?;
            let layer = layer(base.chains.last().copied(), lease)?;
            fault::point("commit.layer").map_err(Error::from_fault)?;
            let now = Timestamp::now();
            editor.set_created(now);
            editor.set_author(&request.author);
            let (author, comment) = (request.author.clone(), request.comment.clone());
            let step = Step { created_at: Some(now), created_by, author, comment };
            if Self::is_empty(layer.diff_id) {
                editor.add_history(&step);
            } else {
                editor.add_layer(layer.diff_id, &step)?;
            }
            self.put_made(&editor, Some(&base), &names, lease)
        })
    }
}

impl Engine {
    /// Makes an image of a container.
    ///
    /// # Errors
    /// No such container, or a wrong name or instruction; nothing is stored then.
    pub fn commit<'a>(&'a self, id: &'a ContainerId, request: CommitContainer) -> BoxFuture<'a, Result<ImageId>> {
        async move {
            let container = self.inner.table.get(id)?;
            // Not started, stopped or removed meanwhile.
            let verbs = Arc::clone(&container.verbs).lock_owned().await;
            let (engine, told) = (self.clone(), request.reference.clone());
            let made = container.clone();
            let image = blocking(move || {
                let _verbs = verbs;
                let created_by = made.record.resolved.argv.join(" ");
                let layer = |parent, lease: &mut Lease| engine.commit_layer(&made, parent, request.pause, lease);
                engine.inner.images.commit(made.record.image_id, &request, created_by, layer)
            })
            .await?;
            self.tell("commit", &container, [("comment", image.to_string()), ("imageRef", told.unwrap_or_default())]);
            Ok(image)
        }
        .boxed()
    }

    /// Copies the writable layer while the container stands still, if it runs and that is wanted.
    fn commit_layer(
        &self,
        container: &Container,
        parent: Option<ChainId>,
        pause: bool,
        lease: &mut Lease,
    ) -> Result<Adopted> {
        let state = container.state();
        let running = state.is_running() && !state.is_paused();
        let _frozen = if pause && running { Some(self.cgroup(container.id().as_str()).freeze()?) } else { None };
        fault::point("commit.frozen").map_err(Error::from_fault)?;
        let layers = self.layers(&container.record)?;
        let (from, to) = io::pipe().map_err(snapshot::Error::from)?;
        thread::scope(|scope| {
            let writing = scope.spawn(move || write_layer_without(&layers.upper, &layers.mount_points, to));
            let how = Adoption { parent, clamp: None };
            let hold = |chain| lease.add(Thing::Layer(chain));
            let adopted = self.inner.images.0.snapshots.absorb(from, how, hold, &mut |_| ());
            let written =
                writing.join().unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked").into()));
            // Its failure is the reason for the other's; a stream that ends early may even pass for a whole one.
            match (written, adopted) {
                (Err(snapshot::Error::Pack(snapshot::pack::Error::Write(_))) | Ok(_), adopted) => Ok(adopted?),
                (Err(error), _) => Err(error.into()),
            }
        })
    }
}
