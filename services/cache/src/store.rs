//! Where answers are kept: in memory, within a bound, and behind it on a disk, if the config says so.
//!
//! An address has all its answers in one place, one for each selection of headers, so that it is given up, and purged, as a
//! whole. quick_cache decides what has to go (S3-FIFO), and holds no lock that all workers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use headwall_core::BoxError;
use http::HeaderMap;
use prometheus::IntCounter;
use quick_cache::sync::Cache as Map;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::disk::Disk;
use crate::entry::Entry;
use crate::flights::{Course, Flights};
use crate::tally::Numbers;
use crate::way::Way;

/// The most answers of one address, all ways to it together. A client that thinks of headers must not fill the store with one page.
const VARIANTS: usize = 16;
/// For how long it is remembered that the answers of an address are not to be kept. In that time its requests go the common
/// way and do not wait for each other.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Of how many addresses that is remembered.
const PASSES: usize = 16_384;
/// How large a shard has to be, in objects of the largest size: one of them must not push out everything else.
const OBJECTS_PER_SHARD: usize = 8;

/// Keeps answers.
pub(crate) struct Store {
    answers: Map<Arc<str>, Variants, Weigh, DefaultHashBuilder, Count>,
    passes: Map<Course, Instant>,
    flights: Arc<Flights>,
    /// Bytes of answers that are on their way in.
    incoming: AtomicUsize,
    memory: usize,
    largest: usize,
    disk: Option<Arc<Disk>>,
    numbers: Numbers,
}

/// The answers of one address.
pub(crate) type Variants = Arc<[Arc<Entry>]>;

#[derive(Clone)]
struct Weigh;

/// Has what had to go written to the disk, or counts it.
#[derive(Clone)]
struct Count {
    evictions: IntCounter,
    disk: Option<Arc<Disk>>,
}

/// Bytes of an answer on its way in. Dropping it gives them back.
pub(crate) struct Held {
    store: Arc<Store>,
    bytes: usize,
}

// === impl Store ===

