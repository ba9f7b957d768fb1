//! What the builder asks of the engine.

use std::{
    borrow::Cow,
    fs::File,
    io::{BufWriter, Seek as _, Write as _},
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{Folder, cancelled};
use crate::{
    build::{
        cache::{Entry, Key},
        host::{BaseImage, Changes, Fetched, Host, MadeLayer, RunEnd, RunStep, Tree, Wanted},
        plan::Known,
    },
    digest::{ChainId, DiffId},
    engine::Engine,
    error::{Error, ErrorKind, Result},
    fault,
    image::edit::ConfigEditor,
    lease::{Lease, Thing},
    oci::{self, Platform},
    reference::Reference,
    request::{BuildImage, PullImage, RegistryAuth},
    snapshot::{Adoption, root_is_changed},
    view::{BuildEvent, BuiltImage, Progress, Stream},
};

/// The key Docker's clients keep the Hub's credentials under.
const HUB: &str = "https://index.docker.io/v1/";

/// One build in the engine.
pub(super) struct Builder {
    pub(super) engine: Engine,
    pub(super) request: BuildImage,
    pub(super) folder: Arc<Folder>,
    pub(super) events: mpsc::Sender<BuildEvent>,
    pub(super) cancel: CancellationToken,
    pub(super) executor: Handle,
    lease: Mutex<Lease>,
}

impl Builder {
    pub(super) fn new(
        engine: Engine,
        request: BuildImage,
        folder: Arc<Folder>,
        events: mpsc::Sender<BuildEvent>,
        cancel: CancellationToken,
        executor: Handle,
    ) -> Self {
        let lease = Mutex::new(engine.inner.images.0.leases.open());
        Self { engine, request, folder, events, cancel, executor, lease }
    }

    pub(super) fn tell(&self, event: BuildEvent) {
        // Nobody listening is no failure.
        let _ = self.events.blocking_send(event);
    }

    /// Waits for async work, or for the build to be cancelled.
    pub(super) fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.executor.block_on(async {
            tokio::select! {
                result = work => result,
                () = self.cancel.cancelled() => Err(cancelled()),
            }
        })
    }

    fn hold(&self, thing: Thing) {
        crate::engine::lock(&self.lease).add(thing);
    }

    /// Leases a stack, then looks whether it is whole.
    fn holds_whole(&self, layers: &[DiffId]) -> bool {
        let chains = oci::chains(layers);
        for chain in &chains {
            self.hold(Thing::Layer(*chain));
        }
        chains.iter().all(|chain| self.engine.inner.images.0.snapshots.has(*chain))
    }

    fn auth(&self, reference: &str) -> Option<RegistryAuth> {
        let host = reference.parse::<Reference>().ok()?.host().to_owned();
        let hub = (host == "docker.io").then_some(HUB);
        let auths = &self.request.auths;
        hub.and_then(|hub| auths.get(hub)).or_else(|| auths.get(&host)).cloned()
    }

    fn pull(&self, name: &str, platform: Option<&str>, step: usize) -> Result<()> {
        let request =
            PullImage { reference: name.to_owned(), platform: platform.map(str::to_owned), auth: self.auth(name) };
        let (sender, mut steps) = mpsc::channel::<Progress>(64);
        let told = async {
            while let Some(progress) = steps.recv().await {
                let _ = self.events.send(BuildEvent::Pull { step, progress }).await;
            }
        };
        self.wait(async {
            let (pulled, ()) = tokio::join!(self.engine.pull(request, sender), told);
            pulled.map(drop)
        })
    }

    /// What can be told of an image without fetching it.
    pub(super) fn known(&self, name: &str) -> Option<Known> {
        let images = &self.engine.inner.images;
        let id = images.get(&no_short_id(name)).ok()?.summary.id;
        let config = ConfigEditor::of(&images.0.content.read(id, oci::MAX_CONFIG_BYTES).ok()?).ok()?;
        let name = |line: String| line.split_once('=').map_or(line.clone(), |(name, _)| name.to_owned());
        Some(Known { variables: config.env().into_iter().map(name).collect(), triggers: config.onbuild() })
    }

    fn here(&self, name: &str, platform: Option<&Platform>) -> Result<Option<BaseImage>> {
        let images = &self.engine.inner.images;
        let view = match images.get(&no_short_id(name)) {
            Ok(view) => view,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let id = view.summary.id;
        self.hold(Thing::Image(id));
        // It may have gone before it was held.
        let Some(image) = images.0.store.by_id(id) else { return Ok(None) };
        let layers = image.config.diff_ids().to_vec();
        if !self.holds_whole(&layers) {
            return Ok(None);
        }
        let offered = Platform {
            os: image.config.os.clone(),
            architecture: image.config.architecture.clone(),
            variant: image.config.variant.clone(),
        };
        if platform.is_some_and(|wanted| !wanted.accepts(&offered)) {
            return Ok(None);
        }
        let config = images.0.content.read(id, oci::MAX_CONFIG_BYTES)?;
        Ok(Some(BaseImage { id, layers, config }))
    }
}

/// The shortest start of an id that a Dockerfile can mean.
const SHORTEST_ID: usize = 7;

/// `FROM 0` must not mean whatever image has an id that happens to begin so: what is short is a name.
fn no_short_id(name: &str) -> Cow<'_, str> {
    if name.len() < SHORTEST_ID && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Cow::Owned(format!("{name}:latest"))
    } else {
        Cow::Borrowed(name)
    }
}

