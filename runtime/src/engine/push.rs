//! Push: name -> lease -> each layer's compressed blob found or made, then mounted or uploaded, several at once ->
//! config -> manifest => the image is known here by the digest it has there.
//!
//! An image goes up with the manifest it came with, as long as every blob of that is here; otherwise with a new one. A
//! layer whose bytes are not kept is packed and compressed once; the result is kept as the layer's blob. A push stops
//! when it is dropped: what the registry has by then makes the next one shorter.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Write},
    sync::Arc,
};

use flate2::{Compression, GzBuilder};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{
    images::{Images, blocking},
    pull::Reporter,
};
use crate::{
    digest::{ChainId, DiffId, Digest},
    error::{Error, ErrorKind, Result},
    fault,
    image::Image,
    lease::{Lease, Thing},
    oci::{self, Descriptor, Document, Platform},
    reference::Reference,
    registry::{Purpose, Put, Repository, Source},
    request::PushImage,
    snapshot::{self, Inflate},
    view::{Progress, PushStep, Pushed},
};

/// Layers of one push worked on at once.
const LAYERS_AT_ONCE: usize = 4;
/// Repositories a blob is asked to be mounted from.
const MOUNTS: usize = 3;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A manifest as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: u64,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// A manifest to be put, raw.
pub(in crate::engine) struct Ready {
    pub bytes: Vec<u8>,
    pub descriptor: Descriptor,
}

/// A layer's compressed bytes, kept from being removed.
pub(in crate::engine) struct Blob {
    pub digest: Digest,
    size: u64,
    compression: snapshot::Compression,
    _lease: Lease,
}

impl Images {
    /// Uploads an image, or all tags of a repository.
    pub async fn push(&self, request: PushImage, progress: mpsc::Sender<Progress>) -> Result<Vec<Pushed>> {
        let reporter = Reporter { to: progress };
        let reference = request.reference.parse::<Reference>()?;
        if reference.digest().is_some() {
            return Err(Error::invalid("cannot push a digest reference"));
        }
        let wanted = request.platform.as_deref().filter(|text| !text.is_empty());
        let wanted = wanted.map(str::parse::<Platform>).transpose()?;
        reporter.told(Progress::PushingTo(reference.repository().to_string())).await;
        let mut tagged = self.0.store.tagged(&reference.repository());
        if tagged.is_empty() {
            let name = reference.familiar_name();
            return Err(Error::not_found(format!("An image does not exist locally with the tag: {name}")));
        }
        if !request.all_tags {
            let name = reference.or_latest();
            tagged.retain(|(tagged, _)| *tagged == name);
            if tagged.is_empty() {
                return Err(Error::not_found(format!("tag does not exist: {}", name.familiar())));
            }
        }
        let to = self.0.registry.repository(&tagged[0].0, Purpose::Push, request.auth);
        let mut all = Vec::new();
        for (name, id) in tagged {
            let mut lease = self.0.leases.open();
            lease.add(Thing::Image(id));
            let gone = || Error::not_found(format!("tag does not exist: {}", name.familiar()));
            let image = self.0.store.by_id(id).filter(|image| !image.record.removed).ok_or_else(gone)?;
            if let Some(wanted) = wanted.as_ref().filter(|wanted| !wanted.accepts(&image.config.platform())) {
                return Err(Error::not_found(format!(
                    "image with reference {} was found but does not provide the specified platform ({wanted})",
                    name.familiar()
                )));
            }
            for thing in image.blobs().map(Thing::Blob).chain(image.chains.iter().copied().map(Thing::Layer)) {
                lease.add(thing);
            }
            let held = Held { images: self.clone(), image: Arc::clone(&image), lease: Some(lease) };
            let pushed = self.push_image(&image, &name, &to, &reporter).await;
            blocking(move || {
                drop(held);
                Ok(())
            })
            .await?;
            let pushed = pushed?;
            reporter.told(Progress::Pushed(pushed.clone())).await;
            all.push(pushed);
        }
        Ok(all)
    }

