//! Load: archive read once into a staging folder -> its images found -> each layer unpacked, several at once => records
//! and names, image by image.

use std::{
    collections::VecDeque,
    io::{self, Read},
    sync::{Mutex, PoisonError},
    thread,
};

use tokio::sync::mpsc;

use super::{
    images::{Images, blocking},
    pull::Reporter,
};
use crate::{
    content::Stage,
    digest::{ChainId, DiffId, Digest},
    error::{Error, Result},
    fault,
    image::archive::{self, Archive, Found, Stored},
    lease::{Lease, Thing},
    oci::{self, Platform},
    snapshot::{Compression, Inflate, pipe},
    view::{LayerStep, LoadedImage, Progress},
};

impl Images {
    /// Reads an archive of `docker save` or an OCI archive, plain, gzip or zstd. Goes on when the caller goes away.
    pub async fn load(
        &self,
        archive: impl Read + Send + 'static,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Vec<LoadedImage>> {
        let images = self.clone();
        blocking(move || images.load_blocking(archive, &Reporter { to: progress })).await
    }

    fn load_blocking(&self, archive: impl Read + Send, reporter: &Reporter) -> Result<Vec<LoadedImage>> {
        let stage = self.0.content.stage()?;
        let archive = read(archive, &stage)?;
        fault::point("load.staged").map_err(Error::from_fault)?;
        let found = archive.images(&Platform::host())?;
        let mut loaded = Vec::new();
        for image in found {
            let image = self.load_image(&image, reporter)?;
            let _ = reporter.to.try_send(Progress::Loaded(image.clone()));
            loaded.push(image);
        }
        Ok(loaded)
    }

    fn load_image(&self, found: &Found, reporter: &Reporter) -> Result<LoadedImage> {
        let mut lease = self.0.leases.open();
        let loaded = self.load_leased(found, &mut lease, reporter);
        // After a success too: an image that was here keeps the documents it had.
        self.abandon(lease);
        loaded
    }

    fn load_leased(&self, found: &Found, lease: &mut Lease, reporter: &Reporter) -> Result<LoadedImage> {
        let diff_ids: Vec<DiffId> = found.layers.iter().map(|(diff_id, _)| *diff_id).collect();
        let chains = oci::chains(&diff_ids);
        let documents = found.documents.iter().map(|document| Digest::of(document));
        let blobs = found.layers.iter().map(|(_, stored)| stored.digest).chain([found.id]).chain(documents);
        let layers = chains.iter().map(|chain| Thing::Layer(*chain));
        for thing in blobs.map(Thing::Blob).chain(layers) {
            lease.add(thing);
        }
        for diff_id in &diff_ids {
            self.hold_blobs_of(*diff_id, lease);
        }
        lease.add(Thing::Image(found.id));

        let jobs = found.layers.iter().zip(&chains).map(|((diff_id, stored), chain)| (*chain, *diff_id, stored));
        self.load_layers(jobs.collect(), reporter)?;

        let put = |bytes: &Vec<u8>| self.0.content.put(bytes);
        let manifests = found.documents.iter().map(put).collect::<std::result::Result<_, _>>()?;
        put(&found.config)?;
        let layers = found.layers.iter().zip(&chains);
        let layers = layers.map(|((diff_id, stored), chain)| (*diff_id, *chain, Some(stored.digest)));
        let record = self.record(found.id, manifests, layers)?;
        fault::point("load.record").map_err(Error::from_fault)?;
        self.sync()?;
        self.0.store.put(record, &found.config, &found.names)?;
        Ok(LoadedImage { id: found.id, tags: found.names.iter().map(crate::reference::Reference::familiar).collect() })
    }

    /// As many at once as the engine unpacks; the first failure stops the rest.
    fn load_layers(&self, jobs: VecDeque<(ChainId, DiffId, &Stored)>, reporter: &Reporter) -> Result<()> {
        let workers = jobs.len().min(thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let jobs = Mutex::new(jobs);
        let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let work = || {
            while let Some((chain, diff_id, stored)) = next() {
                if let Err(error) = self.load_layer(chain, diff_id, stored, reporter) {
                    jobs.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    return Err(error);
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let panicked = |_| Err(Error::new(crate::error::ErrorKind::Internal, "a worker failed"));
            // All are joined before the first failure is returned.
            let results: Vec<Result<()>> = running.into_iter().map(|one| one.join().unwrap_or_else(panicked)).collect();
            results.into_iter().collect()
        })
    }

    fn load_layer(&self, chain: ChainId, diff_id: DiffId, stored: &Stored, reporter: &Reporter) -> Result<()> {
        let (digest, total) = (stored.digest, stored.size);
        let _turn = self.0.layers.take_blocking(chain);
        if self.0.snapshots.has(chain) {
            reporter.layer(digest, LayerStep::Exists);
            return Ok(());
        }
        {
            let _turn = self.0.blobs.take_blocking(digest);
            if self.0.content.size(digest) != Some(total) {
                self.0.content.adopt(&stored.path, digest)?;
            }
        }
        let extracting = reporter.bytes(digest, |current| LayerStep::Extracting { current, total });
        fault::point("load.layer").map_err(Error::from_fault)?;
        self.unpack(chain, diff_id, digest, &mut |current| extracting(current))?;
        reporter.layer(digest, LayerStep::Complete);
        Ok(())
    }
}

/// Through a thread that inflates where the archive is compressed. Read to its very end: what is cut off after the last
/// file is cut off all the same.
fn read(archive: impl Read + Send, stage: &Stage) -> Result<Archive> {
    let broken = |error: io::Error| Error::from(archive::Error::from(error));
    let whole = |mut plain: &mut dyn Read| {
        let archive = Archive::read(&mut plain, stage.path())?;
        io::copy(plain, &mut io::sink()).map_err(broken)?;
        Ok(archive)
    };
    let mut plain = Inflate::new(archive).map_err(broken)?;
    if plain.compression == Compression::Plain {
        return whole(&mut plain);
    }
    let (filler, mut drain) = pipe();
    thread::scope(|scope| {
        scope.spawn(|| filler.pump(plain, |_| Ok(())));
        let archive = whole(&mut drain);
        drop(drain); // lets the filler stop, before the scope waits for it
        archive
    })
}
