#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt as _, symlink};

use tar::{Builder, EntryType, Header};

use super::*;

fn header(kind: EntryType, name: &str, link: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_size(size);
    header.set_mode(0o4755);
    header.set_uid(1000);
    header.set_gid(1000);
    header.set_mtime(1_000_000_000);
    header.set_device_major(1).unwrap();
    header.set_device_minor(3).unwrap();
    header.set_cksum();
    header
}

fn tar(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, text) in entries {
        let content = if *kind == EntryType::Regular { text } else { "" };
        let link = if *kind == EntryType::Regular { "" } else { text };
        builder.append(&header(*kind, name, link, content.len() as u64), content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn unpack_in(dir: &Path, bytes: &[u8]) -> Result<Context, Error> {
    Context::unpack(dir, bytes, Limits::default())
}

const FILE: EntryType = EntryType::Regular;

#[test]
fn a_context_comes_plain_or_compressed_and_belongs_to_root() {
    let plain = tar(&[
        (FILE, "Dockerfile", "FROM a"),
        (FILE, ".wh.x", "kept"),
        (EntryType::Directory, "d", ""),
        (FILE, "d/f", "1"),
    ]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for bytes in [plain.clone(), gzip.finish().unwrap(), zstd::encode_all(&plain[..], 1).unwrap()] {
        let dir = tempfile::tempdir().unwrap();
        let context = unpack_in(dir.path(), &bytes).unwrap();
        assert_eq!(context.dockerfile(None).unwrap(), (b"FROM a".to_vec(), "Dockerfile".to_owned()));
        let meta = fs::metadata(dir.path().join("context/d/f")).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777, meta.mtime()), (0, 0, 0o4755, 1_000_000_000));
        assert_eq!(fs::read(dir.path().join("context/.wh.x")).unwrap(), b"kept", "a name like all others here");
        assert_eq!(fs::read_dir(dir.path().join("trash")).unwrap().count(), 0);
    }
}

#[test]
fn the_dockerfile_is_found_inside_only() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "host").unwrap();
    let context = unpack_in(
        dir.path(),
        &tar(&[
            (FILE, "dockerfile", "lower"),
            (FILE, "sub/Other", "other"),
            (EntryType::Symlink, "way", "/sub/Other"),
            (EntryType::Symlink, "out", "../secret"),
            (EntryType::Symlink, "loop", "loop"),
            (EntryType::Fifo, "fifo", ""),
            (FILE, ".dockerignore", "all"),
            (FILE, "sub/Other.dockerignore", "own"),
        ]),
    )
    .unwrap();
    assert_eq!(context.dockerfile(None).unwrap().1, "dockerfile");
    assert_eq!(context.dockerfile(Some("sub/Other")).unwrap().0, b"other");
    assert_eq!(context.dockerfile(Some("/sub/../sub/Other")).unwrap().0, b"other");
    assert_eq!(context.dockerfile(Some("way")).unwrap().0, b"other");
    assert!(context.ignore("sub/Other").unwrap().excludes(b"own"));
    assert!(!context.ignore("sub/Other").unwrap().excludes(b"all"));
    assert!(context.ignore("dockerfile").unwrap().excludes(b"all"));
    for absent in ["nope", "out", "../secret", "loop", "dockerfile/x"] {
        let error = context.dockerfile(Some(absent)).unwrap_err();
        assert_eq!(error.to_string(), format!("Cannot locate specified Dockerfile: {absent}"));
    }
    for wrong in ["sub", "fifo"] {
        assert!(matches!(context.dockerfile(Some(wrong)), Err(Error::Dockerfile { .. })), "{wrong}");
    }
    let empty = tempfile::tempdir().unwrap();
    let context = unpack_in(empty.path(), &tar(&[])).unwrap();
    assert_eq!(context.dockerfile(None).unwrap_err().to_string(), "Cannot locate specified Dockerfile: Dockerfile");
    assert!(context.ignore("Dockerfile").unwrap().is_empty());
}

#[test]
fn hostile_archives_are_refused_and_touch_nothing_outside() {
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().to_str().unwrap();
    let hostile: Vec<Vec<(EntryType, &str, &str)>> = vec![
        vec![(FILE, "../escaped", "x")],
        vec![(FILE, "a/../../escaped", "x")],
        vec![(EntryType::Symlink, "l", out), (FILE, "l/escaped", "x")],
        vec![(EntryType::Symlink, "l", "../.."), (FILE, "l/escaped/x", "x"), (FILE, "l/../../../escaped", "x")],
        vec![(EntryType::Char, "null", "")],
        vec![(EntryType::Block, "disk", "")],
        vec![(EntryType::Link, "h", "../../escaped")],
        vec![(EntryType::Symlink, "a", "b"), (EntryType::Symlink, "b", "a"), (FILE, "a/x", "x")],
    ];
    for entries in hostile {
        let dir = tempfile::tempdir().unwrap();
        assert!(unpack_in(dir.path(), &tar(&entries)).is_err(), "{entries:?}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{entries:?}");
        assert!(!dir.path().join("escaped").exists(), "{entries:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let few = Limits { entries: 1, ..Limits::default() };
    let error = Context::unpack(dir.path(), &tar(&[(FILE, "a", ""), (FILE, "b", "")])[..], few).unwrap_err();
    assert_eq!(crate::error::Error::from(error).kind(), crate::error::ErrorKind::Exhausted);
}

#[test]
fn a_file_is_an_archive_or_a_dockerfile() {
    let file = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    };
    for (bytes, text) in
        [(tar(&[(FILE, "Dockerfile", "FROM b")]), "FROM b"), (b"FROM c".to_vec(), "FROM c"), (Vec::new(), "")]
    {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::from_file(dir.path(), file(&bytes), Limits::default()).unwrap();
        assert_eq!(context.dockerfile(None).unwrap().0, text.as_bytes());
    }
    let dir = tempfile::tempdir().unwrap();
    let context = Context::from_dockerfile(dir.path(), b"FROM d").unwrap();
    symlink("Dockerfile", dir.path().join("context/again")).unwrap();
    assert_eq!(context.dockerfile(Some("again")).unwrap().0, b"FROM d");
}
