//! Trees that reach out: paths, links, devices, names twice.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use harness::{Darsena, Docker, Output, Suite};
use tar::EntryType;

use crate::{
    doors::{Door, Tree},
    leaves_nothing,
};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("paths_that_lead_out_are_refused", paths)
        .test("links_that_lead_out_are_not_written_through", links)
        .test("a_link_in_the_place_of_a_folder_is_not_followed_out", between)
        .test("devices_are_refused_or_can_not_be_opened", devices)
        .test("of_entries_with_one_name_the_last_counts", duplicates)
}

/// Path, numbers, times and content of something.
type Seen = (String, [u64; 3], [i64; 3], Vec<u8>);

/// A folder on the host that nothing may touch.
struct Canary(PathBuf);

impl Canary {
    fn new(darsena: &Darsena) -> Self {
        let folder = darsena.space().side().join("canary");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("file"), "alive").unwrap();
        Self(folder)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Everything about it that a writer would change.
    fn seen(&self) -> Vec<Seen> {
        let mut names = vec![self.0.clone()];
        names.extend(fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()));
        names.sort();
        let state = |path: &PathBuf| {
            let meta = fs::symlink_metadata(path).unwrap();
            let text = if meta.is_file() { fs::read(path).unwrap() } else { Vec::new() };
            let owned = [meta.mode().into(), meta.uid().into(), meta.nlink()];
            (path.display().to_string(), owned, [meta.ctime(), meta.ctime_nsec(), meta.mtime()], text)
        };
        names.iter().map(state).collect()
    }
}

/// Carries a tree in by every door; the canary must not notice. `check` sees how each went.
fn by_every_door(darsena: &Darsena, tree: impl Fn(&Canary) -> Tree, check: impl Fn(Door, &Docker, &Output, &str)) {
    by(&Door::ALL, darsena, tree, check);
}

/// The same by some of them.
fn by(doors: &[Door], darsena: &Darsena, tree: impl Fn(&Canary) -> Tree, check: impl Fn(Door, &Docker, &Output, &str)) {
    let canary = Canary::new(darsena);
    let (before, tree) = (canary.seen(), tree(&canary));
    for &door in doors {
        leaves_nothing(darsena, |docker| {
            let output = door.carry(darsena, docker, &tree, "hostile:1");
            if output.code == 0 {
                docker.run(&["inspect", "--type", "image", "hostile:1"]).ok();
            } else {
                assert!(!output.error().trim().is_empty(), "{door:?} says why");
                docker.run(&["inspect", "--type", "image", "hostile:1"]).fails();
            }
            check(door, docker, &output, "hostile:1");
        });
        assert_eq!(canary.seen(), before, "{door:?} touched what is outside");
    }
}

fn refused(words: &'static str) -> impl Fn(Door, &Docker, &Output, &str) {
    move |door, _, output, _| {
        let error = output.fails();
        assert!(error.contains(words), "{door:?}: {error}");
    }
}

/// What a container of the image says.
fn says(docker: &Docker, name: &str, line: &str) -> String {
    docker.run(&["run", "--rm", name, "/bin/sh", "-c", line]).ok()
}

fn paths(darsena: &mut Darsena) {
    let up = "../".repeat(12);
    for name in ["../x", "a/../../x", "./.././x"] {
        by(&[Door::Import], darsena, |_| Tree::new().file(name, "dead"), refused("leads out of the layer"));
    }
    let far = |canary: &Canary| Tree::new().file(&format!("{up}{}/file", canary.path()), "dead");
    by(&[Door::Load, Door::Add], darsena, far, refused("leads out of the layer"));
    let deep = |_: &Canary| {
        let mut tree = Tree::new();
        for _ in 0..2 {
            tree = tree.file(&"d/".repeat(49), "x");
        }
        let long = format!("{}x", "d/".repeat(300));
        tree.entry(EntryType::GNULongName, "././@LongLink", "", format!("{long}\0").as_bytes()).file("short", "x")
    };
    by(&[Door::Load, Door::Context], darsena, deep, |door, _, output, _| {
        let error = output.fails();
        assert!(error.contains("too many folders deep") || error.contains("entry"), "{door:?}: {error}");
    });
    // From the root is from the layer's root.
    let absolute = |canary: &Canary| Tree::new().file(&format!("{}/file", canary.path()), "inside");
    let path = Canary::new(darsena).path().to_owned();
    by_every_door(darsena, absolute, |door, docker, output, name| {
        output.ok();
        if door != Door::Import {
            assert_eq!(says(docker, name, &format!("cat {}{path}/file", door.root())), "inside", "{door:?}");
        }
    });
}

