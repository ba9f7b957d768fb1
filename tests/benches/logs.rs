//! Logs: a program that writes lines as fast as it can, kept without loss, against the same program and a plain pipe.

use std::{
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use harness::{Api, Darsena, unframed};
use sha2::{Digest, Sha256};

use super::{
    figures::{rate, rates, some},
    settle,
    start::load_busybox,
};

const BYTES: usize = 256 << 20;
const TURNS: usize = 5;

/// Lines of 64 bytes, or of 8.
fn program(long: bool, bytes: usize) -> String {
    let text = if long { "0123456789".repeat(6) + "abc" } else { "0123456".to_owned() };
    format!("yes {text} | head -c {bytes}")
}

pub fn run() {
    let darsena = Darsena::start();
    load_busybox(&darsena.socket());
    let bytes = some(BYTES);
    for (name, long) in [("lines of 64 bytes", true), ("lines of 8 bytes", false)] {
        let program = program(long, bytes);
        let (mut pipe, mut file, mut kept, mut read) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let (took, sum) = piped(&program, &mut std::io::sink());
            pipe.push(took);
            settle(&darsena);
            let mut copy = std::fs::File::create(darsena.space().side().join("copy")).unwrap();
            file.push(piped(&program, &mut copy).0);
            settle(&darsena);
            let [write, back] = contained(&darsena, &program, &sum);
            kept.push(write);
            read.push(back);
        }
        rates(&format!("logs: {} MiB of {name}, MiB a second", bytes >> 20));
        rate("floor: a plain pipe, read and let go", bytes, &pipe, &pipe);
        rate("a plain pipe, read and written to a file", bytes, &file, &pipe);
        rate("darsena, from start to wait", bytes, &kept, &pipe);
        rate("darsena, GET /containers/ID/logs", bytes, &read, &pipe);
    }
}

/// Runs it with a pipe; gives how long that took, and the digest of what it said.
fn piped(program: &str, to: &mut impl std::io::Write) -> (Duration, Vec<u8>) {
    let began = Instant::now();
    let mut sum = Sha256::new();
    let mut process = Command::new("busybox").args(["sh", "-c", program]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = process.stdout.take().unwrap();
    let mut chunk = vec![0; 64 << 10];
    let mut hashing = Duration::ZERO;
    while let Ok(count @ 1..) = output.read(&mut chunk) {
        to.write_all(&chunk[..count]).unwrap();
        let hashed = Instant::now();
        sum.update(&chunk[..count]);
        hashing += hashed.elapsed();
    }
    process.wait().unwrap();
    (began.elapsed().saturating_sub(hashing), sum.finalize().to_vec())
}

/// The same in a container; gives how long it ran, and how long reading it back took.
fn contained(darsena: &Darsena, program: &str, sum: &[u8]) -> [Duration; 2] {
    let mut api = Api::connect(&darsena.socket());
    let host = r#"{"NetworkMode":"none","LogConfig":{"Type":"json-file","Config":{"max-size":"2g"}}}"#;
    let body = format!(r#"{{"Image":"bench:1","Cmd":["sh","-c","{program}"],"HostConfig":{host}}}"#);
    let created = api.json("POST", "/v1.48/containers/create", &body);
    let id = created["Id"].as_str().unwrap();
    let began = Instant::now();
    api.call("POST", &format!("/v1.48/containers/{id}/start"), "");
    let waited = api.json("POST", &format!("/v1.48/containers/{id}/wait"), "");
    let ran = began.elapsed();
    assert_eq!(waited["StatusCode"], 0);
    let began = Instant::now();
    let told = api.call("GET", &format!("/v1.48/containers/{id}/logs?stdout=1"), "");
    let read = began.elapsed();
    assert!(Sha256::digest(unframed(&told)).as_slice() == sum, "every byte is kept");
    api.call("DELETE", &format!("/v1.48/containers/{id}"), "");
    [ran, read]
}
