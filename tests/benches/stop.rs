//! Stop: from the request to the answer, of a program that ends when asked, against a bare process that is asked and
//! waited for.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use harness::{Api, Darsena};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    figures::{line, some, title},
    start::load_busybox,
};

const ROUNDS: usize = 60;

/// Time of one that runs alone.
fn bare() -> Duration {
    let mut process = Command::new("busybox").args(["sleep", "100000"]).spawn().unwrap();
    let began = Instant::now();
    kill(Pid::from_raw(process.id() as i32), Signal::SIGTERM).unwrap();
    process.wait().unwrap();
    began.elapsed()
}

fn contained(api: &mut Api, network: &str, verb: &str) -> Duration {
    let host = format!(r#"{{"NetworkMode":"{network}","Memory":67108864,"Init":true}}"#);
    let body = format!(r#"{{"Image":"bench:1","Cmd":["sleep","100000"],"HostConfig":{host}}}"#);
    let created = api.json("POST", "/v1.48/containers/create", &body);
    let id = created["Id"].as_str().unwrap();
    api.call("POST", &format!("/v1.48/containers/{id}/start"), "");
    let began = Instant::now();
    api.call("POST", &format!("/v1.48/containers/{id}/{verb}"), "");
    let took = began.elapsed();
    api.call("DELETE", &format!("/v1.48/containers/{id}"), "");
    took
}

pub fn run() {
    let darsena = Darsena::start();
    load_busybox(&darsena.socket());
    let mut api = Api::connect(&darsena.socket());
    let sides = [("none", "stop?t=10"), ("none", "kill"), ("bridge", "stop?t=10"), ("bridge", "kill")];
    let (mut floor, mut times) = (Vec::new(), sides.map(|_| Vec::new()));
    contained(&mut api, "bridge", "kill");
    for _ in 0..some(ROUNDS) {
        floor.push(bare());
        for ((network, verb), times) in sides.iter().zip(&mut times) {
            times.push(contained(&mut api, network, verb));
        }
    }
    title("stop: from the request to the answer");
    line("floor: a bare process, signalled and waited for", &floor, &floor);
    for ((network, verb), times) in sides.iter().zip(&times) {
        line(&format!("darsena, network {network}, {}", verb.trim_end_matches("?t=10")), times, &floor);
    }
}
