#![allow(clippy::unwrap_used)]

use std::{
    fs::{self, File},
    os::unix::fs::{FileTypeExt as _, MetadataExt, PermissionsExt, chown, lchown, symlink},
    path::{Path, PathBuf},
};

use super::*;
use crate::sys::xattr;

/// A source and a target side by side, and a canary both could reach by a wrong path.
struct Bench {
    folder: tempfile::TempDir,
}

fn ignoring(text: &str) -> Ignore {
    Ignore::parse(text.as_bytes()).unwrap()
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["src", "dst", "outside"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("outside/canary"), b"alive").unwrap();
        Self { folder }
    }

    fn src(&self, path: &str) -> PathBuf {
        self.folder.path().join("src").join(path)
    }

    fn dst(&self, path: &str) -> PathBuf {
        self.folder.path().join("dst").join(path)
    }

    fn file(&self, path: &str, content: &str) -> &Self {
        let path = self.src(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn run(&self, kind: Kind, ignore: Option<&Ignore>, request: &CopyRequest) -> Result<Digest, Error> {
        let root = File::open(self.src("")).unwrap();
        let target = File::open(self.dst("")).unwrap();
        let source = Source { root: root.as_fd(), ignore, kind, hashes: None };
        let selection = Selection::new(&source, request)?;
        let digest = selection.digest()?;
        let written = selection.write(target.as_fd(), None);
        assert_eq!(fs::read(self.folder.path().join("outside/canary")).unwrap(), b"alive");
        assert_eq!(fs::read_dir(self.folder.path().join("outside")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 3);
        written.map(|()| digest)
    }

    fn copy(&self, sources: &[&str], dest: &str) -> Result<Digest, Error> {
        self.run(Kind::Context, None, &request(sources, dest))
    }

    fn said(&self, sources: &[&str], dest: &str) -> String {
        self.copy(sources, dest).unwrap_err().to_string()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dst(path)).unwrap_or_else(|error| panic!("{path}: {error}; there is {:?}", self.tree()))
    }

    /// All paths in the target.
    fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut waiting = vec![self.dst("")];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.symlink_metadata().unwrap().is_dir() {
                    waiting.push(path.clone());
                }
                found.push(path.strip_prefix(self.dst("")).unwrap().to_str().unwrap().to_owned());
            }
        }
        found.sort();
        found
    }

    fn meta(&self, path: &str) -> fs::Metadata {
        fs::symlink_metadata(self.dst(path)).unwrap()
    }
}

fn request(sources: &[&str], dest: &str) -> CopyRequest {
    CopyRequest::new(sources.iter().map(|source| source.as_bytes().to_vec()).collect(), dest)
}

fn mode(meta: &fs::Metadata) -> u32 {
    meta.permissions().mode() & 0o7777
}

#[test]
fn a_file_goes_where_the_destination_says() {
    let bench = Bench::new();
    bench.file("test.txt", "x");
    bench.copy(&["test.txt"], "/abs").unwrap();
    bench.copy(&["test.txt"], "/into/").unwrap();
    bench.copy(&["test.txt"], "/deep/er/file").unwrap();
    bench.copy(&["test.txt"], "/").unwrap();
    bench.copy(&["./test.txt"], "rel/").unwrap();
    bench.copy(&["/test.txt"], "/a/../up").unwrap();
    bench.copy(&["../../test.txt"], "/stripped").unwrap();
    fs::create_dir(bench.dst("there")).unwrap();
    bench.copy(&["test.txt"], "/there").unwrap();
    for workdir in ["/w/x", "w/x"] {
        let request = CopyRequest { workdir: workdir.into(), ..request(&["test.txt"], ".") };
        bench.run(Kind::Context, None, &request).unwrap();
        assert_eq!(request.destination(), b"/w/x/");
    }
    let all = [
        "abs",
        "deep",
        "deep/er",
        "deep/er/file",
        "into",
        "into/test.txt",
        "rel",
        "rel/test.txt",
        "stripped",
        "test.txt",
        "there",
        "there/test.txt",
        "up",
        "w",
        "w/x",
        "w/x/test.txt",
    ];
    assert_eq!(bench.tree(), all);
    assert_eq!(mode(&bench.meta("deep/er")), 0o755);
}

