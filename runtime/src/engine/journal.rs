//! What has happened, for those who listen and those who ask later.
//!
//! The latest events of this run of the engine are remembered, in memory: what happened before them, or before the engine
//! was started, is not told again.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::broadcast;

use crate::view::Event;

/// Events that are remembered.
const REMEMBERED: usize = 4096;

/// Events a slow reader may lag behind before it loses some.
const LAG: usize = 1024;

/// The events.
pub(in crate::engine) struct Journal {
    past: Mutex<VecDeque<Event>>,
    now: broadcast::Sender<Event>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { past: Mutex::default(), now: broadcast::Sender::new(LAG) }
    }
}

impl Journal {
    /// It happened.
    pub fn add(&self, event: Event) {
        // Both within the lock, so that nobody gets an event twice or not at all.
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.len() == REMEMBERED {
            past.pop_front();
        }
        past.push_back(event.clone());
        // Nobody listening is no failure.
        let _ = self.now.send(event);
    }

    /// From now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.now.subscribe()
    }

    /// What is remembered, oldest first, and what comes.
    pub fn so_far(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        (past.iter().cloned().collect(), self.now.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_latest_are_remembered_and_none_is_told_twice() {
        let journal = Journal::default();
        let event = |number: usize| Event {
            at: Timestamp::UNIX_EPOCH,
            object: "container",
            action: "start".to_owned(),
            id: number.to_string(),
            attributes: BTreeMap::new(),
        };
        (0..REMEMBERED + 2).for_each(|number| journal.add(event(number)));
        let (past, mut coming) = journal.so_far();
        assert_eq!((past.len(), past[0].id.as_str()), (REMEMBERED, "2"));
        journal.add(event(7));
        assert_eq!(coming.try_recv().unwrap().id, "7");
        assert!(coming.try_recv().is_err());
    }
}
