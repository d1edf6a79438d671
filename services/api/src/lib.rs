//! The `api` service: forward requests to an upstream.
//!
//! ```yaml
//! api: { upstream: app, strip_prefix: /api, timeouts: { first_byte: 2m } }
//! ```
//!
//! Bodies are streamed both ways and never buffered whole, so server-sent events arrive as they are sent and uploads
//! may be of any size.

mod prefix;
mod split;

use std::sync::Arc;

use garde::Validate;
use headwall_core::units::UpstreamRef;
use headwall_core::websocket::Handshake;
use headwall_core::{
    Action, BoxError, Build, Context, Fallback, Forward, LocalReply, Module, RequestHead, Retry, Service,
    Timeouts, Tunnel, TunnelLimits, async_trait,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use prefix::Prefix;
use split::Parts;
pub use split::{Share, Split, SplitKey};

/// Forwards requests to an upstream.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Where to.
    #[garde(skip)]
    pub upstream: UpstreamRef,
    /// Sends a share of the requests to other upstreams: a canary. Default: all go to `upstream`.
    #[serde(default)]
    #[garde(dive)]
    pub split: Option<Split>,
    /// Asks another upstream where the first has no server, cannot be reached or breaks off. Default: the client gets an
    /// error.
    #[serde(default)]
    #[garde(dive)]
    pub fallback: Option<FallbackTo>,
    /// Path elements to take off in front, such as `/api`. A path that does not begin with them is left as it is.
    #[serde(default)]
    #[garde(inner(custom(prefix::is_path)))]
    pub strip_prefix: Option<String>,
    /// Path elements to put in front, after `strip_prefix` has taken its off.
    #[serde(default)]
    #[garde(inner(custom(prefix::is_path)))]
    pub add_prefix: Option<String>,
    /// How long each step may take. Where it is written, nothing of the upstream's own `timeouts` counts. Default: as the
    /// upstream says, and what it does not say as listed there.
    #[serde(default)]
    #[garde(dive)]
    pub timeouts: Option<Timeouts>,
    /// When a request is sent a further time.
    #[serde(default)]
    #[garde(dive)]
    pub retry: Retry,
    /// Tells the upstream about the client: `X-Forwarded-*`, `X-Real-IP`, `X-Request-Id`. Switch it off for somebody
    /// else's server, which then gets none of them, not even those that the client has sent. Default: true.
    #[serde(default = "yes")]
    #[garde(skip)]
    pub forward_headers: bool,
    /// Lets WebSocket handshakes become tunnels. Default: they are refused with 403.
    #[serde(default)]
    #[garde(dive)]
    pub websocket: Option<TunnelLimits>,
}

/// Another upstream, for when the first has nothing to say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct FallbackTo {
    /// Where to.
    #[garde(skip)]
    pub upstream: UpstreamRef,
    /// Answers of the first upstream that are not passed on either. As with `retry`, only requests that may be repeated go
    /// on after one. Default: `[502, 503, 504]`.
    #[serde(default = "gateway_errors")]
    #[garde(inner(range(min = 400, max = 599)))]
    pub on_status: Vec<u16>,
}

struct ApiService {
    own: Way,
    others: Vec<Way>,
    /// Who goes to the others.
    parts: Option<Parts>,
    prefix: Prefix,
}

/// The way to one upstream.
struct Way {
    forward: Arc<Forward>,
    tunnel: Option<Arc<Tunnel>>,
}

impl Module for Api {
    type Makes = dyn Service;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        let own = self.way(&self.upstream, cx)?;
        let shares = self.split.iter().flat_map(|split| &split.to);
        let others = shares.map(|share| self.way(&share.upstream, cx)).collect::<Result<_, _>>()?;
        let parts = self.split.as_ref().map(Parts::new);
        let prefix = Prefix::new(self.strip_prefix.as_deref(), self.add_prefix.as_deref());
        Ok(Arc::new(ApiService { own, others, parts, prefix }))
    }
}

impl Api {
    fn way(&self, to: &UpstreamRef, cx: &Build<'_>) -> Result<Way, BoxError> {
        let forward = |to: &UpstreamRef, fallback| -> Result<Arc<Forward>, BoxError> {
            let upstream = cx.upstream(to)?;
            Ok(Arc::new(Forward {
                timeouts: upstream.timeouts(self.timeouts),
                upstream,
                retry: self.retry.clone(),
                fallback,
                forward_headers: self.forward_headers,
            }))
        };
        let fallback = match &self.fallback {
            Some(FallbackTo { upstream, .. }) if upstream == to => {
                return Err(format!("`{upstream}` cannot be its own fallback").into());
            }
            Some(FallbackTo { upstream, on_status }) => {
                let on_status = on_status.iter().map(|status| StatusCode::from_u16(*status));
                Some(Fallback {
                    to: forward(upstream, None)?,
                    on_status: on_status.collect::<Result<_, _>>()?,
                })
            }
            None => None,
        };
        let forward = forward(to, fallback)?;
        let tunnel = self.websocket.map(|limits| Arc::new(Tunnel { forward: forward.clone(), limits }));
        Ok(Way { forward, tunnel })
    }
}

impl ApiService {
    fn way(&self, req: &RequestHead, cx: &Context) -> &Way {
        let other = self.parts.as_ref().and_then(|parts| parts.choose(req, cx));
        other.and_then(|index| self.others.get(index)).unwrap_or(&self.own)
    }
}

#[async_trait]
impl Service for ApiService {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let handshake = Handshake::of(req);
        let way = self.way(req, cx);
        self.prefix.rewrite(req);
        let refuse = |status, reason| LocalReply::error(status, reason);
        Ok(match (handshake, &way.tunnel) {
            (Handshake::None, _) => Action::Forward(way.forward.clone()),
            (Handshake::Valid, Some(tunnel)) => Action::Tunnel(tunnel.clone()),
            (Handshake::Malformed(why), Some(_)) => {
                Action::Reply(refuse(StatusCode::BAD_REQUEST, "invalid_websocket_handshake").message(why))
            }
            (Handshake::Valid | Handshake::Malformed(_), None) => {
                let reply = refuse(StatusCode::FORBIDDEN, "websocket_not_allowed");
                Action::Reply(reply.message("There is no WebSocket at this address."))
            }
        })
    }

    fn describe(&self) -> String {
        let mut text = format!("forward to upstream {}", self.own.forward.upstream.name());
        for way in &self.others {
            text.push_str(&format!(" or {}", way.forward.upstream.name()));
        }
        if let Some(fallback) = &self.own.forward.fallback {
            text.push_str(&format!(", to {} if that fails", fallback.to.upstream.name()));
        }
        text + if self.own.tunnel.is_some() { ", WebSocket too" } else { "" }
    }
}

fn gateway_errors() -> Vec<u16> {
    vec![502, 503, 504]
}

fn yes() -> bool {
    true
}
