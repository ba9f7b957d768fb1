//! Start: create, start, wait, remove of `true`, against a program that does only the system calls.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    thread,
    time::{Duration, Instant},
};

use harness::{Api, Darsena, Space, image};

use super::figures::{line, title};

/// Between isolated starts: long enough for the kernel's grace periods to be over.
const PAUSE: Duration = Duration::from_millis(150);
const ISOLATED: usize = 40;
const ROUNDS: usize = 6;
const IN_A_ROW: usize = 25;

/// The bare program, in a space of its own.
struct Floor {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    _space: Space,
}

impl Floor {
    fn start(plumbed: bool) -> Self {
        let space = Space::new();
        let rootfs = space.side().join("rootfs");
        tar::Archive::new(&image::busybox().layer_tars()[0][..]).unpack(&rootfs).unwrap();
        let mut command = space.command(env!("CARGO_BIN_EXE_floor"));
        command.arg(rootfs).arg(space.side().join("work")).arg(space.cgroup());
        if plumbed {
            command.arg("plumbed");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (ask, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, ask, answers, _space: space }
    }

    fn one(&mut self) -> Duration {
        let mut answer = String::new();
        self.ask.write_all(b"go\n").and_then(|()| self.answers.read_line(&mut answer)).unwrap();
        Duration::from_nanos(answer.trim().parse().expect("the floor says why it failed on standard error"))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The whole life through the API.
pub fn one(api: &mut Api, network: &str) -> Duration {
    let limits = r#""Memory":67108864,"PidsLimit":100,"NanoCpus":1000000000"#;
    let body = format!(r#"{{"Image":"bench:1","Cmd":["true"],"HostConfig":{{"NetworkMode":"{network}",{limits}}}}}"#);
    let began = Instant::now();
    let created = api.json("POST", "/v1.48/containers/create", &body);
    let id = created["Id"].as_str().unwrap();
    api.call("POST", &format!("/v1.48/containers/{id}/start"), "");
    let waited = api.json("POST", &format!("/v1.48/containers/{id}/wait"), "");
    api.call("DELETE", &format!("/v1.48/containers/{id}"), "");
    let took = began.elapsed();
    assert_eq!(waited["StatusCode"], 0);
    took
}

pub fn load_busybox(socket: &Path) {
    let archive = image::busybox().docker_archive(&["bench:1"]);
    Api::connect(socket).upload("/v1.48/images/load", &archive[..], archive.len() as u64);
}

/// A name, and one life of a container of that kind, timed.
type Side<'a> = (&'a str, Box<dyn FnMut() -> Duration + 'a>);

pub fn run() {
    let darsena = Darsena::start();
    load_busybox(&darsena.socket());
    let mut api = Api::connect(&darsena.socket());
    let (mut bare, mut plumbed) = (Floor::start(false), Floor::start(true));
    let mut sides: [Side<'_>; 4] = [
        ("floor: system calls alone", Box::new(|| bare.one())),
        ("floor with bridge, address and route", Box::new(|| plumbed.one())),
        ("darsena, network none", {
            let mut api = Api::connect(&darsena.socket());
            Box::new(move || one(&mut api, "none"))
        }),
        ("darsena, default network", Box::new(|| one(&mut api, "bridge"))),
    ];
    let mut isolated = vec![Vec::new(); sides.len()];
    let mut in_a_row = vec![Vec::new(); sides.len()];
    for (_, side) in &mut sides {
        side();
    }
    for _ in 0..ISOLATED {
        for ((_, side), times) in sides.iter_mut().zip(&mut isolated) {
            thread::sleep(PAUSE);
            times.push(side());
        }
    }
    for _ in 0..ROUNDS {
        for ((_, side), times) in sides.iter_mut().zip(&mut in_a_row) {
            thread::sleep(PAUSE);
            side();
            times.extend((0..IN_A_ROW).map(|_| side()));
        }
    }
    for (mode, times) in [("isolated, idle in between", isolated), ("back to back", in_a_row)] {
        title(&format!("start: create, start, wait, remove of `true`; {mode}"));
        for ((name, _), side) in sides.iter().zip(&times) {
            line(name, side, &times[0]);
        }
    }
}