impl Host for Builder {
    fn base(&self, name: &str, platform: Option<&str>, step: usize) -> Result<BaseImage> {
        let wanted = platform.filter(|text| !text.is_empty()).map(str::parse::<Platform>).transpose()?;
        if !self.request.pull
            && let Some(image) = self.here(name, wanted.as_ref())?
        {
            return Ok(image);
        }
        self.pull(name, platform, step)?;
        let gone = || Error::not_found(format!("No such image: {name}"));
        self.here(name, wanted.as_ref())?.ok_or_else(gone)
    }

    fn run(&self, step: &RunStep, name: &dyn Fn(&str), output: &mut dyn FnMut(Stream, Bytes)) -> Result<RunEnd> {
        self.run_container(step, name, output)
    }

    fn tree(&self, layers: &[DiffId]) -> Result<Box<dyn Tree>> {
        self.writable(layers)
    }

    fn view(&self, layers: &[DiffId]) -> Result<OwnedFd> {
        self.readable(layers)
    }

    fn adopt(&self, changes: Box<dyn Changes>, below: &[DiffId], clamp: Option<i64>) -> Result<Option<MadeLayer>> {
        let upper = changes.upper();
        let failed =
            |error: std::io::Error| crate::durable::io_error("a step's files can't be read", error.kind(), error);
        if std::fs::read_dir(upper).map_err(failed)?.next().is_none() {
            let lowers = self.engine.inner.images.0.snapshots.lowers(below)?;
            if !root_is_changed(upper, &lowers).map_err(failed)? {
                return Ok(None);
            }
        }
        let parent: Option<ChainId> = oci::chains(below).last().copied();
        let how = Adoption { parent, clamp };
        let adopted = self.engine.inner.images.0.snapshots.adopt(upper, how, |chain| self.hold(Thing::Layer(chain)))?;
        fault::point("build.layer").map_err(Error::from_fault)?;
        Ok(Some(MadeLayer { diff_id: adopted.diff_id, size_bytes: adopted.size_bytes }))
    }

    fn restack(&self, layers: &[DiffId], below: &[DiffId]) -> Result<Option<MadeLayer>> {
        let (Some(wanted), Some(chain)) = (layers.last(), oci::chains(layers).last().copied()) else { return Ok(None) };
        let snapshots = &self.engine.inner.images.0.snapshots;
        let failed = |error: std::io::Error| crate::durable::io_error("a layer can't be copied", error.kind(), error);
        let path = self.folder.fresh()?.join("layer.tar");
        let mut tar = File::options().read(true).write(true).create_new(true).open(path).map_err(failed)?;
        let mut to = BufWriter::new(&tar);
        snapshots.write_tar(chain, &mut to)?;
        to.flush().map_err(failed)?;
        drop(to);
        tar.rewind().map_err(failed)?;
        let how = Adoption { parent: oci::chains(below).last().copied(), clamp: None };
        let made = snapshots.absorb(tar, how, |chain| self.hold(Thing::Layer(chain)), &mut |_| ())?;
        let same = made.diff_id == *wanted;
        Ok(same.then_some(MadeLayer { diff_id: made.diff_id, size_bytes: made.size_bytes }))
    }

    fn find(&self, key: Key) -> Option<Entry> {
        let snapshots = &self.engine.inner.images.0.snapshots;
        let entry = self.engine.inner.images.cache().find(key, |chain| snapshots.has(chain))?;
        // A prune may have been quicker.
        self.holds_whole(&entry.layers).then_some(entry)
    }

    fn keep(&self, entry: Entry) {
        self.engine.inner.images.cache().keep(entry);
    }

    fn fetch(&self, wanted: &Wanted) -> Result<Fetched> {
        self.fetched(wanted)
    }

    fn publish(&self, config: &[u8], layers: &[DiffId], names: &[Reference]) -> Result<BuiltImage> {
        if self.is_cancelled() {
            return Err(cancelled());
        }
        let images = &self.engine.inner.images;
        let id = crate::digest::Digest::of(config);
        for thing in [Thing::Blob(id), Thing::Image(id)] {
            self.hold(thing);
        }
        images.0.content.put(config)?;
        let stack = layers.iter().zip(oci::chains(layers)).map(|(diff_id, chain)| (*diff_id, chain, None));
        let record = images.record(id, Vec::new(), stack)?;
        let size_bytes = record.layers.iter().map(|layer| layer.size_bytes).sum();
        fault::point("build.record").map_err(Error::from_fault)?;
        images.0.store.put(record, config, names)?;
        let names: Vec<String> = names.iter().map(Reference::familiar).collect();
        for name in &names {
            self.engine.tell_image("tag", &id.to_string(), name);
        }
        Ok(BuiltImage { id, names, size_bytes })
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_a_name() {
        for (written, meant) in [
            ("0", "0:latest"),
            ("cafe", "cafe:latest"),
            ("abc:1", "abc:1"),
            ("busybox", "busybox"),
            ("2924293ca433", "2924293ca433"),
        ] {
            assert_eq!(no_short_id(written), meant);
        }
    }
}
