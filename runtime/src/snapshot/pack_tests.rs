#![allow(clippy::unwrap_used, clippy::format_push_string)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
    path::{Path, PathBuf},
};

use nix::{
    sys::stat::{makedev, mknod, utimensat},
    unistd::{UnlinkatFlags, mkfifo, unlinkat},
};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    digest::{ChainId, Digest},
    paths::Paths,
    snapshot::{Adoption, Snapshots, write_layer, write_tree},
    sys::{
        mount::{Writable, detached_overlay},
        path::set_xattr_at,
    },
};

const CAPABLE: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn packed(root: &Path, dialect: Dialect) -> Vec<u8> {
    let mut tar = Vec::new();
    pack(tree::open_path(root).unwrap(), dialect, &mut tar).unwrap();
    tar
}

fn unpacked(tar: &[u8]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for name in ["fs", "trash"] {
        fs::create_dir(place.path().join(name)).unwrap();
    }
    fs::set_permissions(place.path().join("fs"), fs::Permissions::from_mode(0o755)).unwrap();
    let open = |name: &str| tree::open_path(&place.path().join(name)).unwrap();
    super::super::untar::untar(tar, &open("fs"), &open("trash"), Limits::default()).unwrap();
    place
}

/// Everything of a tree that a tar can carry.
fn described(root: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(root: &Path, dir: &Path, first: &mut BTreeMap<u64, PathBuf>, into: &mut BTreeMap<PathBuf, String>) {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            let path = dir.join(&name);
            let short = path.strip_prefix(root).unwrap().to_owned();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.mode() & libc::S_IFMT == libc::S_IFSOCK {
                continue;
            }
            let mut text = format!("{:o} {}:{} {}", meta.mode(), meta.uid(), meta.gid(), meta.rdev());
            if !(meta.mode() & libc::S_IFMT == libc::S_IFCHR && meta.rdev() == 0) {
                text += &format!(" {}", meta.mtime());
            }
            if meta.is_file() {
                text += &format!(" {} {}", meta.len(), Digest::of(&fs::read(&path).unwrap()));
            }
            if meta.is_symlink() {
                text += &format!(" {:?}", fs::read_link(&path).unwrap());
            } else if meta.is_file() || meta.is_dir() {
                let file = fs::File::open(&path).unwrap();
                let mut names = xattr_names(&file).unwrap();
                names.sort();
                for name in names {
                    text += &format!(" {name:?}={:?}", xattr(&file, &name).unwrap());
                }
            }
            if !meta.is_dir() && meta.nlink() > 1 {
                text += &format!(" {:?}", first.entry(meta.ino()).or_insert(short.clone()));
            }
            into.insert(short, text);
            if meta.is_dir() {
                walk(root, &path, first, into);
            }
        }
    }
    let mut into = BTreeMap::new();
    walk(root, root, &mut BTreeMap::new(), &mut into);
    into
}

fn touch(path: &Path, seconds: i64) {
    let time = TimeSpec::new(seconds, 0);
    utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
}

fn attribute(path: &Path, key: &std::ffi::CStr, value: &[u8]) {
    set_xattr_at(tree::open_path(path.parent().unwrap()).unwrap(), path.file_name().unwrap(), key, value).unwrap();
}

/// Writing again gives the same bytes, and unpacking gives the same tree.
fn survives(root: &Path) -> Vec<u8> {
    let tar = packed(root, Dialect::Layer);
    let again = unpacked(&tar);
    assert_eq!(described(root), described(&again.path().join("fs")));
    assert_eq!(packed(&again.path().join("fs"), Dialect::Layer), tar);
    tar
}

