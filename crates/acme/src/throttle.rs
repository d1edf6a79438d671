//! Our own limit on new orders, so that no fault of ours uses up what a CA allows.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// New orders of one account within [`WINDOW`].
const ORDERS: usize = 10;

const WINDOW: Duration = Duration::from_secs(10);

/// The last orders of each account.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    orders: Mutex<HashMap<String, VecDeque<Instant>>>,
}

impl Throttle {
    /// Waits until `account` may make another order, and counts it.
    pub(crate) async fn admit(&self, account: &str) {
        loop {
            let Some(until) = self.enter(account, Instant::now()) else { return };
            tokio::time::sleep_until(until).await;
        }
    }

    fn enter(&self, account: &str, now: Instant) -> Option<Instant> {
        let mut orders = self.orders.lock();
        let orders = orders.entry(account.to_owned()).or_default();
        while orders.front().is_some_and(|made| now.duration_since(*made) >= WINDOW) {
            orders.pop_front();
        }
        if orders.len() >= ORDERS {
            return orders.front().map(|made| *made + WINDOW);
        }
        orders.push_back(now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_orders_pass_in_ten_seconds_and_each_account_has_its_own() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..ORDERS {
            throttle.admit("a").await;
        }
        throttle.admit("b").await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        throttle.admit("a").await;
        assert!(start.elapsed() >= WINDOW, "the eleventh waits: {:?}", start.elapsed());
    }
}
