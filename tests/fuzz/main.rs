//! Fuzzing with what stable Rust has: seeds that are kept, changed at random for a bounded time.
//!
//! ```text
//! fuzz/corpus/<target>/*     seeds; whatever once failed is kept here too
//! DARSENA_FUZZ_SECONDS       for each target, 5 when not said; 0 tries the seeds alone
//! DARSENA_FUZZ_SEED          of the random numbers, 1 when not said: the same run again
//! ```
//! A failure names a file with the input that failed. When its cause is mended it goes into the corpus.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod mutate;
mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mutate::Mutator;

/// An input that takes longer than this hangs.
const HANGS: Duration = Duration::from_secs(20);

/// Accepted inputs that are changed further.
const KEPT: usize = 256;

/// What is fuzzed.
struct Target {
    name: &'static str,
    /// Further folders of seeds, and how their files end.
    more: &'static [(&'static str, &'static str)],
    /// Words that mean something to it.
    words: &'static [&'static str],
    /// Longest input.
    most: usize,
    /// Makes checksums right again.
    mend: fn(&mut [u8]),
    /// Panics when something is wrong; says whether the input was accepted.
    run: fn(&[u8]) -> bool,
}

fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
        Err(_) => otherwise,
    }
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn seeds(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let own = format!("fuzz/corpus/{}", target.name);
    let folders = [(own.as_str(), "")].into_iter().chain(target.more.iter().copied());
    let mut found = Vec::new();
    for (folder, end) in folders {
        let listed = fs::read_dir(here(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        for path in listed.map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(end)) {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    assert!(found.len() >= 5, "{own} has {} seeds", found.len());
    found
}

/// Runs one input; panics with a file that has it when it fails.
fn attempt(target: &Target, input: &[u8], what: &str) -> bool {
    let began = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = began.elapsed();
    match done {
        Ok(accepted) if took < HANGS => accepted,
        done => {
            let file = std::env::temp_dir().join(format!("darsena-fuzz-{}-{}", target.name, std::process::id()));
            fs::write(&file, input).unwrap();
            let why = if done.is_err() { "fails".to_owned() } else { format!("takes {took:?}") };
            panic!(
                "{what} {why}; it is in {}: mend the cause, then keep it in fuzz/corpus/{}",
                file.display(),
                target.name
            );
        }
    }
}

fn fuzz(target: &Target) {
    let seeds = seeds(target);
    let mut pool: Vec<Vec<u8>> = Vec::new();
    for (path, bytes) in seeds {
        attempt(target, &bytes, &path.display().to_string());
        pool.push(bytes);
    }
    let (own, seed) = (pool.len(), number("DARSENA_FUZZ_SEED", 1));
    let mut mutator = Mutator::new(seed, target.words, target.most);
    let end = Instant::now() + Duration::from_secs(number("DARSENA_FUZZ_SECONDS", 5));
    let (mut turn, mut accepted) = (0_u64, 0_u64);
    while Instant::now() < end {
        let mut input = mutator.changed(&pool);
        (target.mend)(&mut input);
        if attempt(target, &input, &format!("input {turn} of seed {seed}")) {
            accepted += 1;
            if pool.len() < own + KEPT {
                pool.push(input);
            } else {
                let place = own + mutator.below(KEPT);
                pool[place] = input;
            }
        }
        turn += 1;
    }
    println!("{}: {own} seeds, {turn} changed inputs, {accepted} of them accepted", target.name);
}

#[test]
fn tar_apply() {
    fuzz(&targets::TAR);
}

#[test]
fn dockerfile() {
    fuzz(&targets::DOCKERFILE);
}

#[test]
fn reference() {
    fuzz(&targets::REFERENCE);
}

#[test]
fn manifest() {
    fuzz(&targets::MANIFEST);
}

#[test]
fn ignore_file() {
    fuzz(&targets::IGNORE);
}

#[test]
fn archive_of_images() {
    fuzz(&targets::ARCHIVE);
}
