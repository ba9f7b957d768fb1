//! Manifests: checked, landed as images where they can run, recorded; and read.

use jiff::Timestamp;

use super::{Refusal, ServedAs, Serving, named};
use crate::{
    digest::{Digest, ImageId},
    engine::images::{Images, blocking},
    error::{Error, Result},
    fault,
    lease::{Lease, Thing},
    oci,
    reference::Reference,
    repositories::{self, Tag, document::Document},
};

/// A manifest to be put.
#[derive(Clone, Debug)]
pub struct PutManifest {
    /// Into which repository.
    pub repository: String,
    /// A tag, or its digest.
    pub reference: String,
    /// As what it was sent; may be empty.
    pub media_type: String,
    /// As it came.
    pub bytes: Vec<u8>,
    /// By whom.
    pub by: String,
}

/// What a manifest became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// Its digest.
    pub digest: Digest,
    /// What it is about.
    pub subject: Option<Digest>,
    /// The image here.
    pub image: Option<ImageId>,
    /// That image's name.
    pub name: String,
}

/// A manifest as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Serving {
    /// Takes a manifest whose blobs are here. Goes on when the caller goes away.
    ///
    /// # Errors
    /// A [`Refusal`], or a failure; nothing has changed then.
    pub async fn put_manifest(&self, served: &ServedAs, put: PutManifest) -> Result<Landed> {
        let (images, served) = (self.0.clone(), served.clone());
        let done = tokio::spawn(async move {
            let mut lease = images.0.leases.open();
            let landed = images.put_manifest(&served, put, &mut lease).await;
            if landed.is_err() {
                blocking(move || {
                    images.abandon(lease);
                    Ok(())
                })
                .await?;
            }
            landed
        });
        done.await.map_err(|error| Error::internal("a push failed", error))?
    }

    /// A manifest by tag or digest.
    ///
    /// # Errors
    /// [`Refusal::ManifestUnknown`], or a failure.
    pub async fn manifest(&self, served: &ServedAs, repository: &str, reference: &str) -> Result<Manifest> {
        let unknown = || Error::from(Refusal::ManifestUnknown(format!("{repository}:{reference}")));
        let digest = match reference.parse::<Digest>() {
            Ok(digest) => digest,
            Err(_) => self.0.resolve(served, repository, reference).await?.ok_or_else(unknown)?,
        };
        let (images, repository) = (self.0.clone(), repository.to_owned());
        let found = blocking(move || {
            let record = images.0.repositories.get(&repository);
            let Some(manifest) = record.as_ref().and_then(|record| record.manifests.get(&digest)) else {
                return Ok(None);
            };
            let bytes = images.0.content.read(digest, oci::MAX_MANIFEST_BYTES)?;
            Ok(Some(Manifest { digest, media_type: manifest.media_type.clone(), bytes }))
        });
        found.await?.ok_or_else(unknown)
    }
}

impl Images {
    async fn put_manifest(&self, served: &ServedAs, put: PutManifest, lease: &mut Lease) -> Result<Landed> {
        if put.bytes.len() as u64 > oci::MAX_MANIFEST_BYTES {
            let text = format!("a manifest has at most {} bytes", oci::MAX_MANIFEST_BYTES);
            return Err(Refusal::SizeInvalid(text).into());
        }
        let digest = Digest::of(&put.bytes);
        let tag = match put.reference.parse::<Digest>() {
            Ok(wanted) if wanted != digest => {
                let text = format!("the manifest has digest {digest}, not {wanted}");
                return Err(Refusal::DigestInvalid(text).into());
            }
            Ok(_) => None,
            Err(_) => Some(put.reference.clone()),
        };
        let name = served.name(&put.repository, tag.as_deref().unwrap_or("latest"))?;
        let document = Document::read(&put.bytes, &put.media_type)?;
        let _turn = self.0.repository_turns.take(put.repository.clone()).await;
        for blob in &document.blobs {
            lease.add(Thing::Blob(blob.digest));
        }
        lease.add(Thing::Blob(digest));
        self.check(&put.repository, &document).await?;

        let mut names = vec![name.at(digest)];
        if let Some(tag) = &tag {
            names.extend(self.names_of_tag(served, &put.repository, tag)?);
        }
        let image = self.land(&put.repository, &document, &put.bytes, &names, lease).await?;
        fault::point("serve.image").map_err(Error::from_fault)?;
        if image.is_none()
            && let Some(tag) = &tag
        {
            self.unname_tag(served, &put.repository, tag).await?;
        }
        let images = self.clone();
        let landed = Landed {
            digest,
            subject: document.subject,
            image,
            name: if tag.is_some() { name } else { name.at(digest) }.familiar(),
        };
        blocking(move || {
            let manifest = repositories::Manifest::of(&document, put.bytes.len() as u64);
            images.0.content.put(&put.bytes)?;
            images.sync()?;
            fault::point("serve.documents").map_err(Error::from_fault)?;
            let point = |record: &mut repositories::Record| {
                let Some(tag) = tag else { return };
                let points = Tag { digest, pushed_at: Timestamp::now(), pushed_by: put.by, image };
                record.tags.insert(tag.clone(), points);
                // After it, or what both have would go.
                record.withdraw(&tag);
            };
            let free = images.0.repositories.put(&put.repository, digest, manifest, point)?;
            images.free_things(free.into_iter().map(Thing::Blob))?;
            Ok(())
        })
        .await?;
        Ok(landed)
    }

    /// Everything the document names is in the repository, in the size it says.
    async fn check(&self, repository: &str, document: &Document) -> Result<()> {
        let (images, repository, document) = (self.clone(), repository.to_owned(), document.clone());
        blocking(move || {
            for blob in &document.blobs {
                let here = images.0.repositories.has_blob(&repository, blob.digest);
                let size = images.0.content.size(blob.digest).filter(|_| here);
                let size = size.ok_or(Refusal::ManifestBlobUnknown(blob.digest))?;
                if size != blob.size {
                    let text = format!("the manifest says {} bytes of {}, which has {size}", blob.size, blob.digest);
                    return Err(Refusal::ManifestInvalid(text).into());
                }
            }
            let record = images.0.repositories.get(&repository);
            let known = |digest| record.as_ref().is_some_and(|record| record.manifests.contains_key(&digest));
            match document.manifests.iter().find(|manifest| !known(manifest.digest)) {
                Some(missing) => Err(Refusal::ManifestBlobUnknown(missing.digest).into()),
                None => Ok(()),
            }
        })
        .await
    }

    /// The image names a pushed tag gives: under the host it was pushed to, and under the registry's other names where
    /// an image has that name already.
    fn names_of_tag(&self, served: &ServedAs, repository: &str, tag: &str) -> Result<Vec<Reference>> {
        let mut names = vec![served.name(repository, tag)?];
        for host in served.hosts().skip(1) {
            let name = named(host, repository, tag)?;
            if self.0.store.named(&name).is_some() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// No image here has this tag's name any more.
    pub(super) async fn unname_tag(&self, served: &ServedAs, repository: &str, tag: &str) -> Result<()> {
        let names = served.hosts().map(|host| named(host, repository, tag)).collect::<Result<Vec<_>>>()?;
        let images = self.clone();
        blocking(move || {
            for name in &names {
                images.0.store.unname(name)?;
            }
            Ok(())
        })
        .await
    }
}
