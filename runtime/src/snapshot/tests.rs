#![allow(clippy::unwrap_used)]

use std::io::Write;

use super::*;
use crate::digest::Digest;

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn store() -> (tempfile::TempDir, Paths, Snapshots) {
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::new(folder.path().join("data"), folder.path().join("run"));
    let snapshots = Snapshots::open(paths.clone()).unwrap();
    (folder, paths, snapshots)
}

fn stage(snapshots: &Snapshots, blob: &[u8], diff_id: DiffId, chain: ChainId) -> Result<Staged, Error> {
    snapshots.stage(chain, Layer { from: blob, verified: Some(Digest::of(blob)), diff_id }, &mut |_| ())
}

fn leftovers(paths: &Paths) -> usize {
    fs::read_dir(paths.snapshots()).unwrap().count() - 1
        + fs::read_dir(paths.snapshots().join("trash")).unwrap().count()
}

#[test]
fn a_layer_is_the_same_plain_gzip_or_zstd_and_survives_reopening() {
    let plain = tar(&[("a", &vec![7; 100_000]), ("d/b", b"x")]);
    let diff_id = DiffId(Digest::of(&plain));
    let chain = ChainId::of(&[diff_id]).unwrap();
    for blob in [plain.clone(), gzip(&plain), zstd::encode_all(&plain[..], 1).unwrap()] {
        let (_folder, paths, snapshots) = store();
        let mut seen = 0;
        let layer = Layer { from: &blob[..], verified: None, diff_id };
        let staged = snapshots.stage(chain, layer, &mut |n| seen = n).unwrap();
        assert_eq!(seen, blob.len() as u64, "progress counts compressed bytes");
        assert!(!snapshots.has(chain), "not visible before it is published");
        snapshots.publish(staged).unwrap();
        let again = Snapshots::open(paths.clone()).unwrap();
        assert!(again.size(chain).unwrap() >= 100_000);
        let lowers = again.lowers(&[diff_id]).unwrap();
        assert_eq!(fs::read(lowers[0].join("d/b")).unwrap(), b"x");
        assert_eq!(leftovers(&paths), 1);
    }
}

#[test]
fn lowers_come_topmost_first() {
    let (_folder, paths, snapshots) = store();
    let blobs = [tar(&[("a", b"1")]), tar(&[("a", b"2")])];
    let ids: Vec<DiffId> = blobs.iter().map(|blob| DiffId(Digest::of(blob))).collect();
    let chains = crate::oci::chains(&ids);
    // The upper one first: layers need no order.
    for n in [1, 0] {
        snapshots.publish(stage(&snapshots, &blobs[n], ids[n], chains[n]).unwrap()).unwrap();
    }
    let expected: Vec<PathBuf> = chains.iter().rev().map(|chain| paths.snapshot(*chain).join("fs")).collect();
    assert_eq!(snapshots.lowers(&ids).unwrap(), expected);
    snapshots.remove(chains[0]).unwrap();
    assert!(matches!(snapshots.lowers(&ids), Err(Error::Missing(_))));
    assert!(!paths.snapshot(chains[0]).exists());
}

#[test]
fn nothing_is_left_of_a_layer_that_is_wrong() {
    let (_folder, paths, snapshots) = store();
    let plain = tar(&[("d/a", &vec![7; 600_000])]);
    let diff_id = DiffId(Digest::of(&plain));
    let chain = ChainId::of(&[diff_id]).unwrap();
    let other = DiffId(Digest::of(b"other"));
    let zipped = gzip(&plain);
    assert!(matches!(stage(&snapshots, &zipped, other, chain), Err(Error::DiffId { .. })));
    assert!(matches!(stage(&snapshots, &plain, other, chain), Err(Error::DiffId { .. })));
    assert!(stage(&snapshots, &zipped[..zipped.len() - 9], diff_id, chain).is_err());
    assert!(stage(&snapshots, &[zipped.clone(), b"garbage".to_vec()].concat(), diff_id, chain).is_err());
    assert!(stage(&snapshots, b"\xfd7zXZ\0\0\0\0\0", diff_id, chain).is_err());
    drop(stage(&snapshots, &zipped, diff_id, chain).unwrap());
    assert_eq!(leftovers(&paths), 0);
    // What follows the archive's end counts for the diff id.
    let longer = [plain.clone(), vec![0; 10_240]].concat();
    let diff_id = DiffId(Digest::of(&longer));
    stage(&snapshots, &gzip(&longer), diff_id, ChainId::of(&[diff_id]).unwrap()).unwrap();
}

#[test]
fn a_sweep_removes_what_is_not_needed() {
    let (_folder, paths, snapshots) = store();
    let blobs = [tar(&[("a", b"1")]), tar(&[("a", b"2")])];
    let ids: Vec<DiffId> = blobs.iter().map(|blob| DiffId(Digest::of(blob))).collect();
    let chains: Vec<ChainId> = ids.iter().map(|id| ChainId::of(&[*id]).unwrap()).collect();
    for n in 0..2 {
        snapshots.publish(stage(&snapshots, &blobs[n], ids[n], chains[n]).unwrap()).unwrap();
    }
    std::mem::forget(stage(&snapshots, &blobs[0], ids[0], ChainId(Digest::of(b"x"))).unwrap());
    fs::create_dir(paths.snapshots().join("0".repeat(64))).unwrap();
    snapshots.sweep(&HashSet::from([chains[0]])).unwrap();
    assert!(snapshots.has(chains[0]) && !snapshots.has(chains[1]));
    let mut names: Vec<_> = fs::read_dir(paths.snapshots()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
}
