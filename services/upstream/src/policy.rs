//! Whose turn it is, as something that can be chosen and replaced.
//!
//! A policy works in two steps. When the servers that may be asked change, which is rare, it [prepares](Policy::prepare)
//! whatever it needs to choose among them; for each attempt the result, a [`Pick`], chooses. A pick takes no lock and
//! allocates nothing.
//!
//! The traits stand in this crate and not in the framework. The framework knows an upstream as something that names a
//! peer; that an upstream has servers, and which of them may be asked now, is known here.

mod consistent_hash;
mod dice;
mod least_requests;
mod peak_ewma;
mod random;
mod round_robin;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use garde::Validate;
use headwall_core::{Attempt, BoxError, Context, RequestHead};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::server::Server;
use least_requests::LeastRequests;
use peak_ewma::PeakEwma;
use random::Random;
use round_robin::RoundRobin;

pub use consistent_hash::{ConsistentHash, HashKey};

/// Chooses among the servers of a cluster.
pub trait Policy: Send + Sync + 'static {
    /// Prepares to choose among these, of which there is at least one. Called when they change, never for a request.
    fn prepare(&self, candidates: &[Candidate]) -> Box<dyn Pick>;

    /// How an attempt at a server ended: the place for figures about it. Nothing by default.
    fn finished(&self, _server: &Server, _attempt: &Attempt<'_>) {}
}

/// A policy that is ready to choose among certain servers.
pub trait Pick: Send + Sync {
    /// The index of the server for this attempt, which should be one that is [open](Ask::is_open). If it is not, or there is
    /// none, the first open one is taken instead.
    fn pick(&self, ask: &Ask<'_>) -> Option<usize>;
}

/// The policies that settings of a cluster offer: a type of one's own adds policies of one's own.
pub trait Policies:
    DeserializeOwned
    + Serialize
    + JsonSchema
    + Validate<Context = ()>
    + Default
    + Clone
    + fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// Makes the one that was chosen.
    fn build(&self) -> Result<Arc<dyn Policy>, BoxError>;
}

/// A server that may be asked now.
#[derive(Debug, Clone)]
pub struct Candidate {
    server: Arc<Server>,
    weight: u32,
    limit: u32,
}

/// What a policy is asked: which server one attempt goes to.
#[derive(Debug)]
pub struct Ask<'a> {
    candidates: &'a [Candidate],
    req: &'a RequestHead,
    cx: &'a Context,
}

/// Which server gets a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Policy")]
pub enum StandardPolicies {
    /// The servers take turns, by weight and without bursts.
    #[default]
    RoundRobin,
    /// The one of two that has fewer requests for its weight; the two come by chance.
    LeastRequests,
    /// The one of two that is likely to answer first: by the time that its answers take, and its requests.
    PeakEwma,
    /// Any, by weight.
    Random,
    /// The same for each request with the same key, by a ring; when servers come and go, few keys move.
    ConsistentHash(#[garde(dive)] ConsistentHash),
}

// === impl Candidate ===

impl Candidate {
    /// A server that gets `weight` hundredths of what one of weight 1 gets.
    pub fn new(server: Arc<Server>, weight: u32) -> Self {
        Self { server, weight: weight.max(1), limit: u32::MAX }
    }

    /// Gives it so many requests and tunnels at a time and no more. `u32::MAX` is no limit, and the default.
    #[must_use]
    pub fn with_limit(self, limit: u32) -> Self {
        Self { limit, ..self }
    }

    /// The server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// What it is worth now, in hundredths of the weight that was written, and never 0.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// How many requests and tunnels it may have at a time.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Whether it has as many requests as it may have.
    pub fn is_full(&self) -> bool {
        self.limit != u32::MAX && self.server.in_flight() >= self.limit
    }
}

// === impl Ask ===

impl<'a> Ask<'a> {
    /// Asks for a server among `candidates`.
    pub fn new(candidates: &'a [Candidate], req: &'a RequestHead, cx: &'a Context) -> Self {
        Self { candidates, req, cx }
    }

    /// The servers that the policy has prepared for, in the same order.
    pub fn candidates(&self) -> &'a [Candidate] {
        self.candidates
    }

    /// The head of the request.
    pub fn request(&self) -> &'a RequestHead {
        self.req
    }

    /// What else is known of it.
    pub fn context(&self) -> &'a Context {
        self.cx
    }

    /// Whether this request has been to another server before.
    pub fn is_retry(&self) -> bool {
        !self.cx.tried().is_empty()
    }

    /// Whether the server at `index` can take this attempt: it is not full, and the request has not been there before.
    pub fn is_open(&self, index: usize) -> bool {
        self.candidates.get(index).is_some_and(|candidate| !candidate.is_full() && !self.was_tried(candidate))
    }

    pub(crate) fn was_tried(&self, candidate: &Candidate) -> bool {
        self.cx.tried().iter().any(|name| Arc::ptr_eq(name, candidate.server.name()))
    }
}

// === impl StandardPolicies ===

impl Policies for StandardPolicies {
    fn build(&self) -> Result<Arc<dyn Policy>, BoxError> {
        Ok(match self {
            Self::RoundRobin => Arc::new(RoundRobin::default()),
            Self::LeastRequests => Arc::new(LeastRequests),
            Self::PeakEwma => Arc::new(PeakEwma),
            Self::Random => Arc::new(Random),
            Self::ConsistentHash(settings) => Arc::new(settings.clone()),
        })
    }
}