impl Store {
    /// A store for so many bytes of memory, and objects up to `largest`.
    pub(crate) fn new(
        memory: usize,
        largest: usize,
        disk: Option<Arc<Disk>>,
        numbers: Numbers,
    ) -> Result<Self, BoxError> {
        let cores = std::thread::available_parallelism().map_or(4, usize::from);
        let shards = (memory / largest.max(1) / OBJECTS_PER_SHARD).clamp(1, cores * 4);
        // Rounded down to a power of two, because quick_cache rounds up.
        let shards = 1 << shards.ilog2();
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity((memory / 8192).max(64))
            .weight_capacity(memory as u64)
            .build()?;
        let count = Count { evictions: numbers.evictions.clone(), disk: disk.clone() };
        Ok(Self {
            answers: Map::with_options(options, Weigh, DefaultHashBuilder::default(), count),
            passes: Map::new(PASSES),
            flights: Arc::default(),
            incoming: AtomicUsize::new(0),
            memory,
            largest,
            disk,
            numbers,
        })
    }

    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }

    /// The latest answer that is for such a request. `Err` tells whether there are answers for others.
    pub(crate) fn find(&self, url: &str, way: &Way, request: &HeaderMap) -> Result<Arc<Entry>, bool> {
        let Some(variants) = self.answers.get(url) else { return Err(false) };
        let fitting = variants.iter().filter(|entry| entry.is_for(way, request));
        fitting.max_by_key(|entry| entry.freshness.received()).cloned().ok_or(!variants.is_empty())
    }

    /// Keeps an answer, in place of the one that was there for the same requests.
    pub(crate) fn keep(&self, url: &Arc<str>, entry: Arc<Entry>) {
        let mut variants: Vec<_> = self.answers.peek(&**url).map(|old| old.to_vec()).unwrap_or_default();
        variants.retain(|old| !entry.replaces(old));
        if variants.len() >= VARIANTS {
            variants.remove(0);
        }
        variants.push(entry);
        // One address that is larger than its shard would not be kept at all.
        let room = self.answers.shard_capacity() / 2;
        while variants.len() > 1 && weight(url, &variants) > room {
            variants.remove(0);
        }
        self.put(url, variants);
    }

    /// Gives up one answer, if it is still there.
    pub(crate) fn drop_entry(&self, url: &Arc<str>, entry: &Arc<Entry>) {
        let Some(old) = self.answers.peek(&**url) else { return };
        self.put(url, old.iter().filter(|kept| !Arc::ptr_eq(kept, entry)).cloned().collect());
    }

    fn put(&self, url: &Arc<str>, variants: Vec<Arc<Entry>>) {
        if variants.is_empty() {
            self.answers.remove(&**url);
        } else {
            self.answers.insert(url.clone(), variants.into());
        }
        self.show();
    }

    /// Gives up every address of which `is_meant` says so, and has what is on its way in not be kept. How many there were.
    pub(crate) fn purge(&self, is_meant: impl Fn(&str) -> bool) -> usize {
        self.flights.void(&is_meant);
        let before = self.answers.len();
        self.answers.retain(|url, _| !is_meant(url));
        let purged = before.saturating_sub(self.answers.len());
        self.show();
        // Memory first: what it has given up before this is not written any more.
        purged + self.disk.as_ref().map_or(0, |disk| disk.purge(&is_meant))
    }

    /// Gives up one address (RFC 9111, 4.4).
    pub(crate) fn invalidate(&self, url: &str) -> bool {
        self.flights.void(|other| other == url);
        let was_kept = self.answers.remove(url).is_some();
        self.show();
        let was_on_disk = self.disk.as_ref().is_some_and(|disk| disk.invalidate(url));
        was_kept || was_on_disk
    }

    fn show(&self) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.numbers.bytes.set(signed(self.answers.weight()));
        self.numbers.entries.set(signed(self.answers.len() as u64));
    }

    /// Takes an address back from the disk. Whether there was something.
    pub(crate) async fn recall(&self, url: &Arc<str>) -> bool {
        let Some(disk) = &self.disk else { return false };
        let Some((variants, purges)) = disk.take(url).await else { return false };
        // Somebody may have fetched it meanwhile, or purged it.
        if !self.answers.contains_key(&**url) {
            self.put(url, variants);
        }
        if !disk.is_unpurged_since(purges) {
            self.answers.remove(&**url);
            return false;
        }
        true
    }

    /// What is on the disk, if there is one.
    pub(crate) fn size_on_disk(&self) -> Option<(usize, u64)> {
        self.disk.as_ref().map(|disk| disk.size())
    }

    /// How many addresses there are, and how many bytes they take.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.answers.len(), self.answers.weight())
    }

    /// Remembers that such answers are not to be kept.
    pub(crate) fn pass(&self, course: Course) {
        self.passes.insert(course, Instant::now() + REMEMBERED);
    }

    /// Whether that is remembered.
    pub(crate) fn passes(&self, course: &Course, now: Instant) -> bool {
        self.passes.get(course).is_some_and(|until| now < until)
    }

    /// Whether an object may be so large.
    pub(crate) fn takes(&self, bytes: u64) -> bool {
        bytes <= self.largest as u64
    }

    /// Begins to take something in.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        Held { store: self.clone(), bytes: 0 }
    }
}

// === impl Held ===

