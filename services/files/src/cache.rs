//! Files that were asked for lately.
//!
//! A look-up and the content of a small file are kept, and believed for a while without asking the disk; then one request
//! asks whether anything has changed, and the others do not wait for it. Reading takes no lock: the map is exchanged as a
//! whole when a file comes in, which is rare once the files of a site are known.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::resource::{Resource, Variant};

/// The most look-ups that are kept. It bounds what exchanging the map costs.
const MOST: usize = 1024;

/// Look-ups by the path that was asked for.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: ArcSwap<Entries>,
    /// Held while the map is exchanged.
    changing: Mutex<()>,
    room: Arc<Room>,
    began: Instant,
    believed_for: Duration,
}

type Entries = HashMap<Box<[u8]>, Arc<Entry>>;

/// Where a path leads to.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) resource: Arc<Resource>,
    /// Whether the path names the directory that the file is the index of.
    pub(crate) is_index: bool,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    /// When the disk was asked last, in milliseconds since the cache began.
    checked: AtomicU64,
    /// Whether anybody has asked since room was made last.
    used: AtomicBool,
}

/// How many bytes of content may be kept.
#[derive(Debug)]
struct Room {
    most: u64,
    most_of_one: u64,
    taken: AtomicU64,
}

/// The content of a file, and the room that it takes.
#[derive(Debug)]
pub(crate) struct Kept {
    bytes: Bytes,
    room: Arc<Room>,
}

// === impl Cache ===

impl Cache {
    /// Keeps at most `most` bytes of content, of files with at most `most_of_one`.
    pub(crate) fn new(most: u64, most_of_one: u64, believed_for: Duration) -> Self {
        Self {
            entries: ArcSwap::default(),
            changing: Mutex::new(()),
            room: Arc::new(Room { most, most_of_one, taken: AtomicU64::new(0) }),
            began: Instant::now(),
            believed_for,
        }
    }

    /// Where a path led to a moment ago. Of those who ask when that is too long ago, one gets nothing and has to look.
    pub(crate) fn fresh(&self, path: &[u8], now: Instant) -> Option<Place> {
        if self.believed_for.is_zero() {
            return None;
        }
        let entries = self.entries.load();
        let entry = entries.get(path)?;
        let (now, checked) = (self.millis(now), entry.checked.load(Ordering::Relaxed));
        let is_old = now.saturating_sub(checked) >= millis(self.believed_for);
        if is_old
            && entry.checked.compare_exchange(checked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            return None;
        }
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(entry.place.clone())
    }

    /// Takes note of what a look-up has found. Where that is what was known already, it stays what was known, so that
    /// contents are not read again.
    pub(crate) fn keep(&self, path: &[u8], found: Place, now: Instant) -> Place {
        if self.believed_for.is_zero() && self.room.most == 0 {
            return found;
        }
        if let Some(entry) = self.entries.load().get(path)
            && entry.place.resource.is_same(&found.resource)
            && entry.place.is_index == found.is_index
        {
            entry.checked.store(self.millis(now), Ordering::Relaxed);
            return entry.place.clone();
        }
        let checked = AtomicU64::new(self.millis(now));
        let entry = Entry { place: found.clone(), checked, used: AtomicBool::new(true) };
        self.change(|entries| {
            if entries.len() >= MOST {
                make_room(entries);
            }
            entries.insert(path.into(), Arc::new(entry));
        });
        found
    }

    /// A file was not what the last look-up has said.
    pub(crate) fn forget(&self, path: &[u8]) {
        if self.entries.load().contains_key(path) {
            self.change(|entries| drop(entries.remove(path)));
        }
    }

    /// Whether the content of such a file may be kept.
    pub(crate) fn takes(&self, variant: &Variant) -> bool {
        variant.stamp.size <= self.room.most_of_one
    }

    /// Keeps the content of a file as long as the look-up of it is kept.
    pub(crate) fn keep_contents(&self, variant: &Variant, bytes: &Bytes) {
        if !self.takes(variant) || variant.contents().is_some() {
            return;
        }
        let length = bytes.len() as u64;
        if !self.room.take(length) {
            self.change(make_room);
            if !self.room.take(length) {
                return;
            }
        }
        // What somebody has kept at the same moment is let go, and gives its room back.
        variant.keep(Kept { bytes: bytes.clone(), room: self.room.clone() });
    }

