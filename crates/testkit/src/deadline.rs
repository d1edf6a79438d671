//! Deadlines of tests: a test that waits for ever tells nothing, one that stops with a sentence tells what did not happen.

use std::fmt::Display;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long every client and origin of this crate waits for the other side before the test fails: 10 seconds.
///
/// It is long because it is not a measurement: a test that passes never comes near it, whatever the machine. A test that
/// pauses tokio's clock while it talks over real sockets makes this deadline pass at once; it should not do both.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How often [`eventually`] asks.
const POLL: Duration = Duration::from_millis(5);

/// Awaits `work` for at most so many `seconds`.
///
/// # Panics
///
/// When the time is over, with the place in the test that was waiting.
#[track_caller]
pub fn within<F: Future>(seconds: u64, work: F) -> impl Future<Output = F::Output> {
    let place = Location::caller();
    async move {
        match timeout(Duration::from_secs(seconds), work).await {
            Ok(output) => output,
            Err(_) => panic!("what is awaited at {place} did not happen within {seconds} s"),
        }
    }
}

/// Asks `probe` again and again until it returns `Some`, for at most so many `seconds`.
///
/// This is the one polling that tests may do, and only for state that sends no signal when it changes: a health check
/// that flaps, a gauge, a connection count of another process. Where there is a signal, await the signal.
///
/// # Panics
///
/// When the time is over, with the place in the test that was waiting.
#[track_caller]
pub fn eventually<T>(seconds: u64, mut probe: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    let place = Location::caller();
    // Boxed, because what is asked is often a whole request, which is large.
    let asking = Box::pin(async move {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
    });
    async move {
        match timeout(Duration::from_secs(seconds), asking).await {
            Ok(found) => found,
            Err(_) => panic!("what is asked for at {place} did not come true within {seconds} s"),
        }
    }
}

/// Awaits `work` for [`PATIENCE`], and names what was awaited when it does not come.
pub(crate) async fn patiently<F: Future>(awaited: impl Display, work: F) -> F::Output {
    match timeout(PATIENCE, work).await {
        Ok(output) => output,
        Err(_) => panic!("waited {} s for {awaited}", PATIENCE.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn within_returns_what_comes_in_time() {
        assert_eq!(within(1, async { 7 }).await, 7);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "deadline.rs")]
    async fn within_names_the_place_that_waited() {
        within(3, pending::<()>()).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "did not happen within 3 s")]
    async fn within_ends_a_wait_that_would_not() {
        within(3, pending::<()>()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn eventually_asks_until_it_is_so() {
        let mut asked = 0;
        let found = eventually(1, async || {
            asked += 1;
            (asked == 3).then_some("there")
        })
        .await;
        assert_eq!((found, asked), ("there", 3));
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "did not come true within 1 s")]
    async fn eventually_gives_up() {
        eventually(1, async || None::<()>).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "did not come true within 1 s")]
    async fn eventually_gives_up_on_a_probe_that_hangs() {
        eventually(1, async || pending::<Option<()>>().await).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "waited 10 s for a miracle")]
    async fn patience_ends_with_a_sentence() {
        patiently("a miracle", pending::<()>()).await;
    }
}
