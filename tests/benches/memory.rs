//! Memory of the server while it pulls five large layers at once.

use std::{io::Write as _, time::Instant};

use flate2::{Compression, write::GzEncoder};
use harness::{
    Api, Darsena, Memory, Registry,
    image::{Blob, digest},
};
use tar::Builder;

use super::{
    figures::{absolute, no_dockerd, title},
    made::{header, with_manifest},
};

const LAYERS: usize = 5;
const LAYER_BYTES: usize = 500 << 20;
const FILE_BYTES: usize = 50 << 20;
/// What it is to stay under.
const AIM: u64 = 150 << 20;

pub fn run() {
    let darsena = Darsena::start();
    let registry = Registry::start(darsena.space());
    let (ids, layers): (Vec<String>, Vec<Blob>) = (0..LAYERS).map(layer).unzip();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    registry.push_blobs("bench/memory", "1", &with_manifest(&ids, layers));
    let mut api = Api::connect(&darsena.socket());
    let path = format!("/v1.48/images/create?fromImage={}/bench/memory&tag=1", Registry::ADDRESS);
    let memory = Memory::watch(darsena.pid());
    let before = memory.peak();
    let began = Instant::now();
    let said = api.call("POST", &path, "");
    let took = began.elapsed();
    let peak = memory.peak();
    assert!(String::from_utf8_lossy(&said).contains("Downloaded newer image"));
    title(&format!("memory: pull of {LAYERS} layers of {} MiB", LAYER_BYTES >> 20));
    absolute("darsena, POST /images/create", &[took]);
    let verdict = if peak < AIM { "under" } else { "NOT under" };
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "peak of the server: {} MiB, {} MiB before it; {verdict} the aim of {} MiB",
        mib(peak),
        mib(before),
        mib(AIM)
    );
    no_dockerd();
}

/// Files that can't be compressed.
fn layer(number: usize) -> (String, Blob) {
    let mut tar = Builder::new(Vec::with_capacity(LAYER_BYTES + (1 << 20)));
    let mut state = number as u64 + 1;
    for file in 0..LAYER_BYTES / FILE_BYTES {
        let mut bytes = Vec::with_capacity(FILE_BYTES);
        while bytes.len() < FILE_BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        tar.append_data(&mut header(bytes.len() as u64), format!("{number}/{file}"), bytes.as_slice()).unwrap();
    }
    let plain = tar.into_inner().unwrap();
    let mut gz = GzEncoder::new(Vec::with_capacity(plain.len() + (1 << 20)), Compression::fast());
    gz.write_all(&plain).unwrap();
    (digest(&plain), Blob::new("application/vnd.oci.image.layer.v1.tar+gzip", gz.finish().unwrap()))
}
