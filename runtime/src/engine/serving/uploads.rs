//! Uploads: begun, gone on with, ended, cancelled; and mounts, which need none.

use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::{Refusal, Serving, is_repository};
use crate::{
    content::uploads::{Upload, UploadId},
    digest::Digest,
    engine::images::{Images, blocking},
    error::{Error, ErrorKind, Result},
    fault,
    lease::Thing,
};

/// Bytes collected before they are written: a client that sends little at a time holds no thread while it waits.
const PART: usize = 1 << 20;

impl Serving {
    /// Begins an upload.
    ///
    /// # Errors
    /// A [`Refusal`], or a failure.
    pub async fn begin_upload(&self, repository: &str) -> Result<UploadId> {
        valid(repository)?;
        let (images, repository) = (self.0.clone(), repository.to_owned());
        blocking(move || {
            let gone = images.0.repositories.expire(SystemTime::now())?;
            images.free_things(gone.into_iter().map(Thing::Blob))?;
            Ok(images.0.arriving.begin(&repository)?)
        })
        .await
    }

    /// Bytes of it that have come.
    ///
    /// # Errors
    /// A [`Refusal`], or a failure.
    pub async fn upload_size(&self, repository: &str, id: &UploadId) -> Result<u64> {
        let (images, repository, id) = (self.0.clone(), repository.to_owned(), id.clone());
        blocking(move || Ok(images.0.arriving.size(&id, &repository)?)).await
    }

    /// Takes the next part, which begins at `from` if that is said. What came before a body broke off is kept. Answers
    /// how many bytes have come in all.
    ///
    /// # Errors
    /// A [`Refusal`], or a failure.
    pub async fn append(
        &self,
        repository: &str,
        id: &UploadId,
        from: Option<u64>,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin,
    ) -> Result<u64> {
        let upload = self.resume(repository, id, from).await?;
        write(upload, body).await.map(|(_, size)| size)
    }

    async fn resume(&self, repository: &str, id: &UploadId, from: Option<u64>) -> Result<Upload> {
        let (images, repository, id) = (self.0.clone(), repository.to_owned(), id.clone());
        blocking(move || {
            let have = images.0.arriving.size(&id, &repository)?;
            if from.is_some_and(|from| from != have) {
                return Err(Refusal::Range { have }.into());
            }
            Ok(images.0.arriving.resume(&id, &repository)?)
        })
        .await
    }

    /// Takes the last part, checks the digest and adds the blob to the repository.
    ///
    /// # Errors
    /// A [`Refusal`], or a failure; what doesn't agree with its digest is thrown away.
    pub async fn finish_upload(
        &self,
        repository: &str,
        id: &UploadId,
        from: Option<u64>,
        digest: Digest,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin,
    ) -> Result<()> {
        let upload = self.resume(repository, id, from).await?;
        let (upload, _) = write(upload, body).await?;
        let (images, repository, id) = (self.0.clone(), repository.to_owned(), id.clone());
        blocking(move || {
            let mut lease = images.0.leases.open();
            lease.add(Thing::Blob(digest));
            {
                let _turn = images.0.blobs.take_blocking(digest);
                images.0.arriving.finish(&id, &upload, digest)?;
            }
            images.link(&repository, digest)
        })
        .await
    }

    /// Throws an upload away.
    ///
    /// # Errors
    /// A [`Refusal`], or a failure.
    pub async fn cancel_upload(&self, repository: &str, id: &UploadId) -> Result<()> {
        let (images, repository, id) = (self.0.clone(), repository.to_owned(), id.clone());
        blocking(move || Ok(images.0.arriving.cancel(&id, &repository)?)).await
    }

    /// Adds another repository's blob to this one; says whether that one has it.
    ///
    /// # Errors
    /// A [`Refusal`], or a failure.
    pub async fn mount(&self, repository: &str, digest: Digest, from: &str) -> Result<bool> {
        valid(repository)?;
        let (images, repository, from) = (self.0.clone(), repository.to_owned(), from.to_owned());
        blocking(move || {
            let mut lease = images.0.leases.open();
            lease.add(Thing::Blob(digest));
            let there = images.0.repositories.has_blob(&from, digest) && images.0.content.has(digest);
            if there {
                images.link(&repository, digest)?;
            }
            Ok(there)
        })
        .await
    }
}

impl Images {
    /// The caller holds the blob.
    fn link(&self, repository: &str, digest: Digest) -> Result<()> {
        self.0.repositories.link(repository, digest)?;
        fault::point("serve.linked").map_err(Error::from_fault)
    }
}

fn valid(repository: &str) -> Result<()> {
    let wrong = || Refusal::NameInvalid(format!("{repository:?} is not a repository's name"));
    if is_repository(repository) { Ok(()) } else { Err(wrong().into()) }
}

/// Writes a body to its end. Answers the bytes that have come in all.
async fn write(
    upload: Upload,
    mut body: impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin,
) -> Result<(Upload, u64)> {
    let mut upload = upload;
    let mut size = upload.size()?;
    let mut ended = None;
    while ended.is_none() {
        let mut part = Vec::new();
        while part.len() < PART && ended.is_none() {
            match body.next().await {
                Some(Ok(bytes)) => part.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    let text = "the upload broke off; what came is kept";
                    ended = Some(Err(Error::with_source(ErrorKind::Cancelled, text, error)));
                }
                None => ended = Some(Ok(())),
            }
        }
        if !part.is_empty() {
            (upload, size) = blocking(move || {
                let size = upload.write(&part)?;
                Ok((upload, size))
            })
            .await?;
        }
    }
    ended.unwrap_or(Ok(()))?;
    Ok((upload, size))
}
