//! Pull: name resolved -> lease -> config -> each layer fetched and unpacked, several at once => record and names.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::images::{Images, blocking};
use crate::{
    content::{self, Ingest},
    digest::{ChainId, DiffId, Digest},
    error::{Error, ErrorKind, Result},
    fault, image,
    lease::{Lease, Thing},
    oci::{self, Descriptor, Platform},
    reference::Reference,
    registry::{Repository, Resolved, Sink},
    request::{PullImage, RegistryAuth},
    snapshot,
    view::{LayerStep, Progress, PulledImage, PushStep},
};

/// Layers of one pull worked on at once.
const LAYERS_AT_ONCE: usize = 4;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

impl Sink for Ingest {
    fn offset(&self) -> u64 {
        Ingest::offset(self)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ingest::write(self, bytes)?;
        fault::point("pull.part").map_err(Error::from_fault)
    }

    fn restart(&mut self) -> Result<()> {
        Ok(Ingest::restart(self)?)
    }
}

/// Where a layer's steps are told: never waits for a slow listener. Steps in bytes come ten times a second at most and
/// are dropped when nobody takes them; the others are dropped only if the channel stays full.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    pub(super) to: mpsc::Sender<Progress>,
}

impl Reporter {
    pub(super) fn layer(&self, digest: Digest, step: LayerStep) {
        let _ = self.to.try_send(Progress::Layer { digest, step });
    }

    /// A step that should arrive: waits a little for room.
    pub(super) async fn layer_done(&self, digest: Digest, step: LayerStep) {
        let _ = self.to.send_timeout(Progress::Layer { digest, step }, PROGRESS_EVERY * 10).await;
    }

    /// What should arrive: waits a little for room.
    pub(super) async fn told(&self, progress: Progress) {
        let _ = self.to.send_timeout(progress, PROGRESS_EVERY * 10).await;
    }

    /// A step of a push that should arrive.
    pub(super) async fn push(&self, layer: DiffId, step: PushStep) {
        self.told(Progress::Push { layer, step }).await;
    }

    /// Tells bytes of a push so far, not too often.
    pub(super) fn push_bytes(&self, layer: DiffId, total: u64) -> impl Fn(u64) + Send + Sync + 'static {
        let (to, told) = (self.to.clone(), Mutex::new(None::<Instant>));
        move |current| {
            let Ok(mut told) = told.try_lock() else { return };
            if told.is_none_or(|told| told.elapsed() >= PROGRESS_EVERY) {
                *told = Some(Instant::now());
                let _ = to.try_send(Progress::Push { layer, step: PushStep::Uploading { current, total } });
            }
        }
    }

    /// Tells bytes so far, not too often.
    pub(super) fn bytes(&self, digest: Digest, step: impl Fn(u64) -> LayerStep) -> impl Fn(u64) {
        let told = Mutex::new(None::<Instant>);
        move |current| {
            let Ok(mut told) = told.try_lock() else { return };
            if told.is_none_or(|told| told.elapsed() >= PROGRESS_EVERY) {
                *told = Some(Instant::now());
                self.layer(digest, step(current));
            }
        }
    }
}

/// What one layer of a manifest is.
#[derive(Clone, Debug)]
struct Layer {
    blob: Descriptor,
    diff_id: DiffId,
    chain: ChainId,
}

impl Images {
    /// Fetches an image. Goes on when the caller goes away.
    pub async fn pull(&self, request: PullImage, progress: mpsc::Sender<Progress>) -> Result<PulledImage> {
        let images = self.clone();
        let reporter = Reporter { to: progress };
        let pulled = tokio::spawn(async move { images.pull_to_end(request, reporter).await }).await;
        pulled.map_err(|error| Error::internal("a pull failed", error))?
    }

