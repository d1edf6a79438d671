//! The `websocket` service: an address that only speaks WebSocket.
//!
//! ```yaml
//! websocket: { upstream: app, idle_timeout: 1h }
//! ```
//!
//! A well-formed handshake (RFC 6455, 4.2.1) goes to the upstream, after the same filters as any request, and
//! becomes a tunnel when the upstream agrees. Anything else is told that there is only WebSocket here.

use std::sync::Arc;

use garde::Validate;
use headwall_core::units::{Duration, UpstreamRef};
use headwall_core::websocket::{Handshake, upgrade_required};
use headwall_core::{
    Action, BoxError, Build, Context, Forward, LocalReply, Module, RequestHead, Service, Timeouts, Tunnel,
    TunnelLimits, async_trait,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tunnels WebSockets to an upstream.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct WebSocket {
    /// Where to.
    #[garde(skip)]
    pub upstream: UpstreamRef,
    /// How long a socket may be silent in both directions before it is closed. Default: `1h`.
    #[serde(default = "default_idle")]
    #[garde(skip)]
    pub idle_timeout: Duration,
    /// How long the other direction may go on after one side has closed its own. Default: `30s`.
    #[serde(default = "default_linger")]
    #[garde(skip)]
    pub linger_timeout: Duration,
    /// How long each step of the handshake may take. Default: as the upstream says.
    #[serde(default)]
    #[garde(dive, custom(no_total))]
    pub timeouts: Option<Timeouts>,
}

struct WebSocketService(Arc<Tunnel>);

impl Module for WebSocket {
    type Makes = dyn Service;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        let upstream = cx.upstream(&self.upstream)?;
        let timeouts = upstream.timeouts(self.timeouts);
        let forward = Arc::new(Forward { timeouts, ..Forward::to(upstream) });
        let limits = TunnelLimits { idle_timeout: self.idle_timeout, linger_timeout: self.linger_timeout };
        Ok(Arc::new(WebSocketService(Arc::new(Tunnel { forward, limits }))))
    }
}

#[async_trait]
impl Service for WebSocketService {
    async fn call(&self, req: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        Ok(match Handshake::of(req) {
            Handshake::Valid => Action::Tunnel(self.0.clone()),
            Handshake::None => Action::Reply(upgrade_required()),
            Handshake::Malformed(why) => {
                let reply = LocalReply::error(StatusCode::BAD_REQUEST, "invalid_websocket_handshake");
                Action::Reply(reply.message(why))
            }
        })
    }

    fn describe(&self) -> String {
        format!("WebSocket to upstream {}", self.0.forward.upstream.name())
    }
}

/// A socket has no end that could be waited for.
fn no_total(timeouts: &Option<Timeouts>, (): &()) -> garde::Result {
    match timeouts.and_then(|timeouts| timeouts.total) {
        Some(_) => {
            Err(garde::Error::new("expected no `total`, which is for answers; a socket has `idle_timeout`"))
        }
        None => Ok(()),
    }
}

fn default_idle() -> Duration {
    TunnelLimits::default().idle_timeout
}

fn default_linger() -> Duration {
    TunnelLimits::default().linger_timeout
}
