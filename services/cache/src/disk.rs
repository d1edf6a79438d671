//! A second place, larger and slower: what memory gives up is written to files, and read again when it is asked for.
//!
//! One thread writes and removes; whoever reads does so off the threads that serve requests. A file that cannot be written or
//! read costs a fetch and no more. An answer is in one of the two places, never in both, so a purge cannot miss one.

mod codec;
mod directory;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread;

use headwall_core::BoxError;
use prometheus::{IntCounter, IntGauge};
use quick_cache::sync::Cache as Map;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use tokio::sync::Semaphore;

use crate::entry::Entry;
use crate::freshness::Freshness;
use crate::store::{Variants, weight};
use directory::Directory;

/// The least that a file counts: what it takes on a disk, and what is remembered of it in memory.
const LEAST: u64 = 16 << 10;
/// How many files are read at a time.
const READERS: usize = 32;

/// Files with answers.
pub(crate) struct Disk {
    index: Map<Arc<str>, Arc<Kept>, Weigh, DefaultHashBuilder, Count>,
    jobs: Sender<Job>,
    /// Bytes that wait to be written, and how many may.
    waiting: AtomicUsize,
    most_waiting: usize,
    /// Counts purges: what was on its way meanwhile is not kept.
    purges: AtomicU64,
    readers: Semaphore,
    bytes: IntGauge,
}

/// A file. When nobody holds it any more, it is removed.
struct Kept {
    path: PathBuf,
    size: u64,
    times: Box<[Freshness]>,
    jobs: Sender<Job>,
}

/// Who writes and removes.
pub(crate) struct Writer {
    disk: Weak<Disk>,
    work: Receiver<Job>,
}

enum Job {
    Write { url: Arc<str>, variants: Variants, purges: u64 },
    Remove(PathBuf),
}

#[derive(Clone)]
struct Weigh;

/// Counts what had to go.
#[derive(Clone)]
struct Count(IntCounter);

// === impl Disk ===

impl Disk {
    /// A place for so many bytes of files. As much of `memory` as an eighth waits to be written. Nothing is written before the
    /// second value is set to work: a config that is only checked leaves no trace.
    pub(crate) fn new(
        size: u64,
        memory: usize,
        evictions: IntCounter,
        bytes: IntGauge,
    ) -> Result<(Arc<Self>, Writer), BoxError> {
        let items = usize::try_from(size / (4 * LEAST)).unwrap_or(usize::MAX).clamp(64, 1 << 20);
        let options =
            OptionsBuilder::new().shards(1).estimated_items_capacity(items).weight_capacity(size).build()?;
        let (jobs, work) = channel();
        let disk = Arc::new(Self {
            index: Map::with_options(options, Weigh, DefaultHashBuilder::default(), Count(evictions)),
            jobs,
            waiting: AtomicUsize::new(0),
            most_waiting: memory / 8,
            purges: AtomicU64::new(0),
            readers: Semaphore::new(READERS),
            bytes,
        });
        let writer = Writer { disk: Arc::downgrade(&disk), work };
        Ok((disk, writer))
    }