impl Held {
    /// Asks for so many more bytes. What is on its way in may be a quarter of what is kept, and one object at least.
    pub(crate) fn more(&mut self, bytes: usize) -> bool {
        let limit = (self.store.memory / 4).max(self.store.largest);
        let before = self.store.incoming.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before + bytes <= limit
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.store.incoming.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

// === impl Weigh ===

impl Weighter<Arc<str>, Variants> for Weigh {
    fn weight(&self, url: &Arc<str>, variants: &Variants) -> u64 {
        weight(url, variants)
    }
}

pub(crate) fn weight(url: &str, variants: &[Arc<Entry>]) -> u64 {
    (url.len() + 256 + variants.iter().map(|entry| entry.size()).sum::<usize>()) as u64
}

// === impl Count ===

impl Lifecycle<Arc<str>, Variants> for Count {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), url: Arc<str>, variants: Variants) {
        if !self.disk.as_ref().is_some_and(|disk| disk.write(url, variants)) {
            self.evictions.inc();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use headwall_core::Metrics;
    use http::{HeaderValue, StatusCode};

    use super::*;
    use crate::freshness::Timing;
    use crate::storable::{Terms, judge};

    const MEMORY: usize = 1 << 20;
    const LARGEST: usize = 64 << 10;

    fn store() -> Arc<Store> {
        let metrics = Metrics::new().unwrap();
        let gauge = |name: &str| metrics.gauges(name, "x", &[]).unwrap().with_label_values::<&str>(&[]);
        let evictions = metrics.counters("test_evictions", "x", &[]).unwrap().with_label_values::<&str>(&[]);
        let numbers = Numbers {
            bytes: gauge("test_bytes"),
            entries: gauge("test_entries"),
            disk_bytes: gauge("test_disk"),
            evictions,
        };
        Arc::new(Store::new(MEMORY, LARGEST, None, numbers).unwrap())
    }

    fn way(upstream: &str) -> Way {
        Way { route: "r".into(), upstream: upstream.into() }
    }

    /// An answer of so many bytes, for requests that say this in `x-tenant`.
    pub(crate) fn entry(bytes: usize, tenant: &str) -> (Arc<Entry>, HeaderMap) {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.headers.insert("cache-control", HeaderValue::from_static("max-age=60"));
        let terms = Terms { key_headers: vec!["x-tenant".parse().unwrap()], ..Terms::default() };
        let storable = judge(StatusCode::OK, &head.headers, false, &terms, &Timing::begin().end()).unwrap();
        let request = HeaderMap::from_iter([("x-tenant".parse().unwrap(), tenant.parse().unwrap())]);
        (Arc::new(Entry::new(&head, vec![b'x'; bytes].into(), &storable, &request, way("u"))), request)
    }

    #[test]
    fn what_is_kept_never_takes_more_than_it_may() {
        let store = store();
        for index in 0..500 {
            let url: Arc<str> = format!("http://a/{}", index % 100).into();
            store.keep(&url, entry(index * 97 % LARGEST, &(index % 7).to_string()).0);
            let (_, bytes) = store.size();
            assert!(bytes <= MEMORY as u64, "{bytes} after {index}");
        }
        let (entries, bytes) = store.size();
        assert!(entries > 4 && bytes > MEMORY as u64 / 2, "and it is used: {entries}, {bytes}");
    }

    #[test]
    fn an_address_has_one_answer_for_a_selection_and_not_too_many() {
        let store = store();
        let url: Arc<str> = "http://a/".into();
        let (first, request) = entry(1, "a");
        store.keep(&url, first);
        let (second, _) = entry(2, "a");
        store.keep(&url, second);
        assert_eq!(
            store.find(&url, &way("u"), &request).unwrap().body.len(),
            2,
            "the second has replaced the first"
        );
        assert!(matches!(store.find(&url, &way("u"), &HeaderMap::new()), Err(true)), "not for others");
        assert!(matches!(store.find(&url, &way("v"), &request), Err(true)), "not for another upstream");
        assert!(
            matches!(store.find("http://b/", &way("u"), &request), Err(false)),
            "not for another address"
        );
        for tenant in 0..40 {
            store.keep(&url, entry(1, &tenant.to_string()).0);
        }
        assert_eq!(store.answers.get(&*url).unwrap().len(), VARIANTS);
        // Large ones push out others of the same address, and never themselves.
        for tenant in 0..40 {
            let (large, request) = entry(LARGEST, &tenant.to_string());
            store.keep(&url, large);
            assert!(store.find(&url, &way("u"), &request).is_ok(), "{tenant}");
        }
    }

    #[test]
    fn what_is_on_its_way_in_is_bounded_and_given_back() {
        let store = store();
        let mut held = Vec::new();
        while held.len() < 100 {
            let mut one = store.hold();
            if !one.more(LARGEST) {
                break;
            }
            held.push(one);
        }
        assert_eq!(held.len(), MEMORY / 4 / LARGEST);
        drop(held);
        assert_eq!(store.incoming.load(Ordering::Relaxed), 0);
    }
}
