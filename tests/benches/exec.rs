//! Exec: create, start and wait for `true` in a container that runs; and a start to the first byte of output.

use std::time::{Duration, Instant};

use harness::{Api, Darsena};

use super::{
    figures::{absolute, quantile, some, title},
    start::load_busybox,
};

const ROUNDS: usize = 200;
/// What a start is to stay under.
const AIM: Duration = Duration::from_millis(5);

/// One exec in this container, timed.
type Kind = fn(&mut Api, &str) -> Duration;

/// Made, started and answered: the program runs.
fn started(api: &mut Api, container: &str) -> Duration {
    let body = r#"{"Cmd":["true"]}"#;
    let created = api.json("POST", &format!("/v1.48/containers/{container}/exec"), body);
    let id = created["Id"].as_str().unwrap();
    let began = Instant::now();
    api.call("POST", &format!("/v1.48/exec/{id}/start"), r#"{"Detach":true}"#);
    began.elapsed()
}

/// Made, started, heard to its end.
fn whole(api: &mut Api, container: &str) -> Duration {
    let began = Instant::now();
    let body = r#"{"Cmd":["true"],"AttachStdout":true,"AttachStderr":true}"#;
    let created = api.json("POST", &format!("/v1.48/containers/{container}/exec"), body);
    let id = created["Id"].as_str().unwrap();
    api.call("POST", &format!("/v1.48/exec/{id}/start"), "{}");
    let took = began.elapsed();
    let shown = api.json("GET", &format!("/v1.48/exec/{id}/json"), "");
    assert_eq!(shown["ExitCode"], 0);
    took
}

pub fn run() {
    let darsena = Darsena::start();
    load_busybox(&darsena.socket());
    let mut api = Api::connect(&darsena.socket());
    let created = api.json("POST", "/v1.48/containers/create", r#"{"Image":"bench:1","Cmd":["sleep","100000"]}"#);
    let id = created["Id"].as_str().unwrap().to_owned();
    api.call("POST", &format!("/v1.48/containers/{id}/start"), "");
    let kinds: [(&str, Kind); 2] =
        [("start, until the program runs", started), ("create, start, output to its end", whole)];
    title("exec of `true`, with mapped ids, filter and groups");
    let medians = kinds.map(|(name, kind)| {
        kind(&mut api, &id);
        let times: Vec<_> = (0..some(ROUNDS)).map(|_| kind(&mut api, &id)).collect();
        absolute(name, &times);
        quantile(&times, 0.5)
    });
    let verdict = if medians[0] < AIM { "under" } else { "NOT under" };
    println!("the median of a start is {verdict} the aim of {AIM:?}");
    api.call("DELETE", &format!("/v1.48/containers/{id}?force=1"), "");
}
