//! Load of an image through the API, against a pipeline that only inflates, hashes twice and unpacks.
//!
//! Each turn gets an image of its own and fresh folders; nothing is removed in between, since ext4 makes files slowly
//! soon after many were removed.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Instant,
};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use harness::Darsena;
use nix::unistd::syncfs;
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, Header, HeaderMode};

use super::{
    api::Api,
    figures::{line, title},
};

const TURNS: usize = 3;
/// Plain bytes of the layer.
const WANTED: u64 = 300 << 20;

/// An image in a file, and its one layer beside it.
struct Made {
    archive: PathBuf,
    layer: PathBuf,
}

pub fn run() {
    let darsena = Darsena::start();
    let (images, plain, files) = make(&darsena.space().side());
    let size = fs::metadata(&images[0].layer).unwrap().len();
    let mut pipeline = Vec::new();
    let mut synced = Vec::new();
    let mut loaded = Vec::new();
    for (turn, image) in images.iter().enumerate() {
        settle(&darsena);
        let target = darsena.space().side().join(format!("plain-{turn}"));
        let began = Instant::now();
        unpack(&image.layer, &target);
        pipeline.push(began.elapsed());
        syncfs(File::open(&target).unwrap()).unwrap();
        synced.push(began.elapsed());

        settle(&darsena);
        let mut api = Api::connect(&darsena.socket());
        let length = fs::metadata(&image.archive).unwrap().len();
        let began = Instant::now();
        let said = api.upload("/v1.48/images/load", File::open(&image.archive).unwrap(), length);
        loaded.push(began.elapsed());
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(&format!("load{turn}:1")), "{said}");
    }
    title(&format!("load: a layer of {} MiB, {} MiB gz, {files} entries", plain >> 20, size >> 20));
    line("inflate + 2 x sha256 | untar (crate tar), no sync", &pipeline, &pipeline);
    line("the same, then written to disk (syncfs)", &synced, &pipeline);
    line("darsena, POST /images/load, durable when answered", &loaded, &pipeline);
}

/// So that no side pays for the other's dirty pages.
fn settle(darsena: &Darsena) {
    syncfs(File::open(darsena.space().side()).unwrap()).unwrap();
}

/// The pipeline: one thread reads, inflates and hashes, the other unpacks.
fn unpack(layer: &Path, target: &Path) {
    let (full, filled) = sync_channel::<Vec<u8>>(8);
    let (spare, empty) = sync_channel::<Vec<u8>>(8);
    thread::scope(|scope| {
        let hashing = scope.spawn(move || {
            let mut blob = Hashing { from: File::open(layer).unwrap(), hash: Sha256::new() };
            let mut plain = Sha256::new();
            let mut inflate = MultiGzDecoder::new(BufReader::with_capacity(256 << 10, &mut blob));
            loop {
                let mut buffer = empty.try_recv().unwrap_or_else(|_| vec![0; 256 << 10]);
                buffer.resize(256 << 10, 0);
                let count = inflate.read(&mut buffer).unwrap();
                buffer.truncate(count);
                plain.update(&buffer);
                if count == 0 || full.send(buffer).is_err() {
                    break;
                }
            }
            drop(inflate);
            (blob.hash.finalize(), plain.finalize())
        });
        let mut archive = tar::Archive::new(Filled { full: filled, spare, current: Vec::new(), at: 0 });
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(true);
        archive.unpack(target).unwrap();
        drop(archive);
        hashing.join().unwrap();
    });
}

struct Hashing {
    from: File,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}

struct Filled {
    full: Receiver<Vec<u8>>,
    spare: std::sync::mpsc::SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

impl Read for Filled {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.current.len() {
            let Ok(next) = self.full.recv() else { return Ok(0) };
            let _ = self.spare.try_send(std::mem::replace(&mut self.current, next));
            self.at = 0;
        }
        let count = into.len().min(self.current.len() - self.at);
        into[..count].copy_from_slice(&self.current[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Images of this machine's libraries: the same files always in the same order, one small file ahead of them that
/// differs from image to image. Answers their number of plain bytes and of entries as well.
fn make(folder: &Path) -> (Vec<Made>, u64, usize) {
    let base = folder.join("base.tar.gz");
    let markers: Vec<Vec<u8>> = (0..TURNS).map(marker).collect();
    let hashes: Vec<Sha256> = markers.iter().map(Sha256::new_with_prefix).collect();
    let gz = GzEncoder::new(File::create(&base).unwrap(), Compression::new(6));
    let mut tar = Builder::new(Tee { gz, hashes, plain: 0 });
    tar.mode(HeaderMode::Deterministic);
    tar.follow_symlinks(false);
    let (mut entries, mut left) = (0, WANTED);
    add(&mut tar, Path::new("/usr/lib"), &mut left, &mut entries);
    let Tee { gz, hashes, plain } = tar.into_inner().unwrap();
    gz.finish().unwrap();
    let made = hashes.into_iter().zip(&markers).enumerate().map(|(turn, (hash, marker))| {
        let layer = folder.join(format!("layer-{turn}.tar.gz"));
        // gzip members may follow each other.
        let mut first = GzEncoder::new(File::create(&layer).unwrap(), Compression::new(6));
        first.write_all(marker).unwrap();
        io::copy(&mut File::open(&base).unwrap(), &mut first.finish().unwrap()).unwrap();
        let archive = folder.join(format!("image-{turn}.tar"));
        archive_of(&archive, &layer, &hash.finalize(), turn);
        Made { archive, layer }
    });
    (made.collect(), plain, entries)
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

fn marker(turn: usize) -> Vec<u8> {
    let text = format!("{turn}\n");
    let mut tar = Builder::new(Vec::new());
    let mut header = header(text.len() as u64);
    tar.append_data(&mut header, "turn", text.as_bytes()).unwrap();
    let mut bytes = tar.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024); // the two blocks that end an archive
    bytes
}

fn header(size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn add(tar: &mut Builder<Tee>, folder: &Path, left: &mut u64, entries: &mut usize) {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    names.sort_unstable();
    tar.append_path_with_name(folder, folder.strip_prefix("/").unwrap()).unwrap();
    *entries += 1;
    for path in names {
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_dir() {
            add(tar, &path, left, entries);
        } else if *left > 0 && (found.is_file() || found.is_symlink()) {
            tar.append_path_with_name(&path, path.strip_prefix("/").unwrap()).unwrap();
            *left = left.saturating_sub(found.len());
            *entries += 1;
        }
    }
}

fn archive_of(archive: &Path, layer: &Path, diff_id: &[u8], turn: usize) {
    let hex = |bytes: &[u8]| {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(diff_id))]},
    });
    let config = serde_json::to_vec(&config).unwrap();
    let name = format!("{}.json", hex(&Sha256::digest(&config)));
    let manifest = json!([{"Config": name, "RepoTags": [format!("load{turn}:1")], "Layers": ["layer.tar"]}]);
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let mut tar = Builder::new(File::create(archive).unwrap());
    for (name, bytes) in [(name.as_str(), &config), ("manifest.json", &manifest)] {
        tar.append_data(&mut header(bytes.len() as u64), name, bytes.as_slice()).unwrap();
    }
    let mut file = File::open(layer).unwrap();
    tar.append_file("layer.tar", &mut file).unwrap();
    tar.finish().unwrap();
}