    fn change(&self, change: impl FnOnce(&mut Entries)) {
        let _changing = self.changing.lock();
        let mut entries = Entries::clone(&self.entries.load());
        change(&mut entries);
        self.entries.store(Arc::new(entries));
    }

    fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.began))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Lets go of what nobody has asked for since this was done last; of half of it all where everybody has.
fn make_room(entries: &mut Entries) {
    let before = entries.len();
    entries.retain(|_, entry| entry.used.swap(false, Ordering::Relaxed));
    if entries.len() == before {
        let mut stays = false;
        entries.retain(|_, _| {
            stays = !stays;
            stays
        });
    }
}

// === impl Room ===

impl Room {
    fn take(&self, bytes: u64) -> bool {
        let more = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

// === impl Kept ===

impl Kept {
    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::tests::stamp;
    use http::HeaderValue;

    fn place(size: u64, changed: i64) -> Place {
        let plain = Variant::new(b"file".to_vec(), None, stamp(size, changed));
        let content_type = HeaderValue::from_static("text/plain");
        let resource = Resource { content_type, cache_control: None, plain, encoded: vec![] };
        Place { resource: Arc::new(resource), is_index: false }
    }

    fn cache(most: u64) -> Cache {
        Cache::new(most, 100, Duration::from_secs(1))
    }

    #[test]
    fn a_look_up_is_believed_for_a_while_and_then_one_asks() {
        let (cache, start) = (cache(1000), Instant::now());
        let later = |millis| start + Duration::from_millis(millis);
        assert!(cache.fresh(b"a", start).is_none(), "nobody has looked yet");
        cache.keep(b"a", place(1, 1), start);
        assert!(cache.fresh(b"a", later(500)).is_some());
        assert!(cache.fresh(b"a", later(1500)).is_none(), "the first one has to look");
        assert!(cache.fresh(b"a", later(1500)).is_some(), "the others do not wait");
    }

    #[test]
    fn what_has_not_changed_keeps_its_contents() {
        let (cache, now) = (cache(1000), Instant::now());
        let first = cache.keep(b"a", place(3, 1), now);
        cache.keep_contents(&first.resource.plain, &Bytes::from_static(b"abc"));
        let again = cache.keep(b"a", place(3, 1), now);
        assert_eq!(again.resource.plain.contents().unwrap(), "abc");
        let changed = cache.keep(b"a", place(3, 2), now);
        assert_eq!(changed.resource.plain.contents(), None, "another version has other contents");
    }

    #[test]
    fn contents_take_room_and_give_it_back() {
        let (cache, now) = (cache(10), Instant::now());
        let keep = |path: &str, size: usize| {
            let place = cache.keep(path.as_bytes(), place(size as u64, 1), now);
            cache.keep_contents(&place.resource.plain, &Bytes::from(vec![0; size]));
            place.resource.plain.contents().is_some()
        };
        assert!(!keep("large", 101), "larger than any that is kept");
        assert!(keep("a", 6));
        assert!(keep("b", 4));
        assert_eq!(cache.room.taken.load(Ordering::Relaxed), 10);
        keep("c", 6);
        assert!(cache.room.taken.load(Ordering::Relaxed) <= 10, "never more than there is");
        for path in ["a", "b", "c", "large"] {
            cache.forget(path.as_bytes());
        }
        assert_eq!(cache.room.taken.load(Ordering::Relaxed), 0, "all of it is given back");
    }

    #[test]
    fn paths_that_are_invented_push_nobody_out_for_good() {
        let (cache, now) = (cache(1000), Instant::now());
        cache.keep(b"hot", place(1, 1), now);
        for n in 0..5 * MOST {
            cache.keep(format!("{n}").as_bytes(), place(1, 1), now);
            assert!(cache.entries.load().len() <= MOST, "bounded");
            if cache.fresh(b"hot", now).is_none() {
                cache.keep(b"hot", place(1, 1), now);
            }
        }
        assert!(cache.fresh(b"hot", now).is_some());
    }
}
