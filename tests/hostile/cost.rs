//! Archives that claim or cost too much: refused soon, in little memory.

use std::io::Write as _;

use harness::{Darsena, Memory, Suite};
use tar::EntryType;

use crate::{
    doors::{Door, Tree, header},
    leaves_nothing,
};

/// What refusing any of these may take.
const ROOM: u64 = 100 << 20;

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("holes_cost_nothing_and_are_counted", holes)
        .test("ten_million_entries_are_too_many", entries)
        .test("names_do_not_fill_the_memory", names)
        .test("what_swells_out_of_proportion_is_refused", bombs)
        .test("many_images_of_one_archive_do_not_fill_the_memory", documents)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn holes(darsena: &mut Darsena) {
    let memory = Memory::watch(darsena.pid());
    for door in Door::ALL {
        let others = if door == Door::Import { &[(".wh.hole", 8 << 40), ("hole", 1 << 62)][..] } else { &[] };
        for &(name, bytes) in [("hole", 8 << 40)].iter().chain(others) {
            leaves_nothing(darsena, |docker| {
                let error = door.carry(darsena, docker, &Tree::new().sparse(name, bytes), "hostile:1").fails();
                assert!(error.contains("exceeds the limit of"), "{door:?}: {error}");
            });
        }
    }
    leaves_nothing(darsena, |docker| {
        Door::Load.carry(darsena, docker, &Tree::new().sparse("hole", 64 << 20), "hostile:1").ok();
        let line = "stat -c %s /hole; du -k /hole | cut -f1";
        let said = docker.run(&["run", "--rm", "hostile:1", "sh", "-c", line]).ok();
        let (size, kib) = said.split_once('\n').unwrap();
        assert_eq!(size, (64 << 20).to_string());
        assert!(kib.parse::<u64>().unwrap() < 1024, "a hole stays one: {kib} KiB");
    });
    leaves_nothing(darsena, |docker| {
        let archive = Tree::new().sparse("manifest.json", 8 << 40).done();
        let error = docker.run_with(&["load"], &archive).fails();
        assert!(error.contains("sparse"), "{error}");
        let large = header(EntryType::Regular, b"manifest.json", b"", 1 << 60);
        let error = docker.run_with(&["load"], large.as_bytes()).fails();
        assert!(error.contains("no space left on device"), "{error}");
    });
    assert!(memory.grown() < ROOM, "the server took {} bytes more", memory.grown());
}

/// So many times the same part, each a member of its own: compressed once.
fn repeated(part: &[u8], times: usize) -> Vec<u8> {
    gzip(part).repeat(times)
}

fn entries(darsena: &mut Darsena) {
    // What is only noted, so that it is the number alone that counts.
    let part = header(EntryType::XGlobalHeader, b"noted", b"", 0).as_bytes().repeat(100_000);
    let archive = repeated(&part, 100);
    let memory = Memory::watch(darsena.pid());
    leaves_nothing(darsena, |docker| {
        let error = docker.run_with(&["import", "-", "hostile:1"], &archive).fails();
        assert!(error.contains("exceeds the limit of 1000000 entries"), "{error}");
    });
    leaves_nothing(darsena, |docker| {
        let error = docker.run_with(&["load"], &archive).fails();
        assert!(error.contains("more than 100000 entries"), "{error}");
    });
    assert!(memory.grown() < ROOM, "the server took {} bytes more", memory.grown());
}

/// An entry whose name is in a record before it.
fn long_named(kind: EntryType, name: &[u8]) -> Vec<u8> {
    let mut bytes = header(EntryType::GNULongName, b"././@LongLink", b"", name.len() as u64 + 1).as_bytes().to_vec();
    bytes.extend_from_slice(name);
    bytes.resize((bytes.len() + 1).next_multiple_of(512), 0);
    bytes.extend_from_slice(header(kind, b"short", b"", 0).as_bytes());
    bytes
}

fn names(darsena: &mut Darsena) {
    let memory = Memory::watch(darsena.pid());
    leaves_nothing(darsena, |docker| {
        let names = (0..400).flat_map(|turn| {
            let name = [format!("{turn}").as_bytes(), &vec![b'n'; 1 << 20]].concat();
            gzip(&long_named(EntryType::Symlink, &name))
        });
        docker.run_with(&["load"], &names.collect::<Vec<u8>>()).fails();
    });
    assert!(memory.grown() < ROOM, "the server took {} bytes more", memory.grown());
}

fn bombs(darsena: &mut Darsena) {
    let memory = Memory::watch(darsena.pid());
    // Five GiB of nothing in an entry that nobody wants.
    let zeros = vec![0; 64 << 20];
    let head = header(EntryType::Directory, b"zeros", b"", 5 << 30);
    let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let bomb = [frame(head.as_bytes()), frame(&zeros).repeat(80)].concat();
    assert!(bomb.len() < 2 << 20);
    leaves_nothing(darsena, |docker| {
        let error = docker.run_with(&["load"], &bomb).fails();
        assert!(error.contains("it inflates to far more than it should"), "{error}");
        let error = docker.run_with(&["import", "-", "hostile:1"], &bomb).fails();
        assert!(error.contains("it inflates to far more than it should"), "{error}");
        let file = Tree::new().file("Dockerfile", "FROM scratch\n");
        let context = [frame(file.open()), bomb].concat();
        let error = docker.run_with(&["build", "-"], &context).fails();
        assert!(error.contains("it inflates to far more than it should"), "{error}");
    });
    assert!(memory.grown() < ROOM, "the server took {} bytes more", memory.grown());
}

fn documents(darsena: &mut Darsena) {
    let memory = Memory::watch(darsena.pid());
    leaves_nothing(darsena, |docker| {
        let config = format!(r#"{{"os":"linux","rootfs":{{"type":"layers","diff_ids":[]}}}}{}"#, " ".repeat(7 << 20));
        let one = r#"{"Config":"c","RepoTags":null,"Layers":[]}"#;
        let manifest = format!("[{}]", vec![one; 20_000].join(","));
        let archive = Tree::new().file("c", &config).file("manifest.json", &manifest).done();
        let error = docker.run_with(&["load"], &archive).fails();
        assert!(error.contains("its documents are larger than"), "{error}");
    });
    assert!(memory.grown() < ROOM + (64 << 20), "the server took {} bytes more", memory.grown());
}
