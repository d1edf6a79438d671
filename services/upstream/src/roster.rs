//! What an upstream knows from one config to the next.
//!
//! There is one roster for each name of an upstream. A cluster that is built finds in it the servers that the running one
//! has, each by where it is and how it is spoken to; weights, limits and policies are not part of that, so changing them
//! costs nothing that is known. What no cluster holds any more is gone.

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Weak};

use aws_lc_rs::rand;
use headwall_core::{BoxError, Metrics};
use parking_lot::Mutex;

use crate::board::Board;
use crate::discovery::{Found, Question};
use crate::health::Watch;
use crate::passive::Referee;
use crate::server::{Audience, Hear, Server};

/// The servers of an upstream, over all its configs.
pub(crate) struct Roster {
    servers: Kept<Server>,
    watches: Kept<Watch>,
    /// The last good answer to each look-up.
    answers: Mutex<HashMap<Question, Vec<Found>>>,
    audience: Arc<Audience>,
    board: Arc<Board>,
    referee: Arc<Referee>,
    /// Requests and tunnels at all servers together, where that is limited.
    together: Arc<AtomicU32>,
    key: Mutex<Option<[u8; 32]>>,
}

/// Things that are there for as long as somebody else holds them, by what makes them what they are.
#[derive(Debug)]
struct Kept<T>(Mutex<HashMap<String, Weak<T>>>);

// === impl Roster ===

impl Roster {
    /// A roster for an upstream that nobody knows anything about.
    pub(crate) fn new(upstream: &str, metrics: &Metrics) -> Result<Self, BoxError> {
        let board = Arc::new(Board::new(upstream, metrics)?);
        let audience = Arc::new(Audience::default());
        let hearer: Arc<dyn Hear> = board.clone();
        audience.join(Arc::downgrade(&hearer));
        let (servers, watches, answers) = (Kept::default(), Kept::default(), Mutex::default());
        let referee = Arc::new(Referee::new(upstream, metrics)?);
        let (together, key) = (Arc::default(), Mutex::default());
        Ok(Self { servers, watches, answers, audience, board, referee, together, key })
    }

    /// The server with this identity, made now if nobody has it.
    pub(crate) fn server(
        &self,
        identity: &str,
        make: impl FnOnce(Arc<Audience>) -> Result<Server, BoxError>,
    ) -> Result<Arc<Server>, BoxError> {
        self.servers.obtain(identity, || make(self.audience.clone()))
    }

    /// The watch over a server with this identity, made now if nobody has it.
    pub(crate) fn watch(
        &self,
        identity: &str,
        make: impl FnOnce() -> Result<Watch, BoxError>,
    ) -> Result<Arc<Watch>, BoxError> {
        self.watches.obtain(identity, make)
    }

    /// Where a name led the last time that it could be looked up.
    pub(crate) fn answer(&self, question: &Question) -> Vec<Found> {
        self.answers.lock().get(question).cloned().unwrap_or_default()
    }

    /// Remembers where a name leads.
    pub(crate) fn remember(&self, question: &Question, found: &[Found]) {
        self.answers.lock().insert(question.clone(), found.to_vec());
    }

    /// What the metrics say of the servers.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Who says which servers are passed over.
    pub(crate) fn referee(&self) -> &Arc<Referee> {
        &self.referee
    }

    /// How many requests and tunnels all servers have together, of those that count.
    pub(crate) fn together(&self) -> &Arc<AtomicU32> {
        &self.together
    }

    /// A secret that was made at random, and is the same for as long as there is a config with this upstream.
    pub(crate) fn key(&self) -> Result<[u8; 32], BoxError> {
        let mut made = self.key.lock();
        if let Some(key) = *made {
            return Ok(key);
        }
        let mut key = [0; 32];
        rand::fill(&mut key)?;
        Ok(*made.insert(key))
    }

    /// Those who are told of changes.
    pub(crate) fn audience(&self) -> &Audience {
        &self.audience
    }
}

// === impl Kept ===

impl<T> Kept<T> {
    fn obtain(&self, identity: &str, make: impl FnOnce() -> Result<T, BoxError>) -> Result<Arc<T>, BoxError> {
        let mut kept = self.0.lock();
        if let Some(found) = kept.get(identity).and_then(Weak::upgrade) {
            return Ok(found);
        }
        let made = Arc::new(make()?);
        kept.retain(|_, thing| thing.strong_count() > 0);
        kept.insert(identity.to_owned(), Arc::downgrade(&made));
        Ok(made)
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
