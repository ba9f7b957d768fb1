//! One at a time per key: whoever wants the same thing waits, then finds it done.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

type Slots<K> = Arc<Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>>;

/// Turns by key.
#[derive(Debug)]
pub struct Turns<K>(Slots<K>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// The turn; the next one comes when it is dropped.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash> {
    key: K,
    slots: Slots<K>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Someone has it or waits for it.
    pub fn is_taken(&self, key: &K) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    fn slot(&self, key: &K) -> Arc<tokio::sync::Mutex<()>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key.clone()).or_default())
    }

    fn turn(&self, key: K, guard: OwnedMutexGuard<()>) -> Turn<K> {
        Turn { key, slots: Arc::clone(&self.0), guard: Some(guard) }
    }

    /// The turn, if nobody has it.
    pub fn try_take(&self, key: K) -> Option<Turn<K>> {
        self.slot(&key).try_lock_owned().ok().map(|guard| self.turn(key, guard))
    }

    /// Waits for the turn.
    pub async fn take(&self, key: K) -> Turn<K> {
        let guard = self.slot(&key).lock_owned().await;
        self.turn(key, guard)
    }

    /// Waits for the turn on a thread that may wait.
    pub fn take_blocking(&self, key: K) -> Turn<K> {
        let guard = self.slot(&key).blocking_lock_owned();
        self.turn(key, guard)
    }
}

impl<K: Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        self.guard.take();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the map holds it: nobody waits, and nobody can begin to while the map is locked.
        if slots.get(&self.key).is_some_and(|slot| Arc::strong_count(slot) == 1) {
            slots.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_excludes_its_key_alone_and_leaves_nothing() {
        let turns = Turns::default();
        let first = turns.take(1).await;
        assert!(turns.try_take(1).is_none());
        assert!(turns.try_take(2).is_some());
        drop(first);
        assert!(turns.try_take(1).is_some());
        assert!(turns.0.lock().expect("not poisoned").is_empty());
    }
}
