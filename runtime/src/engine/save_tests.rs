#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, io::Cursor, path::Path, process::Command};

use super::{
    super::images::tests::{Place, gzip, sample},
    *,
};
use crate::{
    request::{CommitContainer, ImportImage},
    snapshot::Adoption,
    view::LoadedImage,
};

pub async fn collect(mut archive: Outflow) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = archive.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert!(files.insert(name.clone(), bytes).is_none(), "{name} is written once");
    }
    files
}

async fn load(place: &Place, archive: &[u8]) -> Vec<LoadedImage> {
    place.load(archive).await.unwrap()
}

#[tokio::test]
async fn many_images_go_and_come_back_with_their_ids_and_names() {
    let place = Place::new();
    // From compressed blobs, from plain ones, and sharing a layer.
    let (a, b) = (sample(&[b"base", b"a"]), sample(&[b"base", b"b"]));
    load(&place, &a.oci_archive(&[("io.containerd.image.name", "a:1")])).await;
    load(&place, &b.docker_archive(&["b:1", "b:2", "127.0.0.1:5000/b:3"])).await;
    let archive = collect(place.images.save(&names(&["a:1", "b", "127.0.0.1:5000/b:3"])).await.unwrap()).await.unwrap();
    let again = collect(place.images.save(&names(&["a:1", "b", "127.0.0.1:5000/b:3"])).await.unwrap()).await.unwrap();
    assert!(archive == again, "the same images give the same archive");
    let there = files(&archive);
    let blobs = there.keys().filter(|name| name.starts_with("blobs/sha256/") && name.len() > 20).count();
    assert_eq!(blobs, 3 + 2 + 2, "three layers, two configs, two manifests");
    for (name, bytes) in &there {
        if let Some(hex) = name.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) {
            assert_eq!(Digest::of(bytes).hex(), hex);
        }
    }

    let other = Place::new();
    let loaded = load(&other, &archive).await;
    let expect = [(a.id(), vec!["a:1"]), (b.id(), vec!["b:1", "b:2", "127.0.0.1:5000/b:3"])];
    let expect = expect.map(|(id, tags)| LoadedImage { id, tags: names(&tags) });
    assert_eq!(loaded, expect);
    // As an OCI archive alone, too.
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in there.iter().filter(|(name, _)| *name != "manifest.json" && !name.ends_with('/')) {
        builder.append_data(&mut Archive::header(bytes.len() as u64, false), name, &bytes[..]).unwrap();
    }
    let other = Place::new();
    let mut loaded = load(&other, &gzip(&builder.into_inner().unwrap())).await;
    loaded.sort_by_key(|image| image.id);
    loaded.dedup_by_key(|image| image.id);
    assert_eq!(loaded.len(), 2);
    assert_eq!(other.images.get("127.0.0.1:5000/b:3").unwrap().summary.id, b.id());

    // By id: no name goes along.
    let archive = collect(place.images.save(&[a.id().short()]).await.unwrap()).await.unwrap();
    assert_eq!(load(&Place::new(), &archive).await, [LoadedImage { id: a.id(), tags: vec![] }]);
    for wrong in [vec![], names(&["a:1", "absent"])] {
        assert!(place.images.save(&wrong).await.is_err());
    }
}

