//! Time as something a limiter is given, so that a test can hold it in its hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A source of time. Asked once per check, on the request path: it must not block.
pub trait Clock: Send + Sync {
    /// The time since some fixed moment. It should never go back; where it does, a zone copes as nginx does.
    fn now(&self) -> Millis;
}

/// A moment, in milliseconds since a moment that only its clock knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(u64);

/// The system's monotonic clock, counting from its own creation. It stands still while the machine is suspended.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

/// A clock that moves only when told to, for tests of anything that holds a [`Zone`](crate::Zone).
///
/// Clones show the same time: give one to the zone and keep one. It begins at zero.
#[derive(Clone, Debug, Default)]
pub struct FakeClock {
    millis: Arc<AtomicU64>,
}

// === impl Millis ===

impl Millis {
    /// The moment `millis` milliseconds after the clock's own zero.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the clock's own zero.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to this moment; negative when the clock went back.
    pub(crate) const fn since(self, earlier: Self) -> i64 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

// === impl Clock ===

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Millis {
        (**self).now()
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Millis {
        (**self).now()
    }
}

// === impl SystemClock ===

impl SystemClock {
    /// A clock that begins now, at zero.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let elapsed = self.origin.elapsed();
        // Sixty-four bits of milliseconds last longer than the machine.
        Millis(elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis()))
    }
}

// === impl FakeClock ===

impl FakeClock {
    /// A clock that shows zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time on. Less than a millisecond moves nothing.
    pub fn advance(&self, by: Duration) {
        self.millis.fetch_add(whole_millis(by), Ordering::SeqCst);
    }

    /// Moves the time back, as no monotonic clock should. The caller keeps it from passing zero.
    pub fn rewind(&self, by: Duration) {
        self.millis.fetch_sub(whole_millis(by), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Millis {
        Millis(self.millis.load(Ordering::SeqCst))
    }
}

fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_begins_at_zero_and_does_not_go_back() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(first < Millis::new(60_000), "{first:?}");
        assert!(clock.now() >= first);
    }

    #[test]
    fn fake_clock_moves_when_told_and_shares_its_time() {
        let clock = FakeClock::new();
        let seen: Arc<dyn Clock> = Arc::new(clock.clone());
        clock.advance(Duration::from_secs(2));
        assert_eq!(seen.now(), Millis::new(2_000));
        clock.rewind(Duration::from_millis(1_500));
        assert_eq!(seen.now(), Millis::new(500));
        assert_eq!(Millis::new(500).since(Millis::new(2_000)), -1_500);
    }
}
