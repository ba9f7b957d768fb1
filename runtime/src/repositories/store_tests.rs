#![allow(clippy::unwrap_used)]

use std::time::Duration;

use jiff::Timestamp;

use super::*;

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(Paths::new(folder.path().join("data"), folder.path().join("run"))).unwrap()
}

fn manifest(blobs: &[&[u8]], manifests: &[Digest], subject: Option<Digest>) -> Manifest {
    Manifest {
        media_type: "m".into(),
        size: 1,
        content_bytes: 2,
        pushed_at: Timestamp::now(),
        subject,
        artifact_type: String::new(),
        annotations: BTreeMap::new(),
        blobs: blobs.iter().map(|blob| Digest::of(blob)).collect(),
        manifests: manifests.to_vec(),
    }
}

fn tag(digest: Digest) -> Tag {
    Tag { digest, pushed_at: Timestamp::now(), pushed_by: "ana".into(), image: None }
}

fn point(digest: Digest) -> impl FnOnce(&mut Record) {
    move |record| {
        record.tags.insert("1".into(), tag(digest));
    }
}

#[test]
fn a_repository_is_there_with_its_first_manifest_and_goes_with_its_last() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let (blob, digest) = (Digest::of(b"layer"), Digest::of(b"manifest"));
    store.link("team/app", blob).unwrap();
    assert!(store.get("team/app").is_none() && store.has_blob("team/app", blob));
    assert!(!store.has_blob("team/other", blob), "knowing a digest opens nothing");
    store.put("team/app", digest, manifest(&[b"layer"], &[], None), point(digest)).unwrap();
    assert_eq!(fs::read_dir(store.paths.loose_blobs()).unwrap().count(), 0, "it is loose no more");
    let store = open(&folder);
    assert_eq!(store.get("team/app").unwrap().tags["1"].digest, digest);
    assert!(store.has_blob("team/app", blob) && !store.unlink("team/app", blob).unwrap());
    assert_eq!(*store.needed(), HashSet::from([blob, digest]));
    let mut tags = Vec::new();
    let free = store.edit("team/app", |record| tags = record.remove_manifest(digest)).unwrap();
    assert_eq!((tags, HashSet::from_iter(free)), (vec!["1".to_owned()], HashSet::from([blob, digest])));
    assert!(store.get("team/app").is_none() && store.needed().is_empty());
    assert!(open(&folder).all().is_empty());
}

#[test]
fn loose_blobs_survive_a_restart_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let blob = Digest::of(b"layer");
    store.link("a", blob).unwrap();
    store.link("b", blob).unwrap();
    assert!(store.unlink("b", blob).unwrap());
    let store = open(&folder);
    assert!(store.has_blob("a", blob) && !store.has_blob("b", blob));
    assert!(store.needed().contains(&blob));
    assert_eq!(store.expire(SystemTime::now() + Duration::from_hours(12)).unwrap(), []);
    assert_eq!(store.expire(SystemTime::now() + Duration::from_hours(25)).unwrap(), [blob]);
    assert!(!open(&folder).has_blob("a", blob));
}

#[test]
fn pruning_takes_what_nothing_leads_to() {
    let (index, shared, own, about) =
        (Digest::of(b"index"), Digest::of(b"shared"), Digest::of(b"own"), Digest::of(b"about"));
    let mut record = Record::new("a");
    record.manifests.insert(index, manifest(&[], &[shared, own], None));
    record.manifests.insert(shared, manifest(&[b"1"], &[], None));
    record.manifests.insert(own, manifest(&[b"2"], &[], None));
    record.manifests.insert(about, manifest(&[b"3"], &[], Some(index)));
    record.tags.insert("kept".into(), tag(shared));
    let mut tagged = record.clone();
    tagged.tags.insert("too".into(), tag(index));
    tagged.prune_from(index);
    assert_eq!(tagged.manifests.len(), 4, "a tag has it");
    record.prune_from(index);
    assert_eq!(record.manifests.keys().copied().collect::<Vec<_>>(), [shared]);
}

#[test]
fn an_unreadable_record_stops_nothing_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let digest = Digest::of(b"manifest");
    for name in ["a", "b"] {
        store.put(name, digest, manifest(&[], &[], None), point(digest)).unwrap();
    }
    fs::write(store.paths.repository("a"), "torn").unwrap();
    for _ in 0..2 {
        let store = open(&folder);
        assert_eq!(store.all().len(), 1);
        assert!(store.paths.repository("a").with_extension("unreadable").exists());
    }
}
