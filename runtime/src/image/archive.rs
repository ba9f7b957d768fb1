//! Archives of images: `docker save`'s (old and OCI layout) and OCI archives.
//!
//! The archive is read once, front to back: its files go under numbers into a folder the caller gives (names from the
//! archive never become paths), hashed on the way. Then its documents say which files are which. Nothing is believed
//! that a digest can show.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::{
    digest::{DiffId, Digest, ImageId},
    durable,
    meter::{Metered, TAR_HEADER_BYTES},
    oci::{self, Config, Descriptor, Document, Index, Platform},
    reference::Reference,
};

/// Entries an archive may have.
const MAX_ENTRIES: usize = 100_000;
const MAX_LINKS: usize = 16;
const MAX_INDEX_DEPTH: usize = 3;
const COPY_BYTES: usize = 256 << 10;
/// Longest name of a file in an archive, and of what a link leads to.
const MAX_NAME_BYTES: usize = 4096;
/// Bytes of all documents read, each time they are: what manifests name again and again is limited too.
const MAX_READ_BYTES: u64 = 64 << 20;

/// Why an archive can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It breaks off.
    #[error("invalid archive: unexpected EOF")]
    Truncated,
    /// It can't be read.
    #[error("invalid archive: {0}")]
    Read(io::Error),
    /// Its files can't be kept.
    #[error("an archive can't be stored: {0}")]
    Store(io::Error),
    /// It is not an archive of images.
    #[error("invalid archive: {0}")]
    Invalid(String),
    /// A document is wrong.
    #[error("invalid archive: {0}")]
    Document(#[from] oci::Error),
    /// Nothing for this platform.
    #[error("the archive has no image for {0}")]
    NoPlatform(Platform),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(source) => durable::io_error("an archive can't be stored", source.kind(), source),
            error => Self::invalid(error.to_string()),
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    File(Stored),
    Link(String),
}

/// A file of the archive.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Where it was put.
    pub path: PathBuf,
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
}

/// An archive whose files were put into a folder.
#[derive(Debug)]
pub struct Archive {
    nodes: HashMap<String, Node>,
    read: Cell<u64>,
}

/// An image in an archive.
#[derive(Debug)]
pub struct Found {
    /// Digest of its config.
    pub id: ImageId,
    /// Its config.
    pub config: Vec<u8>,
    /// The names it is to get.
    pub names: Vec<Reference>,
    /// Its layers, lowest first.
    pub layers: Vec<(DiffId, Stored)>,
    /// Its manifest, if the archive has it, then the indexes that led there.
    pub documents: Vec<Vec<u8>>,
}

/// One image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// A path in the archive without `.`, `..` and leading slashes; `None` when it leads out.
fn clean(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl From<io::Error> for Error {
    /// A failure to read the archive itself.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ if error.to_string().contains("failed to read entire block") => Self::Truncated,
            _ => Self::Read(error),
        }
    }
}

impl Archive {
    /// Reads an uncompressed archive, putting its files into `folder`.
    pub fn read(from: impl Read, folder: &Path) -> Result<Self, Error> {
        let mut nodes = HashMap::new();
        let (from, budget) = Metered::new(from);
        let mut archive = tar::Archive::new(from);
        let mut buffer = vec![0; COPY_BYTES];
        let mut entries = archive.entries().map_err(Error::from)?.enumerate();
        loop {
            budget.set(TAR_HEADER_BYTES);
            let Some((number, entry)) = entries.next() else { break };
            budget.lift();
            let mut entry = entry.map_err(Error::from)?;
            if number >= MAX_ENTRIES {
                return Err(Error::Invalid(format!("more than {MAX_ENTRIES} entries")));
            }
            let kind = entry.header().entry_type();
            if kind.is_gnu_sparse() {
                return Err(Error::Invalid("it has a sparse file".to_owned()));
            }
            // Image archives have no other names than plain ones; what has is not ours.
            let fits = |name: &[u8]| name.len() <= MAX_NAME_BYTES;
            let name =
                std::str::from_utf8(&entry.path_bytes()).ok().filter(|name| fits(name.as_bytes())).and_then(clean);
            let Some(name) = name else {
                io::copy(&mut entry, &mut io::sink()).map_err(Error::from)?;
                continue;
            };
            let node = if kind.is_file() || kind.is_contiguous() {
                let size = entry.size();
                let path = folder.join(number.to_string());
                let digest = store(&mut entry, &path, size, &mut buffer)?;
                Node::File(Stored { path, digest, size })
            } else if kind.is_symlink() || kind.is_hard_link() {
                let target = entry.link_name_bytes().filter(|target| fits(target)).unwrap_or_default();
                let Ok(target) = std::str::from_utf8(&target) else { continue };
                // A hard link's target is named from the root, a symbolic one's from its own folder.
                let above = name.rsplit_once('/').map_or("", |(above, _)| above);
                let target = if kind.is_symlink() { clean(&format!("{above}/{target}")) } else { clean(target) };
                let Some(target) = target else { continue };
                Node::Link(target)
            } else {
                io::copy(&mut entry, &mut io::sink()).map_err(Error::from)?;
                continue;
            };
            nodes.insert(name, node);
        }
        Ok(Self { nodes, read: Cell::new(0) })
    }

