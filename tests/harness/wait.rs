//! Waiting with a deadline: for a condition, and for text in a stream.

use std::{
    io::Read,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take here before the test is a failure. Generous: it only matters when something is broken.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Asks until there is an answer. For kernel objects and remote pages that send no event; panics at the deadline.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a stream has said so far; clones share it.
#[derive(Clone, Default)]
pub struct Heard(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    closed: bool,
}

impl Heard {
    /// Reads to the end on a thread of its own.
    pub fn from(mut stream: impl Read + Send + 'static) -> Self {
        let heard = Self::default();
        let mine = heard.clone();
        thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            // A terminal answers EIO when its other side is gone: an end like any other.
            while let Ok(count @ 1..) = stream.read(&mut chunk) {
                mine.state().bytes.extend_from_slice(&chunk[..count]);
                mine.0.1.notify_all();
            }
            mine.state().closed = true;
            mine.0.1.notify_all();
        });
        heard
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Everything so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// Everything so far, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.state().bytes).into_owned()
    }

    /// Waits until the text has `needle`; gives all of the text.
    pub fn until(&self, needle: &str) -> String {
        let found = self.watch(|state| String::from_utf8_lossy(&state.bytes).contains(needle).then_some(()));
        let text = self.text();
        assert!(found.is_some(), "the stream has not said {needle:?} but:\n{text}");
        text
    }

    /// Waits for the end of the stream; gives all of its bytes.
    pub fn to_end(&self) -> Vec<u8> {
        let ended = self.watch(|state| state.closed.then_some(()));
        assert!(ended.is_some(), "the stream has not ended within {DEADLINE:?}, so far:\n{}", self.text());
        self.bytes()
    }

    /// Whether the text has `needle` before the stream ends or the deadline comes.
    pub fn says(&self, needle: &str, deadline: Duration) -> bool {
        self.watch_for(deadline, |state| String::from_utf8_lossy(&state.bytes).contains(needle).then_some(())).is_some()
    }

    fn watch<T>(&self, ready: impl Fn(&State) -> Option<T>) -> Option<T> {
        self.watch_for(DEADLINE, ready)
    }

    fn watch_for<T>(&self, patience: Duration, ready: impl Fn(&State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        loop {
            if let Some(answer) = ready(&state) {
                return Some(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return None;
            }
            state = self.0.1.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}
