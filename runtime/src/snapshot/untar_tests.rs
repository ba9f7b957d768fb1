#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tar::{Builder, Header};

use super::*;
use crate::sys::path::get_xattr_at;

/// A folder with a layer's root, a scratch folder and a canary outside.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["fs", "trash", "outside"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("outside/canary"), b"alive").unwrap();
        Self { folder }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("fs")
    }

    fn untar_with(&self, tar: &[u8], limits: Limits) -> Result<(), Error> {
        let trash = self.folder.path().join("trash");
        let open = |path: &Path| tree::open_path(path).unwrap();
        let result = untar(tar, &open(&self.root()), &open(&trash), limits);
        assert_eq!(fs::read(self.folder.path().join("outside/canary")).unwrap(), b"alive");
        assert_eq!(fs::read_dir(self.folder.path().join("outside")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 3);
        assert_eq!(fs::read_dir(trash).unwrap().count(), 0);
        result
    }

    fn untar(&self, tar: &[u8]) -> Result<(), Error> {
        self.untar_with(tar, Limits::default())
    }

    fn xattr(&self, path: &str, key: &std::ffi::CStr) -> Option<Vec<u8>> {
        get_xattr_at(tree::open_path(&self.root()).unwrap(), OsStr::new(path), key).unwrap()
    }

    fn is_whiteout(&self, path: &str) -> bool {
        let meta = fs::symlink_metadata(self.root().join(path)).unwrap();
        meta.file_type().is_char_device() && meta.rdev() == 0
    }
}

/// Writes entries exactly as said, hostile names too.
struct Tar(Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, name: &[u8], link: &[u8], size: u64) -> Header {
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

    fn with(mut self, kind: EntryType, name: &[u8], link: &[u8], content: &[u8]) -> Self {
        self.0.append(&Self::header(kind, name, link, content.len() as u64), content).unwrap();
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.with(EntryType::Regular, name.as_bytes(), b"", content.as_bytes())
    }

