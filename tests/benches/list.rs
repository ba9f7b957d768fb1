//! List: what a thousand containers cost, through the API and on the page.

use std::time::{Duration, Instant};

use harness::{Api, Darsena};
use regex::Regex;

use super::{
    figures::{absolute, title},
    start::load_busybox,
};

const CONTAINERS: usize = 1000;
const TIMES: usize = 60;

pub fn run() {
    let darsena = Darsena::start();
    load_busybox(&darsena.socket());
    let mut api = Api::connect(&darsena.socket());
    let time = |api: &mut Api| -> Vec<Duration> {
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let began = Instant::now();
            api.call("GET", "/v1.48/containers/json?all=1", "");
            times.push(began.elapsed());
        }
        times
    };
    let empty = time(&mut api);
    let body = r#"{"Image":"bench:1","Cmd":["true"],"Env":["A=1","B=2"],"Labels":{"kind":"bench","team":"one"}}"#;
    for _ in 0..CONTAINERS {
        api.call("POST", "/v1.48/containers/create", body);
    }
    let full = time(&mut api);
    let page = darsena.space().inside(|| page(&darsena));
    let listed = api.json("GET", "/v1.48/containers/json?all=1", "");
    assert_eq!(listed.as_array().map(Vec::len), Some(CONTAINERS));
    title("list of 1000 containers");
    absolute("GET /containers/json?all=1, before there were any", &empty);
    absolute("GET /containers/json?all=1", &full);
    absolute("GET /containers, the page", &page);
}

/// The page as the administrator gets it.
async fn page(darsena: &Darsena) -> Vec<Duration> {
    let client = harness::client();
    let form = client.get(darsena.url("/setup")).send().await.unwrap().text().await.unwrap();
    let token = Regex::new(r#"name="csrf" value="([^"]+)""#).unwrap();
    let csrf = token.captures(&form).expect("the page has a form")[1].to_owned();
    let word = darsena.setup_word();
    let fields = [("csrf", csrf.as_str()), ("word", &word), ("user", "bench"), ("password", "ropes-and-bollards-7")];
    let made = client.post(darsena.url("/setup")).header("origin", darsena.url("")).form(&fields).send().await.unwrap();
    assert!(made.status().is_redirection(), "{}", made.status());
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        let answer = client.get(darsena.url("/containers")).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await.unwrap();
        times.push(began.elapsed());
    }
    times
}
