//! Saving: images as one archive that Docker, Podman, skopeo and this engine load: `manifest.json` of `docker save`
//! with an OCI layout, each layer once, as a plain tar.
//!
//! Layers come from the blob that was kept, or are made again from their folder; whichever way, a layer is only written
//! after its bytes were found to have the diff id its image says. Disk use is one layer at a time, memory is bounded.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _, Seek as _, Write},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    images::{Images, blocking},
    outflow::Outflow,
};
use crate::{
    content::Stage,
    digest::{DiffId, Digest},
    error::{Error, ErrorKind, Result},
    image::{self, Image},
    lease::{Lease, Thing},
    oci,
    reference::Reference,
    snapshot::{self, Inflate},
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image that is saved, and under which names.
struct Saved {
    image: Arc<Image>,
    names: Vec<Reference>,
}

impl Images {
    /// Begins an archive of these images, by name, id or digest; a repository without tag means all its tags.
    pub async fn save(&self, names: &[String]) -> Result<Outflow> {
        let (images, names) = (self.clone(), names.to_vec());
        let (saved, lease) = blocking(move || images.select(&names)).await?;
        let images = self.clone();
        Ok(Outflow::of(move |to| {
            let written = images.write_archive(&saved, to);
            // Images may have been removed meanwhile: what they left goes now.
            images.abandon(lease);
            written
        }))
    }

    fn select(&self, names: &[String]) -> Result<(Vec<Saved>, Lease)> {
        if names.is_empty() {
            return Err(Error::invalid("no image is named"));
        }
        let mut chosen: Vec<Saved> = Vec::new();
        for (id, name) in names.iter().map(|name| self.0.store.select(name)).collect::<Result<Vec<_>, _>>()?.concat() {
            let image = self.by_id(id)?;
            let at = chosen.iter().position(|saved| saved.image.record.id == id).unwrap_or_else(|| {
                chosen.push(Saved { image, names: Vec::new() });
                chosen.len() - 1
            });
            let names = &mut chosen[at].names;
            if let Some(name) = name.filter(|name| !names.contains(name)) {
                names.push(name);
            }
        }
        let mut lease = self.0.leases.open();
        for saved in &chosen {
            self.hold_parts(&saved.image, &mut lease)?;
        }
        Ok((chosen, lease))
    }

    /// Keeps everything of an image, though not the image itself, until the lease ends.
    pub(super) fn hold_parts(&self, image: &Image, lease: &mut Lease) -> Result<()> {
        let layers = image.chains.iter().map(|chain| Thing::Layer(*chain));
        for thing in layers.chain(image.blobs().map(Thing::Blob)) {
            lease.add(thing);
        }
        self.by_id(image.record.id).map(drop)
    }

    fn write_archive(&self, images: &[Saved], to: &mut dyn Write) -> Result<()> {
        let stage = self.0.content.stage()?;
        let mut archive = Archive { builder: tar::Builder::new(to), blobs: BTreeSet::new() };
        for folder in ["blobs/", "blobs/sha256/"] {
            archive.folder(folder).map_err(failed)?;
        }
        let (mut manifests, mut index) = (Vec::new(), Vec::new());
        for Saved { image, names } in images {
            let config = self.0.content.read(image.record.id, oci::MAX_CONFIG_BYTES)?;
            let mut layers = Vec::new();
            for (number, diff_id) in image.config.diff_ids().iter().enumerate() {
                layers.push(self.write_layer(image, number, *diff_id, &stage, &mut archive)?);
            }
            archive.blob(&config).map_err(failed)?;
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": descriptor(CONFIG, image.record.id, config.len() as u64),
                "layers": layers.iter().map(|(id, size)| descriptor(LAYER, id.0, *size)).collect::<Vec<_>>(),
            });
            let manifest = manifest.to_string().into_bytes();
            let digest = archive.blob(&manifest).map_err(failed)?;
            manifests.push(json!({
                "Config": blob_name(image.record.id),
                "RepoTags": names.iter().map(Reference::familiar).collect::<Vec<_>>(),
                "Layers": layers.iter().map(|(id, _)| blob_name(id.0)).collect::<Vec<_>>(),
            }));
            let plain = descriptor(MANIFEST, digest, manifest.len() as u64);
            let named = names.iter().map(|name| {
                let mut named = plain.clone();
                named["annotations"] = json!({
                    "io.containerd.image.name": name.to_string(),
                    "org.opencontainers.image.ref.name": name.tag().unwrap_or_default(),
                });
                named
            });
            index.extend(named);
            if names.is_empty() {
                index.push(plain);
            }
        }
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": index,
        });
        let files = [
            ("index.json", index),
            ("manifest.json", Value::Array(manifests)),
            ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
        ];
        for (name, document) in files {
            archive.file(name, document.to_string().as_bytes()).map_err(failed)?;
        }
        archive.builder.finish().map_err(failed)
    }

    /// Writes a layer unless it was. Returns its diff id and plain size.
    fn write_layer(
        &self,
        image: &Image,
        number: usize,
        diff_id: DiffId,
        stage: &Stage,
        archive: &mut Archive<'_>,
    ) -> Result<(DiffId, u64)> {
        if let Some(size) = archive.size_of(diff_id.0) {
            return Ok((diff_id, size));
        }
        let path = stage.path().join("layer");
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).map_err(failed)?;
        let found = self.plain_layer(image, number, &mut file)?;
        if found != diff_id {
            let text =
                format!("layer {diff_id} of image {} can't be made again as it was: pull it again", image.record.id);
            return Err(Error::new(ErrorKind::Internal, text));
        }
        let size = file.stream_position().map_err(failed)?;
        file.rewind().map_err(failed)?;
        archive.stream(diff_id.0, size, &mut file).map_err(failed)?;
        Ok((diff_id, size))
    }

    /// A layer's plain tar, from its blob or from its folder. Returns what the bytes hash to.
    pub fn plain_layer(&self, image: &Image, number: usize, to: impl Write) -> Result<DiffId> {
        let layer = image.record.layers.get(number).ok_or_else(|| Error::invalid("no such layer"))?;
        match layer.blob {
            Some(blob) if self.0.content.has(blob) => {
                let mut plain = Inflate::new(self.0.content.blob(blob)?).map_err(failed)?;
                let mut to = snapshot::Hashing::new(to);
                let mut buffer = vec![0; 256 << 10];
                loop {
                    match plain.read(&mut buffer).map_err(failed)? {
                        0 => return Ok(to.diff_id()),
                        n => to.write_all(&buffer[..n]).map_err(failed)?,
                    }
                }
            }
            _ => Ok(self.0.snapshots.write_tar(image.chains[number], to)?),
        }
    }
}