#[test]
fn a_folder_gives_what_is_inside_and_merges() {
    let bench = Bench::new();
    bench.file("d/a", "new").file("d/sub/b", "b").file("d/.hidden", "h");
    fs::create_dir(bench.src("d/empty")).unwrap();
    fs::set_permissions(bench.src("d"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(bench.src("d/sub"), fs::Permissions::from_mode(0o711)).unwrap();
    fs::create_dir_all(bench.dst("to/sub")).unwrap();
    fs::write(bench.dst("to/a"), "a much longer old one").unwrap();
    fs::write(bench.dst("to/sub/kept"), "k").unwrap();
    fs::set_permissions(bench.dst("to"), fs::Permissions::from_mode(0o750)).unwrap();
    bench.copy(&["d"], "/to").unwrap();
    bench.copy(&["d/"], "/fresh").unwrap();
    assert_eq!(
        (bench.read("to/a"), bench.read("to/sub/kept"), bench.read("to/sub/b")),
        ("new".into(), "k".into(), "b".into())
    );
    assert_eq!(mode(&bench.meta("to")), 0o750, "a folder that is there keeps its own");
    assert_eq!(mode(&bench.meta("to/sub")), 0o711, "those inside take the source's");
    assert_eq!(mode(&bench.meta("fresh")), 0o755);
    assert!(bench.meta("fresh/empty").is_dir() && bench.dst("fresh/.hidden").exists());
    bench.copy(&["."], "/all").unwrap();
    assert_eq!(mode(&bench.meta("all/d")), 0o700);
}

#[test]
fn what_does_not_fit_is_said_as_docker_says_it() {
    let bench = Bench::new();
    bench.file("f", "1").file("g", "2").file("d/x/y", "3");
    assert_eq!(
        bench.said(&["absent"], "/"),
        "COPY failed: file not found in build context or excluded by .dockerignore: stat absent: file does not exist"
    );
    assert_eq!(bench.said(&["no*"], "/"), "COPY failed: no source files were specified");
    assert_eq!(
        bench.said(&["f", "g"], "/to"),
        "When using COPY with more than one source file, the destination must be a directory and end with a /"
    );
    assert!(bench.said(&["?"], "/to").starts_with("When using COPY"));
    assert_eq!(bench.said(&["a[b"], "/to"), "syntax error in pattern: a[b");
    let root = File::open(bench.src("")).unwrap();
    let stage = Selection::new(&Source::layers(&root), &request(&["nope/x"], "/")).err().unwrap();
    assert_eq!(stage.to_string(), "COPY failed: stat nope/x: file does not exist");
    // Folder onto file, file onto folder.
    fs::write(bench.dst("file"), "old").unwrap();
    assert_eq!(bench.said(&["d"], "/file"), "cannot copy to non-directory: /file");
    assert_eq!(bench.said(&["f"], "/file/"), "cannot copy to non-directory: /file/");
    fs::create_dir_all(bench.dst("m/f")).unwrap();
    assert_eq!(bench.said(&["f"], "/m"), "cannot replace to directory /m/f with file");
    fs::create_dir_all(bench.dst("n")).unwrap();
    fs::write(bench.dst("n/x"), "old").unwrap();
    assert_eq!(bench.said(&["d"], "/n"), "cannot copy to non-directory: /n/x");
    symlink("/m", bench.dst("n/l")).unwrap();
    fs::create_dir(bench.src("d/l")).unwrap();
    fs::remove_file(bench.dst("n/x")).unwrap();
    assert_eq!(bench.said(&["d"], "/n"), "cannot copy to non-directory: /n/l");
}

#[test]
fn patterns_select_name_by_name() {
    let bench = Bench::new();
    bench.file("home.txt", "1").file("homf.txt", "2").file("other", "3").file("d/e/a.go", "4").file("d/f/a.go", "5");
    bench.file("arr[0].txt", "6").file("d/e/b.rs", "7");
    bench.copy(&["hom*"], "/one/").unwrap();
    bench.copy(&["hom?.txt", "other"], "/two/").unwrap();
    bench.copy(&["d/*/b.rs"], "/three/").unwrap();
    bench.copy(&["arr[[]0].txt"], "/four/").unwrap();
    bench.copy(&["d/*"], "/five/").unwrap();
    bench.copy(&["d/**/b.rs"], "/six/").unwrap();
    let all = bench.tree();
    let below = |top: &str| -> Vec<String> {
        all.iter().filter_map(|path| path.strip_prefix(&format!("{top}/")).map(str::to_owned)).collect()
    };
    assert_eq!(below("one"), ["home.txt", "homf.txt"]);
    assert_eq!(below("two"), ["home.txt", "homf.txt", "other"]);
    assert_eq!(below("three"), ["b.rs"]);
    assert_eq!(below("four"), ["arr[0].txt"]);
    assert_eq!(below("five"), ["a.go", "b.rs"], "folders that match give what is inside");
    assert_eq!(bench.read("five/a.go"), "5");
    assert_eq!(below("six"), ["b.rs"]);
}

#[test]
fn what_is_ignored_is_not_there() {
    let bench = Bench::new();
    bench.file("kept", "1").file("secret", "2").file("d/secret", "3").file("d/keep/x", "4").file("d/y", "5");
    symlink("d", bench.src("way")).unwrap();
    let plain = ignoring("secret\nd/secret");
    bench.run(Kind::Context, Some(&plain), &request(&["."], "/a")).unwrap();
    let back = ignoring("d\n!d/keep");
    bench.run(Kind::Context, Some(&back), &request(&["."], "/b")).unwrap();
    bench.run(Kind::Context, Some(&back), &request(&["d"], "/c")).unwrap();
    bench.run(Kind::Context, Some(&back), &request(&["way"], "/e")).unwrap();
    assert_eq!(
        bench.tree(),
        [
            "a",
            "a/d",
            "a/d/keep",
            "a/d/keep/x",
            "a/d/y",
            "a/kept",
            "a/way",
            "b",
            "b/d",
            "b/d/keep",
            "b/d/keep/x",
            "b/kept",
            "b/secret",
            "b/way",
            "c",
            "c/keep",
            "c/keep/x",
            "e",
            "e/keep",
            "e/keep/x"
        ]
    );
    for (filter, source) in [
        (ignoring("secret"), "secret"),
        (ignoring("d"), "d"),
        (ignoring("d"), "d/y"),
        (ignoring("d"), "way/y"),
        (ignoring("d\n!d/nothing"), "d"),
    ] {
        let missing = bench.run(Kind::Context, Some(&filter), &request(&[source], "/z")).unwrap_err();
        assert!(matches!(missing, Error::NotInContext { .. }), "{source}: {missing}");
    }
    let missing = bench.run(Kind::Context, Some(&ignoring("secret")), &request(&["sec*"], "/z")).unwrap_err();
    assert!(matches!(missing, Error::Nothing("COPY")), "{missing}");
}

#[test]
fn excludes_and_parents_shape_the_tree() {
    let bench = Bench::new();
    bench.file("x/a.txt", "1").file("x/b.md", "2").file("x/y/c.txt", "3").file("x/y/d.rs", "4").file("z.txt", "5");
    fs::set_permissions(bench.src("x/y"), fs::Permissions::from_mode(0o711)).unwrap();
    let excluding = |patterns: &[&str], request: CopyRequest| CopyRequest {
        excludes: patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect(),
        ..request
    };
    bench.run(Kind::Context, None, &excluding(&["*.txt", "y/d.rs"], request(&["x"], "/ex"))).unwrap();
    bench.run(Kind::Context, None, &excluding(&["**/*.txt"], request(&["*"], "/all/"))).unwrap();
    let parents = |sources: &[&str], dest: &str| CopyRequest { parents: true, ..request(sources, dest) };
    bench.run(Kind::Context, None, &parents(&["./x/a.txt", "x/y"], "/p/")).unwrap();
    bench.run(Kind::Context, None, &parents(&["x/./y/*.txt"], "/q/")).unwrap();
    bench.run(Kind::Context, None, &parents(&["**/*.txt"], "/r/")).unwrap();
    bench.run(Kind::Context, None, &excluding(&["x/y"], parents(&["x"], "/s/"))).unwrap();
    assert_eq!(
        bench.tree(),
        [
            "all",
            "all/b.md",
            "all/y",
            "all/y/d.rs",
            "ex",
            "ex/b.md",
            "ex/y",
            "ex/y/c.txt",
            "p",
            "p/x",
            "p/x/a.txt",
            "p/x/y",
            "p/x/y/c.txt",
            "p/x/y/d.rs",
            "q",
            "q/y",
            "q/y/c.txt",
            "r",
            "r/x",
            "r/x/a.txt",
            "r/x/y",
            "r/x/y/c.txt",
            "r/z.txt",
            "s",
            "s/x",
            "s/x/a.txt",
            "s/x/b.md"
        ]
    );
    assert_eq!(mode(&bench.meta("q/y")), 0o711, "folders above take the source's metadata");
    for (source, text) in [
        (
            "x/nope",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat x/nope: file does not exist",
        ),
        ("x/*.none", "COPY failed: no source files were specified"),
    ] {
        assert_eq!(bench.run(Kind::Context, None, &parents(&[source], "/t/")).unwrap_err().to_string(), text);
    }
}

#[test]
fn metadata_comes_along() {
    let bench = Bench::new();
    bench.file("d/f", "x").file("d/s", "setuid").file("d/cap", "c");
    symlink("../nowhere", bench.src("d/link")).unwrap();
    fs::hard_link(bench.src("d/f"), bench.src("d/twin")).unwrap();
    nix::unistd::mkfifo(&bench.src("d/fifo"), nix::sys::stat::Mode::from_bits_truncate(0o640)).unwrap();
    for (name, uid) in [("d/f", 7), ("d/s", 8), ("d/link", 9), ("d/fifo", 10), ("d/cap", 11)] {
        lchown(bench.src(name), Some(uid), Some(uid + 100)).unwrap();
    }
    fs::set_permissions(bench.src("d/s"), fs::Permissions::from_mode(0o4755)).unwrap();
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let attributes = vec![(c"security.capability".to_owned(), capability), (c"user.note".to_owned(), b"n".to_vec())];
    xattr::set_all(File::options().write(true).open(bench.src("d/cap")).unwrap(), &attributes).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5);
    for name in ["d/f", "d"] {
        File::open(bench.src(name)).unwrap().set_modified(old).unwrap();
    }
    bench.run(Kind::Layers, None, &request(&["."], "/kept")).unwrap();
    bench.run(Kind::Context, None, &request(&["."], "/roots")).unwrap();
    let owned = CopyRequest { chown: Some((42, 43)), ..request(&["."], "/new/owned") };
    bench.run(Kind::Layers, None, &owned).unwrap();
    for name in ["kept/d", "roots/d", "new/owned/d"] {
        let meta = |file: &str| bench.meta(&format!("{name}/{file}"));
        assert_eq!((meta("s").len(), mode(&meta("s"))), (6, 0o4755));
        assert_eq!((meta("f").mtime(), meta("f").mtime_nsec()), (1_000_000_000, 5));
        assert_eq!(bench.meta(name).mtime(), 1_000_000_000, "written into, yet as old as the source");
        assert_eq!(meta("f").ino(), meta("twin").ino());
        assert_eq!(fs::read_link(bench.dst(&format!("{name}/link"))).unwrap(), Path::new("../nowhere"));
        assert!(meta("fifo").file_type().is_fifo() && mode(&meta("fifo")) == 0o640);
        let file = File::open(bench.dst(&format!("{name}/cap"))).unwrap();
        assert_eq!(xattr::all(file).unwrap(), attributes);
    }
    let owner = |name: &str| (bench.meta(name).uid(), bench.meta(name).gid());
    assert_eq!((owner("kept/d/f"), owner("kept/d/link"), owner("kept/d/fifo")), ((7, 107), (9, 109), (10, 110)));
    assert_eq!((owner("roots/d/f"), owner("roots/d/link")), ((0, 0), (0, 0)));
    for name in ["new", "new/owned", "new/owned/d", "new/owned/d/f", "new/owned/d/link", "new/owned/d/fifo"] {
        assert_eq!(owner(name), (42, 43), "{name}: folders made on the way too");
    }
}

#[test]
fn permissions_times_and_heredocs_are_as_asked() {
    let bench = Bench::new();
    bench.file("d/run", "#!").file("d/plain", "x");
    fs::set_permissions(bench.src("d/run"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(bench.src("d/plain"), fs::Permissions::from_mode(0o600)).unwrap();
    let with =
        |chmod: &str, dest: &str| CopyRequest { chmod: Some(Chmod::parse(chmod).unwrap()), ..request(&["."], dest) };
    bench.run(Kind::Context, None, &with("u=rwX,go=rX", "/symbolic/")).unwrap();
    bench.run(Kind::Context, None, &with("0640", "/octal/")).unwrap();
    let modes = |top: &str| ["d", "d/run", "d/plain"].map(|name| mode(&bench.meta(&format!("{top}/{name}"))));
    assert_eq!(modes("symbolic"), [0o755, 0o755, 0o644]);
    assert_eq!(modes("octal"), [0o640, 0o640, 0o640]);

    let root = File::open(bench.src("")).unwrap();
    let heredoc = |name: &str| Heredoc { name: name.into(), content: b"hello\n".to_vec() };
    let several = CopyRequest { heredocs: vec![heredoc("one"), heredoc("../two")], ..request(&["d/run"], "/doc/") };
    let selection = Selection::new(&Source::context(&root, None), &several).unwrap();
    selection.write(File::open(bench.dst("")).unwrap().as_fd(), Some(500)).unwrap();
    assert_eq!((bench.read("doc/one"), bench.read("doc/two")), ("hello\n".into(), "hello\n".into()));
    assert_eq!(mode(&bench.meta("doc/one")), 0o644);
    for name in ["doc", "doc/one", "doc/run"] {
        assert_eq!(bench.meta(name).mtime(), 500, "{name}");
    }
    let one =
        CopyRequest { heredocs: vec![heredoc("EOF")], chmod: Some(Chmod::Octal(0o755)), ..request(&[], "/bin/tool") };
    bench.run(Kind::Context, None, &one).unwrap();
    assert_eq!((bench.read("bin/tool"), mode(&bench.meta("bin/tool"))), ("hello\n".into(), 0o755));
    let clash = CopyRequest { heredocs: vec![heredoc("a"), heredoc("b")], ..request(&[], "/c") };
    assert!(matches!(bench.run(Kind::Context, None, &clash), Err(Error::NotAFolder("COPY"))));
}

#[test]
fn links_of_the_target_stay_inside() {
    let bench = Bench::new();
    bench.file("f", "new").file("d/f", "new");
    let outside = bench.folder.path().join("outside");
    symlink(&outside, bench.dst("abs")).unwrap();
    symlink("../../../../..", bench.dst("up")).unwrap();
    symlink("/real", bench.dst("way")).unwrap();
    symlink("../outside/canary", bench.dst("canary")).unwrap();
    symlink("loop2", bench.dst("loop1")).unwrap();
    symlink("loop1", bench.dst("loop2")).unwrap();
    fs::create_dir(bench.dst("real")).unwrap();
    bench.copy(&["f"], "/abs/x").unwrap();
    bench.copy(&["d"], "/up/y").unwrap();
    bench.copy(&["f"], "/way").unwrap();
    bench.copy(&["d"], "/way/").unwrap();
    bench.copy(&["f"], "/canary").unwrap();
    let inside = format!("{}/x", outside.strip_prefix("/").unwrap().display());
    assert_eq!(bench.read(&inside), "new", "made where the link leads inside the target");
    assert_eq!(
        (bench.read("y/f"), bench.read("real/f"), bench.read("outside/canary")),
        ("new".into(), "new".into(), "new".into())
    );
    assert!(bench.meta("canary").is_symlink(), "as BuildKit: the file the link leads to is replaced");
    assert!(bench.copy(&["f"], "/loop1/x").is_err());
    assert!(bench.copy(&["f"], "/loop1").is_err());
    // A link in a folder is replaced, not written through.
    symlink(outside.join("canary"), bench.dst("real/l")).unwrap();
    fs::write(bench.src("d/l"), "mine").unwrap();
    bench.copy(&["d"], "/real").unwrap();
    assert!(bench.meta("real/l").is_file());
}

#[test]
fn links_of_the_source_stay_inside() {
    let bench = Bench::new();
    bench.file("d/f", "x");
    let outside = bench.folder.path().join("outside");
    symlink(&outside, bench.src("abs")).unwrap();
    symlink("../outside", bench.src("up")).unwrap();
    symlink("/d", bench.src("root")).unwrap();
    symlink("/d/f", bench.src("file")).unwrap();
    symlink("self", bench.src("self")).unwrap();
    for source in ["abs", "abs/canary", "up", "up/canary", "self", "self/x", "../outside/canary"] {
        let missing = bench.copy(&[source], "/z/").unwrap_err();
        assert!(matches!(missing, Error::NotInContext { .. }), "{source}: {missing}");
    }
    bench.copy(&["root"], "/folder").unwrap();
    bench.copy(&["file", "root/f"], "/files/").unwrap();
    bench.copy(&["."], "/all").unwrap();
    assert_eq!(
        (bench.read("folder/f"), bench.read("files/file"), bench.read("files/f")),
        ("x".into(), "x".into(), "x".into())
    );
    assert!(bench.meta("files/file").is_file(), "the source itself is followed");
    assert!(bench.meta("all/abs").is_symlink() && bench.meta("all/file").is_symlink(), "links below are not");
}

#[test]
fn the_digest_says_what_is_written_and_nothing_else() {
    let digest = |change: &dyn Fn(&Bench), request: &dyn Fn(CopyRequest) -> CopyRequest| {
        let bench = Bench::new();
        bench.file("d/a", "1").file("d/b/c", "2");
        symlink("a", bench.src("d/l")).unwrap();
        change(&bench);
        let root = File::open(bench.src("")).unwrap();
        let request = request(super::tests::request(&["d"], "/to"));
        Selection::new(&Source::context(&root, None), &request).unwrap().digest().unwrap()
    };
    let same = |request: CopyRequest| request;
    let first = digest(&|_| {}, &same);
    let equal: [&dyn Fn(&Bench); 4] = [
        &|bench| File::open(bench.src("d/a")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap(),
        &|bench| {
            fs::remove_file(bench.src("d/a")).unwrap();
            bench.file("d/a", "1");
        },
        &|bench| {
            bench.file("outside", "x");
        },
        &|bench| chown(bench.src("d/a"), Some(5), None).unwrap(),
    ];
    for (number, change) in equal.iter().enumerate() {
        assert_eq!(digest(change, &same), first, "{number}");
    }
    let other: [&dyn Fn(&Bench); 8] = [
        &|bench| {
            bench.file("d/a", "2");
        },
        &|bench| {
            bench.file("d/new", "");
        },
        &|bench| fs::rename(bench.src("d/a"), bench.src("d/a2")).unwrap(),
        &|bench| fs::set_permissions(bench.src("d/a"), fs::Permissions::from_mode(0o755)).unwrap(),
        &|bench| fs::set_permissions(bench.src("d/b"), fs::Permissions::from_mode(0o700)).unwrap(),
        &|bench| {
            fs::remove_file(bench.src("d/l")).unwrap();
            symlink("b", bench.src("d/l")).unwrap();
        },
        &|bench| fs::create_dir(bench.src("d/empty")).unwrap(),
        &|bench| {
            let file = File::options().write(true).open(bench.src("d/a")).unwrap();
            xattr::set_all(file, &[(c"user.x".to_owned(), b"y".to_vec())]).unwrap();
        },
    ];
    let mut seen = vec![first];
    for change in other {
        seen.push(digest(change, &same));
    }
    seen.push(digest(&|_| {}, &|request| CopyRequest { chown: Some((1, 1)), ..request }));
    seen.push(digest(&|_| {}, &|request| CopyRequest { chmod: Some(Chmod::Octal(0o600)), ..request }));
    seen.push(digest(&|_| {}, &|request| CopyRequest { excludes: vec![b"a".to_vec()], ..request }));
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "every change shows");
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn grow(dice: &mut Dice, folder: &Path, depth: u32, files: &mut Vec<PathBuf>) {
    for number in 0..dice.below(7) {
        let path = folder.join(format!("n{number}\u{e9} {}", dice.below(3)));
        let id = u32::try_from(dice.below(3)).unwrap();
        match dice.below(6) {
            0 | 1 if depth < 4 => {
                fs::create_dir(&path).unwrap();
                grow(dice, &path, depth + 1, files);
            }
            2 => symlink(["../x", "/etc/passwd", "."][usize::try_from(dice.below(3)).unwrap()], &path).unwrap(),
            3 if !files.is_empty() => {
                let at = usize::try_from(dice.below(files.len() as u64)).unwrap();
                fs::hard_link(&files[at], &path).unwrap();
            }
            4 => {
                let file = File::create(&path).unwrap();
                file.set_len(dice.below(3) << 20).unwrap();
                std::os::unix::fs::FileExt::write_all_at(&file, b"tail", 1 << 20).unwrap();
                files.push(path.clone());
            }
            _ => {
                fs::write(&path, vec![b'x'; usize::try_from(dice.below(300_000)).unwrap()]).unwrap();
                files.push(path.clone());
            }
        }
        lchown(&path, Some(id), Some(id)).unwrap();
        if !path.symlink_metadata().unwrap().is_symlink() {
            let mode = [0o644, 0o755, 0o4711, 0o600][usize::try_from(dice.below(4)).unwrap()] | 0o400;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

#[test]
fn what_is_written_has_the_digest_of_what_was_selected() {
    for seed in 0..25 {
        let bench = Bench::new();
        grow(&mut Dice(seed), &bench.src(""), 0, &mut Vec::new());
        let hashes = Hashes::default();
        let digest = |path: &Path| {
            let root = File::open(path).unwrap();
            let source = Source { hashes: Some(&hashes), ..Source::layers(&root) };
            let selection = Selection::new(&source, &request(&["/"], "/")).unwrap();
            (selection.digest().unwrap(), selection.digest().unwrap())
        };
        let (first, again) = digest(&bench.src(""));
        assert_eq!(first, again, "known hashes change nothing");
        bench.run(Kind::Layers, None, &request(&["/"], "/")).unwrap();
        assert_eq!(digest(&bench.dst("")).0, first, "seed {seed}");
    }
}

#[test]
fn holes_stay_holes() {
    let bench = Bench::new();
    let file = File::create(bench.src("holes")).unwrap();
    file.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"middle", 32 << 20).unwrap();
    bench.copy(&["holes"], "/").unwrap();
    assert_eq!(bench.meta("holes").len(), 64 << 20);
    assert!(bench.meta("holes").blocks() < 256);
    assert_eq!(&fs::read(bench.dst("holes")).unwrap()[32 << 20..(32 << 20) + 6], b"middle");
}

#[test]
fn a_workdir_is_made_through_links_and_owned() {
    let bench = Bench::new();
    symlink("/srv/app", bench.dst("app")).unwrap();
    let target = File::open(bench.dst("")).unwrap();
    make_workdir(target.as_fd(), b"/app/data/", (7, 8), None).unwrap();
    make_workdir(target.as_fd(), b"/app/data", (9, 9), None).unwrap();
    for name in ["srv", "srv/app", "srv/app/data"] {
        assert_eq!((bench.meta(name).uid(), bench.meta(name).gid(), mode(&bench.meta(name))), (7, 8, 0o755), "{name}");
    }
    fs::write(bench.dst("file"), "").unwrap();
    assert!(matches!(make_workdir(target.as_fd(), b"/file/x", (0, 0), None), Err(Error::OntoFile(_))));
}
