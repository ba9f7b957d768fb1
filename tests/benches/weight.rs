//! Weight: what the server and the monitors take, in memory and of a processor, with a hundred and a thousand that run
//! and do nothing; and what one more start costs then.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use harness::{Api, Darsena, beside};

use super::{
    figures::{line, quantile, some, title},
    start::{load_busybox, one},
};

/// How many run at a time.
const STEPS: [usize; 3] = [1, 100, 1000];
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(10);
const STARTS: usize = 15;

/// What one step was like.
struct Step {
    running: usize,
    server: u64,
    monitors: u64,
    /// Parts of one processor.
    idle: [f64; 2],
    starts: Vec<Duration>,
    lists: Vec<Duration>,
}

pub fn run() {
    let darsena = Darsena::start();
    load_busybox(&darsena.socket());
    let mut api = Api::connect(&darsena.socket());
    let (mut running, mut steps) = (0, Vec::<Step>::new());
    for wanted in STEPS.map(some) {
        while running < wanted {
            let body = r#"{"Image":"bench:1","Cmd":["sleep","100000"],"HostConfig":{"Memory":67108864}}"#;
            let created = api.json("POST", "/v1.48/containers/create", body);
            api.call("POST", &format!("/v1.48/containers/{}/start", created["Id"].as_str().unwrap()), "");
            running += 1;
        }
        steps.push(step(&darsena, running));
        // It idled for as long as a server keeps a connection.
        api = Api::connect(&darsena.socket());
    }
    println!("\nweight of containers that do nothing (proportional set size; parts of one processor over {IDLE:?})");
    println!(
        "{:>8} {:>12} {:>16} {:>12} {:>14}",
        "running", "server MiB", "a monitor KiB", "server idle", "monitors idle"
    );
    for step in &steps {
        let each = step.monitors >> 10;
        let [server, monitors] = step.idle.map(|part| part * 100.0);
        let mib = step.server >> 20;
        println!(
            "{:>8} {mib:>12} {:>16} {server:>10.2} % {monitors:>12.2} %",
            step.running,
            each / step.running as u64
        );
    }
    title("a start, and a list, beside those that run");
    for step in &steps {
        line(&format!("one life beside {}", step.running), &step.starts, &steps[0].starts);
    }
    for step in &steps {
        line(&format!("GET /containers/json beside {}", step.running), &step.lists, &steps[0].lists);
    }
    let last = steps.last().unwrap();
    println!("list of {}: median {:.1?}", last.running, quantile(&last.lists, 0.5));
    let listed = api.json("GET", "/v1.48/containers/json", "");
    for container in listed.as_array().unwrap() {
        api.call("DELETE", &format!("/v1.48/containers/{}?force=1", container["Id"].as_str().unwrap()), "");
    }
    darsena.assert_clean();
}

fn step(darsena: &Darsena, running: usize) -> Step {
    let mut api = Api::connect(&darsena.socket());
    one(&mut api, "bridge");
    let starts = (0..STARTS).map(|_| one(&mut api, "bridge")).collect();
    let lists = (0..STARTS).map(|_| {
        let began = Instant::now();
        api.call("GET", "/v1.48/containers/json", "");
        began.elapsed()
    });
    let lists = lists.collect();
    let monitors = beside(darsena);
    let used = || [vec![darsena.pid()], monitors.clone()].map(|pids| pids.iter().map(|pid| ticks(*pid)).sum::<u64>());
    // What the starts left to do is done by then.
    thread::sleep(Duration::from_secs(2));
    let (began, before) = (Instant::now(), used());
    thread::sleep(IDLE);
    let (after, took) = (used(), began.elapsed().as_secs_f64());
    let idle = [0, 1].map(|side| (after[side] - before[side]) as f64 / 100.0 / took);
    let monitors = monitors.iter().map(|pid| proportional(*pid)).sum();
    Step { running, server: proportional(darsena.pid()), monitors, idle, starts, lists }
}

/// Hundredths of a second of a processor that a process has used (proc(5): fields 14 and 15 of stat).
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |it| it.1).split(' ').skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn proportional(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}