    async fn push_image(
        &self,
        image: &Arc<Image>,
        name: &Reference,
        to: &Repository,
        reporter: &Reporter,
    ) -> Result<Pushed> {
        let (images, of) = (self.clone(), Arc::clone(image));
        let fitting = blocking(move || Ok(images.fitting(&of))).await?;
        // The topmost is told first, as docker does.
        for layer in image.record.layers.iter().rev() {
            reporter.push(layer.diff_id, PushStep::Preparing).await;
        }
        let as_it_is = fitting.is_some();
        let count = image.record.layers.len();
        // Collected first: a stream over borrowed layers would borrow this future into itself.
        let work: Vec<_> = (0..count).map(|n| self.push_layer(image, n, as_it_is, name, to, reporter)).collect();
        let blobs: Vec<Blob> = stream::iter(work).buffered(LAYERS_AT_ONCE).try_collect().await?;

        let config = self.source(image.record.id).await?;
        let _turn = self.0.uploads.take((name.repository(), image.record.id)).await;
        let config_bytes = self.0.content.size(image.record.id).unwrap_or_default();
        to.put_blob(&config, &[], Arc::new(|_| ())).await?;
        let ready = match fitting {
            Some(ready) => ready,
            None => manifest(image.record.id, config_bytes, &blobs)?,
        };
        let tag = name.tag().unwrap_or("latest").to_owned();
        to.put_manifest(&tag, &ready.descriptor, &ready.bytes).await?;

        let (digest, size) = (ready.descriptor.digest, ready.descriptor.size);
        let (images, id, repository) = (self.clone(), image.record.id, name.repository());
        let noted: Vec<Digest> = blobs.iter().map(|blob| blob.digest).collect();
        blocking(move || {
            let mut lease = images.0.leases.open();
            lease.add(Thing::Blob(digest));
            images.0.content.put(&ready.bytes)?;
            images.0.store.set_manifest(id, digest, &repository)?;
            images.0.sources.note(&repository, noted);
            Ok(())
        })
        .await?;
        Ok(Pushed { id, reference: name.familiar(), tag, digest, size })
    }

    /// The newest manifest of the image whose blobs are all here.
    pub(in crate::engine) fn fitting(&self, image: &Image) -> Option<Ready> {
        let layers = &image.record.layers;
        image.record.manifests.iter().find_map(|digest| {
            let bytes = self.0.content.read(*digest, oci::MAX_MANIFEST_BYTES).ok()?;
            let Document::Manifest(manifest) = Document::parse(&bytes).ok()? else { return None };
            let same = |(layer, blob): (&crate::image::Layer, &Descriptor)| {
                layer.blob == Some(blob.digest) && self.0.content.size(blob.digest) == Some(blob.size)
            };
            let fits = manifest.config.digest == image.record.id
                && manifest.layers.len() == layers.len()
                && layers.iter().zip(&manifest.layers).all(same);
            let media_type = manifest_type(&bytes).filter(|_| fits)?;
            let descriptor = descriptor(&media_type, *digest, bytes.len() as u64);
            Some(Ready { bytes, descriptor })
        })
    }

