//! How full the tables are, told when somebody asks.

use std::sync::{Arc, Weak};

use headwall_limit::Zone;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

/// Every table that limits count in.
#[derive(Clone)]
pub(super) struct ZoneWatch {
    keys: IntGaugeVec,
    evictions: IntCounterVec,
    zones: Arc<Mutex<Vec<Watched>>>,
}

/// A table, and how many of its evictions were told.
struct Watched {
    name: String,
    zone: Weak<Zone>,
    told: u64,
}

impl ZoneWatch {
    pub(super) fn new() -> prometheus::Result<Self> {
        let keys = Opts::new("headwall_rate_limit_keys", "Keys that a zone of rate limits remembers.");
        let evictions = Opts::new(
            "headwall_rate_limit_evictions_total",
            "Keys that a zone has forgotten before their time for want of room.",
        );
        Ok(Self {
            keys: IntGaugeVec::new(keys, &["zone"])?,
            evictions: IntCounterVec::new(evictions, &["zone"])?,
            zones: Arc::default(),
        })
    }

    /// Tells about a zone for as long as somebody counts in it.
    pub(super) fn add(&self, name: &str, zone: &Arc<Zone>) {
        let mut zones = self.zones.lock();
        zones.retain(|watched| watched.zone.strong_count() > 0);
        if !zones.iter().any(|watched| watched.zone.as_ptr() == Arc::as_ptr(zone)) {
            zones.push(Watched { name: name.to_owned(), zone: Arc::downgrade(zone), told: zone.evictions() });
        }
    }
}

impl Collector for ZoneWatch {
    fn desc(&self) -> Vec<&Desc> {
        [self.keys.desc(), self.evictions.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut zones = self.zones.lock();
        self.keys.reset();
        for watched in zones.iter_mut() {
            let Some(zone) = watched.zone.upgrade() else { continue };
            // While a reload is under way two tables may go by one name.
            self.keys.with_label_values(&[&watched.name]).add(i64::try_from(zone.len()).unwrap_or(i64::MAX));
            let evictions = zone.evictions();
            self.evictions.with_label_values(&[&watched.name]).inc_by(evictions - watched.told);
            watched.told = evictions;
        }
        let mut families = self.keys.collect();
        families.extend(self.evictions.collect());
        families
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use headwall_limit::{Key, Quota};

    use super::*;

    fn numbers(watch: &ZoneWatch) -> Vec<f64> {
        let value = |family: &MetricFamily| {
            let metric = family.get_metric().first()?;
            Some(metric.get_gauge().get_value() + metric.get_counter().get_value())
        };
        watch.collect().iter().filter_map(value).collect()
    }

    #[test]
    fn a_zone_is_told_of_while_it_lives_and_its_evictions_stay() {
        let watch = ZoneWatch::new().unwrap();
        let quota = Quota::new("4r/h".parse().unwrap(), 0);
        let first = Arc::new(Zone::new(quota, NonZeroUsize::new(2).unwrap()));
        watch.add("logins", &first);
        watch.add("logins", &first);
        (0..5_u32).for_each(|n| {
            first.check(Key::address(std::net::IpAddr::V4(n.into())));
        });
        assert_eq!(numbers(&watch), [2.0, 3.0]);
        assert_eq!(numbers(&watch), [2.0, 3.0], "told once");
        drop(first);
        assert_eq!(numbers(&watch), [3.0], "a counter does not go back");
    }
}
