//! A stack of what to take back. Each step of a verb pushes its undo; a verb that comes to its end disarms the stack.
//!
//! Undo steps must be safe to run when the thing is already gone, and are run last-in first-out on any other way out.

use std::{fmt, io};

type Step = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// What to take back, newest last.
#[derive(Default)]
pub struct Undo {
    steps: Vec<(&'static str, Step)>,
}

impl Undo {
    /// Nothing to take back yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `what` names the step in the log should it fail.
    pub fn push(&mut self, what: &'static str, step: impl FnOnce() -> io::Result<()> + Send + 'static) {
        self.steps.push((what, Box::new(step)));
    }

    /// The verb succeeded: everything stays.
    pub fn disarm(mut self) {
        self.steps.clear();
    }
}

impl fmt::Debug for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|(what, _)| what)).finish()
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        while let Some((what, step)) = self.steps.pop() {
            if let Err(error) = step() {
                tracing::warn!(what, %error, "could not be taken back; the next start sweeps it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn recorder(log: &Arc<Mutex<Vec<u8>>>, mark: u8) -> impl FnOnce() -> io::Result<()> + Send + use<> {
        let log = Arc::clone(log);
        move || {
            log.lock().expect("not poisoned").push(mark);
            if mark == 2 { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn steps_run_backwards_past_failures_unless_disarmed() {
        let log = Arc::default();
        let mut undo = Undo::new();
        for mark in 1..=3 {
            undo.push("step", recorder(&log, mark));
        }
        drop(undo);
        assert_eq!(*log.lock().expect("not poisoned"), [3, 2, 1]);

        let mut undo = Undo::new();
        undo.push("step", recorder(&log, 9));
        undo.disarm();
        assert_eq!(log.lock().expect("not poisoned").len(), 3);
    }
}
