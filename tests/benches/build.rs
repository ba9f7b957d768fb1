//! Builds through the API: twelve steps, anew and from the cache, against the containers that their RUN steps are; a COPY
//! of ten thousand files against unpacking them, packing them and unpacking them again.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use harness::{Api, Darsena};
use nix::unistd::syncfs;
use tar::Builder;

use super::{
    figures::{absolute, line, no_dockerd, title},
    made::header,
    settle, start,
};

const TURNS: usize = 5;
const RUNS: usize = 7;
const FILES: usize = 10_000;
const FILE_BYTES: usize = 4 << 10;

pub fn run() {
    let darsena = Darsena::start();
    start::load_busybox(&darsena.socket());
    steps(&darsena);
    copy(&darsena);
    no_dockerd();
}

/// A context of these files.
fn context(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, bytes) in files {
        tar.append_data(&mut header(bytes.len() as u64), path, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Builds it; gives how long that took and whether all steps were known.
fn build(darsena: &Darsena, context: &[u8]) -> (Duration, String) {
    let mut api = Api::connect(&darsena.socket());
    let began = Instant::now();
    let said = api.upload("/v1.48/build?t=bench%3Abuilt&rm=1", context, context.len() as u64);
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("Successfully tagged bench:built"), "{said}");
    (took, said)
}

/// FROM, ENV, WORKDIR, COPY, LABEL and seven RUN.
fn twelve(turn: usize) -> Vec<u8> {
    let runs = (0..RUNS).fold(String::new(), |text, run| format!("{text}RUN echo {turn} {run} >file{run}\n"));
    let file = format!("FROM bench:1\nENV turn={turn}\nWORKDIR /work\nCOPY copied ./\n{runs}LABEL turn={turn}\n");
    context([("Dockerfile".to_owned(), file.into_bytes()), ("copied".to_owned(), turn.to_string().into_bytes())])
}

fn steps(darsena: &Darsena) {
    let mut api = Api::connect(&darsena.socket());
    let (mut floor, mut anew, mut cached) = (Vec::new(), Vec::new(), Vec::new());
    build(darsena, &twelve(TURNS));
    for turn in 0..TURNS {
        let context = twelve(turn);
        floor.push((0..RUNS).map(|_| start::one(&mut api, "bridge")).sum());
        let (took, said) = build(darsena, &context);
        assert!(!said.contains("Using cache\\n\"}\r\n{\"stream\":\"Step 12/12"), "it is to be built anew");
        anew.push(took);
        let (took, said) = build(darsena, &context);
        assert_eq!(said.matches("Using cache").count(), 11, "{said}");
        cached.push(took);
    }
    title(&format!("build: twelve steps, {RUNS} of them RUN"));
    line(&format!("{RUNS} containers: create, start, wait, remove"), &floor, &floor);
    line("darsena, POST /build, nothing known", &anew, &floor);
    absolute("darsena, POST /build, everything known", &cached);
}

fn copy(darsena: &Darsena) {
    let side = darsena.space().side();
    let (mut floor, mut built) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let file = "FROM bench:1\nCOPY . /copied\n";
        let files = (0..FILES).map(|number| {
            let mut bytes = format!("{turn} {number}").into_bytes();
            bytes.resize(FILE_BYTES, b'x');
            (format!("folder{}/file{number}", number / 100), bytes)
        });
        let context = context([("Dockerfile".to_owned(), file.as_bytes().to_vec())].into_iter().chain(files));
        settle(darsena);
        let began = Instant::now();
        twice(&context, &side.join(format!("plain-{turn}")));
        floor.push(began.elapsed());
        settle(darsena);
        built.push(build(darsena, &context).0);
    }
    let mib = (FILES * FILE_BYTES) >> 20;
    title(&format!("build: COPY of {FILES} files, {mib} MiB"));
    line("untar, tar, untar (crate tar), written to disk", &floor, &floor);
    line("darsena, POST /build, durable when answered", &built, &floor);
}

fn twice(archive: &[u8], target: &Path) {
    let (first, second) = (target.join("1"), target.join("2"));
    fs::create_dir_all(target).unwrap();
    tar::Archive::new(archive).unpack(&first).unwrap();
    let packed = target.join("packed.tar");
    let mut tar = Builder::new(std::io::BufWriter::with_capacity(256 << 10, File::create(&packed).unwrap()));
    tar.append_dir_all(".", &first).unwrap();
    tar.into_inner().unwrap().flush().unwrap();
    tar::Archive::new(std::io::BufReader::with_capacity(256 << 10, File::open(&packed).unwrap()))
        .unpack(&second)
        .unwrap();
    syncfs(File::open(&second).unwrap()).unwrap();
}
