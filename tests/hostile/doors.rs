//! The ways by which an archive of files comes in.

use std::fs;

use harness::{
    Darsena, Docker, Output, Registry,
    image::{Blob, Compression, Layer, busybox, digest},
};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::IMAGE;

/// Entries exactly as said.
#[derive(Clone, Default)]
pub struct Tree(Vec<u8>);

impl Tree {
    pub fn new() -> Self {
        Self::default()
    }

    /// One entry; the names are written as they are.
    pub fn entry(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let header = header(kind, name.as_bytes(), link.as_bytes(), content.len() as u64);
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, name, "", content.as_bytes())
    }

    pub fn folder(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, target, b"")
    }

    pub fn device(mut self, kind: EntryType, name: &str, major: u32, minor: u32) -> Self {
        let mut header = header(kind, name.as_bytes(), b"", 0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self
    }

    /// A sparse file with one block of content at its end.
    pub fn sparse(mut self, name: &str, bytes: u64) -> Self {
        let mut header = header(EntryType::GNUSparse, name.as_bytes(), b"", 512);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(bytes);
        gnu.sparse[0].set_offset(bytes - 512);
        gnu.sparse[0].set_length(512);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(&[b'x'; 512]);
        self
    }

    /// The archive.
    pub fn done(&self) -> Vec<u8> {
        [&self.0[..], &[0; 1024]].concat()
    }

    /// Without its end: for archives in parts.
    pub fn open(&self) -> &[u8] {
        &self.0
    }
}

/// A header with these very names.
pub fn header(kind: EntryType, name: &[u8], link: &[u8], size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_size(size);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header.set_cksum();
    header
}

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A layer of `docker load`.
    Load,
    /// `docker import`.
    Import,
    /// A build context, all of it copied.
    Context,
    /// An archive that ADD unpacks.
    Add,
    /// A layer that is pulled.
    Pull,
}

impl Door {
    pub const ALL: [Self; 5] = [Self::Load, Self::Import, Self::Context, Self::Add, Self::Pull];

    /// Whether it is a build, below `/in` of the image.
    pub fn is_build(self) -> bool {
        matches!(self, Self::Context | Self::Add)
    }

    /// Where the tree's root is in the image.
    pub fn root(self) -> &'static str {
        if self.is_build() { "/in" } else { "" }
    }

    /// Carries a tree in as an image of this name.
    pub fn carry(self, darsena: &Darsena, docker: &Docker, tree: &Tree, name: &str) -> Output {
        let tar = tree.done();
        match self {
            Self::Load => docker.run_with(&["load"], &saved(&tar, name)),
            Self::Import => docker.run_with(&["import", "-", name], &tar),
            Self::Context => {
                let file = format!("FROM {IMAGE}\nCOPY . /in/\n");
                let context = Tree::new().file("Dockerfile", &file);
                docker.run_with(&["build", "-t", name, "-"], &[context.open(), &tar].concat())
            }
            Self::Add => {
                let file = format!("FROM {IMAGE}\nADD evil.tar /in/\n");
                let context = Tree::new().file("Dockerfile", &file).entry(EntryType::Regular, "evil.tar", "", &tar);
                docker.run_with(&["build", "-t", name, "-"], &context.done())
            }
            Self::Pull => {
                let registry = Registry::start(darsena.space());
                let repository = name.replace(':', "/");
                registry.push_blobs(&repository, "1", &blobs(&tar));
                let pulled = format!("{}/{repository}:1", Registry::ADDRESS);
                let output = docker.run(&["pull", &pulled]);
                if output.code == 0 {
                    docker.run(&["tag", &pulled, name]).ok();
                    docker.run(&["rmi", &pulled]).ok();
                }
                let blobs = fs::remove_dir_all(registry.storage());
                drop(registry);
                blobs.unwrap();
                output
            }
        }
    }
}

/// busybox and this layer on top, as a registry has it.
fn blobs(tar: &[u8]) -> Vec<Blob> {
    let mut blobs = busybox().layer(Layer::new()).blobs(Compression::Gzip);
    let layer = Blob::new("application/vnd.oci.image.layer.v1.tar", tar.to_vec());
    let mut config: Value = serde_json::from_slice(&blobs[1].bytes).unwrap();
    config["rootfs"]["diff_ids"][1] = json!(layer.digest);
    blobs[1] = Blob::new(&blobs[1].media_type.clone(), config.to_string().into_bytes());
    let mut manifest: Value = serde_json::from_slice(&blobs[0].bytes).unwrap();
    manifest["config"] = blobs[1].descriptor();
    manifest["layers"][1] = layer.descriptor();
    blobs[0] = Blob::new(&blobs[0].media_type.clone(), manifest.to_string().into_bytes());
    blobs[3] = layer;
    blobs
}

/// busybox and this layer on top, as `docker save` writes it.
fn saved(tar: &[u8], name: &str) -> Vec<u8> {
    let base = &busybox().layer_tars()[0];
    let ids = [digest(base), digest(tar)];
    let config = json!({
        "architecture": harness::image::architecture(), "os": "linux", "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": ids},
    });
    let manifest = json!([{"Config": "c.json", "RepoTags": [name], "Layers": ["0/layer.tar", "1/layer.tar"]}]);
    let mut archive = Builder::new(Vec::new());
    for (path, bytes) in [
        ("c.json", config.to_string().as_bytes()),
        ("0/layer.tar", base),
        ("1/layer.tar", tar),
        ("manifest.json", manifest.to_string().as_bytes()),
    ] {
        archive.append_data(&mut header(EntryType::Regular, b"", b"", bytes.len() as u64), path, bytes).unwrap();
    }
    archive.into_inner().unwrap()
}
