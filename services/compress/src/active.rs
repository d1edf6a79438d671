//! How many responses are being compressed: each holds memory for as long as it lasts, which for a stream may be hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// So many places, and no more.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicU32,
    all: u32,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(crate) fn new(all: u32) -> Arc<Self> {
        Arc::new(Self { taken: AtomicU32::new(0), all })
    }

    /// A place, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let next = |taken: u32| (taken < self.all).then_some(taken + 1);
        // What the count protects is a number, so no order among threads is needed.
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_once_and_given_back() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        let _second = places.take().unwrap();
        assert!(places.take().is_none(), "all are taken");
        drop(first);
        assert!(places.take().is_some(), "one is free again");
    }
}
