#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::Write as _,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
};

use tar::{Builder, EntryType, Header};

use super::*;
use crate::{
    build::copy::{CopyRequest, Error, Kind, Selection, Source},
    sys::mount::{Writable, detached_overlay},
};

fn tar(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, text) in entries {
        let content = if *kind == EntryType::Regular { text } else { "" };
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if *kind != EntryType::Regular {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1_000_000_000);
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const FILE: EntryType = EntryType::Regular;

/// A context, and an overlay over a lower folder to write to.
struct Bench {
    folder: tempfile::TempDir,
    root: OwnedFd,
}

impl Bench {
    fn new(below: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["src", "lower", "upper", "work", "outside"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        below(&folder.path().join("lower"));
        let at = |name: &str| folder.path().join(name);
        let (upper, work) = (at("upper"), at("work"));
        let writable = Writable { upper: &upper, work: &work, volatile: true };
        let root = detached_overlay(&[at("lower")], Some(writable)).unwrap();
        Self { folder, root }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join("src").join(name), bytes).unwrap();
    }

    fn at(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{path}", self.root.as_raw_fd()))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn run(&self, change: impl FnOnce(&mut CopyRequest), source: &str, dest: &str) -> Result<(), Error> {
        let mut request =
            CopyRequest { unpack: true, instruction: "ADD", ..CopyRequest::new(vec![source.into()], dest) };
        change(&mut request);
        let src = File::open(self.folder.path().join("src")).unwrap();
        let source = Source { kind: Kind::Context, ..Source::layers(&src) };
        let selection = Selection::new(&source, &request)?;
        selection.digest()?;
        let written = selection.write(self.root.as_fd(), None);
        assert_eq!(fs::read_dir(self.folder.path().join("outside")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 5);
        written
    }

    fn add(&self, source: &str, dest: &str) -> Result<(), Error> {
        self.run(|_| (), source, dest)
    }
}

#[test]
fn archives_are_told_by_their_content_and_unpacked() {
    let bench = Bench::new(|_| ());
    let plain = tar(&[
        (FILE, "a/f", "1"),
        (FILE, ".wh.x", "kept"),
        (EntryType::Symlink, "l", "a/f"),
        (EntryType::Link, "h", "a/f"),
    ]);
    bench.put("plain", &plain);
    bench.put("gz.txt", &gzip(&plain));
    bench.put("zst", &zstd::encode_all(&plain[..], 1).unwrap());
    bench.put("text.tar", b"no archive");
    bench.put("text.gz", &gzip(b"no archive"));
    for name in ["plain", "gz.txt", "zst"] {
        bench.add(name, &format!("/{name}/deep")).unwrap();
        let deep = |path: &str| bench.at(&format!("{name}/deep/{path}"));
        assert_eq!(fs::read(deep("a/f")).unwrap(), b"1");
        assert_eq!(fs::read(deep(".wh.x")).unwrap(), b"kept");
        assert_eq!(fs::read_link(deep("l")).unwrap(), Path::new("a/f"));
        let meta = fs::metadata(deep("h")).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777, meta.mtime()), (7, 8, 0o640, 1_000_000_000));
        assert_eq!(meta.nlink(), 2);
    }
    for name in ["text.tar", "text.gz"] {
        bench.add(name, "/files/").unwrap();
        assert_eq!(
            fs::read(bench.at(&format!("files/{name}"))).unwrap(),
            fs::read(bench.folder.path().join("src").join(name)).unwrap()
        );
    }
    bench.run(|request| request.unpack = false, "plain", "/whole.tar").unwrap();
    assert_eq!(fs::read(bench.at("whole.tar")).unwrap(), plain);
    bench.run(|request| request.chown = Some((5, 6)), "plain", "/owned").unwrap();
    let meta = fs::metadata(bench.at("owned/a/f")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (5, 6));
}

#[test]
fn an_archive_goes_over_what_is_there_and_stays_inside() {
    let bench = Bench::new(|lower| {
        fs::create_dir_all(lower.join("to/full/of/things")).unwrap();
        fs::write(lower.join("to/full/of/things/x"), "old").unwrap();
        fs::create_dir(lower.join("real")).unwrap();
        symlink("/real", lower.join("to/way")).unwrap();
        symlink("/to", lower.join("link")).unwrap();
        symlink("../../../../../../../../..", lower.join("to/up")).unwrap();
    });
    bench.put(
        "x.tar",
        &tar(&[(FILE, "full", "a file now"), (FILE, "way/in", "1"), (FILE, "up/top", "2"), (FILE, "/abs", "3")]),
    );
    bench.add("x.tar", "/link").unwrap();
    assert_eq!(bench.read("to/full"), "a file now", "a folder of a lower layer makes room");
    assert_eq!(bench.read("real/in"), "1", "an absolute link is the image's own");
    assert_eq!(bench.read("top"), "2");
    assert_eq!(bench.read("to/abs"), "3", "an absolute name is below the destination");
    let outside = bench.folder.path().join("outside");
    let outside = outside.to_str().unwrap();
    for (number, entries) in [
        vec![(FILE, "../escaped", "x")],
        vec![(EntryType::Symlink, "l", outside), (FILE, "l/x", "x")],
        vec![(EntryType::Link, "h", "../real/in")],
    ]
    .iter()
    .enumerate()
    {
        bench.put("bad", &tar(entries));
        let refused = bench.add("bad", &format!("/to{number}/x")).unwrap_err();
        assert!(matches!(refused, Error::Archive { .. }), "{entries:?}: {refused}");
        assert!(!bench.at("escaped").exists());
    }
    bench.put("cut", &gzip(&tar(&[(FILE, "f", &"x".repeat(5000))]))[..60]);
    bench.add("cut", "/cut").unwrap();
    assert!(bench.at("cut").is_file(), "what can't be read as an archive is a file");
}

#[test]
fn copies_go_into_an_overlay_as_into_any_folder() {
    let bench = Bench::new(|lower| {
        fs::create_dir_all(lower.join("etc/d")).unwrap();
        fs::write(lower.join("etc/d/kept"), "k").unwrap();
        fs::write(lower.join("etc/d/changed"), "old").unwrap();
        fs::set_permissions(lower.join("etc/d"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("/etc", lower.join("conf")).unwrap();
    });
    let src = bench.folder.path().join("src");
    fs::create_dir_all(src.join("d")).unwrap();
    fs::write(src.join("d/changed"), "new").unwrap();
    fs::write(src.join("d/big"), vec![b'b'; 300_000]).unwrap();
    fs::hard_link(src.join("d/changed"), src.join("d/twin")).unwrap();
    bench.run(|request| request.unpack = false, ".", "/conf").unwrap();
    assert_eq!(
        (bench.read("etc/d/kept"), bench.read("etc/d/changed"), bench.read("etc/d/twin")),
        ("k".into(), "new".into(), "new".into())
    );
    let (one, two) = (fs::metadata(bench.at("etc/d/changed")).unwrap(), fs::metadata(bench.at("etc/d/twin")).unwrap());
    assert_eq!((one.ino(), one.nlink()), (two.ino(), 2));
    assert_eq!(fs::metadata(bench.at("etc/d/big")).unwrap().len(), 300_000);
    assert_eq!(fs::metadata(bench.at("etc/d")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(fs::read(bench.folder.path().join("lower/etc/d/changed")).unwrap(), b"old");
}
