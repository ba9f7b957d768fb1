//! A crowd: a hundred starts at once, against the same hundred one after the other.

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{Api, Darsena};

use super::{
    figures::{line, some, title},
    start::load_busybox,
};

const MANY: usize = 100;
const TURNS: usize = 5;

pub fn run() {
    let darsena = Darsena::start();
    load_busybox(&darsena.socket());
    let many = some(MANY);
    // What is made at the first start (the bridge, threads) belongs to neither side.
    crowd(&darsena, 1, true);
    let (mut in_a_row, mut at_once, mut each) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        in_a_row.push(crowd(&darsena, many, false).0);
        let (all, ones) = crowd(&darsena, many, true);
        at_once.push(all);
        each.extend(ones);
    }
    title(&format!("crowd: start of {many} containers on the default network"));
    line("one after the other", &in_a_row, &in_a_row);
    line("all at once", &at_once, &in_a_row);
    line("one of those that start at once", &each, &in_a_row);
}

/// Makes that many, starts them, and takes them away; gives how long all starts took together, and each of them.
fn crowd(darsena: &Darsena, many: usize, at_once: bool) -> (Duration, Vec<Duration>) {
    let socket = darsena.socket();
    let mut api = Api::connect(&socket);
    let ids: Vec<String> = (0..many)
        .map(|_| {
            let body = r#"{"Image":"bench:1","Cmd":["sleep","100000"],"HostConfig":{"Memory":67108864}}"#;
            api.json("POST", "/v1.48/containers/create", body)["Id"].as_str().unwrap().to_owned()
        })
        .collect();
    let start = |api: &mut Api, id: &String| {
        let began = Instant::now();
        api.call("POST", &format!("/v1.48/containers/{id}/start"), "");
        began.elapsed()
    };
    let began = Instant::now();
    let each: Vec<Duration> = if at_once {
        thread::scope(|scope| {
            let all: Vec<_> = ids.iter().map(|id| scope.spawn(|| start(&mut Api::connect(&socket), id))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        })
    } else {
        ids.iter().map(|id| start(&mut api, id)).collect()
    };
    let all = began.elapsed();
    for id in &ids {
        api.call("DELETE", &format!("/v1.48/containers/{id}?force=1"), "");
    }
    darsena.assert_clean();
    (all, each)
}
