//! What a zone promises: nginx's numbers, a bounded table, and nothing lost between threads.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::clock::FakeClock;

mod model;
mod table;
mod threads;
mod vectors;

fn quota(rate: &str, burst: u32) -> Quota {
    Quota::new(rate.parse().unwrap(), burst)
}

fn zone(quota: Quota, entries: usize) -> (Zone<FakeClock>, FakeClock) {
    let clock = FakeClock::new();
    (Zone::with_clock(quota, NonZeroUsize::new(entries).unwrap(), clock.clone()), clock)
}

fn key(n: u32) -> Key {
    Key::address(IpAddr::V4(n.into()))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
