//! Those who want the same thing wait for one of them.
//!
//! The first who finds nothing leads: it asks the upstream. Whoever comes meanwhile waits for it to land, for a while. What
//! was fetched but may not be kept helps nobody, so all of them go on their own then; so they do when the leader takes too
//! long.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout_at};

use crate::way::Way;

const SHARDS: usize = 16;

/// Everything that is being fetched.
pub(crate) struct Flights {
    shards: [Mutex<HashMap<Course, Flight>>; SHARDS],
    hasher: RandomState,
}

/// What is being fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Course {
    pub(crate) url: Arc<str>,
    pub(crate) way: Way,
    /// For somebody who has said who it is.
    pub(crate) is_personal: bool,
}

struct Flight {
    since: Instant,
    landing: watch::Receiver<Landing>,
    is_void: Arc<AtomicBool>,
}

/// What has become of a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    /// Nothing yet.
    Aloft,
    /// The answer is in the store.
    Kept,
    /// It is not.
    NotKept,
    /// There is none, and what is kept may be given though it is no longer good.
    InVain,
}

/// What somebody does who finds nothing.
pub(crate) enum Part {
    Lead(Lead),
    Follow(Wait),
}

/// The one who fetches. Dropping it lands.
pub(crate) struct Lead {
    flights: Arc<Flights>,
    course: Course,
    landing: watch::Sender<Landing>,
    is_void: Arc<AtomicBool>,
}

/// One who waits.
pub(crate) struct Wait {
    landing: watch::Receiver<Landing>,
    until: Instant,
}

// === impl Flights ===

impl Flights {
    /// Leads, or waits for whoever leads already, until that has taken `patience`.
    pub(crate) fn join(self: &Arc<Self>, course: &Course, patience: Duration) -> Part {
        let mut flights = self.shard(course).lock();
        if let Some(flight) = flights.get(course) {
            return Part::Follow(Wait { landing: flight.landing.clone(), until: flight.since + patience });
        }
        let (landing, seen) = watch::channel(Landing::Aloft);
        let is_void = Arc::new(AtomicBool::new(false));
        let flight = Flight { since: Instant::now(), landing: seen, is_void: is_void.clone() };
        flights.insert(course.clone(), flight);
        drop(flights);
        Part::Lead(Lead { flights: self.clone(), course: course.clone(), landing, is_void })
    }

    /// Has what is being fetched from such addresses not be kept.
    pub(crate) fn void(&self, is_meant: impl Fn(&str) -> bool) {
        for shard in &self.shards {
            for (course, flight) in shard.lock().iter() {
                if is_meant(&course.url) {
                    flight.is_void.store(true, Ordering::SeqCst);
                }
            }
        }
    }

    fn shard(&self, course: &Course) -> &Mutex<HashMap<Course, Flight>> {
        let hash = self.hasher.hash_one(course);
        &self.shards[usize::from(hash.to_le_bytes()[0]) % SHARDS]
    }
}

impl Default for Flights {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

// === impl Lead ===

impl Lead {
    pub(crate) fn course(&self) -> &Course {
        &self.course
    }

    /// Whether what is fetched may be kept: nobody has purged it meanwhile.
    pub(crate) fn is_good(&self) -> bool {
        !self.is_void.load(Ordering::SeqCst)
    }

    /// Tells those who wait.
    pub(crate) fn land(self, landing: Landing) {
        self.landing.send_replace(landing);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.shard(&self.course).lock().remove(&self.course);
        self.landing.send_if_modified(|landing| {
            let is_open = *landing == Landing::Aloft;
            *landing = if is_open { Landing::NotKept } else { *landing };
            is_open
        });
    }
}

// === impl Wait ===

impl Wait {
    /// What has become of it; `Aloft` when it has taken too long.
    pub(crate) async fn landing(mut self) -> Landing {
        match timeout_at(self.until, self.landing.wait_for(|landing| *landing != Landing::Aloft)).await {
            Ok(Ok(landing)) => *landing,
            Ok(Err(_)) => Landing::NotKept,
            Err(_) => Landing::Aloft,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn course(url: &str) -> Course {
        let way = Way { route: "r".into(), upstream: "u".into() };
        Course { url: url.into(), way, is_personal: false }
    }

    fn lead(flights: &Arc<Flights>, url: &str) -> Lead {
        match flights.join(&course(url), PATIENCE) {
            Part::Lead(lead) => lead,
            Part::Follow(_) => panic!("somebody leads already"),
        }
    }

    fn follow(flights: &Arc<Flights>, url: &str) -> Wait {
        match flights.join(&course(url), PATIENCE) {
            Part::Follow(wait) => wait,
            Part::Lead(_) => panic!("nobody leads"),
        }
    }

    #[tokio::test]
    async fn one_leads_and_the_others_hear_of_it() {
        let flights = Arc::new(Flights::default());
        let first = lead(&flights, "a");
        let (one, two) = (follow(&flights, "a"), follow(&flights, "a"));
        drop(lead(&flights, "b"));
        first.land(Landing::Kept);
        assert_eq!((one.landing().await, two.landing().await), (Landing::Kept, Landing::Kept));
        let again = lead(&flights, "a");
        let wait = follow(&flights, "a");
        drop(again);
        assert_eq!(wait.landing().await, Landing::NotKept, "a leader that fails lands too");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_leader_that_takes_too_long() {
        let flights = Arc::new(Flights::default());
        let first = lead(&flights, "a");
        let begun = Instant::now();
        assert_eq!(follow(&flights, "a").landing().await, Landing::Aloft);
        assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs());
        assert_eq!(follow(&flights, "a").landing().await, Landing::Aloft);
        assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs(), "who comes then does not wait at all");
        drop(first);
    }

    #[test]
    fn what_is_purged_while_it_is_fetched_is_not_kept() {
        let flights = Arc::new(Flights::default());
        let (one, other) = (lead(&flights, "a"), lead(&flights, "b"));
        flights.void(|url| url == "a");
        assert!(!one.is_good());
        assert!(other.is_good());
    }
}
