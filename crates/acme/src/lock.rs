//! Locks in the storage, so that of several processes one talks to the CA.
//!
//! A lock is a file that only one process can create. Its holder writes the time into it again and again; a lock whose
//! holder has gone silent belongs to nobody, so that a killed process holds up nothing.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::pace::{Pace, until};
use crate::storage::{Storage, StorageError, unique};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    storage: Storage,
    file: String,
    owner: String,
    refreshing: JoinHandle<()>,
}

/// Waits for a lock: remembers what it saw, because a holder that never changes is gone, whatever its clock says.
#[derive(Debug)]
pub(crate) struct Waiting {
    storage: Storage,
    pace: Pace,
    file: String,
    seen: Option<(String, Instant)>,
}

/// What stands in a lock's file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Holder {
    owner: String,
    taken: Timestamp,
    refreshed: Timestamp,
}

// === impl Waiting ===

impl Waiting {
    pub(crate) fn new(storage: &Storage, pace: &Pace, name: &str) -> Self {
        let file = format!("locks/{name}.lock");
        Self { storage: storage.clone(), pace: pace.clone(), file, seen: None }
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn attempt(&mut self) -> Result<Option<Lock>, StorageError> {
        let now = self.pace.clock.now();
        let holder = Holder { owner: unique(), taken: now, refreshed: now };
        // Twice, because the first time may have cleared a lock that was nobody's.
        for _ in 0..2 {
            if self.storage.create(&self.file, &self.storage.encode(&self.file, &holder)?)? {
                return Ok(Some(Lock::hold(&self.storage, &self.pace, &self.file, holder)));
            }
            if !self.clear_if_stale(now)? {
                break;
            }
        }
        Ok(None)
    }

    /// Waits until the lock is ours.
    pub(crate) async fn taken(mut self) -> Result<Lock, StorageError> {
        loop {
            if let Some(lock) = self.attempt()? {
                return Ok(lock);
            }
            tokio::time::sleep(self.pace.lock.poll).await;
        }
    }

    fn clear_if_stale(&mut self, now: Timestamp) -> Result<bool, StorageError> {
        let Some(text) = self.storage.read(&self.file)? else { return Ok(true) };
        let stale = self.pace.lock.stale;
        // What cannot be read may be in the middle of being written.
        let holder = serde_json::from_str::<Holder>(&text).ok();
        let is_silent = holder.is_some_and(|holder| is_silent(holder.refreshed, now, stale));
        let is_still = match &self.seen {
            Some((seen, since)) if *seen == text => since.elapsed() > stale,
            _ => {
                self.seen = Some((text.clone(), Instant::now()));
                false
            }
        };
        if !is_silent && !is_still {
            return Ok(false);
        }
        // Renaming happens to one process only. Should a live lock have been caught, it is put back.
        let caught = format!("{}.{}", self.file, unique());
        let (from, to) = (self.storage.path(&self.file), self.storage.path(&caught));
        if std::fs::rename(&from, &to).is_err() {
            return Ok(false);
        }
        let is_the_same = self.storage.read(&caught)?.is_none_or(|found| found == text);
        if !is_the_same {
            std::fs::hard_link(&to, &from).unwrap_or_else(|error| {
                log::debug!("{}: a lock was lost to another process: {error}", from.display());
            });
        }
        self.storage.remove(&caught)?;
        if is_the_same {
            log::info!("{}: its holder is gone; the lock is free again", from.display());
        }
        Ok(is_the_same)
    }
}

fn is_silent(refreshed: Timestamp, now: Timestamp, stale: Duration) -> bool {
    until(now, refreshed) > stale
}

// === impl Lock ===

impl Lock {
    fn hold(storage: &Storage, pace: &Pace, file: &str, holder: Holder) -> Self {
        let owner = holder.owner.clone();
        let refreshing = tokio::spawn(refresh(storage.clone(), pace.clone(), file.to_owned(), holder));
        Self { storage: storage.clone(), file: file.to_owned(), owner, refreshing }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.refreshing.abort();
        if is_held_by(&self.storage, &self.file, &self.owner)
            && let Err(error) = self.storage.remove(&self.file)
        {
            log::warn!("a lock stays until it is stale: {error}");
        }
    }
}

fn is_held_by(storage: &Storage, file: &str, owner: &str) -> bool {
    let holder = storage.record::<Holder>(file).ok().flatten();
    holder.is_some_and(|holder| holder.owner == owner)
}

async fn refresh(storage: Storage, pace: Pace, file: String, mut holder: Holder) {
    loop {
        tokio::time::sleep(pace.lock.refresh).await;
        // A process that was suspended may find that somebody else holds it now.
        if !is_held_by(&storage, &file, &holder.owner) {
            log::warn!("{file}: the lock was lost to another process");
            return;
        }
        holder.refreshed = pace.clock.now();
        if let Err(error) = storage.write_record(&file, &holder) {
            log::warn!("the lock cannot be refreshed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::pace::{Clock, LockPace, after};
    use crate::testing::HandClock;

    fn storage() -> (tempfile::TempDir, Storage, Arc<HandClock>, Pace) {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        let clock = Arc::new(HandClock::default());
        let pace = Pace { clock: clock.clone(), ..Pace::default() };
        (dir, storage, clock, pace)
    }

    #[tokio::test(start_paused = true)]
    async fn one_holds_it_at_a_time() {
        let (_dir, storage, _, pace) = storage();
        let waiting = || Waiting::new(&storage, &pace, "app");
        let lock = waiting().attempt().unwrap().expect("nobody has it");
        assert!(waiting().attempt().unwrap().is_none(), "it is held");
        assert!(Waiting::new(&storage, &pace, "other").attempt().unwrap().is_some(), "another name is free");
        drop(lock);
        assert!(waiting().attempt().unwrap().is_some(), "it was given back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_holder_loses_it() {
        let (_dir, storage, clock, pace) = storage();
        let holder = Holder { owner: "gone".to_owned(), taken: clock.now(), refreshed: clock.now() };
        storage.write_record("locks/app.lock", &holder).unwrap();
        let mut waiting = Waiting::new(&storage, &pace, "app");
        let stale = LockPace::default().stale;
        clock.set(after(clock.now(), stale));
        assert!(waiting.attempt().unwrap().is_none(), "it may still refresh");
        clock.set(after(clock.now(), Duration::from_secs(1)));
        assert!(waiting.attempt().unwrap().is_some(), "it has gone silent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_with_a_clock_ahead_loses_it_too() {
        let (_dir, storage, clock, pace) = storage();
        for content in
            [r#"{"owner":"x","taken":"2100-01-01T00:00:00Z","refreshed":"2100-01-01T00:00:00Z"}"#, ""]
        {
            storage.write("locks/app.lock", content.as_bytes()).unwrap();
            let mut waiting = Waiting::new(&storage, &pace, "app");
            assert!(waiting.attempt().unwrap().is_none(), "first it is looked at: {content:?}");
            tokio::time::advance(LockPace::default().stale + Duration::from_secs(1)).await;
            assert!(waiting.attempt().unwrap().is_some(), "it did not change: {content:?}");
            clock.set(after(clock.now(), Duration::from_secs(60)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_refreshes_keeps_it() {
        let (_dir, storage, clock, pace) = storage();
        let _lock = Waiting::new(&storage, &pace, "app").attempt().unwrap().unwrap();
        let mut waiting = Waiting::new(&storage, &pace, "app");
        for round in 0..20 {
            clock.set(after(clock.now(), LockPace::default().refresh));
            tokio::time::sleep(LockPace::default().refresh).await;
            assert!(waiting.attempt().unwrap().is_none(), "round {round}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gets_it_when_it_is_given_back() {
        let (_dir, storage, _, pace) = storage();
        let lock = Waiting::new(&storage, &pace, "app").attempt().unwrap().unwrap();
        let waiting = tokio::spawn(Waiting::new(&storage, &pace, "app").taken());
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!waiting.is_finished());
        drop(lock);
        let taken = tokio::time::timeout(Duration::from_secs(2), waiting).await;
        taken.expect("within a poll").unwrap().unwrap();
    }
}