/// A layer that was here already doesn't bring its blob along.
#[tokio::test]
async fn a_shared_layer_is_saved_whatever_image_brought_it() {
    let place = Place::new();
    let (a, b) = (sample(&[b"base", b"a"]), sample(&[b"base", b"b"]));
    load(&place, &a.docker_archive(&["a:1"])).await;
    load(&place, &b.oci_archive(&[("io.containerd.image.name", "b:1")])).await;
    let b_alone = |place: Place| async move {
        let archive = collect(place.images.save(&names(&["b:1"])).await.unwrap()).await.unwrap();
        assert_eq!(load(&Place::new(), &archive).await[0].id, b.id());
        place
    };
    place.images.remove("a:1", false, &[]).await.unwrap();
    let place = b_alone(place).await;
    place.images.remove("b:1", false, &[]).await.unwrap();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

fn archive_of_root() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [("bin/x", &b"x"[..]), ("etc/passwd", b"root:x:0:0::/:\n")] {
        builder.append_data(&mut Archive::header(bytes.len() as u64, false), name, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Imported and committed layers have no blob: their tars are made again.
#[tokio::test]
async fn layers_made_here_are_saved_too_and_broken_ones_are_not() {
    let place = Place::new();
    let request = ImportImage { reference: Some("made:1".into()), message: "m".into(), ..ImportImage::default() };
    let base = place.images.import(Cursor::new(archive_of_root()), &request).unwrap();
    let request = CommitContainer { reference: Some("made:2".into()), ..CommitContainer::default() };
    let change = super::super::images::tests::tar(&[("bin/.wh.x", b""), ("new", b"new")]);
    let id = place
        .images
        .commit(base, &request, "/bin/x".into(), |parent, lease| {
            let how = Adoption { parent, clamp: None };
            let hold = |chain| lease.add(Thing::Layer(chain));
            Ok(place.images.0.snapshots.absorb(Cursor::new(change), how, hold, &mut |_| ())?)
        })
        .unwrap();
    let view = place.images.get("made:2").unwrap();
    assert_eq!((view.layers.len(), view.history.len()), (2, 2));
    assert_eq!((view.history[0].comment.as_str(), view.history[1].created_by.as_str()), ("m", "/bin/x"));
    let archive = collect(place.images.save(&names(&["made:2"])).await.unwrap()).await.unwrap();
    let other = Place::new();
    assert_eq!(load(&other, &archive).await[0].id, id);
    assert_eq!(load(&place, &archive).await[0].id, id, "it is known here");

    // A folder that someone changed behind the engine's back is told, not passed on.
    let lowers = place.images.lowers(id).unwrap();
    std::fs::write(lowers[0].join("new"), b"other").unwrap();
    let broken = collect(place.images.save(&names(&["made:2"])).await.unwrap()).await.unwrap_err();
    assert!(broken.to_string().contains("can't be made again"), "{broken}");
    assert_eq!(std::fs::read_dir(place.folder.path().join("data/content/ingest")).unwrap().count(), 0);

    // Both layers go with their images.
    place.images.remove("made:2", false, &[]).await.unwrap();
    place.images.remove("made:1", false, &[]).await.unwrap();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_reader_that_goes_away_stops_the_writer() {
    let place = Place::new();
    let noise: Vec<u8> = (0..8_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    load(&place, &sample(&[&noise]).docker_archive(&["big:1"])).await;
    let mut archive = place.images.save(&names(&["big:1"])).await.unwrap();
    assert!(archive.next().await.unwrap().is_ok());
    // Removing it meanwhile is allowed; what is being written stays until then.
    place.images.remove("big:1", false, &[]).await.unwrap();
    drop(archive);
    let images = place.images.clone();
    tokio::task::spawn_blocking(move || {
        while images.0.leases.holds(Thing::Blob(sample(&[&noise]).id())) {
            std::thread::yield_now();
        }
    })
    .await
    .unwrap();
}

fn skopeo(args: &[&str]) {
    let done = Command::new("skopeo").arg("--insecure-policy").args(args).output().unwrap();
    assert!(done.status.success(), "skopeo {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn skopeo_reads_either_layout_and_we_read_what_it_writes() {
    let place = Place::new();
    let image = sample(&[b"one", b"two"]);
    load(&place, &image.oci_archive(&[("io.containerd.image.name", "web:1")])).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let saved = collect(place.images.save(&names(&["web:1"])).await.unwrap()).await.unwrap();
    std::fs::write(at("saved"), saved).unwrap();
    for (kind, name) in [("docker-archive", ":web:1"), ("oci-archive", ":1")] {
        for (to, tag) in [("docker-archive", ":again:1"), ("oci-archive", ":again:1")] {
            let target = at(&format!("{kind}-{to}"));
            skopeo(&["copy", &format!("{kind}:{}{name}", at("saved")), &format!("{to}:{target}{tag}")]);
            let loaded = load(&Place::new(), &std::fs::read(Path::new(&target)).unwrap()).await;
            assert_eq!(loaded[0].tags, names(&["again:1"]), "{kind} to {to}");
            // From one kind to the other skopeo writes another config.
            assert!(kind != to || loaded[0].id == image.id(), "{kind}: the id survives");
        }
    }
}