    /// Has the answers of an address written. Whether that will be done: a disk that is behind is left in peace.
    pub(crate) fn write(&self, url: Arc<str>, variants: Variants) -> bool {
        let bytes = usize::try_from(weight(&url, &variants)).unwrap_or(usize::MAX);
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > self.most_waiting {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        let purges = self.purges.load(Ordering::SeqCst);
        let is_sent = self.jobs.send(Job::Write { url, variants, purges }).is_ok();
        if !is_sent {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        }
        is_sent
    }

    /// Takes the answers of an address out, with the count of purges from which on they are good.
    pub(crate) async fn take(&self, url: &str) -> Option<(Vec<Arc<Entry>>, u64)> {
        if !self.index.contains_key(url) {
            return None;
        }
        let _one = self.readers.acquire().await.ok()?;
        let purges = self.purges.load(Ordering::SeqCst);
        let (_, file) = self.index.remove(url)?;
        self.show();
        let of = url.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let bytes = fs::read(&file.path).ok()?;
            codec::read(&bytes, &of, &file.times)
        });
        let variants = read.await.ok()?;
        if variants.is_none() {
            log::warn!("cache: an answer on disk could not be read");
        }
        variants.map(|variants| (variants, purges))
    }

    /// Whether nothing was purged since there were so many purges.
    pub(crate) fn is_unpurged_since(&self, purges: u64) -> bool {
        self.purges.load(Ordering::SeqCst) == purges
    }

    /// Gives up every address of which `is_meant` says so. How many there were.
    pub(crate) fn purge(&self, is_meant: impl Fn(&str) -> bool) -> usize {
        self.purges.fetch_add(1, Ordering::SeqCst);
        let before = self.index.len();
        self.index.retain(|url, _| !is_meant(url));
        self.show();
        before.saturating_sub(self.index.len())
    }

    /// Gives up one address.
    pub(crate) fn invalidate(&self, url: &str) -> bool {
        self.purges.fetch_add(1, Ordering::SeqCst);
        let was_kept = self.index.remove(url).is_some();
        self.show();
        was_kept
    }

    /// How many addresses there are, and how many bytes they take.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.index.len(), self.index.weight())
    }

    fn show(&self) {
        self.bytes.set(i64::try_from(self.index.weight()).unwrap_or(i64::MAX));
    }

    /// Writes a file, unless something was purged since that was asked for.
    fn keep(&self, directory: &Directory, url: &Arc<str>, variants: &Variants, purges: u64) {
        if self.is_unpurged_since(purges) {
            let bytes = codec::write(url, variants);
            match directory.write(&bytes) {
                Ok(path) => {
                    let times = variants.iter().map(|entry| entry.freshness).collect();
                    let file = Kept { path, size: bytes.len() as u64, times, jobs: self.jobs.clone() };
                    self.index.insert(url.clone(), Arc::new(file));
                    if !self.is_unpurged_since(purges) {
                        self.index.remove(&**url);
                    }
                    self.show();
                }
                Err(error) => log::warn!("cache: an answer could not be written: {error}"),
            }
        }
        let bytes = usize::try_from(weight(url, variants)).unwrap_or(usize::MAX);
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// === impl Writer ===

impl Writer {
    /// Makes a directory below `path` and begins to work. Where that fails, nothing is written.
    pub(crate) fn begin(self, path: &Path) -> Result<(), BoxError> {
        let directory = Directory::open(path)?;
        thread::Builder::new().name("cache-disk".to_owned()).spawn(move || self.run(&directory))?;
        Ok(())
    }

    /// Works until the last file is gone with its store. The directory goes with the thread.
    fn run(self, directory: &Directory) {
        while let Ok(job) = self.work.recv() {
            match job {
                Job::Write { url, variants, purges } => {
                    if let Some(disk) = self.disk.upgrade() {
                        disk.keep(directory, &url, &variants, purges);
                    }
                }
                Job::Remove(path) => {
                    if let Err(error) = fs::remove_file(&path) {
                        log::warn!("cache: a file could not be removed: {error}");
                    }
                }
            }
        }
    }
}

// === impl Kept ===

impl Drop for Kept {
    fn drop(&mut self) {
        // Where nobody works any more the whole directory is gone.
        drop(self.jobs.send(Job::Remove(std::mem::take(&mut self.path))));
    }
}

// === impl Weigh ===

impl Weighter<Arc<str>, Arc<Kept>> for Weigh {
    fn weight(&self, _: &Arc<str>, file: &Arc<Kept>) -> u64 {
        file.size.max(LEAST)
    }
}

// === impl Count ===

impl Lifecycle<Arc<str>, Arc<Kept>> for Count {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Arc<str>, _: Arc<Kept>) {
        self.0.inc();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use headwall_core::Metrics;

    use super::*;
    use crate::store::tests::entry;

    const MEMORY: usize = 8 << 20;

    fn disk(path: &Path, size: u64) -> Arc<Disk> {
        let metrics = Metrics::new().unwrap();
        let evictions = metrics.counters("test_evictions", "x", &[]).unwrap().with_label_values::<&str>(&[]);
        let bytes = metrics.gauges("test_bytes", "x", &[]).unwrap().with_label_values::<&str>(&[]);
        let (disk, writer) = Disk::new(size, MEMORY, evictions, bytes).unwrap();
        writer.begin(path).unwrap();
        disk
    }

    /// Waits for the thread.
    async fn until(done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the thread does its work");
            tokio::task::yield_now().await;
        }
    }

    fn files(path: &Path) -> usize {
        let stores = fs::read_dir(path).unwrap().map(|store| store.unwrap().path());
        // One of them is the lock.
        stores.map(|store| fs::read_dir(store).unwrap().count() - 1).sum()
    }

    #[tokio::test]
    async fn what_was_written_can_be_taken_back_once() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path(), 1 << 20);
        let (kept, _) = entry(5000, "a");
        assert!(disk.write("http://a/".into(), [kept.clone()].into()));
        until(|| disk.size().0 == 1).await;
        assert!(disk.take("http://b/").await.is_none());
        let (taken, _) = disk.take("http://a/").await.unwrap();
        assert_eq!(taken[0].body, kept.body);
        assert!(disk.take("http://a/").await.is_none(), "it is in one place alone");
        until(|| files(dir.path()) == 0).await;
    }

    #[tokio::test]
    async fn a_disk_is_bounded_and_left_in_peace_when_it_is_behind() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path(), 1 << 20);
        for index in 0..100 {
            let variants: Variants = [entry(60_000, "a").0].into();
            disk.write(format!("http://a/{index}").into(), variants);
            until(|| disk.waiting.load(Ordering::Relaxed) == 0).await;
            assert!(disk.size().1 <= 1 << 20, "{index}");
        }
        until(|| files(dir.path()) == disk.size().0).await;
        let huge: Variants = (0..20).map(|tenant| entry(60_000, &tenant.to_string()).0).collect();
        assert!(!disk.write("http://a/".into(), huge), "more than may wait");
    }

    #[test]
    fn what_nobody_writes_is_given_up() {
        let (bytes, evictions) = (IntGauge::new("b", "x").unwrap(), IntCounter::new("e", "x").unwrap());
        let (disk, writer) = Disk::new(1 << 20, MEMORY, evictions, bytes).unwrap();
        drop(writer);
        assert!(!disk.write("http://a/".into(), [entry(100, "a").0].into()));
        assert_eq!(disk.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_is_purged_is_gone_from_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path(), 1 << 20);
        for url in ["http://a/1", "http://a/2", "http://b/1"] {
            disk.write(url.into(), [entry(100, "a").0].into());
        }
        until(|| disk.size().0 == 3).await;
        assert!(disk.invalidate("http://b/1"));
        assert_eq!(disk.purge(|url| url.starts_with("http://a/")), 2);
        until(|| files(dir.path()) == 0).await;
        drop(disk);
        until(|| fs::read_dir(dir.path()).unwrap().count() == 0).await;
    }
}
