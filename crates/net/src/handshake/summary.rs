//! One log line for many failed handshakes.
//!
//! Everything that listens on the Internet is scanned all day. A line for each scanner fills a disk and hides the one
//! that matters, so each failure is a line for who is debugging, and everybody else gets their number now and then.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Failure;

/// How often there is a line at most.
const EVERY: Duration = Duration::from_secs(60);

/// Failures that are not in the log yet.
#[derive(Debug)]
pub(crate) struct Summary(Mutex<Pending>);

#[derive(Debug)]
struct Pending {
    since: Option<Instant>,
    counts: BTreeMap<&'static str, u64>,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Pending { since: None, counts: BTreeMap::new() }))
    }

    /// Takes note of a failure, and writes a line when it is time for one.
    pub(crate) fn failed(&self, client: IpAddr, failure: &Failure, now: Instant) {
        log::debug!("TLS handshake with {client} failed ({}): {failure}", failure.reason());
        if let Some(line) = self.note(client, failure, now) {
            log::info!("{line}");
        }
    }

    /// The first failure begins a minute; the first one after it ends it.
    fn note(&self, client: IpAddr, failure: &Failure, now: Instant) -> Option<String> {
        let mut pending = self.0.lock();
        *pending.counts.entry(failure.reason()).or_default() += 1;
        let since = *pending.since.get_or_insert(now);
        if now.duration_since(since) < EVERY {
            return None;
        }
        let counts = std::mem::take(&mut pending.counts);
        pending.since = None;
        drop(pending);
        let mut line =
            format!("{} TLS handshakes failed since the last such line:", counts.values().sum::<u64>());
        for (reason, count) in counts {
            // Writing to a string does not fail.
            write!(line, " {reason} {count},").unwrap_or_default();
        }
        write!(line, " the last one with {client}: {failure}").unwrap_or_default();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_failures_are_one_line() {
        let summary = Summary::new();
        let client = "192.0.2.1".parse().unwrap();
        let start = Instant::now();
        for _ in 0..1000 {
            assert_eq!(summary.note(client, &Failure::Timeout, start), None);
        }
        let line = summary.note(client, &Failure::PlainHttp, start + EVERY).unwrap();
        assert!(line.starts_with("1001 TLS handshakes failed"), "{line}");
        assert!(line.contains("timeout 1000,") && line.contains("plain_http 1,"), "{line}");
        assert!(line.contains("192.0.2.1"), "{line}");
        assert_eq!(summary.note(client, &Failure::Timeout, start + EVERY * 3), None, "a new minute");
    }
}
