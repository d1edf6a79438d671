//! The `api` service: forward requests to an upstream.
//!
//! ```yaml
//! api: { upstream: app, strip_prefix: /api, timeouts: { first_byte: 2m } }
//! ```
//!
//! Bodies are streamed both ways and never buffered whole, so server-sent events arrive as they are sent and uploads
//! may be of any size.

mod prefix;

use std::sync::Arc;

use garde::Validate;
use headwall_core::units::UpstreamRef;
use headwall_core::websocket::Handshake;
use headwall_core::{
    Action, BoxError, Build, Context, Forward, LocalReply, Module, RequestHead, Retry, Service, Timeouts,
    Tunnel, TunnelLimits, async_trait,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use prefix::Prefix;

/// Forwards requests to an upstream.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Where to.
    #[garde(skip)]
    pub upstream: UpstreamRef,
    /// Path elements to take off in front, such as `/api`. A path that does not begin with them is left as it is.
    #[serde(default)]
    #[garde(inner(custom(prefix::is_path)))]
    pub strip_prefix: Option<String>,
    /// Path elements to put in front, after `strip_prefix` has taken its off.
    #[serde(default)]
    #[garde(inner(custom(prefix::is_path)))]
    pub add_prefix: Option<String>,
    /// How long each step may take.
    #[serde(default)]
    #[garde(dive)]
    pub timeouts: Timeouts,
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

struct ApiService {
    forward: Arc<Forward>,
    tunnel: Option<Arc<Tunnel>>,
    prefix: Prefix,
}

impl Module for Api {
    type Makes = dyn Service;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        let upstream = cx.upstream(&self.upstream)?;
        let forward = Arc::new(Forward {
            upstream,
            timeouts: self.timeouts,
            retry: self.retry.clone(),
            forward_headers: self.forward_headers,
        });
        let tunnel = self.websocket.map(|limits| Arc::new(Tunnel { forward: forward.clone(), limits }));
        let prefix = Prefix::new(self.strip_prefix.as_deref(), self.add_prefix.as_deref());
        Ok(Arc::new(ApiService { forward, tunnel, prefix }))
    }
}

#[async_trait]
impl Service for ApiService {
    async fn call(&self, req: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        let handshake = Handshake::of(req);
        self.prefix.rewrite(req);
        let refuse = |status, reason| LocalReply::error(status, reason);
        Ok(match (handshake, &self.tunnel) {
            (Handshake::None, _) => Action::Forward(self.forward.clone()),
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
        let websocket = if self.tunnel.is_some() { ", WebSocket too" } else { "" };
        format!("forward to upstream {}{websocket}", self.forward.upstream.name())
    }
}

fn yes() -> bool {
    true
}