    fn dir(self, name: &str) -> Self {
        self.with(EntryType::Directory, name.as_bytes(), b"", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.with(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.with(EntryType::Link, name.as_bytes(), target.as_bytes(), b"")
    }

    fn pax(mut self, pairs: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(pairs.iter().copied()).unwrap();
        self
    }

    fn edit(mut self, kind: EntryType, name: &str, edit: impl FnOnce(&mut Header)) -> Self {
        let mut header = Self::header(kind, name.as_bytes(), b"", 0);
        edit(&mut header);
        header.set_cksum();
        self.0.append(&header, io::empty()).unwrap();
        self
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

#[test]
fn everything_a_layer_may_hold_comes_out_as_it_went_in() {
    let place = Place::new();
    let tar = Tar::new()
        .edit(EntryType::Directory, "./", |h| h.set_mode(0o711))
        .dir("etc/")
        .file("etc/passwd", "root:x:0:0\n")
        .file("implied/parents/file", "x")
        .edit(EntryType::Regular, "bin", |h| {
            h.set_mode(0o4755);
            h.set_uid(12);
            h.set_gid(34);
        })
        .link("bin2", "bin")
        .symlink("run", "/var/run")
        .edit(EntryType::Fifo, "fifo", |h| h.set_mode(0o600))
        .edit(EntryType::Char, "null", |h| {
            h.set_device_major(1).unwrap();
            h.set_device_minor(3).unwrap();
            h.set_mode(0o666);
        })
        .pax(&[
            ("mtime", b"1234567890.25"),
            ("SCHILY.xattr.user.a", b"b"),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/x"),
        ])
        .file("attributed", "y")
        .pax(&[("SCHILY.xattr.security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0")])
        .file("capable", "z")
        .with(EntryType::Regular, b"caf\xe9", b"", b"latin1");
    place.untar(&tar.done()).unwrap();
    let meta = |name: &str| fs::symlink_metadata(place.root().join(name)).unwrap();
    assert_eq!(meta(".").mode() & 0o7777, 0o711);
    assert_eq!(meta(".").mtime(), 1_000_000_000);
    assert_eq!(meta("etc").mtime(), 1_000_000_000, "writing below doesn't change a folder's time");
    assert_eq!(meta("implied/parents").mode() & 0o7777, 0o755);
    assert_eq!((meta("bin").mode() & 0o7777, meta("bin").uid(), meta("bin").gid()), (0o4755, 12, 34));
    assert_eq!(meta("bin").ino(), meta("bin2").ino());
    assert_eq!(fs::read_link(place.root().join("run")).unwrap(), Path::new("/var/run"));
    assert_eq!(meta("run").mtime(), 1_000_000_000);
    assert!(meta("fifo").file_type().is_fifo());
    assert_eq!((meta("null").rdev(), meta("null").mode() & 0o777), (makedev(1, 3), 0o666));
    assert_eq!((meta("attributed").mtime(), meta("attributed").mtime_nsec()), (1_234_567_890, 250_000_000));
    assert_eq!(place.xattr("attributed", c"user.a").unwrap(), b"b");
    assert_eq!(place.xattr("attributed", c"trusted.overlay.redirect"), None);
    assert_eq!(place.xattr("capable", c"security.capability").unwrap().len(), 20, "not lost to chown");
    assert!(place.root().join(OsStr::from_bytes(b"caf\xe9")).exists());
}

#[test]
fn long_names_and_sparse_files_come_out_whole() {
    let place = Place::new();
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let mut builder = Builder::new(Vec::new());
    let mut header = Tar::header(EntryType::Regular, b"", b"", 1);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    let mut tar = Tar(builder).pax(&[("path", format!("pax/{long}").as_bytes())]).file("short", "p");
    // 1 MiB hole, then 4 bytes.
    let mut sparse = Header::new_gnu();
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.set_path("sparse").unwrap();
    sparse.set_size(4);
    sparse.set_mode(0o644);
    let octal = |field: &mut [u8], n: u64| field.copy_from_slice(format!("{n:0w$o}\0", w = field.len() - 1).as_bytes());
    let gnu = sparse.as_gnu_mut().unwrap();
    octal(&mut gnu.sparse[0].offset, 1 << 20);
    octal(&mut gnu.sparse[0].numbytes, 4);
    octal(&mut gnu.realsize, (1 << 20) + 4);
    sparse.set_uid(0);
    sparse.set_gid(0);
    sparse.set_mtime(0);
    sparse.set_cksum();
    tar.0.append(&sparse, &b"tail"[..]).unwrap();
    place.untar(&tar.done()).unwrap();
    assert_eq!(fs::read(place.root().join(&long)).unwrap(), b"x");
    assert_eq!(fs::read(place.root().join(format!("pax/{long}"))).unwrap(), b"p");
    let file = fs::read(place.root().join("sparse")).unwrap();
    assert_eq!((file.len(), &file[1 << 20..]), ((1 << 20) + 4, &b"tail"[..]));
    assert!(fs::metadata(place.root().join("sparse")).unwrap().blocks() < 64, "the hole takes no room");
}

#[test]
fn whiteouts_speak_overlay() {
    let place = Place::new();
    let tar = Tar::new()
        .file("a/.wh.gone", "")
        .file("b/.wh..wh..opq", "")
        .file("b/new", "x")
        .file(".wh..wh.plnk", "")
        .file(".wh.folder", "")
        .file("folder/inside", "x")
        .file("kept", "x")
        .file(".wh.kept", "")
        .dir("kept-folder")
        .file(".wh.kept-folder", "")
        .file(".wh.file-after", "")
        .file("file-after", "x");
    place.untar(&tar.done()).unwrap();
    assert!(place.is_whiteout("a/gone"));
    assert_eq!(place.xattr("b", OPAQUE).unwrap(), b"y");
    assert!(place.root().join("b/new").exists());
    assert_eq!(fs::read(place.root().join("folder/inside")).unwrap(), b"x");
    assert!(!place.root().join(".wh..wh.plnk").exists());
    assert_eq!(fs::read(place.root().join("kept")).unwrap(), b"x", "whiteouts are for lower layers only");
    assert_eq!(place.xattr("kept-folder", OPAQUE).unwrap(), b"y");
    assert_eq!(fs::read(place.root().join("file-after")).unwrap(), b"x");
    for wrong in [".wh.", ".wh..", ".wh..."] {
        assert!(
            matches!(Place::new().untar(&Tar::new().file(wrong, "").done()), Err(Error::Refused { .. })),
            "{wrong}"
        );
    }
}

#[test]
fn a_folder_put_over_an_implied_whiteout_hides_what_is_below() {
    let place = Place::new();
    place.untar(&Tar::new().file(".wh.d", "").dir("d").file("d/x", "1").done()).unwrap();
    assert_eq!(place.xattr("d", OPAQUE).unwrap(), b"y");
}

#[test]
fn the_last_of_duplicates_wins_whatever_the_kinds() {
    let place = Place::new();
    let tar = Tar::new()
        .file("x", "1")
        .file("x", "2")
        .file("d/deep/file", "1")
        .file("d", "a file now")
        .symlink("l", "/etc")
        .dir("l")
        .file("l/inside", "1")
        .file("same", "1")
        .link("same", "same")
        .dir("stays")
        .file("stays/file", "1")
        .edit(EntryType::Directory, "stays", |h| h.set_mode(0o700));
    place.untar(&tar.done()).unwrap();
    let read = |name: &str| fs::read_to_string(place.root().join(name)).unwrap();
    assert_eq!((read("x"), read("d"), read("same")), ("2".into(), "a file now".into(), "1".into()));
    assert!(place.root().join("l").symlink_metadata().unwrap().is_dir());
    assert_eq!(read("stays/file"), "1");
    assert_eq!(fs::metadata(place.root().join("stays")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn paths_stay_inside() {
    for name in ["../outside/x", "a/../../outside/x", "/../outside/x", ".."] {
        let refused = Place::new().untar(&Tar::new().file(name, "bad").done());
        assert!(matches!(refused, Err(Error::Refused { .. })), "{name}: {refused:?}");
    }
    let refused = Place::new().untar(&Tar::new().link("x", "../outside/canary").done());
    assert!(matches!(refused, Err(Error::Refused { .. })));

    // An absolute path means the layer's own root, and `..` that stays inside is fine.
    let place = Place::new();
    place.untar(&Tar::new().file("/abs/file", "x").file("abs/../up", "y").done()).unwrap();
    assert!(place.root().join("abs/file").exists() && place.root().join("up").exists());
}

#[test]
fn links_lead_nowhere_but_into_the_layer() {
    let place = Place::new();
    let outside = place.folder.path().join("outside").to_str().unwrap().to_owned();
    // Through a link out of the root: the target exists on the host, not in the layer.
    assert!(place.untar(&Tar::new().symlink("out", &outside).file("out/x", "bad").done()).is_err());
    assert!(Place::new().untar(&Tar::new().symlink("up", "../outside").file("up/x", "bad").done()).is_err());
    // Writing onto a link replaces the link.
    let place = Place::new();
    let canary = format!("{outside}/canary");
    place.untar(&Tar::new().symlink("c", &canary).file("c", "new").done()).unwrap();
    assert!(place.root().join("c").symlink_metadata().unwrap().is_file());
    // A hard link to a link is a hard link to the link.
    let place = Place::new();
    let canary = place.folder.path().join("outside/canary");
    place.untar(&Tar::new().symlink("s", canary.to_str().unwrap()).link("h", "s").done()).unwrap();
    assert!(place.root().join("h").symlink_metadata().unwrap().is_symlink());
    // A hard link through a link out of the root.
    let place = Place::new();
    assert!(place.untar(&Tar::new().symlink("o", "../outside").link("h", "o/canary").done()).is_err());
    // A folder swapped for a link between two entries: the kept descriptor must not be used.
    let place = Place::new();
    let tar = Tar::new().dir("real").dir("d").file("d/a", "1").symlink("d", "real").file("d/b", "2");
    place.untar(&tar.done()).unwrap();
    assert!(place.root().join("real/b").exists() && !place.root().join("real/a").exists());
}

#[test]
fn an_absolute_link_to_a_folder_means_the_layers_own() {
    let place = Place::new();
    place.untar(&Tar::new().dir("run").dir("var").symlink("var/run", "/run").file("var/run/pid", "7").done()).unwrap();
    assert_eq!(fs::read(place.root().join("run/pid")).unwrap(), b"7");
}

#[test]
fn bombs_are_stopped_early() {
    let limited = |limits: Limits, tar: &[u8]| Place::new().untar_with(tar, limits).unwrap_err();
    let few = Limits { entries: 2, ..Limits::default() };
    assert!(matches!(limited(few, &Tar::new().file("a", "").file("b", "").file("c", "").done()), Error::Limit(_)));
    let named = Limits { name_bytes: 200, ..Limits::default() };
    let folders = Tar::new().dir("a").dir("b").dir("c").dir("d").dir("a").done();
    let error = Place::new().untar_with(&folders, named).unwrap_err().to_string();
    assert_eq!(error, "layer exceeds the limit of 200 bytes of folder names");
    let small = Limits { bytes: 10, ..Limits::default() };
    assert!(matches!(limited(small, &Tar::new().file("a", "123456").file("b", "123456").done()), Error::Limit(_)));
    // A file that claims an exabyte: refused before a byte of it is read.
    let huge = Tar::new().edit(EntryType::Regular, "huge", |h| h.set_size(1 << 60)).done();
    assert!(matches!(limited(Limits::default(), &huge), Error::Limit(_)));
    let deep = vec!["d"; 300].join("/");
    let deep = Tar::new().pax(&[("path", deep.as_bytes())]).file("x", "");
    assert!(matches!(limited(Limits::default(), &deep.done()), Error::Refused { .. }));
    let full = Limits { free_percent: 100, ..Limits::default() };
    let mut big = Tar::new();
    big.0.append(&Tar::header(EntryType::Regular, b"big", b"", 65 << 20), io::repeat(1).take(65 << 20)).unwrap();
    assert!(matches!(limited(full, &big.done()), Error::Full(100)));
    // A header that claims to be gigabytes long.
    let mut header = Tar::header(EntryType::XHeader, b"pax", b"", 8 << 30);
    header.set_cksum();
    let endless = header.as_bytes()[..].chain(io::repeat(b'x'));
    let place = Place::new();
    let open = |name: &str| tree::open_path(&place.folder.path().join(name)).unwrap();
    let refused = untar(endless, &open("fs"), &open("trash"), Limits::default()).unwrap_err();
    assert!(matches!(refused, Error::Read(_)), "{refused:?}");
}

#[test]
fn broken_streams_are_errors() {
    let whole = Tar::new().file("a", &"x".repeat(2000)).done();
    for cut in [1, 511, 600, 1536, 2000] {
        assert!(matches!(Place::new().untar(&whole[..cut]), Err(Error::Read(_))), "cut at {cut}");
    }
    assert!(Place::new().untar(&[b'x'; 1024]).is_err());
    let unknown = Tar::new().with(EntryType::new(b'M'), b"m", b"", b"").done();
    assert!(matches!(Place::new().untar(&unknown), Err(Error::Refused { .. })));
    assert!(Place::new().untar(&Tar::new().link("a", "absent").done()).is_err());
    assert!(Place::new().untar(&Tar::new().file("f", "1").file("f/below", "2").done()).is_err());
}
