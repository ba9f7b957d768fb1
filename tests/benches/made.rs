//! Layers of this machine's libraries: the same files always in the same order, one small file ahead of them that differs
//! from turn to turn, so that nothing is known from the turn before.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use harness::image::Blob;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header, HeaderMode};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A compressed layer in a file.
pub struct Layer {
    pub file: PathBuf,
    /// `sha256:…` of its plain bytes.
    pub diff_id: String,
}

/// Layers for some turns.
pub struct Made {
    /// Lowest first, turn by turn.
    pub turns: Vec<Vec<Layer>>,
    /// Plain bytes of one turn.
    pub plain: u64,
    /// Entries of one turn.
    pub entries: usize,
}

/// About `wanted` plain bytes in so many layers, for each of so many turns.
pub fn layers(folder: &Path, wanted: u64, parts: usize, turns: usize) -> Made {
    let mut listed = Vec::new();
    list(Path::new("/usr/lib"), &mut (wanted as i64), &mut listed);
    let mut made = Made { turns: (0..turns).map(|_| Vec::new()).collect(), plain: 0, entries: listed.len() };
    let mut rest = listed.as_slice();
    for part in 0..parts {
        let share = wanted / parts as u64;
        let mut bytes = 0;
        let until = |(_, size): &&(PathBuf, u64)| {
            bytes += size;
            bytes < share
        };
        let count = if part + 1 == parts { rest.len() } else { rest.iter().take_while(until).count() };
        let (own, others) = rest.split_at(count);
        rest = others;
        let markers: Vec<Vec<u8>> = (0..turns).map(|turn| marker(turn, part)).collect();
        let base = folder.join(format!("base-{part}.tar.gz"));
        let gz = GzEncoder::new(File::create(&base).unwrap(), Compression::new(6));
        let hashes = markers.iter().map(Sha256::new_with_prefix).collect();
        let mut tar = Builder::new(Tee { gz, hashes, plain: 0 });
        tar.mode(HeaderMode::Deterministic);
        tar.follow_symlinks(false);
        for (path, _) in own {
            tar.append_path_with_name(path, path.strip_prefix("/").unwrap()).unwrap();
        }
        let Tee { gz, hashes, plain } = tar.into_inner().unwrap();
        gz.finish().unwrap();
        made.plain += plain;
        for (turn, (hash, marker)) in hashes.into_iter().zip(&markers).enumerate() {
            let file = folder.join(format!("layer-{turn}-{part}.tar.gz"));
            // gzip members may follow each other.
            let mut first = GzEncoder::new(File::create(&file).unwrap(), Compression::new(6));
            first.write_all(marker).unwrap();
            io::copy(&mut File::open(&base).unwrap(), &mut first.finish().unwrap()).unwrap();
            made.turns[turn].push(Layer { file, diff_id: format!("sha256:{}", hex(&hash.finalize())) });
        }
    }
    made
}

/// What a registry keeps of an image of these layers: its manifest first.
pub fn blobs(layers: &[Layer]) -> Vec<Blob> {
    let ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let contents = layers.iter().map(|layer| Blob::new(LAYER, fs::read(&layer.file).unwrap()));
    with_manifest(&ids, contents.collect())
}

/// A manifest and a config before these layers.
pub fn with_manifest(diff_ids: &[&str], layers: Vec<Blob>) -> Vec<Blob> {
    let config = Blob::new("application/vnd.oci.image.config.v1+json", config(diff_ids));
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let descriptors: Vec<Value> = layers.iter().map(Blob::descriptor).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config.descriptor(), "layers": descriptors});
    let manifest = Blob::new(kind, manifest.to_string().into_bytes());
    [manifest, config].into_iter().chain(layers).collect()
}

/// A config of an image of these layers.
pub fn config(diff_ids: &[&str]) -> Vec<u8> {
    let config = json!({
        "architecture": harness::image::architecture(), "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    config.to_string().into_bytes()
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub fn header(size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

struct Tee {
    gz: GzEncoder<File>,
    hashes: Vec<Sha256>,
    plain: u64,
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gz.write_all(bytes)?;
        self.hashes.iter_mut().for_each(|hash| hash.update(bytes));
        self.plain += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gz.flush()
    }
}

fn marker(turn: usize, part: usize) -> Vec<u8> {
    let text = format!("{turn} {part}\n");
    let mut tar = Builder::new(Vec::new());
    let mut header = header(text.len() as u64);
    tar.append_data(&mut header, "turn", text.as_bytes()).unwrap();
    let mut bytes = tar.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024); // the two blocks that end an archive
    bytes
}

/// Folders, files and links until there are bytes enough.
fn list(folder: &Path, left: &mut i64, found: &mut Vec<(PathBuf, u64)>) {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    names.sort_unstable();
    found.push((folder.to_owned(), 0));
    for path in names {
        let meta = fs::symlink_metadata(&path).unwrap();
        if *left <= 0 {
            return;
        }
        if meta.is_dir() {
            list(&path, left, found);
        } else if meta.is_file() || meta.is_symlink() {
            *left -= meta.len() as i64;
            found.push((path, meta.len()));
        }
    }
}

/// Hashes what passes.
pub struct Hashing<R> {
    pub from: R,
    pub hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}
