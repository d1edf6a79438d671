//! One server, as it is known for as long as any config names it.
//!
//! A cluster is built anew at each reload; its servers are not. What is known of a server - whether it works, whether it is
//! being drained, what it has to do just now - stands here, and is found again by where the server is and how it is
//! spoken to.

mod latency;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use headwall_core::Peer;
use parking_lot::Mutex;
use pingora_core::protocols::l4::socket::SocketAddr as Address;
use tokio::time::Instant;

use crate::passive::Conduct;
use crate::queue::Queue;
use crate::standing::Standing;
use latency::Latency;

/// A server at one address.
pub struct Server {
    label: Arc<str>,
    /// Tells it from others, and is the same in every process: what was written, and where that is.
    identity: String,
    peer: Peer,
    address: Address,
    condition: Condition,
    in_flight: AtomicU32,
    latency: Latency,
    conduct: Conduct,
    /// What an operator says that it is worth; NO_ORDER where nobody has.
    weight: AtomicU32,
    audience: Arc<Audience>,
}

/// Whether a server may be given requests. Each part has somebody of its own who says so.
#[derive(Debug)]
struct Condition {
    /// The last word of the active checks. True until there is one: a server that nobody checks is taken to work.
    up: AtomicBool,
    /// Whether what it did with requests speaks against it.
    ejected: AtomicBool,
    /// Whether an operator has taken it out.
    draining: AtomicBool,
    /// Whether its first check is still to come.
    awaited: AtomicBool,
    /// When it last became available again. Requests do not look here.
    recovered: Mutex<Option<Instant>>,
}

/// Those who want to know when something about a server has changed: the cluster that is at work, and the ones before it
/// that still have requests.
#[derive(Default)]
pub(crate) struct Audience {
    hearers: Mutex<Vec<Weak<dyn Hear>>>,
    /// Requests that wait for a place at any of the servers.
    queue: Queue,
}

/// Hears of changes.
pub(crate) trait Hear: Send + Sync {
    /// Whether a server is available, or what it is worth, is not what it was.
    fn changed(self: Arc<Self>);
}

/// One attempt that is under way at a server. Dropping it ends it, and makes room for whoever waits.
pub(crate) struct InFlight {
    server: Arc<Server>,
    /// The count of all servers together, where that is limited.
    together: Option<Arc<AtomicU32>>,
}

/// No weight that anybody could order.
const NO_ORDER: u32 = u32::MAX;

// === impl Server ===

impl Server {
    /// A server that counts as available until somebody says otherwise. `label` is its name in metrics: what was written.
    pub(crate) fn new(label: &str, peer: Peer, address: Address, audience: Arc<Audience>) -> Self {
        Self {
            label: label.into(),
            identity: format!("{label} {}", peer.name()),
            peer,
            address,
            condition: Condition {
                up: AtomicBool::new(true),
                ejected: AtomicBool::new(false),
                draining: AtomicBool::new(false),
                awaited: AtomicBool::new(false),
                recovered: Mutex::default(),
            },
            in_flight: AtomicU32::new(0),
            latency: Latency::new(),
            conduct: Conduct::default(),
            weight: AtomicU32::new(NO_ORDER),
            audience,
        }
    }

    /// The same server, which gets no request before it [was looked at](Self::was_looked_at).
    pub(crate) fn awaiting_a_look(mut self) -> Self {
        self.condition.awaited = AtomicBool::new(true);
        self
    }

    /// A server that belongs to no cluster, to try a policy with.
    pub fn alone(address: SocketAddr) -> Self {
        Self::new(&address.to_string(), Peer::plain(address), Address::Inet(address), Arc::default())
    }

    /// Its address, as logs and [`Context::tried`](headwall_core::Context::tried) have it: the same `Arc` each time.
    pub fn name(&self) -> &Arc<str> {
        self.peer.name()
    }

    /// Its name in metrics: the address or the host name that was written.
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// What was written, and where that is, if it does not say so itself.
    pub(crate) fn full_name(&self) -> String {
        match self.label.strip_prefix("https://").unwrap_or(&self.label) {
            written if *written == **self.name() => self.label.to_string(),
            _ => format!("{} ({})", self.label, self.name()),
        }
    }

    /// How it serves.
    pub(crate) fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// How many requests and tunnels it has just now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it may be given requests: it works as far as is known, and nobody has taken it out.
    pub fn is_available(&self) -> bool {
        self.standing() == Standing::Ready
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let Condition { up, ejected, draining, awaited, .. } = &self.condition;
        let is = |part: &AtomicBool| part.load(Ordering::Relaxed);
        if is(draining) {
            Standing::Draining
        } else if is(awaited) {
            Standing::Unchecked
        } else if !is(up) {
            Standing::Down
        } else if is(ejected) {
            Standing::Ejected
        } else {
            Standing::Ready
        }
    }

