//! Runs a group: its tests one after the other on one server, with the clean-slate check after each.
//!
//! A test that fails, or that leaves something behind, costs the server: the next test gets a fresh one. So one broken
//! test doesn't make others fail.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::Darsena;

type Prepare = fn(&mut Darsena);
type Shared = Arc<Mutex<Option<Darsena>>>;

/// A group of tests.
pub struct Suite {
    missing: Option<String>,
    prepare: Prepare,
    shared: Shared,
    trials: Vec<Trial>,
}

impl Suite {
    /// A group that needs these programs. `prepare` runs on each fresh server before its first test.
    pub fn new(programs: &[&str], prepare: Prepare) -> Self {
        Self::group(missing(programs).or_else(|| Darsena::program().err()), prepare)
    }

    /// A group that starts no server.
    pub fn without_server(programs: &[&str]) -> Self {
        Self::needing(missing(programs))
    }

    /// A group that can't run for this reason, if there is one, and starts no server.
    pub fn needing(missing: Option<String>) -> Self {
        Self::group(missing, |_| {})
    }

    /// Tests added from now on can't run for this reason, if there is one.
    #[must_use]
    pub fn and_needing(mut self, missing: Option<String>) -> Self {
        self.missing = self.missing.or(missing);
        self
    }

    fn group(missing: Option<String>, prepare: Prepare) -> Self {
        if let (true, Some(missing)) = (required(), &missing) {
            eprintln!("DARSENA_TESTS_REQUIRED is set, but {missing}");
        }
        Self { missing, prepare, shared: Shared::default(), trials: Vec::new() }
    }

    /// Adds a test that shares the group's server and leaves no container.
    #[must_use]
    pub fn test(self, name: &str, test: impl Fn(&mut Darsena) + Send + 'static) -> Self {
        let (shared, prepare) = (self.shared.clone(), self.prepare);
        self.add(name, move || {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let darsena = shared.get_or_insert_with(|| {
                let mut darsena = Darsena::start();
                prepare(&mut darsena);
                darsena
            });
            let done = catch_unwind(AssertUnwindSafe(|| {
                test(darsena);
                darsena.assert_clean();
            }));
            let Err(panic) = done else { return Ok(()) };
            eprintln!("--- the server's log, last lines ---\n{}", last_lines(&darsena.log(), 60));
            *shared = None;
            Err(said(panic.as_ref()))
        })
    }

    /// Adds a test that makes what it needs itself.
    #[must_use]
    pub fn alone(self, name: &str, test: impl FnOnce() + Send + 'static) -> Self {
        self.add(name, move || catch_unwind(AssertUnwindSafe(test)).map_err(|panic| said(panic.as_ref())))
    }

    fn add(mut self, name: &str, test: impl FnOnce() -> Result<(), String> + Send + 'static) -> Self {
        let missing = self.missing.clone();
        let skipped = missing.is_some() && !required();
        let trial = Trial::test(name, move || match missing {
            Some(missing) => Err(Failed::from(missing)),
            None => test().map_err(Failed::from),
        });
        self.trials.push(trial.with_ignored_flag(skipped));
        self
    }

    /// Runs what the command line asks for.
    pub fn run(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads = Some(1);
        if let (Some(missing), false) = (&self.missing, required() || arguments.list) {
            eprintln!("skipped: {missing}");
        }
        let conclusion = libtest_mimic::run(&arguments, self.trials);
        // The process ends without dropping statics, so the last server is let go here.
        drop(self.shared.lock().unwrap_or_else(PoisonError::into_inner).take());
        conclusion.exit_code()
    }
}

/// Whether a test that can't run is a failure.
pub fn required() -> bool {
    std::env::var_os("DARSENA_TESTS_REQUIRED").is_some_and(|value| value != "0" && !value.is_empty())
}

/// What this machine lacks for tests that make namespaces and run these programs; `None` when nothing.
pub fn missing(programs: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("the test makes namespaces and needs root".to_owned());
    }
    let runs = |program: &&&str| {
        let find = Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null()).status();
        !find.is_ok_and(|status| status.success())
    };
    let lacking = ["unshare", "nsenter", "ip", "nft"].iter().chain(programs).find(runs)?;
    Some(format!("the program {lacking} is not installed"))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "it panicked".to_owned())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