    /// Fetches every tag of a repository, one after the other. Goes on when the caller goes away.
    pub async fn pull_all(&self, request: PullImage, progress: mpsc::Sender<Progress>) -> Result<Vec<PulledImage>> {
        let images = self.clone();
        let reporter = Reporter { to: progress };
        let pulled = tokio::spawn(async move {
            let reference = request.reference.parse::<Reference>()?;
            if reference.tag().is_some() || reference.digest().is_some() {
                return Err(Error::invalid("tag can't be used with --all-tags/-a"));
            }
            let tags = images.0.registry.tags(&reference, request.auth.as_ref()).await?;
            let mut all = Vec::new();
            for tag in tags {
                // A registry's word is no name before it is parsed.
                let reference = format!("{}:{tag}", reference.familiar_name()).parse::<Reference>()?.familiar();
                let one = images.pull_to_end(PullImage { reference, ..request.clone() }, reporter.clone()).await?;
                reporter.told(Progress::Pulled(one.clone())).await;
                all.push(one);
            }
            Ok(all)
        });
        pulled.await.map_err(|error| Error::internal("a pull failed", error))?
    }

    /// Asks a registry whether it lets somebody in.
    pub async fn log_in(&self, host: &str, auth: &RegistryAuth) -> Result<Option<String>> {
        Ok(self.0.registry.log_in(host, auth).await?)
    }

    async fn pull_to_end(&self, request: PullImage, reporter: Reporter) -> Result<PulledImage> {
        let reference = request.reference.parse::<Reference>()?.or_latest();
        let wanted = request.platform.as_deref().filter(|text| !text.is_empty());
        let wanted = wanted.map(str::parse::<Platform>).transpose()?;
        let platform = wanted.clone().unwrap_or_else(Platform::host);
        let name = reference.exact();
        let tag = name.digest().map_or_else(|| name.tag().unwrap_or_default().to_owned(), |digest| digest.to_string());
        let pulling = Progress::Pulling { tag, repository: reference.familiar_name() };
        let _ = reporter.to.send_timeout(pulling, PROGRESS_EVERY).await;

        let resolved = self.0.registry.resolve(&name, &platform, request.auth.as_ref()).await?;
        fault::point("pull.resolved").map_err(Error::from_fault)?;
        let (digest, id) = (resolved.digest, resolved.manifest.config.digest);
        let mut names = vec![name.clone(), name.at(digest)];
        names.dedup();
        let pulled = |up_to_date| PulledImage { id, digest, reference: name.familiar(), up_to_date };

        let mut lease = self.0.leases.open();
        lease.add(Thing::Image(id));
        if let Some(image) = self.0.store.by_id(id).filter(|image| !image.record.removed) {
            check_platform(&image.config, wanted.as_ref(), &name)?;
            for blob in &resolved.manifest.layers {
                reporter.layer_done(blob.digest, LayerStep::Exists).await;
            }
            let images = self.clone();
            let changed = blocking(move || images.name_again(&image, &names)).await?;
            drop(lease);
            return Ok(pulled(!changed));
        }

        let leased = self.pull_leased(resolved, wanted.as_ref(), &name, names, &mut lease, &reporter).await;
        if leased.is_err() {
            let images = self.clone();
            let abandoned = move || {
                images.abandon(lease);
                Ok(())
            };
            blocking(abandoned).await?;
        }
        Ok(pulled(!leased?))
    }

    /// Brings everything of an image here and records it. Says whether anything changed.
    async fn pull_leased(
        &self,
        resolved: Resolved,
        wanted: Option<&Platform>,
        name: &Reference,
        names: Vec<Reference>,
        lease: &mut Lease,
        reporter: &Reporter,
    ) -> Result<bool> {
        let Resolved { repository, manifest, documents, .. } = resolved;
        let id = manifest.config.digest;
        let config_bytes = self.fetch_config(&repository, &manifest.config, lease).await?;
        let config = oci::Config::parse(&config_bytes)?;
        check_platform(&config, wanted, name)?;
        let layers = pair(&manifest.layers, &config)?;
        for layer in &layers {
            lease.add(Thing::Layer(layer.chain));
            lease.add(Thing::Blob(layer.blob.digest));
        }
        for document in &documents {
            lease.add(Thing::Blob(Digest::of(document)));
        }
        for layer in layers.iter().filter(|layer| !self.0.snapshots.has(layer.chain)) {
            reporter.layer(layer.blob.digest, LayerStep::Waiting);
        }
        self.bring(&repository, &layers, reporter).await?;

        let (images, name) = (self.clone(), name.clone());
        blocking(move || {
            let here = layers.iter().map(|layer| layer.blob.digest).filter(|blob| images.0.content.has(*blob));
            images.0.sources.note(&name, here);
            let manifests = documents.iter().map(|document| images.0.content.put(document));
            let manifests = manifests.collect::<std::result::Result<_, _>>()?;
            let parts = layers.iter().map(|layer| (layer.diff_id, layer.chain, Some(layer.blob.digest)));
            let record = images.record(id, manifests, parts)?;
            fault::point("pull.record").map_err(Error::from_fault)?;
            images.sync()?;
            Ok(images.0.store.put(record, &config_bytes, &names)?)
        })
        .await
    }