    /// Whether the active checks say that it works. True where there are none.
    pub fn is_up(&self) -> bool {
        self.condition.up.load(Ordering::Relaxed)
    }

    /// Whether it is passed over for a while because of how it has served.
    pub fn is_ejected(&self) -> bool {
        self.condition.ejected.load(Ordering::Relaxed)
    }

    /// Whether an operator lets it finish what it has and gives it nothing new.
    pub fn is_draining(&self) -> bool {
        self.condition.draining.load(Ordering::Relaxed)
    }

    /// The active checks' word.
    pub(crate) fn set_up(&self, up: bool) {
        self.turn(&self.condition.up, up);
    }

    /// The word of those who watch how it serves.
    pub(crate) fn set_ejected(&self, ejected: bool) {
        self.turn(&self.condition.ejected, ejected);
    }

    /// The operator's word.
    pub(crate) fn set_draining(&self, draining: bool) {
        self.turn(&self.condition.draining, draining);
    }

    /// There has been a check, whatever it said.
    pub(crate) fn was_looked_at(&self) {
        // Not a recovery: it is new.
        if self.condition.awaited.swap(false, Ordering::Relaxed) {
            self.audience.changed();
        }
    }

    /// What an operator says that it is worth, instead of what the config says.
    pub(crate) fn ordered_weight(&self) -> Option<u32> {
        Some(self.weight.load(Ordering::Relaxed)).filter(|weight| *weight != NO_ORDER)
    }

    /// The operator's word on that.
    pub(crate) fn set_weight(&self, weight: Option<u32>) {
        self.weight.store(weight.unwrap_or(NO_ORDER), Ordering::Relaxed);
        self.audience.changed();
    }

    fn turn(&self, part: &AtomicBool, value: bool) {
        {
            let mut recovered = self.condition.recovered.lock();
            let was_available = self.is_available();
            if part.swap(value, Ordering::Relaxed) == value {
                return;
            }
            if self.is_available() && !was_available {
                *recovered = Some(Instant::now());
            }
        }
        self.audience.changed();
    }

    /// When it last became available again after it was not. None for one that always was.
    pub(crate) fn recovered(&self) -> Option<Instant> {
        *self.condition.recovered.lock()
    }

    /// Begins an attempt, unless there are `limit` already.
    pub(crate) fn begin(self: &Arc<Self>, limit: u32) -> Option<InFlight> {
        begin(&self.in_flight, limit).then(|| InFlight { server: self.clone(), together: None })
    }

    /// What it has taken to answer.
    pub(crate) fn latency(&self) -> &Latency {
        &self.latency
    }

    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Where it is, for a check.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", self.name())
            .field("condition", &self.condition)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

// === impl InFlight ===

impl InFlight {
    /// Counts among all the upstream's too, unless these are `limit` already.
    pub(crate) fn among(mut self, all: &Arc<AtomicU32>, limit: u32) -> Option<Self> {
        if !begin(all, limit) {
            return None;
        }
        self.together = Some(all.clone());
        Some(self)
    }

    /// The server that the attempt is made at.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.server.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Some(together) = &self.together {
            together.fetch_sub(1, Ordering::SeqCst);
        }
        // Whoever has begun to wait before this has been counted by now; whoever begins later sees the free place.
        self.server.audience.queue.place_is_free();
    }
}

/// Counts one more, unless there are `limit` already. It never counts one too many, not even for a moment: somebody else
/// would take the upstream for full and begin to wait, and nobody would tell them.
fn begin(count: &AtomicU32, limit: u32) -> bool {
    if limit == u32::MAX {
        count.fetch_add(1, Ordering::SeqCst);
        return true;
    }
    let one_more = |count: u32| (count < limit).then_some(count + 1);
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
}

// === impl Audience ===

impl Audience {
    /// Tells `hearer` from now on, for as long as it is there.
    pub(crate) fn join(&self, hearer: Weak<dyn Hear>) {
        let mut hearers = self.hearers.lock();
        hearers.retain(|hearer| hearer.strong_count() > 0);
        hearers.push(hearer);
    }

    /// Something has changed.
    pub(crate) fn changed(&self) {
        // Told without the lock: what they do then may change something itself.
        let hearers: Vec<_> = self.hearers.lock().iter().filter_map(Weak::upgrade).collect();
        hearers.into_iter().for_each(Hear::changed);
        self.queue.place_is_free();
    }

    /// Those who wait for a place.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Audience").field(&self.hearers.lock().len()).finish()
    }
}
