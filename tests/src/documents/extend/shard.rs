//! The chapter "Write an upstream".

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use garde::Validate;
use headwall::{
    BoxError, Build, Context, LocalReply, Module, Peer, RequestHead, Unavailable, Upstream, async_trait,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Servers of which each has the data of some tenants.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    /// The request header that names the tenant.
    #[garde(length(min = 1))]
    header: String,
    /// The servers. Their order says which tenant is where.
    #[garde(length(min = 1))]
    servers: Vec<SocketAddr>,
}

impl Module for Shard {
    type Makes = dyn Upstream;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Upstream>, BoxError> {
        let peers = self.servers.iter().map(|address| Peer::plain(*address)).collect();
        Ok(Arc::new(Shards { header: self.header.clone(), peers }))
    }
}

struct Shards {
    header: String,
    peers: Vec<Peer>,
}

#[async_trait]
impl Upstream for Shards {
    async fn peer(&self, req: &RequestHead, _: &mut Context) -> Result<Peer, Unavailable> {
        let Some(tenant) = req.headers.get(&self.header) else {
            let reply = LocalReply::error(StatusCode::BAD_REQUEST, "missing_tenant");
            return Err(Unavailable::Refused(Box::new(reply.message("Which tenant is this for?"))));
        };
        let mut hasher = DefaultHasher::new();
        tenant.as_bytes().hash(&mut hasher);
        let index = hasher.finish() % self.peers.len() as u64;
        Ok(self.peers[index as usize].clone())
    }
}

#[cfg(test)]
mod tests {
    use headwall_testkit::{Gateway, Origin};

    #[tokio::test]
    async fn a_tenant_is_always_at_the_same_server() {
        let (a, b) = (Origin::fixed("a").await, Origin::fixed("b").await);
        let gateway = Gateway::config(
            "
            sites: [{ routes: [{ api: { upstream: tenants } }] }]
            upstreams: { tenants: { shard: { header: x-tenant, servers: [\"${A}\", \"${B}\"] } } }
            ",
        )
        .server(super::super::server())
        .variable("A", a.address())
        .variable("B", b.address())
        .start()
        .await;
        let client = gateway.client();
        let ask = async |tenant: &str| client.get("/").header("x-tenant", tenant).send().await.text();
        assert_eq!(ask("acme").await, ask("acme").await);
        client.get("/").send().await.assert_status(400);
        let tenants: std::collections::BTreeSet<_> =
            [ask("1").await, ask("2").await, ask("3").await, ask("4").await, ask("5").await, ask("6").await]
                .into();
        assert_eq!(tenants.len(), 2, "both servers have tenants");
    }
}
