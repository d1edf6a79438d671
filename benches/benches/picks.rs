//! Servers, and somebody who asks for one of them.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use headwall::{Context, RequestHead};
use headwall_upstream::policy::{ConsistentHash, HashKey};
use headwall_upstream::{Ask, Candidate, Pick, Policies, Server, StandardPolicies};

/// A policy that is ready to choose, and one request.
pub(crate) struct Picks {
    candidates: Vec<Candidate>,
    picker: Box<dyn Pick>,
    req: RequestHead,
    cx: Context,
}

impl Picks {
    /// Each policy, among so many servers of different weights.
    pub(crate) fn by_every_policy(servers: u8) -> [(&'static str, Self); 6] {
        use StandardPolicies::{LeastRequests, PeakEwma, Random, RoundRobin};
        let by = |by, max_load| StandardPolicies::ConsistentHash(ConsistentHash { by, max_load });
        [
            ("round robin", RoundRobin),
            ("least requests", LeastRequests),
            ("peak EWMA", PeakEwma),
            ("random", Random),
            ("consistent hash of the path", by(HashKey::Path, None)),
            ("consistent hash with a bound", by(HashKey::ClientAddress, Some(125))),
        ]
        .map(|(name, policy)| (name, Self::by(&policy, servers)))
    }

    fn by(policy: &StandardPolicies, servers: u8) -> Self {
        let candidate = |n: u8| {
            let server = Server::alone(([10, 0, 0, n], 80).into());
            Candidate::new(Arc::new(server), 100 + u32::from(n % 3) * 100)
        };
        let candidates: Vec<_> = (0..servers).map(candidate).collect();
        let req = http::Request::builder().uri("/api/v1/users/42?page=3").body(()).unwrap();
        Self {
            picker: policy.build().unwrap().prepare(&candidates),
            candidates,
            req: req.into_parts().0,
            cx: Context::from_client(([192, 0, 2, 1], 4000).into()),
        }
    }

    /// One choice.
    pub(crate) fn pick(&self) -> Option<usize> {
        self.picker.pick(&Ask::new(&self.candidates, &self.req, &self.cx))
    }
}