fn links(darsena: &mut Darsena) {
    type Made = fn(&str) -> Tree;
    let made: [(&str, Made); 8] = [
        ("an absolute link", |to| Tree::new().symlink("out", to).file("out/file", "dead").file("out/new", "dead")),
        ("a link by dots", |to| {
            let to = format!("{}{to}", "../".repeat(12));
            Tree::new().symlink("out", &to).file("out/file", "dead")
        }),
        ("a link to the file", |to| {
            let to = format!("{to}/file");
            Tree::new().symlink("out", &to).file("out", "dead")
        }),
        ("a folder over a link", |to| Tree::new().symlink("out", to).folder("out").file("out/file", "dead")),
        ("a hard link", |to| {
            let to = format!("{to}/file");
            Tree::new().link("hard", &to).file("hard", "dead")
        }),
        ("a hard link by dots", |to| {
            let to = format!("{}{to}/file", "../".repeat(12));
            Tree::new().link("hard", &to).file("hard", "dead")
        }),
        ("a hard link to a link", |to| {
            let to = format!("{to}/file");
            Tree::new().symlink("soft", &to).link("hard", "soft").file("hard", "dead").file("soft", "dead")
        }),
        ("a hard link through a link", |to| {
            Tree::new().symlink("out", to).link("hard", "out/file").file("hard", "dead")
        }),
    ];
    for (index, (what, tree)) in made.into_iter().enumerate() {
        // A folder of its own, and a mount of several: two ways to write. The first comes by every door.
        let doors = if index == 0 { &Door::ALL[..] } else { &[Door::Load, Door::Add] };
        by(
            doors,
            darsena,
            |canary| tree(canary.path()),
            |door, docker, output, name| {
                if output.code == 0 && door != Door::Import {
                    let line =
                        format!("cat {root}/out/file {root}/out {root}/hard 2>/dev/null; true", root = door.root());
                    let said = says(docker, name, &line);
                    assert!(!said.contains("alive"), "{what} by {door:?} shows the host's file");
                }
            },
        );
    }
}

fn between(darsena: &mut Darsena) {
    let swapped = |canary: &Canary| {
        let tree = Tree::new().folder("d").folder("d/e").file("d/e/file", "1").file("d/file", "2");
        tree.symlink("d", canary.path()).file("d/file", "dead").file("d/e/file", "dead")
    };
    by_every_door(darsena, swapped, |_, _, _, _| {});
    let deep = |canary: &Canary| {
        let up = format!("{}{}", "../".repeat(12), canary.path());
        Tree::new()
            .file("a/b/c/file", "1")
            .symlink("a/b", &up)
            .file("a/b/file", "dead")
            .folder("a/b")
            .file("a/b/file", "x")
    };
    by(&[Door::Load, Door::Add], darsena, deep, |_, _, _, _| {});
    // Back again: the folder that takes the link's place is a new one.
    let back = |canary: &Canary| Tree::new().symlink("d", canary.path()).folder("d").file("d/file", "mine");
    by(&[Door::Load, Door::Context], darsena, back, |door, docker, output, name| {
        if output.code == 0 && door != Door::Import {
            assert_eq!(says(docker, name, &format!("cat {}/d/file", door.root())), "mine", "{door:?}");
        }
    });
}

fn devices(darsena: &mut Darsena) {
    let nodes = |_: &Canary| {
        let tree = Tree::new().device(EntryType::Block, "disk", 8, 0).device(EntryType::Char, "mem", 1, 1);
        tree.entry(EntryType::Fifo, "pipe", "", b"")
    };
    by_every_door(darsena, nodes, |door, docker, output, name| {
        if door == Door::Context {
            assert!(output.fails().contains("devices are not allowed"), "{}", output.error());
            return;
        }
        output.ok();
        if door != Door::Import {
            let root = door.root();
            let line =
                format!("for one in disk mem; do head -c 1 {root}/$one 2>/dev/null && echo opened; done; echo end");
            assert_eq!(says(docker, name, &line), "end", "{door:?}");
        }
    });
}

fn duplicates(darsena: &mut Darsena) {
    let tree = |_: &Canary| {
        let tree = Tree::new().file("x", "1").folder("x").file("x/y", "2").symlink("x", "elsewhere").file("x", "3");
        tree.folder("z").file("z/a", "4").file("z", "5").link("w", "z").file("w", "6").file("bin/busybox2", "7")
    };
    by_every_door(darsena, tree, |door, docker, output, name| {
        output.ok();
        if door != Door::Import {
            let root = door.root();
            assert_eq!(says(docker, name, &format!("cat {root}/x {root}/z {root}/w")), "356", "{door:?}");
        }
    });
}
