//! Names of attempts that no other Headwall gives.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of one attempt, by which its seat is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Ticket {
    roll: u64,
    number: u64,
}

/// A roll of tickets.
#[derive(Debug)]
pub(super) struct Tickets {
    /// Drawn by chance. Two rolls that meet would have to be alike in 64 bits and be at the same number.
    roll: u64,
    next: AtomicU64,
}

// === impl Tickets ===

impl Tickets {
    pub(super) fn new() -> Self {
        Self { roll: RandomState::new().hash_one("roll"), next: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> Ticket {
        Ticket { roll: self.roll, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

// === impl Ticket ===

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.roll, self.number)
    }
}
