//! Leases: what a running pull or load needs is kept from being swept as unused. Memory only: after a restart nothing
//! runs, so nothing is leased.
//!
//! Invariant: a lease on a thing is taken *before* its existence is looked up, and a sweep removes a thing only inside
//! [`Leases::unless_held`], so that a thing found is a thing kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::digest::{ChainId, Digest, ImageId};

/// A thing that can be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thing {
    /// A blob.
    Blob(Digest),
    /// An unpacked layer.
    Layer(ChainId),
    /// An image.
    Image(ImageId),
}

/// All leases of one engine.
#[derive(Clone, Debug, Default)]
pub struct Leases(Arc<Mutex<HashMap<Thing, usize>>>);

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<Thing, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new, empty lease.
    pub fn open(&self) -> Lease {
        Lease { leases: self.clone(), things: Vec::new() }
    }

    /// Nobody holds anything.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Someone holds it.
    pub fn holds(&self, thing: Thing) -> bool {
        self.lock().contains_key(&thing)
    }

    /// Runs `remove` if nobody holds the thing, and lets nobody take it meanwhile. `remove` must be quick.
    pub fn unless_held<T>(&self, thing: Thing, remove: impl FnOnce() -> T) -> Option<T> {
        let held = self.lock();
        if held.contains_key(&thing) { None } else { Some(remove()) }
    }
}

/// Things held until this is dropped.
#[derive(Debug)]
pub struct Lease {
    leases: Leases,
    things: Vec<Thing>,
}

impl Lease {
    /// Holds this thing too.
    pub fn add(&mut self, thing: Thing) {
        *self.leases.lock().entry(thing).or_default() += 1;
        self.things.push(thing);
    }

    /// Ends the lease. Returns what it held, in the order it was added.
    pub fn end(mut self) -> Vec<Thing> {
        let things = self.things.clone();
        self.release();
        things
    }

    fn release(&mut self) {
        let mut held = self.leases.lock();
        for thing in self.things.drain(..) {
            if let Some(count) = held.get_mut(&thing) {
                *count -= 1;
                if *count == 0 {
                    held.remove(&thing);
                }
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_kept_until_its_last_lease_ends() {
        let leases = Leases::default();
        let thing = Thing::Blob(Digest::of(b"x"));
        let (mut first, mut second) = (leases.open(), leases.open());
        first.add(thing);
        second.add(thing);
        drop(first);
        assert_eq!(leases.unless_held(thing, || ()), None);
        assert!(leases.holds(thing));
        drop(second);
        assert_eq!(leases.unless_held(thing, || 7), Some(7));
        assert!(!leases.holds(thing));
    }
}
