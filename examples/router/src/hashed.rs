//! An upstream that picks the server itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use garde::Validate;
use headwall::{BoxError, Build, Context, Module, Peer, RequestHead, Unavailable, Upstream, async_trait};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sends requests with the same header to the same server, so that it can keep what they need in memory.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hashed {
    /// The header whose value decides. Requests without it go to the same server, too.
    #[garde(length(min = 1))]
    header: String,
    /// The servers. A change in their number moves most keys.
    #[garde(length(min = 1))]
    #[schemars(with = "Vec<String>")]
    servers: Vec<SocketAddr>,
}

struct ByHash {
    header: HeaderName,
    peers: Vec<Peer>,
}

impl Module for Hashed {
    type Makes = dyn Upstream;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Upstream>, BoxError> {
        let peers = self.servers.iter().copied().map(Peer::plain).collect();
        Ok(Arc::new(ByHash { header: self.header.parse()?, peers }))
    }
}

#[async_trait]
impl Upstream for ByHash {
    async fn peer(&self, req: &RequestHead, cx: &mut Context) -> Result<Peer, Unavailable> {
        let mut hasher = DefaultHasher::new();
        req.headers.get(&self.header).map(HeaderValue::as_bytes).hash(&mut hasher);
        // Attempts count from 1: the next one goes to the next server.
        let turn = hasher.finish().wrapping_add(u64::from(cx.attempt() - 1));
        Ok(self.peers[(turn % self.peers.len() as u64) as usize].clone())
    }
}
