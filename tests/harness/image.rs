//! Images made from busybox-static, as docker archives and OCI archives.
//!
//! ```no_run
//! let image = harness::image::busybox().env("A=1").layer(harness::image::Layer::new().file("hello", "hi\n"));
//! let archive = image.docker_archive(&["test:1"]);
//! ```

use std::{collections::BTreeSet, fs, io::Write, process::Command, sync::OnceLock};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// Files of one layer, in order.
#[derive(Clone, Debug, Default)]
pub struct Layer(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    path: String,
    kind: EntryType,
    mode: u32,
    owner: u32,
    link: Option<String>,
    bytes: Vec<u8>,
}

impl Layer {
    /// An empty layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A folder, 0755.
    #[must_use]
    pub fn folder(self, path: &str) -> Self {
        self.entry(path, EntryType::Directory, 0o755, None, b"")
    }

    /// A file, 0644.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.entry(path, EntryType::Regular, 0o644, None, bytes.as_ref())
    }

    /// A program, 0755.
    #[must_use]
    pub fn program(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.entry(path, EntryType::Regular, 0o755, None, bytes.as_ref())
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Symlink, 0o777, Some(target), b"")
    }

    /// A hard link to a path of this or a lower layer.
    #[must_use]
    pub fn hardlink(self, path: &str, target: &str) -> Self {
        self.entry(path, EntryType::Link, 0o644, Some(target), b"")
    }

    /// Removes a path of the layers below.
    #[must_use]
    pub fn without(self, path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
        let separator = if folder.is_empty() { "" } else { "/" };
        self.file(&format!("{folder}{separator}.wh.{name}"), b"")
    }

    /// Hides what the layers below have in a folder.
    #[must_use]
    pub fn opaque(self, folder: &str) -> Self {
        self.file(&format!("{folder}/.wh..wh..opq"), b"")
    }

    /// Mode of the last entry.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.0.last_mut().expect("an entry was added").mode = mode;
        self
    }

    /// User and group of the last entry.
    #[must_use]
    pub fn owner(mut self, id: u32) -> Self {
        self.0.last_mut().expect("an entry was added").owner = id;
        self
    }

    fn entry(mut self, path: &str, kind: EntryType, mode: u32, link: Option<&str>, bytes: &[u8]) -> Self {
        let (path, link) = (path.to_owned(), link.map(ToOwned::to_owned));
        self.0.push(Entry { path, kind, mode, owner: 0, link, bytes: bytes.to_vec() });
        self
    }

    /// The layer as a tar archive.
    pub fn tar(&self) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for entry in &self.0 {
            let mut header = header(entry.kind, entry.mode, entry.bytes.len());
            header.set_uid(entry.owner.into());
            header.set_gid(entry.owner.into());
            let done = match &entry.link {
                Some(target) => tar.append_link(&mut header, &entry.path, target),
                None => tar.append_data(&mut header, &entry.path, entry.bytes.as_slice()),
            };
            done.expect("memory takes everything");
        }
        tar.into_inner().expect("memory takes everything")
    }
}

fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(1_700_000_000);
    header
}

/// How layers are stored where compression is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Compression {
    /// Compresses.
    pub fn apply(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
            }
            Self::Zstd => zstd::encode_all(bytes, 1).expect("memory takes everything"),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::None => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// An image: layers and a configuration.
#[derive(Clone, Debug)]
pub struct Image {
    layers: Vec<Layer>,
    config: Value,
}

/// A blob with its digest: `sha256:…`.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// These bytes.
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Self { digest: digest(&bytes), media_type: media_type.to_owned(), bytes }
    }

    /// What points to it.
    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// `sha256:…` of these bytes.
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;

    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An image of busybox with a link for every applet, a user `web` (1000) and the usual folders; its command is `sh`.
