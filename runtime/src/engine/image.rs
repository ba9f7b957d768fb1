//! Images at the engine's door: the store does the work, this adds who uses what, and tells.

use std::collections::BTreeMap;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;

use super::{Engine, images::ImageUser, outflow::Outflow};
use crate::{
    error::Result,
    request::{PullImage, PushImage, RegistryAuth},
    view::{ImageRemoval, ImageSummary, ImageView, LoadedImage, Progress, PrunedImages, PulledImage, Pushed},
};

impl Engine {
    /// Fetches an image. Progress is dropped when the channel is full, never waited for.
    ///
    /// # Errors
    /// What the registry refused, in Docker's words; nothing is stored then.
    pub fn pull(&self, request: PullImage, progress: mpsc::Sender<Progress>) -> BoxFuture<'_, Result<PulledImage>> {
        async move {
            let pulled = self.inner.images.pull(request, progress).await?;
            self.tell_image("pull", &pulled.id.to_string(), &pulled.reference);
            Ok(pulled)
        }
        .boxed()
    }

    /// Fetches every tag of a repository. Each that has come is told as [`Progress::Pulled`].
    ///
    /// # Errors
    /// As [`Self::pull`]; the tags before stay.
    pub fn pull_all(
        &self,
        request: PullImage,
        progress: mpsc::Sender<Progress>,
    ) -> BoxFuture<'_, Result<Vec<PulledImage>>> {
        async move {
            let pulled = self.inner.images.pull_all(request, progress).await?;
            for one in &pulled {
                self.tell_image("pull", &one.id.to_string(), &one.reference);
            }
            Ok(pulled)
        }
        .boxed()
    }

    /// Uploads an image, or all tags of a repository. Stops when dropped.
    ///
    /// # Errors
    /// No such image, or what the registry refused, in Docker's words.
    pub fn push(&self, request: PushImage, progress: mpsc::Sender<Progress>) -> BoxFuture<'_, Result<Vec<Pushed>>> {
        async move {
            let pushed = self.inner.images.push(request, progress).await?;
            for one in &pushed {
                self.tell_image("push", &one.id.to_string(), &one.reference);
            }
            Ok(pushed)
        }
        .boxed()
    }

    /// Asks a registry whether it lets somebody in. `host` is as in image names, `docker.io` for Docker Hub. Returns the
    /// identity token it gives in exchange for the password, if it does that.
    ///
    /// # Errors
    /// `Unauthorized` in Docker's words, or why the registry can't be asked.
    pub fn log_in_to_registry<'a>(
        &'a self,
        host: &'a str,
        auth: &'a RegistryAuth,
    ) -> BoxFuture<'a, Result<Option<String>>> {
        self.inner.images.log_in(host, auth).boxed()
    }

    /// Reads an archive of `docker save` or an OCI archive, plain or compressed.
    ///
    /// # Errors
    /// What is wrong with the archive; nothing is stored then.
    pub fn load(
        &self,
        archive: impl std::io::Read + Send + 'static,
        progress: mpsc::Sender<Progress>,
    ) -> BoxFuture<'_, Result<Vec<LoadedImage>>> {
        async move {
            let loaded = self.inner.images.load(archive, progress).await?;
            for image in &loaded {
                let name = image.tags.first().map_or_else(|| image.id.to_string(), Clone::clone);
                self.tell_image("load", &image.id.to_string(), &name);
            }
            Ok(loaded)
        }
        .boxed()
    }

    /// All images, newest first.
    pub fn images(&self) -> Vec<ImageSummary> {
        self.inner.images.list()
    }

    /// One image by reference, id or unique id prefix.
    ///
    /// # Errors
    /// `No such image: NAME`.
    pub async fn image(&self, name: &str) -> Result<ImageView> {
        let (images, name) = (self.inner.images.clone(), name.to_owned());
        super::blocking(move || images.get(&name)).await
    }

    /// Begins an archive of these images; a repository without tag means all its tags.
    ///
    /// # Errors
    /// No such image. What fails later breaks the archive off.
    pub async fn save(&self, names: &[String]) -> Result<Outflow> {
        let archive = self.inner.images.save(names).await?;
        for name in names {
            self.tell_image("save", name, name);
        }
        Ok(archive)
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// No such image, or a wrong reference.
    pub fn tag<'a>(&'a self, name: &'a str, reference: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let id = self.inner.images.tag(name, reference).await?;
            self.tell_image("tag", &id.to_string(), reference);
            Ok(())
        }
        .boxed()
    }

    /// Untags, and removes what no name and no container holds.
    ///
    /// # Errors
    /// Conflict when it is in use, in Docker's words.
    pub fn remove_image<'a>(&'a self, name: &'a str, force: bool) -> BoxFuture<'a, Result<PrunedImages>> {
        async move {
            let users = self.image_users();
            let gone = self.inner.images.remove(name, force, &users).await?;
            self.tell_removals(&gone.steps);
            Ok(gone)
        }
        .boxed()
    }

    /// All containers, as those who use images.
    pub(super) fn image_users(&self) -> Vec<ImageUser> {
        let user = |container: &std::sync::Arc<super::table::Container>| ImageUser {
            container: container.id().short().to_owned(),
            image: container.record.image_id,
            running: container.state().is_running(),
        };
        self.inner.table.all().iter().map(user).collect()
    }

    pub(super) fn tell_removals(&self, removals: &[ImageRemoval]) {
        for removal in removals {
            match removal {
                ImageRemoval::Untagged(reference) => self.tell_image("untag", reference, reference),
                ImageRemoval::Deleted(digest) => self.tell_image("delete", &digest.to_string(), &digest.to_string()),
            }
        }
    }

    pub(super) fn tell_image(&self, action: &str, id: &str, name: &str) {
        self.publish("image", action, id.to_owned(), BTreeMap::from([("name".to_owned(), name.to_owned())]));
    }
}