#[test]
fn an_odd_tree_survives() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str| root.join(name);
    fs::write(at("file"), b"x".repeat(513)).unwrap();
    fs::write(at("empty"), b"").unwrap();
    fs::File::create(at("hole")).unwrap().set_len(3 << 20).unwrap();
    fs::hard_link(at("file"), at("another")).unwrap();
    let long = format!("{}/{}/{}", "d".repeat(255), "e".repeat(120), "f".repeat(255));
    fs::create_dir_all(at(&long).parent().unwrap()).unwrap();
    fs::write(at(&long), b"long").unwrap();
    fs::hard_link(at(&long), at("long-again")).unwrap();
    symlink("s".repeat(4000), at("far")).unwrap();
    symlink("file", at("near")).unwrap();
    symlink("/etc/passwd", at("out")).unwrap();
    fs::hard_link(at("near"), at("near-again")).unwrap();
    let odd = [b"caf\xe9".to_vec(), b"a\nb".to_vec(), vec![b'\xff'; 200], b" = ".to_vec(), b"a-b".to_vec()];
    for name in odd {
        fs::write(root.join(OsStr::from_bytes(&name)), &name).unwrap();
    }
    fs::create_dir(at("a")).unwrap();
    fs::write(at("a/b"), b"b").unwrap();
    mkfifo(&at("fifo"), Mode::S_IRUSR).unwrap();
    let mode = Mode::from_bits_truncate(0o660);
    mknod(&at("block"), SFlag::S_IFBLK, mode, makedev(259, 1_000_000)).unwrap();
    mknod(&at("null"), SFlag::S_IFCHR, mode, makedev(1, 3)).unwrap();
    mknod(&at("gone"), SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
    fs::create_dir(at("opaque")).unwrap();
    attribute(&at("opaque"), OPAQUE, b"y");
    fs::write(at("opaque/new"), b"new").unwrap();
    fs::write(at("suid"), b"suid").unwrap();
    lchown(at("suid"), Some(4_000_000_000), Some(3_000_000)).unwrap();
    fs::set_permissions(at("suid"), fs::Permissions::from_mode(0o6711)).unwrap();
    attribute(&at("suid"), c"security.capability", &CAPABLE);
    attribute(&at("suid"), c"user.b", b"\0\x01=");
    attribute(&at("suid"), c"user.a", b"");
    lchown(at("near"), Some(7), Some(8)).unwrap();
    fs::set_permissions(at("a"), fs::Permissions::from_mode(0o1777)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for (name, time) in [("file", -5), ("empty", 0), ("near", 20_000_000_000), ("a", 1_000_000_000), ("fifo", 1)] {
        touch(&at(name), time);
    }
    let tar = survives(&root);
    let mut archive = tar::Archive::new(&tar[..]);
    let names: Vec<_> = archive.entries().unwrap().map(|e| e.unwrap().path_bytes().into_owned()).collect();
    let position = |name: &[u8]| names.iter().position(|other| other == name);
    assert!(position(b"a/") < position(b"a/b") && position(b"a/b") < position(b"a-b"), "folders are not interrupted");
    assert_eq!(position(b"opaque/.wh..wh..opq"), position(b"opaque/").map(|n| n + 1));
    assert!(position(b".wh.gone").is_some() && position(b"socket").is_none() && position(b"./").is_none());
}

#[test]
fn what_a_layer_cannot_say_is_left_out() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
    touch(root, 77);
    for name in [".wh.x", ".wh..wh..opq", "kept"] {
        fs::write(root.join(name), b"").unwrap();
    }
    touch(root, 77);
    attribute(&root.join("kept"), c"trusted.other", b"x");
    attribute(&root.join("kept"), c"user.a=b", b"x");
    let names = |dialect| {
        let tar = packed(root, dialect);
        let mut archive = tar::Archive::new(&tar[..]);
        let entries = archive.entries().unwrap();
        entries.map(|e| String::from_utf8(e.unwrap().path_bytes().into_owned()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(names(Dialect::Layer), ["./", "kept"]);
    assert_eq!(names(Dialect::Tree), ["./", ".wh..wh..opq", ".wh.x", "kept"]);
    let again = unpacked(&packed(root, Dialect::Layer));
    let meta = fs::metadata(again.path().join("fs")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o700, 77), "a root that is not the usual one is kept");

    let deep = tempfile::tempdir().unwrap();
    fs::create_dir_all(deep.path().join(vec!["d"; 300].join("/"))).unwrap();
    let refused = pack(tree::open_path(deep.path()).unwrap(), Dialect::Tree, io::sink()).unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    attribute(&root.join("kept"), c"trusted.overlay.metacopy", b"");
    let refused = pack(tree::open_path(root).unwrap(), Dialect::Layer, io::sink()).unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
}

fn store() -> (tempfile::TempDir, Snapshots) {
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::new(folder.path().join("data"), folder.path().join("run"));
    fs::create_dir_all(paths.snapshots()).unwrap();
    (folder, Snapshots::open(paths).unwrap())
}

/// What a program left in a real overlay: changes, removals, a replaced folder, files copied up.
#[test]
fn a_real_upper_becomes_a_layer_that_shows_the_same_tree() {
    let (folder, snapshots) = store();
    let at = |name: &str| folder.path().join(name);
    for name in ["lower/d/e", "lower/replaced", "upper", "work"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    fs::set_permissions(at("upper"), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["d/e/old", "d/stays", "gone", "replaced/inside", "copied"] {
        fs::write(at("lower").join(name), name).unwrap();
    }
    symlink("copied", at("lower/link")).unwrap();
    let base = snapshots.adopt(&at("lower"), Adoption::default(), |_| ()).unwrap();
    assert!(!at("lower").exists());
    let lowers = snapshots.lowers(&[base.diff_id]).unwrap();

    let (upper, work) = (at("upper"), at("work"));
    let root = detached_overlay(&lowers, Some(Writable { upper: &upper, work: &work, volatile: true })).unwrap();
    let inside = |name: &str| PathBuf::from(format!("/proc/self/fd/{}/{name}", std::os::fd::AsRawFd::as_raw_fd(&root)));
    unlinkat(&root, "gone", UnlinkatFlags::NoRemoveDir).unwrap();
    fs::remove_dir_all(inside("replaced")).unwrap();
    fs::create_dir(inside("replaced")).unwrap();
    fs::write(inside("replaced/new"), b"new").unwrap();
    fs::write(inside("d/e/old"), b"changed").unwrap();
    lchown(inside("link"), Some(5), Some(5)).unwrap();
    fs::set_permissions(inside("copied"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(inside("d/stays"), inside("stays-too")).unwrap();
    fs::write(inside("late"), b"late").unwrap();
    touch(&inside("late"), 4_000_000_000);
    let mut before = Vec::new();
    write_tree(&root, &mut before).unwrap();
    let mut live = Vec::new();
    write_layer(tree::open_path(&upper).unwrap(), &mut live).unwrap();
    drop(root);

    let mut held = None;
    let how = Adoption { parent: Some(base.chain), clamp: None };
    let adopted = snapshots.adopt(&upper, how, |chain| held = Some(chain)).unwrap();
    assert_eq!(held, Some(adopted.chain));
    assert_eq!(adopted.diff_id.0, Digest::of(&live), "the bookkeeping taken off was never written");
    assert_eq!(Some(adopted.chain), ChainId::of(&[base.diff_id, adopted.diff_id]));
    assert_eq!(snapshots.size(adopted.chain), Some(adopted.size_bytes));
    let lowers = snapshots.lowers(&[base.diff_id, adopted.diff_id]).unwrap();
    let merged = detached_overlay(&lowers, None).unwrap();
    let mut after = Vec::new();
    write_tree(&merged, &mut after).unwrap();
    assert!(before == after);
    let private = |path: &Path| {
        let names = xattr_names(fs::File::open(path).unwrap()).unwrap();
        names.iter().any(|name| name.as_bytes().starts_with(OVERLAY) && name.as_c_str() != OPAQUE)
    };
    assert!(!private(&lowers[0]) && !private(&lowers[0].join("d")) && !private(&lowers[0].join("copied")));

    // Made again, taken in again: the same layer.
    let mut tar = Vec::new();
    assert_eq!(snapshots.write_tar(adopted.chain, &mut tar).unwrap(), adopted.diff_id);
    let zipped = zstd::encode_all(&tar[..], 1).unwrap();
    let again = snapshots.absorb(&zipped[..], how, |_| (), &mut |_| ()).unwrap();
    assert_eq!((again.diff_id, again.chain), (adopted.diff_id, adopted.chain));
    snapshots.remove(adopted.chain).unwrap();
    assert!(snapshots.write_tar(adopted.chain, io::sink()).is_err());
    let again = snapshots.absorb(&zipped[..], how, |_| (), &mut |_| ()).unwrap();
    assert_eq!(again.diff_id, adopted.diff_id);

    // Another time, no later than a moment.
    let early = Adoption { clamp: Some(1_600_000_000), ..how };
    let early = snapshots.absorb(&tar[..], early, |_| (), &mut |_| ()).unwrap();
    assert_ne!(early.diff_id, adopted.diff_id);
    assert_eq!(snapshots.write_tar(early.chain, io::sink()).unwrap(), early.diff_id, "the folder was clamped too");
    let late = snapshots.lowers(&[base.diff_id, early.diff_id]).unwrap()[0].join("late");
    assert_eq!(fs::metadata(late).unwrap().mtime(), 1_600_000_000);
    let listed = fs::read_dir(lowers[0].ancestors().nth(2).unwrap()).unwrap();
    let names: Vec<_> = listed.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "three layers and the trash: {names:?}");
}

#[test]
fn a_stream_that_breaks_off_leaves_nothing() {
    let (folder, snapshots) = store();
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a"), vec![1; 100_000]).unwrap();
    let tar = packed(root.path(), Dialect::Layer);
    let held = |_| panic!("nothing to hold");
    assert!(snapshots.absorb(&tar[..50_000], Adoption::default(), held, &mut |_| ()).is_err());
    assert!(snapshots.adopt(&folder.path().join("absent"), Adoption::default(), held).is_err());
    assert_eq!(fs::read_dir(folder.path().join("data/snapshots")).unwrap().count(), 1);
}

#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Folder(bool, Vec<(Vec<u8>, Node)>),
    Symlink(Vec<u8>),
    Link,
    Whiteout,
    Fifo,
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), Just(b'.'), Just(b'w'), Just(b'\xff')];
    vec(byte.prop_filter("a name", |b| !matches!(b, 0 | b'/' | b'\n')), 1..120)
        .prop_filter("a name", |name| !name.starts_with(b".wh.") && !matches!(&name[..], b"." | b".."))
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        vec(any::<u8>(), 0..2000).prop_map(Node::File),
        name().prop_map(Node::Symlink),
        Just(Node::Link),
        Just(Node::Whiteout),
        Just(Node::Fifo),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        (any::<bool>(), vec((name(), inner), 0..6)).prop_map(|(opaque, inside)| Node::Folder(opaque, inside))
    })
}

