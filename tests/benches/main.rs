//! The benches: how far from the floor. They print ratios and never fail for a time.
//!
//! ```text
//! cargo build --release && cargo bench -p tests [start] [crowd] [stop] [exec] [logs] [network] [weight] [list] [load] [pull]
//!     [build] [memory]
//! ```
//!
//! Each runs the release `darsena` in namespaces of its own, with a data root below `DARSENA_TESTS_DIR` (`/var/tmp`).
//! What is compared is measured in turns, so that a busy machine burdens both sides alike. Read ratios, not milliseconds.

#![allow(clippy::unwrap_used, reason = "a bench that meets the unexpected fails")]

mod build;
mod crowd;
mod exec;
mod figures;
mod list;
mod load;
mod logs;
mod made;
mod memory;
mod network;
mod pipeline;
mod pull;
mod start;
mod stop;
mod weight;

use std::{fs, process::ExitCode};

use harness::{Darsena, missing};

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let program = match (missing(&[]), Darsena::program()) {
        (Some(missing), _) => Err(missing),
        (None, Err(_)) => Err("the release program is not built: run `cargo build --release` first".to_owned()),
        (None, Ok(program)) => Ok(program),
    };
    match program {
        Ok(program) => println!("program: {}\nmachine: {}", program.display(), machine()),
        Err(reason) => {
            eprintln!("benches: {reason}");
            return ExitCode::FAILURE;
        }
    }
    let benches: [(&str, fn()); 12] = [
        ("start", start::run),
        ("crowd", crowd::run),
        ("stop", stop::run),
        ("exec", exec::run),
        ("logs", logs::run),
        ("network", network::run),
        ("weight", weight::run),
        ("list", list::run),
        ("load", load::run),
        ("pull", pull::run),
        ("build", build::run),
        ("memory", memory::run),
    ];
    for (name, bench) in benches {
        if asked.is_empty() || asked.iter().any(|one| one == name) {
            bench();
        }
    }
    ExitCode::SUCCESS
}

/// So that no side pays for the other's dirty pages.
fn settle(darsena: &Darsena) {
    nix::unistd::syncfs(fs::File::open(darsena.space().side()).unwrap()).unwrap();
}

/// Processor, count, kernel, load: what the numbers depend on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |it| it.1);
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), figures::load());
    format!("{cpus} x {model}, Linux {}, load {load}", kernel.trim())
}
