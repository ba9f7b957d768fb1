//! The engine under weight: a thousand containers come and go, a hundred at once, and nothing of them is kept.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod crowd;
mod waves;

use std::process::ExitCode;

use harness::{Api, Darsena, Suite, image};

fn main() -> ExitCode {
    waves::tests(Suite::new(&[], prepare)).run()
}

fn prepare(darsena: &mut Darsena) {
    let archive = image::busybox_archive("test:1");
    Api::connect(&darsena.socket()).upload("/v1.48/images/load", &archive[..], archive.len() as u64);
}