    /// Brings all layers. The first failure stops the fetches of the others; what is being unpacked comes to its end.
    async fn bring(&self, from: &Repository, layers: &[Layer], reporter: &Reporter) -> Result<()> {
        let stop = CancellationToken::new();
        // Collected first: a stream over borrowed layers would borrow this future into itself.
        let work: Vec<_> = layers.iter().map(|layer| self.layer(from, layer, reporter, &stop)).collect();
        let mut results = stream::iter(work).buffer_unordered(LAYERS_AT_ONCE);
        let mut first = Ok(());
        while let Some(result) = results.next().await {
            if result.is_err() && first.is_ok() {
                stop.cancel();
                first = result;
            }
        }
        first
    }

    fn name_again(&self, image: &image::Image, names: &[Reference]) -> Result<bool> {
        let config = self.0.content.read(image.record.id, oci::MAX_CONFIG_BYTES)?;
        Ok(self.0.store.put(image.record.clone(), &config, names)?)
    }

    /// A record of an image whose layers are all unpacked.
    pub(super) fn record(
        &self,
        id: Digest,
        manifests: Vec<Digest>,
        layers: impl Iterator<Item = (DiffId, ChainId, Option<Digest>)>,
    ) -> Result<image::Record> {
        let layer = |(diff_id, chain, blob): (DiffId, ChainId, Option<Digest>)| {
            let size_bytes = self.0.snapshots.size(chain).ok_or(snapshot::Error::Missing(chain))?;
            let blob = blob.filter(|blob| self.0.content.has(*blob));
            Ok(image::Layer { diff_id, size_bytes, blob })
        };
        let layers = layers.map(layer).collect::<Result<_>>()?;
        Ok(image::Record { id, added_at: Timestamp::now(), manifests, layers, naming: Vec::new(), removed: false })
    }

    async fn fetch_config(&self, from: &Repository, config: &Descriptor, lease: &mut Lease) -> Result<Vec<u8>> {
        if config.size > oci::MAX_CONFIG_BYTES {
            let text = format!("image config is larger than {} bytes", oci::MAX_CONFIG_BYTES);
            return Err(Error::new(ErrorKind::Upstream, text));
        }
        lease.add(Thing::Blob(config.digest));
        let _turn = self.0.blobs.take(config.digest).await;
        if !self.0.content.has(config.digest) {
            self.fetch(from, config, &CancellationToken::new(), |_| ()).await?;
        }
        let (content, digest) = (self.0.content.clone(), config.digest);
        blocking(move || Ok(content.read(digest, oci::MAX_CONFIG_BYTES)?)).await
    }

    /// Receives a blob and publishes it. The caller has the blob's turn.
    async fn fetch(
        &self,
        from: &Repository,
        blob: &Descriptor,
        stop: &CancellationToken,
        progress: impl Fn(u64),
    ) -> Result<()> {
        let _permit = self.0.fetches.acquire().await.map_err(|error| Error::internal("shutting down", error))?;
        loop {
            let (content, digest, size) = (self.0.content.clone(), blob.digest, blob.size);
            let ingest = blocking(move || Ok(content.ingest(digest, size)?)).await?;
            let resumed = ingest.offset() > 0;
            let fetched = stop.run_until_cancelled(from.blob(blob, ingest, &progress)).await;
            let ingest = fetched.ok_or_else(|| Error::new(ErrorKind::Cancelled, "another layer failed"))??;
            fault::point("pull.blob").map_err(Error::from_fault)?;
            match blocking(move || Ok(ingest.commit())).await? {
                // What was kept of an earlier fetch may be what was wrong: a power failure leaves holes.
                Err(content::Error::Mismatch { .. }) if resumed => {}
                committed => return Ok(committed?),
            }
        }
    }