fn failed(error: io::Error) -> Error {
    crate::durable::io_error("an archive can't be written", error.kind(), error)
}

fn descriptor(kind: &str, digest: Digest, size: u64) -> Value {
    json!({"mediaType": kind, "digest": digest, "size": size})
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

struct Archive<'a> {
    builder: tar::Builder<&'a mut dyn Write>,
    blobs: BTreeSet<(Digest, u64)>,
}

impl Archive<'_> {
    fn size_of(&self, blob: Digest) -> Option<u64> {
        self.blobs.range((blob, 0)..=(blob, u64::MAX)).next().map(|(_, size)| *size)
    }

    fn header(size: u64, folder: bool) -> tar::Header {
        // GNU's form says sizes above 8 GiB.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(if folder { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_mode(if folder { 0o755 } else { 0o644 });
        header.set_size(size);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header
    }

    fn folder(&mut self, name: &str) -> io::Result<()> {
        self.builder.append_data(&mut Self::header(0, true), name, io::empty())
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.builder.append_data(&mut Self::header(bytes.len() as u64, false), name, bytes)
    }

    fn blob(&mut self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        self.stream(digest, bytes.len() as u64, &mut &bytes[..])?;
        Ok(digest)
    }

    fn stream(&mut self, digest: Digest, size: u64, from: &mut dyn io::Read) -> io::Result<()> {
        if self.blobs.insert((digest, size)) {
            let from = io::BufReader::with_capacity(256 << 10, from);
            self.builder.append_data(&mut Self::header(size, false), blob_name(digest), from)?;
        }
        Ok(())
    }
}

impl image::Store {
    /// What a text means to `save`: an image with the name it was asked by, or all tags of a repository.
    fn select(&self, text: &str) -> Result<Vec<(Digest, Option<Reference>)>> {
        let asked = text.parse::<Reference>().ok().filter(|name| name.tag().is_none() && name.digest().is_none());
        let tags = asked.map(|name| self.tagged(&name.repository())).unwrap_or_default();
        if !tags.is_empty() {
            return Ok(tags.into_iter().map(|(name, id)| (id, Some(name))).collect());
        }
        let image = self.get(text)?;
        let name = text.parse::<Reference>().map(Reference::or_latest).map(|name| name.exact()).ok();
        let name = name.filter(|name| name.digest().is_none() && self.named(name) == Some(image.record.id));
        Ok(vec![(image.record.id, name)])
    }
}

#[cfg(test)]
#[path = "save_tests.rs"]
mod tests;
