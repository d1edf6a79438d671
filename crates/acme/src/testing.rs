//! What the tests of this crate share.

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::pace::Clock;

/// A clock whose hands the test moves, and that always draws the middle.
#[derive(Debug)]
pub(crate) struct HandClock(Mutex<Timestamp>);

impl HandClock {
    pub(crate) fn set(&self, time: Timestamp) {
        *self.0.lock() = time;
    }
}

impl Default for HandClock {
    fn default() -> Self {
        Self(Mutex::new(Timestamp::from_second(1_800_000_000).unwrap()))
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }

    fn random(&self) -> f64 {
        0.5
    }
}