    async fn push_layer(
        &self,
        image: &Arc<Image>,
        index: usize,
        as_it_is: bool,
        name: &Reference,
        to: &Repository,
        reporter: &Reporter,
    ) -> Result<Blob> {
        let diff_id = image.record.layers[index].diff_id;
        let blob = {
            let _turn = self.0.layers.take(image.chains[index]).await;
            let (images, image) = (self.clone(), Arc::clone(image));
            blocking(move || {
                let blob = images.blob_to_push(&image, index, as_it_is)?;
                // This goes on when the push has ended, and then nobody else lets go of the plain one.
                images.free_things(image.record.layers[index].blob.map(Thing::Blob).into_iter())?;
                Ok(blob)
            })
            .await?
        };
        let source = self.source(blob.digest).await?;
        // The same layer may be in this image twice, and in another push.
        let _turn = self.0.uploads.take((name.repository(), blob.digest)).await;
        let mut neighbours = self.0.sources.neighbours(name, blob.digest);
        neighbours.truncate(MOUNTS);
        let total = blob.size;
        let told = reporter.push_bytes(diff_id, total);
        let step = match to.put_blob(&source, &neighbours, Arc::new(told)).await? {
            Put::Exists => PushStep::Exists,
            Put::Mounted(from) => PushStep::Mounted(from),
            Put::Uploaded => PushStep::Done,
        };
        let (images, repository, digest) = (self.clone(), name.repository(), blob.digest);
        blocking(move || {
            images.0.sources.note(&repository, [digest]);
            Ok(())
        })
        .await?;
        reporter.push(diff_id, step).await;
        Ok(blob)
    }

    async fn source(&self, digest: Digest) -> Result<Source> {
        let content = self.0.content.clone();
        blocking(move || {
            let file = content.blob(digest)?;
            let size = file.metadata().map_err(|error| Error::internal("a blob can't be read", error))?.len();
            Ok(Source::new(file, digest, size))
        })
        .await
    }

    /// The blob a layer goes up as: the one that is kept, or one made now. `as_it_is` wants the one that is kept,
    /// compressed or not. The caller has the layer's turn.
    pub(in crate::engine) fn blob_to_push(&self, image: &Image, index: usize, as_it_is: bool) -> Result<Blob> {
        let (diff_id, chain) = (image.record.layers[index].diff_id, image.chains[index]);
        let mut plain = None;
        // Another push may have made it meanwhile, or another image may have it.
        for digest in self.0.store.blob_of(diff_id) {
            let mut lease = self.0.leases.open();
            lease.add(Thing::Blob(digest));
            let own = image.record.layers[index].blob == Some(digest);
            if as_it_is && !own {
                continue;
            }
            let Some(size) = self.0.content.size(digest) else { continue };
            let compression = self.compression(digest)?;
            if as_it_is || matches!(compression, snapshot::Compression::Gzip | snapshot::Compression::Zstd) {
                if !as_it_is {
                    self.0.store.set_blob(image.record.id, diff_id, digest)?;
                }
                return Ok(Blob { digest, size, compression, _lease: lease });
            }
            plain = Some((digest, lease));
        }
        self.compress(image, diff_id, chain, plain)
    }

    fn compression(&self, digest: Digest) -> Result<snapshot::Compression> {
        let looked_at = Inflate::new(self.0.content.blob(digest)?);
        Ok(looked_at.map_err(|error| Error::internal("a blob can't be read", error))?.compression)
    }

