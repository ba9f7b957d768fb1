//! Serving a registry: what the OCI distribution API does, on this engine's content store, without HTTP.
//!
//! What is pushed is kept as it came, digest for digest, in [`crate::repositories`]. What can run here is an image here
//! too, named `<served host>/<repository>:<tag>`, with its layers unpacked before the push is answered. And the other way
//! round: an image somebody names `<served host>/<repository>:<tag>` can be pulled. The two are joined by name alone:
//! removing the image leaves what was pushed, and removing the tag takes the name off.
//!
//! - `uploads`: blobs come in, in parts, survive a restart, are mounted from a repository into another;
//! - `blobs`: they are read; `manifests`: they come and are read; `landing`: images of them;
//! - `offered`: images here that were never pushed; `removal`; `listing`.
//!
//! A crash leaves a tag at its old or its new manifest: a blob is linked after it is durable, a manifest is in a record
//! after all it names, and a removal takes the name off first and the content last.

mod blobs;
mod error;
mod landing;
mod listing;
mod manifests;
mod offered;
mod removal;
mod uploads;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Engine, images::Images};
use crate::{
    error::{Error, Result},
    reference::Reference,
};

pub use self::{
    blobs::Blob,
    error::Refusal,
    listing::{Referrer, RepositoryView, TagView},
    manifests::{Landed, Manifest, PutManifest},
    removal::Removed,
};
pub use crate::content::uploads::UploadId;

/// The names this registry goes by: what stands before the repository in an image's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedAs {
    /// What new names begin with.
    pub host: String,
    /// Other names of the same registry.
    pub others: Vec<String>,
}

impl ServedAs {
    /// The image name of a tag, `NAME_INVALID` when there can't be one.
    fn name(&self, repository: &str, tag: &str) -> Result<Reference> {
        named(&self.host, repository, tag)
    }

    /// Every name of it.
    fn hosts(&self) -> impl Iterator<Item = &str> {
        [self.host.as_str()]
            .into_iter()
            .chain(self.others.iter().map(String::as_str).filter(|other| *other != self.host))
    }
}

fn named(host: &str, repository: &str, tag: &str) -> Result<Reference> {
    let invalid = || Error::from(Refusal::NameInvalid(format!("{repository}:{tag} is not a repository and a tag")));
    let name: Reference = format!("{host}/{repository}:{tag}").parse().map_err(|_| invalid())?;
    // A text with another `:` or `/` in it would be read as another name.
    let same = name.path() == repository && name.tag() == Some(tag) && name.digest().is_none();
    if same { Ok(name) } else { Err(invalid()) }
}

/// Whether this can be a repository.
pub fn is_repository(name: &str) -> bool {
    // No host that is really used is longer than this.
    name.len() <= 200 && named("registry.invalid", name, "x").is_ok()
}

/// Whether this can be a tag.
pub fn is_tag(tag: &str) -> bool {
    named("registry.invalid", "x", tag).is_ok()
}

/// The registry's verbs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Serving(pub(in crate::engine) Images);

impl Engine {
    /// The registry this engine's content can be served as.
    pub fn serving(&self) -> Serving {
        Serving(self.inner.images.clone())
    }

    /// Takes a manifest whose blobs are here; see [`Serving::put_manifest`].
    ///
    /// # Errors
    /// A [`Refusal`], or a failure; nothing has changed then.
    pub fn push_here<'a>(&'a self, served: &'a ServedAs, put: PutManifest) -> BoxFuture<'a, Result<Landed>> {
        async move {
            let landed = self.serving().put_manifest(served, put).await?;
            if let Some(id) = landed.image {
                self.tell_image("tag", &id.to_string(), &landed.name);
            }
            Ok(landed)
        }
        .boxed()
    }

    /// Removes a tag or a manifest; see [`Serving::remove`].
    ///
    /// # Errors
    /// A [`Refusal`], or a failure.
    pub fn remove_here<'a>(
        &'a self,
        served: &'a ServedAs,
        repository: &'a str,
        reference: &'a str,
        all: bool,
    ) -> BoxFuture<'a, Result<Removed>> {
        async move {
            let removed = self.serving().remove(served, repository, reference, all, self.image_users()).await?;
            for tag in &removed.tags {
                let name = format!("{}/{repository}:{tag}", served.host);
                self.tell_image("untag", &name, &name);
            }
            Ok(removed)
        }
        .boxed()
    }
}
