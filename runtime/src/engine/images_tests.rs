#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Cursor, Write},
    path::Path,
};

use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::{
    digest::DiffId,
    error::ErrorKind,
    view::{LoadedImage, Progress},
};

/// A tar of files.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image as its parts: config, manifest, layer blobs.
pub struct Sample {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    pub blobs: Vec<Vec<u8>>,
    pub plain: Vec<Vec<u8>>,
}

/// An image whose layers have one file each, with these contents.
pub fn sample(contents: &[&[u8]]) -> Sample {
    sample_of(contents.iter().map(|content| tar(&[("file", content)])).collect())
}

/// An image of these layers.
pub fn sample_of(plain: Vec<Vec<u8>>) -> Sample {
    let diff_ids: Vec<_> = plain.iter().map(|layer| DiffId(Digest::of(layer))).collect();
    let config = json!({
        "os": "linux", "architecture": oci::Platform::host().architecture, "created": "2024-05-01T10:00:00Z",
        "config": {"Cmd": ["/bin/true"], "Labels": {"a": "b"}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "nothing", "empty_layer": true}, {"created_by": "layer"}],
    });
    let config = serde_json::to_vec(&config).unwrap();
    let blobs: Vec<_> = plain.iter().map(|layer| gzip(layer)).collect();
    let descriptor =
        |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": blobs.iter().map(|b| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", b)).collect::<Vec<_>>(),
    });
    Sample { config, manifest: serde_json::to_vec(&manifest).unwrap(), blobs, plain }
}

impl Sample {
    pub fn id(&self) -> ImageId {
        Digest::of(&self.config)
    }

    /// The classic layout of `docker save`; equal layers are symbolic links, as Docker writes them.
    pub fn docker_archive(&self, tags: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content).unwrap();
        };
        let config = format!("{}.json", self.id().hex());
        let layers: Vec<_> = (0..self.plain.len()).map(|n| format!("layer{n}/layer.tar")).collect();
        add(&config, &self.config);
        let mut links = Vec::new();
        for (n, layer) in self.plain.iter().enumerate() {
            match self.plain[..n].iter().position(|other| other == layer) {
                Some(same) => links.push((layers[n].clone(), format!("../layer{same}/layer.tar"))),
                None => add(&layers[n], layer),
            }
        }
        let manifest = json!([{"Config": config, "RepoTags": tags, "Layers": layers}]);
        add("manifest.json", &serde_json::to_vec(&manifest).unwrap());
        for (name, target) in links {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// An OCI archive; `annotations` on its one manifest.
    pub fn oci_archive(&self, annotations: &[(&str, &str)]) -> Vec<u8> {
        let annotations: BTreeMap<_, _> = annotations.iter().copied().collect();
        let index = json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of(&self.manifest),
            "size": self.manifest.len(), "annotations": annotations,
        }]});
        let index = serde_json::to_vec(&index).unwrap();
        let blobs: Vec<_> = self.blobs.iter().chain([&self.config, &self.manifest]).collect();
        let names: Vec<_> = blobs.iter().map(|blob| format!("blobs/sha256/{}", Digest::of(blob).hex())).collect();
        let mut files: Vec<(&str, &[u8])> =
            vec![("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}"), ("index.json", &index)];
        files.extend(names.iter().map(String::as_str).zip(blobs.iter().map(|blob| blob.as_slice())));
        tar(&files)
    }
}

pub struct Place {
    pub folder: tempfile::TempDir,
    pub images: Images,
}

pub fn paths(folder: &Path) -> Paths {
    Paths::new(folder.join("data"), folder.join("run"))
}

impl Place {
    pub fn new() -> Self {
        Self::with(registry::Config::default())
    }

    pub fn with(config: registry::Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = Images::open(paths(folder.path()), config, &[]).unwrap();
        Self { folder, images }
    }

    /// Again, after a restart.
    pub fn at(folder: tempfile::TempDir) -> Self {
        let images = Images::open(paths(folder.path()), registry::Config::default(), &[]).unwrap();
        Self { folder, images }
    }

    pub async fn load(&self, archive: &[u8]) -> Result<Vec<LoadedImage>> {
        let (progress, _listener) = mpsc::channel(64);
        self.images.load(Cursor::new(archive.to_vec()), progress).await
    }

    /// Everything under the data root that a failed or removed image could leave, once the trash is empty.
    pub fn leftovers(&self) -> Vec<String> {
        leftovers(self.folder.path())
    }
}

