//! Load of an image through the API, against a pipeline that only inflates, hashes twice and unpacks.
//!
//! Each turn gets an image of its own and fresh folders; nothing is removed in between, since ext4 makes files slowly
//! soon after many were removed.

use std::{fs::File, path::Path, time::Instant};

use harness::{Api, Darsena};
use nix::unistd::syncfs;
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::Builder;

use super::{
    figures::{line, title},
    made::{self, Layer, header, hex},
    pipeline::unpack,
    settle,
};

const TURNS: usize = 3;
/// Plain bytes of the layer.
const WANTED: u64 = 300 << 20;

pub fn run() {
    let darsena = Darsena::start();
    let side = darsena.space().side();
    let made = made::layers(&side, WANTED, 1, TURNS);
    let size = made.turns[0][0].file.metadata().unwrap().len();
    let mut pipeline = Vec::new();
    let mut synced = Vec::new();
    let mut loaded = Vec::new();
    for (turn, layers) in made.turns.iter().enumerate() {
        let archive = side.join(format!("image-{turn}.tar"));
        archive_of(&archive, &layers[0], turn);
        settle(&darsena);
        let target = side.join(format!("plain-{turn}"));
        let began = Instant::now();
        unpack(File::open(&layers[0].file).unwrap(), &target);
        pipeline.push(began.elapsed());
        syncfs(File::open(&target).unwrap()).unwrap();
        synced.push(began.elapsed());

        settle(&darsena);
        let mut api = Api::connect(&darsena.socket());
        let length = archive.metadata().unwrap().len();
        let began = Instant::now();
        let said = api.upload("/v1.48/images/load", File::open(&archive).unwrap(), length);
        loaded.push(began.elapsed());
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(&format!("load{turn}:1")), "{said}");
    }
    title(&format!("load: a layer of {} MiB, {} MiB gz, {} entries", made.plain >> 20, size >> 20, made.entries));
    line("inflate + 2 x sha256 | untar (crate tar), no sync", &pipeline, &pipeline);
    line("the same, then written to disk (syncfs)", &synced, &pipeline);
    line("darsena, POST /images/load, durable when answered", &loaded, &pipeline);
}

fn archive_of(archive: &Path, layer: &Layer, turn: usize) {
    let config = made::config(&[&layer.diff_id]);
    let name = format!("{}.json", hex(&Sha256::digest(&config)));
    let manifest = json!([{"Config": name, "RepoTags": [format!("load{turn}:1")], "Layers": ["layer.tar"]}]);
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let mut tar = Builder::new(File::create(archive).unwrap());
    for (name, bytes) in [(name.as_str(), &config), ("manifest.json", &manifest)] {
        tar.append_data(&mut header(bytes.len() as u64), name, bytes.as_slice()).unwrap();
    }
    let mut file = File::open(&layer.file).unwrap();
    tar.append_file("layer.tar", &mut file).unwrap();
    tar.finish().unwrap();
}
