//! How fast a client sends or takes, counted over the time that it is waited for.
//!
//! Time in which nobody waits for the client is not its fault: an upstream that takes its time with an upload slows down
//! the client too. So a window is a span of waiting, and in each whole one a client has to have moved what the rate
//! asks for, and at least something.

use std::time::Duration;

use tokio::time::Instant;

/// The pace of one direction.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    /// Bytes that a window asks for.
    asked: u64,
    moved: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
}

impl Pace {
    /// `rate` is in bytes a second; 0 asks for nothing but that something moves in each window.
    pub(super) fn new(window: Duration, rate: u64) -> Self {
        let asked = (u128::from(rate) * window.as_millis() / 1000).try_into().unwrap_or(u64::MAX).max(1);
        Self { window, asked, moved: 0, waited: Duration::ZERO, waiting_since: None }
    }

    /// Nothing has been waited for yet.
    pub(super) fn begin(&mut self) {
        (self.moved, self.waited, self.waiting_since) = (0, Duration::ZERO, None);
    }

    /// So many bytes have come or gone.
    pub(super) fn moves(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        self.pause();
    }

    /// The client is not waited for any longer.
    pub(super) fn pause(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// The client is being waited for. Says until when it may be, or nothing if it has been for too long.
    pub(super) fn wait(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let since = *self.waiting_since.get_or_insert(now);
        if self.waited + (now - since) >= self.window {
            if self.moved < self.asked {
                return None;
            }
            self.begin();
            self.waiting_since = Some(now);
        }
        Some(self.waiting_since.unwrap_or(now) + (self.window - self.waited))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_trickles_is_seen_and_one_that_pauses_is_not() {
        let mut pace = Pace::new(10 * SECOND, 100);
        for second in 0..10 {
            assert!(pace.wait().is_some(), "{second} s");
            advance(SECOND).await;
            pace.moves(1);
        }
        assert_eq!(pace.wait(), None, "10 bytes in 10 s of waiting");

        let mut pace = Pace::new(10 * SECOND, 100);
        for round in 0..10 {
            assert!(pace.wait().is_some(), "round {round}");
            advance(9 * SECOND).await;
            pace.moves(2000);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_does_not_count() {
        let mut pace = Pace::new(10 * SECOND, 100);
        assert_eq!(pace.wait(), Some(Instant::now() + 10 * SECOND));
        advance(4 * SECOND).await;
        pace.moves(1);
        advance(1000 * SECOND).await;
        assert_eq!(pace.wait(), Some(Instant::now() + 6 * SECOND));
        advance(6 * SECOND).await;
        assert_eq!(pace.wait(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_something_has_to_move() {
        let mut pace = Pace::new(10 * SECOND, 0);
        assert!(pace.wait().is_some());
        advance(10 * SECOND).await;
        pace.moves(1);
        assert!(pace.wait().is_some(), "one byte is something");
        advance(10 * SECOND).await;
        assert_eq!(pace.wait(), None);
    }
}
