//! Whose container is where.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use garde::Validate;
use headwall::{
    BoxError, Build, Context, LocalReply, Module, Peer, RequestHead, Unavailable, Upstream, async_trait,
};
use http::{HeaderName, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sends each caller to the container that is theirs.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Containers {
    /// The header in which a trusted proxy, having authenticated the caller, says who it is.
    #[garde(length(min = 1))]
    caller: String,
    /// The port that every container listens on.
    #[garde(range(min = 1))]
    port: u16,
    /// Callers and their containers.
    #[garde(skip)]
    table: BTreeMap<String, PrivateAddress>,
}

/// An address that is reached from this machine or its private networks alone.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "IpAddr")]
#[schemars(with = "String")]
struct PrivateAddress(IpAddr);

/// An address that anybody could have.
#[derive(Debug, thiserror::Error)]
#[error("expected a private address (RFC 1918, RFC 4193) or a loopback one, was `{0}`")]
struct InvalidPrivateAddress(IpAddr);

/// Where a request has gone. Left in the context for whoever must keep it secret.
#[derive(Debug, Clone)]
pub(crate) struct Container(pub(crate) Arc<str>);

struct ByCaller {
    caller: HeaderName,
    table: BTreeMap<String, (Container, Peer)>,
}

impl TryFrom<IpAddr> for PrivateAddress {
    type Error = InvalidPrivateAddress;

    fn try_from(address: IpAddr) -> Result<Self, InvalidPrivateAddress> {
        let is_private = address.is_loopback()
            || match address {
                IpAddr::V4(address) => address.is_private(),
                IpAddr::V6(address) => address.is_unique_local(),
            };
        if is_private { Ok(Self(address)) } else { Err(InvalidPrivateAddress(address)) }
    }
}

impl Module for Containers {
    type Makes = dyn Upstream;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Upstream>, BoxError> {
        let prepared = |(caller, &PrivateAddress(address)): (&String, &PrivateAddress)| {
            let peer = Peer::plain(SocketAddr::new(address, self.port));
            (caller.clone(), (Container(address.to_string().into()), peer))
        };
        Ok(Arc::new(ByCaller {
            caller: self.caller.parse()?,
            table: self.table.iter().map(prepared).collect(),
        }))
    }
}

#[async_trait]
impl Upstream for ByCaller {
    async fn peer(&self, req: &RequestHead, cx: &mut Context) -> Result<Peer, Unavailable> {
        // From anybody but a trusted proxy the header is an invention.
        let told = req.headers.get(&self.caller).filter(|_| cx.peer_is_trusted());
        let caller = told.and_then(|name| name.to_str().ok());
        let caller = caller.ok_or_else(|| {
            refused(StatusCode::UNAUTHORIZED, "unknown_caller", "It is not known who is calling.")
        })?;
        let (container, peer) = self
            .table
            .get(caller)
            .cloned()
            .ok_or_else(|| refused(StatusCode::NOT_FOUND, "no_container", "You have no container."))?;
        cx.extensions_mut().insert(container);
        Ok(peer)
    }
}

fn refused(status: StatusCode, reason: &'static str, sentence: &'static str) -> Unavailable {
    Unavailable::Refused(Box::new(LocalReply::error(status, reason).message(sentence)))
}