pub fn leftovers(folder: &Path) -> Vec<String> {
    let paths = paths(folder);
    let mut found = Vec::new();
    for folder in [paths.content().join("sha256"), paths.ingests(), paths.images(), paths.snapshots()] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("trash") {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn file_of(images: &Images, id: ImageId) -> Vec<u8> {
    fs::read(images.lowers(id).unwrap()[0].join("file")).unwrap()
}

#[tokio::test]
async fn both_kinds_of_archive_load_plain_and_compressed() {
    let sample = sample(&[b"one", b"two", b"one"]);
    let docker = sample.docker_archive(&["web:1", "127.0.0.1:5000/web:2"]);
    let oci = sample.oci_archive(&[
        ("io.containerd.image.name", "docker.io/library/web:1"),
        ("org.opencontainers.image.ref.name", "1"),
    ]);
    let zstd = zstd::encode_all(&docker[..], 1).unwrap();
    for (archive, tags) in [
        (&docker, vec!["web:1", "127.0.0.1:5000/web:2"]),
        (&gzip(&docker), vec!["web:1", "127.0.0.1:5000/web:2"]),
        (&zstd, vec!["web:1", "127.0.0.1:5000/web:2"]),
        (&oci, vec!["web:1"]),
        (&gzip(&oci), vec!["web:1"]),
    ] {
        let place = Place::new();
        let loaded = place.load(archive).await.unwrap();
        assert_eq!(loaded, [LoadedImage { id: sample.id(), tags: tags.iter().map(|tag| (*tag).to_owned()).collect() }]);
        let view = place.images.get("web:1").unwrap();
        assert_eq!(view.layers.len(), 3);
        assert_eq!(view.history.len(), 4, "an empty line, a layer's line, and two layers without");
        assert_eq!(view.config, serde_json::from_slice::<serde_json::Value>(&sample.config).unwrap());
        assert_eq!(place.images.lowers(sample.id()).unwrap().len(), 3);
        assert_eq!(file_of(&place.images, sample.id()), b"one");
        // All of it is there again after a restart.
        drop(place.images);
        let images = Images::open(paths(place.folder.path()), registry::Config::default(), &[]).unwrap();
        assert_eq!(images.list().len(), 1);
        assert_eq!(images.list()[0].id, sample.id());
        assert_eq!(file_of(&images, sample.id()), b"one");
    }
}

#[tokio::test]
async fn broken_archives_are_refused_and_leave_nothing() {
    let sample = sample(&[&vec![9; 50_000], b"two"]);
    let docker = sample.docker_archive(&["web:1"]);
    let zipped = gzip(&docker);
    let wrong_layer = Sample {
        plain: vec![tar(&[("file", b"other")]), sample.plain[1].clone()],
        ..self::sample(&[&vec![9; 50_000], b"two"])
    };
    let mut lying = sample.oci_archive(&[]);
    let at = lying.windows(20).position(|window| *window == sample.config[..20]).unwrap();
    lying[at + 2] ^= 1;
    for (what, archive) in [
        ("empty", Vec::new()),
        ("not a tar", vec![b'x'; 5000]),
        ("no manifest", tar(&[("a", b"b")])),
        ("cut", docker[..30_000].to_vec()),
        ("cut at its last file", docker[..docker.len() - 3000].to_vec()),
        ("cut and zipped", zipped[..zipped.len() / 2].to_vec()),
        ("last byte cut", zipped[..zipped.len() - 1].to_vec()),
        ("another layer", wrong_layer.docker_archive(&["web:1"])),
        ("wrong digest", lying),
        ("bad tag", sample.docker_archive(&["Web:1"])),
        ("xz", b"\xfd7zXZ\0\0\0\0\0".to_vec()),
    ] {
        let place = Place::new();
        let error = place.load(&archive).await.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error:?}");
        assert_eq!(place.leftovers(), Vec::<String>::new(), "{what}");
        assert!(place.images.list().is_empty());
    }
}

#[tokio::test]
async fn an_archive_whose_reader_fails_leaves_nothing() {
    struct Fails(Cursor<Vec<u8>>);
    impl io::Read for Fails {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.0.read(into)? {
                0 => Err(io::Error::new(io::ErrorKind::ConnectionReset, "the client went away")),
                n => Ok(n),
            }
        }
    }
    let place = Place::new();
    let archive = sample(&[&vec![9; 50_000]]).docker_archive(&["web:1"]);
    let (progress, _listener) = mpsc::channel(64);
    let error = place.images.load(Fails(Cursor::new(archive[..20_000].to_vec())), progress).await.unwrap_err();
    assert!(error.message().contains("the client went away"), "{error:?}");
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn images_are_found_by_every_name_they_have() {
    let place = Place::new();
    let (a, b) = (sample(&[b"a"]), sample(&[b"b"]));
    place.load(&a.docker_archive(&["web:latest"])).await.unwrap();
    place.load(&b.docker_archive(&["team/web:2"])).await.unwrap();
    let id = a.id().to_string();
    for name in ["web", "web:latest", "docker.io/library/web", &id, &id[7..], &id[7..19], &id[..20]] {
        assert_eq!(place.images.get(name).unwrap().summary.id, a.id(), "{name}");
    }
    for (name, message) in [
        ("foo", "No such image: foo:latest"),
        ("web:3", "No such image: web:3"),
        ("Web", "invalid reference format: repository name (library/Web) must be lowercase"),
        ("", "invalid reference format"),
    ] {
        assert_eq!(place.images.get(name).unwrap_err().message(), message);
    }
    place.images.tag("web", "localhost:5000/other").await.unwrap();
    assert_eq!(
        place.images.get("localhost:5000/other").unwrap().summary.tags,
        ["localhost:5000/other:latest", "web:latest"]
    );
    // A tag that moves leaves the image it had.
    place.images.tag("team/web:2", "web").await.unwrap();
    assert_eq!(place.images.get("web").unwrap().summary.id, b.id());
    assert_eq!(place.images.list().len(), 2);
}

#[tokio::test]
async fn shared_layers_are_stored_once_and_freed_last() {
    let place = Place::new();
    let (a, b) = (sample(&[b"base", b"a"]), sample(&[b"base", b"b"]));
    place.load(&a.oci_archive(&[("io.containerd.image.name", "a:1")])).await.unwrap();
    place.load(&b.oci_archive(&[("io.containerd.image.name", "b:1")])).await.unwrap();
    let view = place.images.get("a:1").unwrap();
    assert!(view.summary.unique_bytes > 0 && view.summary.unique_bytes < view.summary.size_bytes);
    let steps = place.images.remove("a:1", false, &[]).await.unwrap().steps;
    let chains = oci::chains(&view.layers);
    assert_eq!(
        steps,
        [ImageRemoval::Untagged("a:1".into()), ImageRemoval::Deleted(a.id()), ImageRemoval::Deleted(chains[1].0)]
    );
    assert_eq!(file_of(&place.images, b.id()), b"b");
    assert_eq!(place.images.remove("b:1", false, &[]).await.unwrap().steps.len(), 4);
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn removal_follows_dockers_rules() {
    let place = Place::new();
    let image = sample(&[b"x"]);
    place.load(&image.docker_archive(&["a:1", "b:1"])).await.unwrap();
    let id = image.id();
    let short = id.short();
    let user = |running| vec![ImageUser { container: "0123456789ab".into(), image: id, running }];
    let conflict = async |name: &str, force, users: &[ImageUser]| {
        let error = place.images.remove(name, force, users).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        error.message().to_owned()
    };
    assert_eq!(
        conflict(&id.to_string(), false, &[]).await,
        format!("conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories")
    );
    // One of two names goes, used or not.
    let steps = place.images.remove("b:1", false, &user(true)).await.unwrap().steps;
    assert_eq!(steps, [ImageRemoval::Untagged("b:1".into())]);
    assert_eq!(
        conflict("a:1", false, &user(true)).await,
        format!(
            "conflict: unable to remove repository reference \"a:1\" (must force) - container 0123456789ab is using its referenced image {short}"
        )
    );
    assert_eq!(
        conflict(&short, true, &user(true)).await,
        format!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by running container 0123456789ab"
        )
    );
    assert_eq!(
        conflict(&short, false, &user(false)).await,
        format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped container 0123456789ab"
        )
    );
    {
        let _hold = place.images.hold(id).unwrap();
        assert!(conflict(&short, true, &[]).await.contains("being used"));
    }
    // The running container keeps it, without its name.
    let steps = place.images.remove("a:1", true, &user(true)).await.unwrap().steps;
    assert_eq!(steps, [ImageRemoval::Untagged("a:1".into())]);
    assert_eq!(place.images.list().len(), 1);
    // A stopped one keeps the layers, out of sight, over a restart, until it goes.
    let steps = place.images.remove(&short, true, &user(false)).await.unwrap().steps;
    assert_eq!(steps, [ImageRemoval::Deleted(id)]);
    assert!(place.images.list().is_empty() && place.images.get(&short).is_err());
    let Place { folder, images } = place;
    drop(images);
    let images = Images::open(paths(folder.path()), registry::Config::default(), &[id]).unwrap();
    assert_eq!(file_of(&images, id), b"x");
    images.collect(&[id]).await.unwrap();
    assert_eq!(file_of(&images, id), b"x");
    images.collect(&[]).await.unwrap();
    assert!(images.lowers(id).is_err());
    assert_eq!(leftovers(folder.path()), Vec::<String>::new());
    assert_eq!(images.get("a:1").unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn progress_tells_every_layer_and_image() {
    let place = Place::new();
    let image = sample(&[b"1", b"2"]);
    let (progress, mut listener) = mpsc::channel(64);
    place.images.load(Cursor::new(image.docker_archive(&["a:1"])), progress).await.unwrap();
    let mut done = 0;
    let mut last = None;
    while let Some(step) = listener.recv().await {
        done += u32::from(matches!(step, Progress::Layer { step: crate::view::LayerStep::Complete, .. }));
        last = Some(step);
    }
    assert_eq!(done, 2);
    assert_eq!(last, Some(Progress::Loaded(LoadedImage { id: image.id(), tags: vec!["a:1".into()] })));
}
