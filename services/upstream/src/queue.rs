//! Requests that wait for a place at a server.
//!
//! They stand at a turnstile that lets one in at a time, in the order of their coming; the one who is in tries for a place
//! whenever one may have become free. Nobody who comes later can be faster, and whoever gives up, by its deadline or
//! because its request is gone, leaves by itself. An upstream without limits never comes here.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use garde::Validate;
use headwall_core::{LocalReply, units};
use http::StatusCode;
use prometheus::IntGauge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};

/// Requests that come when every server has as many as it may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Queue")]
pub struct QueueSettings {
    /// How many may wait. One more is answered with 503. Default: 100.
    #[garde(range(min = 1, max = 100_000))]
    pub length: u32,
    /// How long each may wait, before it is answered with 503. Default: `5s`.
    #[garde(custom(more_than_nothing))]
    pub timeout: units::Duration,
}

/// The turnstile of one upstream.
#[derive(Debug)]
pub(crate) struct Queue {
    turnstile: Semaphore,
    free: Notify,
    waiting: AtomicU32,
}

/// Why a request got no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// Too many wait already.
    Full,
    /// None was free in time.
    Late,
}

/// Somebody who waits is counted for as long as this is there.
struct Waiting<'a> {
    count: &'a AtomicU32,
    gauge: &'a IntGauge,
}

// === impl Queue ===

impl Queue {
    /// Whether somebody was here before.
    pub(crate) fn is_waited_in(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// A place may be free.
    pub(crate) fn place_is_free(&self) {
        if self.is_waited_in() {
            self.free.notify_one();
        }
    }

    /// Waits until `attempt` gives something.
    pub(crate) async fn wait<T>(
        &self,
        settings: &QueueSettings,
        gauge: &IntGauge,
        attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, NoPlace> {
        let waiting = Waiting { count: &self.waiting, gauge };
        gauge.inc();
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= settings.length {
            return Err(NoPlace::Full);
        }
        let place = tokio::time::timeout(settings.timeout.as_std(), self.turn(attempt)).await;
        drop(waiting);
        place.map_err(|_| NoPlace::Late)
    }

    async fn turn<T>(&self, mut attempt: impl FnMut() -> Option<T>) -> T {
        // It is never closed, and were it, everybody could go in.
        let _turn = self.turnstile.acquire().await;
        loop {
            // A word that comes between the attempt and the wait is kept.
            if let Some(place) = attempt() {
                // There may be more than one.
                self.free.notify_one();
                return place;
            }
            self.free.notified().await;
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { turnstile: Semaphore::new(1), free: Notify::new(), waiting: AtomicU32::new(0) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        self.gauge.dec();
    }
}

// === impl NoPlace ===

impl NoPlace {
    /// The answer to the request.
    pub(crate) fn reply(self, retry_after: Duration) -> LocalReply {
        let reply = match self {
            Self::Full => LocalReply::error(StatusCode::SERVICE_UNAVAILABLE, "upstream_full"),
            Self::Late => LocalReply::error(StatusCode::SERVICE_UNAVAILABLE, "upstream_queue_timeout"),
        };
        reply.retry_after(retry_after)
    }
}

// === impl QueueSettings ===

impl Default for QueueSettings {
    fn default() -> Self {
        Self { length: 100, timeout: units::Duration::from_secs(5) }
    }
}

impl QueueSettings {
    /// What a client is told to wait that got no place: by then those before it have got theirs or given up.
    pub(crate) fn retry_after(&self) -> Duration {
        self.timeout.as_std().clamp(Duration::from_secs(1), Duration::from_secs(10))
    }
}

fn more_than_nothing(timeout: &units::Duration, (): &()) -> garde::Result {
    if timeout.is_zero() { Err(garde::Error::new("expected more than nothing")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    fn settings(length: u32) -> QueueSettings {
        QueueSettings { length, timeout: units::Duration::from_secs(5) }
    }

    fn gauge() -> IntGauge {
        IntGauge::new("waiting", "Waiting.").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_given_in_the_order_of_coming() {
        let (queue, places) = (Arc::new(Queue::default()), Arc::new(AtomicUsize::new(0)));
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..20 {
            let (queue, places, said) = (queue.clone(), places.clone(), said.clone());
            tokio::spawn(async move {
                let take = || {
                    let one_less = |count: usize| count.checked_sub(1);
                    places.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).ok()
                };
                queue.wait(&settings(100), &gauge(), take).await.unwrap();
                said.send(number).unwrap();
            });
            tokio::task::yield_now().await;
        }
        for expected in (0..20).step_by(2) {
            // Two at once, told of once.
            places.fetch_add(2, Ordering::SeqCst);
            queue.place_is_free();
            assert_eq!(heard.recv().await, Some(expected));
            assert_eq!(heard.recv().await, Some(expected + 1));
        }
        assert!(!queue.is_waited_in());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_the_queue_full_or_waits_too_long_goes_away() {
        let (queue, gauge) = (Queue::default(), gauge());
        let never = || None::<()>;
        let one = settings(1);
        let waits = queue.wait(&one, &gauge, never);
        let comes_later = async {
            tokio::task::yield_now().await;
            assert_eq!(gauge.get(), 1);
            queue.wait(&one, &gauge, never).await
        };
        let since = tokio::time::Instant::now();
        assert_eq!(tokio::join!(waits, comes_later), (Err(NoPlace::Late), Err(NoPlace::Full)));
        assert_eq!(since.elapsed().as_secs(), 5);
        assert!(!queue.is_waited_in());
        assert_eq!(gauge.get(), 0, "nobody is counted any more");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_dropped_holds_nobody_up() {
        let (queue, gauge, settings) = (Queue::default(), gauge(), settings(10));
        {
            let mut gone = Box::pin(queue.wait(&settings, &gauge, || None::<()>));
            assert!(futures_poll(&mut gone).await, "it waits");
        }
        assert_eq!(queue.wait(&settings, &gauge, || Some(())).await, Ok(()));
    }

    /// Whether a future waits.
    async fn futures_poll(future: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}