    /// Makes a layer's blob from its plain one or from its files, and keeps it.
    fn compress(&self, image: &Image, diff_id: DiffId, chain: ChainId, plain: Option<(Digest, Lease)>) -> Result<Blob> {
        let failed = |error: io::Error| crate::durable::io_error("a layer can't be compressed", error.kind(), error);
        let stage = self.0.content.stage()?;
        let path = stage.path().join("layer");
        let hashed = Hashed { to: File::create_new(&path).map_err(failed)?, hash: Sha256::new(), size: 0 };
        // Neither time nor name: the same layer is the same blob always.
        let mut gzip =
            GzBuilder::new().mtime(0).write(io::BufWriter::with_capacity(1 << 20, hashed), Compression::default());
        let (plain, _kept) = plain.unzip();
        let found = match plain {
            Some(plain) => {
                let mut hashing = Hashed { to: &mut gzip, hash: Sha256::new(), size: 0 };
                let mut plain = Inflate::new(self.0.content.blob(plain)?).map_err(failed)?;
                io::copy(&mut plain, &mut hashing).map_err(failed)?;
                DiffId(Digest::from_hash(hashing.hash))
            }
            None => self.0.snapshots.write_tar(chain, &mut gzip)?,
        };
        if found != diff_id {
            let text =
                format!("layer {diff_id} can't be pushed: its archive is not kept, and its files pack to {found}");
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let hashed = gzip.finish().map_err(failed)?.into_inner().map_err(|error| failed(error.into_error()))?;
        hashed.to.sync_all().map_err(failed)?;
        let (digest, size) = (Digest::from_hash(hashed.hash), hashed.size);
        let mut lease = self.0.leases.open();
        lease.add(Thing::Blob(digest));
        fault::point("push.blob").map_err(Error::from_fault)?;
        {
            let _turn = self.0.blobs.take_blocking(digest);
            if self.0.content.size(digest) != Some(size) {
                self.0.content.adopt(&path, digest)?;
            }
        }
        self.sync()?;
        self.0.store.set_blob(image.record.id, diff_id, digest)?;
        Ok(Blob { digest, size, compression: snapshot::Compression::Gzip, _lease: lease })
    }
}

/// What a push holds of an image. When it ends, however it does, plain layers go whose compressed ones are kept by then.
struct Held {
    images: Images,
    image: Arc<Image>,
    lease: Option<Lease>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.lease.take());
        if let Err(error) = self.images.free_things(self.image.blobs().map(Thing::Blob)) {
            tracing::warn!(error = error.chain(), "a layer's plain blob stays until the next start");
        }
    }
}

/// A new manifest for these layers: in Docker's dialect, which every registry takes, unless a layer is of a kind it has
/// no word for.
pub(in crate::engine) fn manifest(config: Digest, config_bytes: u64, blobs: &[Blob]) -> Result<Ready> {
    let docker = blobs.iter().all(|blob| blob.compression == snapshot::Compression::Gzip);
    let layer = |blob: &Blob| {
        let media_type = match blob.compression {
            snapshot::Compression::Gzip if docker => DOCKER_LAYER.to_owned(),
            snapshot::Compression::Gzip => format!("{OCI_LAYER}+gzip"),
            snapshot::Compression::Zstd => format!("{OCI_LAYER}+zstd"),
            snapshot::Compression::Xz => format!("{OCI_LAYER}+xz"),
            snapshot::Compression::Bzip2 => format!("{OCI_LAYER}+bzip2"),
            snapshot::Compression::Plain => OCI_LAYER.to_owned(),
        };
        descriptor(&media_type, blob.digest, blob.size)
    };
    let media_type = if docker { DOCKER_MANIFEST } else { OCI_MANIFEST };
    let config = descriptor(if docker { DOCKER_CONFIG } else { OCI_CONFIG }, config, config_bytes);
    let written = Written { schema_version: 2, media_type, config, layers: blobs.iter().map(layer).collect() };
    let bytes = serde_json::to_vec(&written).map_err(|error| Error::internal("a manifest can't be written", error))?;
    let descriptor = descriptor(media_type, Digest::of(&bytes), bytes.len() as u64);
    Ok(Ready { bytes, descriptor })
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    let media_type = media_type.to_owned();
    Descriptor { media_type, digest, size, platform: None, annotations: std::collections::BTreeMap::new() }
}

/// What a manifest is sent as: what it says, or what its config's type says of it.
fn manifest_type(bytes: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Says {
        #[serde(default)]
        media_type: Option<String>,
        config: Descriptor,
    }
    let says: Says = serde_json::from_slice(bytes).ok()?;
    let docker = says.config.media_type == DOCKER_CONFIG;
    let guess = if docker { DOCKER_MANIFEST } else { OCI_MANIFEST };
    Some(says.media_type.filter(|said| !said.is_empty()).unwrap_or_else(|| guess.to_owned()))
}

struct Hashed<W> {
    to: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Images {
    /// Blobs that went are no longer noted as being anywhere.
    pub(super) fn forget_sources(&self, gone: &HashSet<Digest>) {
        if !gone.is_empty() {
            self.0.sources.forget(gone);
        }
    }
}