    fn file(&self, name: &str) -> Option<&Stored> {
        let mut name = clean(name)?;
        for _ in 0..MAX_LINKS {
            match self.nodes.get(&name)? {
                Node::File(stored) => return Some(stored),
                Node::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    fn needed(&self, name: &str) -> Result<&Stored, Error> {
        self.file(name).ok_or_else(|| Error::Invalid(format!("{name}: no such file")))
    }

    fn bytes(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let stored = self.needed(name)?;
        if stored.size > limit {
            return Err(Error::Invalid(format!("{name} is larger than {limit} bytes")));
        }
        self.read.set(self.read.get() + stored.size);
        if self.read.get() > MAX_READ_BYTES {
            return Err(Error::Invalid(format!("its documents are larger than {MAX_READ_BYTES} bytes")));
        }
        std::fs::read(&stored.path).map_err(Error::Store)
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let bytes = self.bytes(name, oci::MAX_MANIFEST_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("{name}: {error}")))
    }

    /// A blob of an OCI layout, its digest checked.
    fn blob(&self, digest: Digest) -> Result<&Stored, Error> {
        let name = blob_name(digest);
        let stored = self.needed(&name)?;
        if stored.digest != digest {
            return Err(Error::Invalid(format!("{name} has digest {}", stored.digest)));
        }
        Ok(stored)
    }

    /// The images it has for this platform.
    pub fn images(&self, platform: &Platform) -> Result<Vec<Found>, Error> {
        if self.nodes.contains_key("manifest.json") {
            self.saved()
        } else if self.nodes.contains_key("index.json") {
            self.layout(platform)
        } else {
            Err(Error::Invalid("it has neither a manifest.json nor an index.json".to_owned()))
        }
    }

    /// `docker save`: manifest.json names everything.
    fn saved(&self) -> Result<Vec<Found>, Error> {
        let manifests = self.manifests_by_config();
        let images: Vec<Saved> = self.json("manifest.json")?;
        images
            .into_iter()
            .map(|saved| {
                let config = self.bytes(&saved.config, oci::MAX_CONFIG_BYTES)?;
                let id = Digest::of(&config);
                if clean(&saved.config).is_some_and(|name| name.starts_with("blobs/sha256/") && name != blob_name(id)) {
                    return Err(Error::Invalid(format!("{} has digest {id}", saved.config)));
                }
                let layers = saved.layers.unwrap_or_default();
                let layers = layers.iter().map(|name| self.needed(name).cloned()).collect::<Result<Vec<_>, _>>()?;
                let names = saved.repo_tags.unwrap_or_default();
                let names = names.iter().map(|name| tag(name)).collect::<Result<Vec<_>, _>>()?;
                let documents = manifests.get(&id).cloned().into_iter().collect();
                found(id, config, names, layers, documents)
            })
            .collect()
    }

    /// The manifests an archive with both layouts has, by the config they name.
    fn manifests_by_config(&self) -> BTreeMap<ImageId, Vec<u8>> {
        let Ok(bytes) = self.bytes("index.json", oci::MAX_MANIFEST_BYTES) else { return BTreeMap::new() };
        let Ok(Document::Index(index)) = Document::parse(&bytes) else { return BTreeMap::new() };
        let manifest = |descriptor: &Descriptor| {
            let raw = self.document(descriptor.digest).ok()?;
            match Document::parse(&raw).ok()? {
                Document::Manifest(manifest) => Some((manifest.config.digest, raw)),
                Document::Index(_) => None,
            }
        };
        index.manifests.iter().filter_map(manifest).collect()
    }

    fn document(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        self.blob(digest)?;
        self.bytes(&blob_name(digest), oci::MAX_MANIFEST_BYTES)
    }

    /// OCI layout: index.json points to manifests and indexes, annotations name them.
    fn layout(&self, platform: &Platform) -> Result<Vec<Found>, Error> {
        let bytes = self.bytes("index.json", oci::MAX_MANIFEST_BYTES)?;
        let Document::Index(index) = Document::parse(&bytes)? else {
            return Err(Error::Invalid("index.json is not an index".to_owned()));
        };
        // One name for several platforms is one image: the one that suits.
        let mut by_name: BTreeMap<Option<Reference>, Vec<Descriptor>> = BTreeMap::new();
        for descriptor in index.manifests {
            by_name.entry(annotated(&descriptor)).or_default().push(descriptor);
        }
        let mut images = Vec::new();
        for (name, descriptors) in by_name {
            let several = descriptors.len() > 1;
            let choices = if several && descriptors.iter().any(|descriptor| descriptor.platform.is_some()) {
                let index = Index { manifests: descriptors };
                vec![index.choose(platform).ok_or_else(|| Error::NoPlatform(platform.clone()))?.clone()]
            } else {
                descriptors
            };
            for descriptor in choices {
                images.push(self.image(&descriptor, name.clone(), platform)?);
            }
        }
        Ok(images)
    }

    fn image(&self, top: &Descriptor, name: Option<Reference>, platform: &Platform) -> Result<Found, Error> {
        let mut documents = vec![self.document(top.digest)?];
        let manifest = loop {
            match Document::parse(&documents[0])? {
                Document::Manifest(manifest) => break manifest,
                Document::Index(_) if documents.len() > MAX_INDEX_DEPTH => {
                    return Err(Error::Invalid("indexes are nested too deeply".to_owned()));
                }
                Document::Index(index) => {
                    let chosen = index.choose(platform).ok_or_else(|| Error::NoPlatform(platform.clone()))?;
                    documents.insert(0, self.document(chosen.digest)?);
                }
            }
        };
        self.blob(manifest.config.digest)?;
        let config = self.bytes(&blob_name(manifest.config.digest), oci::MAX_CONFIG_BYTES)?;
        let layers = manifest.layers.iter().map(|layer| self.blob(layer.digest).cloned());
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        found(manifest.config.digest, config, name.into_iter().collect(), layers, documents)
    }
}

fn found(
    id: ImageId,
    config: Vec<u8>,
    names: Vec<Reference>,
    files: Vec<Stored>,
    documents: Vec<Vec<u8>>,
) -> Result<Found, Error> {
    let parsed = Config::parse(&config)?;
    if parsed.diff_ids().len() != files.len() {
        let (says, has) = (parsed.diff_ids().len(), files.len());
        return Err(Error::Invalid(format!("invalid manifest, layers length mismatch: expected {says}, got {has}")));
    }
    let layers = parsed.diff_ids().iter().copied().zip(files).collect();
    Ok(Found { id, config, names, layers, documents })
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn tag(name: &str) -> Result<Reference, Error> {
    let reference = name.parse::<Reference>().map_err(|error| Error::Invalid(format!("{name:?}: {error}")))?;
    match reference.tag() {
        Some(_) if reference.digest().is_none() => Ok(reference),
        _ => Err(Error::Invalid(format!("invalid tag {name:?}"))),
    }
}

/// The name annotations give; a bare tag without repository names nothing.
fn annotated(descriptor: &Descriptor) -> Option<Reference> {
    let full = descriptor.annotations.get("io.containerd.image.name");
    let short =
        descriptor.annotations.get("org.opencontainers.image.ref.name").filter(|name| name.contains([':', '/']));
    let reference = full.or(short)?.parse::<Reference>().ok()?.or_latest();
    reference.digest().is_none().then_some(reference)
}

fn store(entry: &mut impl Read, path: &Path, size: u64, buffer: &mut [u8]) -> Result<Digest, Error> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(Error::Store)?;
    durable::leave_room(&file, size).map_err(Error::Store)?;
    let mut hash = Sha256::new();
    let mut done = 0;
    loop {
        match entry.read(buffer) {
            Ok(0) => break,
            Ok(n) => {
                hash.update(&buffer[..n]);
                file.write_all(&buffer[..n]).map_err(Error::Store)?;
                done += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::from(error)),
        }
    }
    if done == size { Ok(Digest::from_hash(hash)) } else { Err(Error::Truncated) }
}