fn grow(dir: &Path, name: &[u8], node: &Node, files: &mut Vec<PathBuf>) {
    let path = dir.join(OsStr::from_bytes(name));
    if fs::symlink_metadata(&path).is_ok() {
        return;
    }
    match node {
        Node::File(bytes) => {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(bytes.len() as u32)).unwrap();
            files.push(path.clone());
        }
        Node::Folder(opaque, inside) => {
            fs::create_dir(&path).unwrap();
            for (name, node) in inside {
                grow(&path, name, node, files);
            }
            if *opaque {
                attribute(&path, OPAQUE, b"y");
            }
        }
        Node::Symlink(target) => symlink(OsStr::from_bytes(target), &path).unwrap(),
        Node::Link => match files.last() {
            Some(file) => fs::hard_link(file, &path).unwrap(),
            None => return,
        },
        Node::Whiteout => mknod(&path, SFlag::S_IFCHR, Mode::empty(), 0).unwrap(),
        Node::Fifo => mkfifo(&path, Mode::S_IRWXU).unwrap(),
    }
    touch(&path, name.len() as i64 * 1_000_000 - 20_000_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_survives(nodes in vec((name(), node()), 0..8)) {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut files = Vec::new();
        for (name, node) in &nodes {
            grow(place.path(), name, node, &mut files);
        }
        survives(place.path());
    }
}