    /// Brings one layer here, or waits for whoever does.
    async fn layer(
        &self,
        from: &Repository,
        layer: &Layer,
        reporter: &Reporter,
        stop: &CancellationToken,
    ) -> Result<()> {
        let (digest, total) = (layer.blob.digest, layer.blob.size);
        let waited = self.0.layers.try_take(layer.chain);
        let first = waited.is_some();
        let _turn = match waited {
            Some(turn) => turn,
            None => self.0.layers.take(layer.chain).await,
        };
        if self.0.snapshots.has(layer.chain) {
            let step = if first { LayerStep::Exists } else { LayerStep::Complete };
            reporter.layer_done(digest, step).await;
            return Ok(());
        }
        {
            let _turn = self.0.blobs.take(digest).await;
            if self.0.content.size(digest) != Some(total) {
                let downloading = reporter.bytes(digest, |current| LayerStep::Downloading { current, total });
                self.fetch(from, &layer.blob, stop, downloading).await?;
            }
        }
        reporter.layer_done(digest, LayerStep::Downloaded).await;
        let permit = self.0.unpacks.clone().acquire_owned().await;
        let permit = permit.map_err(|error| Error::internal("shutting down", error))?;
        let (images, layer, telling) = (self.clone(), layer.clone(), reporter.clone());
        blocking(move || {
            let _permit = permit;
            let extracting = telling.bytes(digest, |current| LayerStep::Extracting { current, total });
            images.unpack(layer.chain, layer.diff_id, digest, &mut |current| extracting(current))?;
            Ok(())
        })
        .await?;
        reporter.layer_done(digest, LayerStep::Complete).await;
        Ok(())
    }

    /// Unpacks a layer from its stored blob and publishes it. The caller has the layer's turn.
    pub(super) fn unpack(
        &self,
        chain: ChainId,
        diff_id: DiffId,
        blob: Digest,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<()> {
        let from = self.0.content.blob(blob)?;
        let layer = snapshot::Layer { from, verified: Some(blob), diff_id };
        let staged = self.0.snapshots.stage(chain, layer, progress)?;
        fault::point("pull.layer").map_err(Error::from_fault)?;
        Ok(self.0.snapshots.publish(staged)?)
    }
}

/// Layers and diff ids side by side; they must be as many.
fn pair(blobs: &[Descriptor], config: &oci::Config) -> Result<Vec<Layer>> {
    let diff_ids = config.diff_ids();
    if diff_ids.len() != blobs.len() {
        let text = format!("the manifest has {} layers, its config {}", blobs.len(), diff_ids.len());
        return Err(Error::new(ErrorKind::Upstream, text));
    }
    let parts = blobs.iter().zip(diff_ids).zip(config.chains());
    Ok(parts.map(|((blob, diff_id), chain)| Layer { blob: blob.clone(), diff_id: *diff_id, chain }).collect())
}

/// A name without index leads to one image, whatever it runs on: only what was asked for is insisted on.
fn check_platform(config: &oci::Config, wanted: Option<&Platform>, name: &Reference) -> Result<()> {
    let actual = config.platform();
    if !actual.os.is_empty() && actual.os != "linux" {
        return Err(Error::unsupported(format!(
            "image operating system \"{}\" cannot be used on this platform",
            actual.os
        )));
    }
    match wanted {
        Some(wanted) if !wanted.accepts(&actual) => Err(Error::not_found(format!(
            "image with reference {} was found but does not match the specified platform: wanted {wanted}, actual: {actual}",
            name.familiar()
        ))),
        _ => Ok(()),
    }
}