pub fn busybox() -> Image {
    static BASE: OnceLock<Layer> = OnceLock::new();
    let layer = BASE.get_or_init(|| {
        let program = fs::read("/bin/busybox").expect("busybox-static is installed");
        let listed = Command::new("/bin/busybox").arg("--list").output().expect("busybox runs").stdout;
        let applets: BTreeSet<String> = String::from_utf8_lossy(&listed).lines().map(ToOwned::to_owned).collect();
        let mut layer = ["bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "usr/bin", "var", "www"]
            .iter()
            .fold(Layer::new(), |layer, folder| layer.folder(folder))
            .folder("tmp")
            .mode(0o1777)
            .folder("home/web")
            .owner(1000)
            .program("bin/busybox", program)
            .file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/home/web:/bin/sh\n")
            .file("etc/group", "root:x:0:\nweb:x:1000:\nextra:x:2000:web\n");
        for applet in applets.iter().filter(|applet| *applet != "busybox") {
            layer = layer.symlink(&format!("bin/{applet}"), "busybox");
        }
        layer
    });
    Image { layers: vec![layer.clone()], config: json!({"Env": ["PATH=/bin:/usr/bin"], "Cmd": ["sh"]}) }
}

impl Image {
    /// An image with these layers and no configuration.
    pub fn of(layers: Vec<Layer>) -> Self {
        Self { layers, config: json!({}) }
    }

    /// One more layer on top.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Sets a key of the configuration: `Cmd`, `Entrypoint`, `User`, `WorkingDir`, `ExposedPorts`, `Labels`, …
    #[must_use]
    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// One more variable, `NAME=value`.
    #[must_use]
    pub fn env(mut self, variable: &str) -> Self {
        if !self.config["Env"].is_array() {
            self.config["Env"] = json!([]);
        }
        self.config["Env"].as_array_mut().expect("it is an array").push(json!(variable));
        self
    }

    /// The layers as tar archives.
    pub fn layer_tars(&self) -> Vec<Vec<u8>> {
        self.layers.iter().map(Layer::tar).collect()
    }

    fn config_bytes(&self, tars: &[Vec<u8>]) -> Vec<u8> {
        let history: Vec<Value> =
            tars.iter().map(|_| json!({"created": "2026-01-01T00:00:00Z", "created_by": "test harness"})).collect();
        let diff_ids: Vec<String> = tars.iter().map(|tar| digest(tar)).collect();
        let config = json!({
            "architecture": architecture(), "os": "linux", "created": "2026-01-01T00:00:00Z", "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
        });
        serde_json::to_vec(&config).expect("plain values")
    }

    /// The image's id: the digest of its configuration.
    pub fn id(&self) -> String {
        digest(&self.config_bytes(&self.layer_tars()))
    }

    /// What `docker save` writes.
    pub fn docker_archive(&self, names: &[&str]) -> Vec<u8> {
        let tars = self.layer_tars();
        let config = self.config_bytes(&tars);
        let config_name = format!("{}.json", &digest(&config)["sha256:".len()..]);
        let mut files = vec![(config_name.clone(), config)];
        let mut layers = Vec::new();
        for (index, tar) in tars.into_iter().enumerate() {
            layers.push(format!("{index:064x}/layer.tar"));
            files.push((layers[index].clone(), tar));
        }
        let manifest = json!([{"Config": config_name, "RepoTags": names, "Layers": layers}]);
        files.push(("manifest.json".to_owned(), serde_json::to_vec(&manifest).expect("plain values")));
        archive(&files)
    }

    /// Manifest first, then configuration and layers: what a registry stores.
    pub fn blobs(&self, compression: Compression) -> Vec<Blob> {
        let tars = self.layer_tars();
        let config = Blob::new("application/vnd.oci.image.config.v1+json", self.config_bytes(&tars));
        let layers: Vec<Blob> =
            tars.iter().map(|tar| Blob::new(compression.media_type(), compression.apply(tar))).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config.descriptor(), "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
        });
        let manifest = Blob::new(
            "application/vnd.oci.image.manifest.v1+json",
            serde_json::to_vec(&manifest).expect("plain values"),
        );
        [manifest, config].into_iter().chain(layers).collect()
    }

    /// An OCI image layout in a tar archive.
    pub fn oci_archive(&self, name: &str, compression: Compression) -> Vec<u8> {
        let blobs = self.blobs(compression);
        let mut manifest = blobs[0].descriptor();
        manifest["annotations"] = json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name});
        let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]});
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), serde_json::to_vec(&index).expect("plain values")),
        ];
        for blob in blobs {
            files.push((format!("blobs/sha256/{}", &blob.digest["sha256:".len()..]), blob.bytes));
        }
        archive(&files)
    }
}

/// Docker's word for this machine's processor.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = header(EntryType::Regular, 0o644, bytes.len());
        tar.append_data(&mut header, path, bytes.as_slice()).expect("memory takes everything");
    }
    tar.into_inner().expect("memory takes everything")
}

/// [`busybox`] as a docker archive with one name.
pub fn busybox_archive(name: &str) -> Vec<u8> {
    busybox().docker_archive(&[name])
}
