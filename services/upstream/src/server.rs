//! One server, as it is known for as long as any config names it.
//!
//! A cluster is built anew at each reload; its servers are not. What is known of a server - whether it works, whether it is
//! being drained, what it has to do just now - stands here, and is found again by where the server is and how it is
//! spoken to.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use headwall_core::Peer;
use parking_lot::Mutex;
use pingora_core::protocols::l4::socket::SocketAddr as Address;

/// A server at one address.
pub struct Server {
    label: Arc<str>,
    peer: Peer,
    address: Address,
    condition: Condition,
    in_flight: AtomicU32,
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
}

/// Those who want to know when something about a server has changed: the cluster that is at work, and the ones before it
/// that still have requests.
#[derive(Default)]
pub(crate) struct Audience(Mutex<Vec<Weak<dyn Hear>>>);

/// Hears of changes.
pub(crate) trait Hear: Send + Sync {
    /// Whether a server is available, or what it is worth, is not what it was.
    fn changed(&self);
}

/// One attempt that is under way at a server. Dropping it ends it.
pub(crate) struct InFlight(Arc<Server>);

// === impl Server ===

impl Server {
    /// A server that counts as available until somebody says otherwise. `label` is its name in metrics: what was written.
    pub(crate) fn new(label: &str, peer: Peer, address: Address, audience: Arc<Audience>) -> Self {
        Self {
            label: label.into(),
            peer,
            address,
            condition: Condition {
                up: AtomicBool::new(true),
                ejected: AtomicBool::new(false),
                draining: AtomicBool::new(false),
                awaited: AtomicBool::new(false),
            },
            in_flight: AtomicU32::new(0),
            audience,
        }
    }

    /// The same server, which gets no request before it [was looked at](Self::was_looked_at).
    pub(crate) fn to_be_looked_at(mut self) -> Self {
        self.condition.awaited = AtomicBool::new(true);
        self
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

    /// How many requests and tunnels it has just now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it may be given requests: it works as far as is known, and nobody has taken it out.
    pub fn is_available(&self) -> bool {
        let Condition { up, ejected, draining, awaited } = &self.condition;
        let is_out = [ejected, draining, awaited].iter().any(|part| part.load(Ordering::Relaxed));
        up.load(Ordering::Relaxed) && !is_out
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
        self.turn(&self.condition.awaited, false);
    }

    fn turn(&self, part: &AtomicBool, value: bool) {
        if part.swap(value, Ordering::Relaxed) != value {
            self.audience.changed();
        }
    }

    /// Begins an attempt.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
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
    /// The server that the attempt is made at.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Audience ===

impl Audience {
    /// Tells `hearer` from now on, for as long as it is there.
    pub(crate) fn join(&self, hearer: Weak<dyn Hear>) {
        let mut hearers = self.0.lock();
        hearers.retain(|hearer| hearer.strong_count() > 0);
        hearers.push(hearer);
    }

    /// Something has changed.
    pub(crate) fn changed(&self) {
        // Told without the lock: what they do then may change something itself.
        let hearers: Vec<_> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        hearers.iter().for_each(|hearer| hearer.changed());
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Audience").field(&self.0.lock().len()).finish()
    }
}
