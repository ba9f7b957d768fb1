//! Pull of an image from Debian's docker-registry on loopback, against a pipeline that only downloads, hashes, inflates,
//! hashes and unpacks; as many layers at once as there are processors on that side.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::TcpStream,
    path::Path,
    sync::Mutex,
    thread,
    time::Instant,
};

use harness::{Api, Darsena, Registry, image::Blob};
use nix::unistd::syncfs;

use super::{
    figures::{line, no_dockerd, title},
    made::{self, hex},
    pipeline::unpack,
    settle,
};

const TURNS: usize = 3;
/// Plain bytes of the image, and its layers.
const WANTED: u64 = 500 << 20;
const LAYERS: usize = 5;

pub fn run() {
    let darsena = Darsena::start();
    let side = darsena.space().side();
    let registry = Registry::start(darsena.space());
    let made = made::layers(&side, WANTED, LAYERS, TURNS);
    let dial = darsena.space().dialler(5000);
    let (mut pipeline, mut synced, mut pulled, mut size) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (turn, layers) in made.turns.iter().enumerate() {
        let blobs = made::blobs(layers);
        size = blobs[2..].iter().map(|blob| blob.bytes.len() as u64).sum();
        registry.push_blobs("bench/pull", &turn.to_string(), &blobs);
        settle(&darsena);
        let target = side.join(format!("plain-{turn}"));
        let began = Instant::now();
        fetch_all(&dial, &blobs[2..], &target);
        pipeline.push(began.elapsed());
        syncfs(File::open(&target).unwrap()).unwrap();
        synced.push(began.elapsed());

        settle(&darsena);
        let mut api = Api::connect(&darsena.socket());
        let path = format!("/v1.48/images/create?fromImage={}/bench/pull&tag={turn}", Registry::ADDRESS);
        let began = Instant::now();
        let said = api.call("POST", &path, "");
        pulled.push(began.elapsed());
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("Downloaded newer image"), "{said}");
    }
    let (plain, entries) = (made.plain >> 20, made.entries);
    title(&format!("pull: {LAYERS} layers of {plain} MiB, {} MiB gz, {entries} entries in all", size >> 20));
    line("get | inflate + 2 x sha256 | untar (crate tar), no sync", &pipeline, &pipeline);
    line("the same, then written to disk (syncfs)", &synced, &pipeline);
    line("darsena, POST /images/create, durable when answered", &pulled, &pipeline);
    no_dockerd();
}

/// Layers side by side, as many as there are processors.
fn fetch_all(dial: &(impl Fn() -> Option<TcpStream> + Sync), layers: &[Blob], target: &Path) {
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let waiting = Mutex::new(layers.iter().enumerate());
    let next = || waiting.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((index, layer)) = next() {
                    let body = get(dial().unwrap(), &layer.digest);
                    let [blob, _] = unpack(body, &target.join(index.to_string()));
                    assert_eq!(format!("sha256:{}", hex(&blob)), layer.digest);
                }
            });
        }
    });
}

/// A blob's bytes from the registry.
fn get(mut stream: TcpStream, digest: &str) -> impl Read + Send {
    let host = Registry::ADDRESS;
    let asked = format!("GET /v2/bench/pull/blobs/{digest} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).unwrap();
    let mut reader = BufReader::with_capacity(256 << 10, stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    assert!(status.contains(" 200 "), "{status}");
    let mut header = String::new();
    while header != "\r\n" {
        header.clear();
        reader.read_line(&mut header).unwrap();
    }
    reader
}
