//! Blobs: read by those who may have the repository.

use std::fs::File;

use super::{Refusal, Serving};
use crate::{
    digest::Digest,
    engine::images::blocking,
    error::{Error, Result},
    lease::Thing,
};

/// A blob to be read; it stays readable when it is removed meanwhile.
#[derive(Debug)]
pub struct Blob {
    /// Open at its beginning.
    pub file: File,
    /// Its bytes.
    pub size: u64,
}

impl Serving {
    /// Opens a blob of a repository.
    ///
    /// # Errors
    /// [`Refusal::BlobUnknown`], or a failure.
    pub async fn blob(&self, repository: &str, digest: Digest) -> Result<Blob> {
        let (images, repository) = (self.0.clone(), repository.to_owned());
        blocking(move || {
            if !images.0.repositories.has_blob(&repository, digest) || !images.0.content.has(digest) {
                return Err(Refusal::BlobUnknown(digest).into());
            }
            let file = images.0.content.blob(digest)?;
            let size = file.metadata().map_err(|error| Error::internal("a blob can't be read", error))?.len();
            Ok(Blob { file, size })
        })
        .await
    }

    /// Takes a blob from a repository.
    ///
    /// # Errors
    /// [`Refusal::Needed`] while a manifest there names it, [`Refusal::BlobUnknown`], or a failure.
    pub async fn remove_blob(&self, repository: &str, digest: Digest) -> Result<()> {
        let (images, repository) = (self.0.clone(), repository.to_owned());
        blocking(move || {
            if !images.0.repositories.has_blob(&repository, digest) {
                return Err(Refusal::BlobUnknown(digest).into());
            }
            if !images.0.repositories.unlink(&repository, digest)? {
                return Err(Refusal::Needed(format!("a manifest of {repository} still names {digest}")).into());
            }
            images.free_things([Thing::Blob(digest)].into_iter())?;
            Ok(())
        })
        .await
    }
}
