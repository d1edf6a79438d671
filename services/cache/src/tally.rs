//! What a cache counts.

use headwall_core::{BoxError, Build};
use prometheus::{IntCounter, IntGauge};

use crate::status::Told;

const WORDS: [&str; 7] = ["hit", "updating", "miss", "expired", "revalidated", "stale", "bypass"];

/// The counters of one filter.
pub(crate) struct Tally([IntCounter; WORDS.len()]);

/// The numbers of one store.
pub(crate) struct Numbers {
    pub(crate) bytes: IntGauge,
    pub(crate) entries: IntGauge,
    pub(crate) evictions: IntCounter,
    pub(crate) disk_bytes: IntGauge,
}

impl Tally {
    pub(crate) fn new(cx: &Build<'_>) -> Result<Self, BoxError> {
        let requests = cx.metrics().counters(
            "headwall_cache_requests_total",
            "Requests that a cache has seen, by what became of them.",
            &["place", "result"],
        )?;
        Ok(Self(WORDS.map(|word| requests.with_label_values(&[cx.place(), word]))))
    }

    pub(crate) fn count(&self, told: Told) {
        let index = WORDS.iter().position(|word| *word == told.word());
        if let Some(counter) = index.and_then(|index| self.0.get(index)) {
            counter.inc();
        }
    }
}

impl Numbers {
    pub(crate) fn new(cx: &Build<'_>) -> Result<Self, BoxError> {
        let metrics = cx.metrics();
        let bytes = metrics.gauges("headwall_cache_bytes", "Memory that a cache takes.", &["place"])?;
        let entries = metrics.gauges(
            "headwall_cache_entries",
            "Addresses that a cache has answers for.",
            &["place"],
        )?;
        let evictions = metrics.counters(
            "headwall_cache_evictions_total",
            "Addresses that were given up because there was no room.",
            &["place"],
        )?;
        let disk =
            metrics.gauges("headwall_cache_disk_bytes", "Bytes of files that a cache has.", &["place"])?;
        let place = &[cx.place()];
        Ok(Self {
            bytes: bytes.with_label_values(place),
            entries: entries.with_label_values(place),
            evictions: evictions.with_label_values(place),
            disk_bytes: disk.with_label_values(place),
        })
    }
}
