//! The end of a route.
//!
//! A service looks at the head of a request and says what becomes of it. It never does the input and output itself:
//! an [`Action`] is a value that the gateway carries out, so that timeouts, retries, headers, metrics and logs are
//! the same for every service.

mod retry;

use std::sync::Arc;

use async_trait::async_trait;
use garde::Validate;
use headwall_units::Duration;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::head::RequestHead;
use crate::upstream::NamedUpstream;
use crate::{BoxError, Context, LocalReply};

pub use retry::Retry;

/// Ends a route: replies to a request or says where it goes.
///
/// By the time a service is called the path is normalised, the client address is known and the route's filters have
/// passed the request. A service may change the head: what it leaves there is what an upstream receives.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Decides what becomes of a request. An `Err` answers it with `500 Internal Server Error`; to refuse it on purpose,
    /// return [`Action::Reply`].
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError>;

    /// One line for `headwall explain`.
    fn describe(&self) -> String {
        String::from("a service of its own")
    }
}

#[async_trait]
impl<S: Service + ?Sized> Service for Arc<S> {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        (**self).call(req, cx).await
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// What becomes of a request.
#[derive(Debug)]
#[must_use]
pub enum Action {
    /// The client gets this answer.
    Reply(LocalReply),
    /// The request goes to an upstream and its answer comes back, both streamed.
    Forward(Arc<Forward>),
    /// The request is a WebSocket handshake; it goes to an upstream and becomes a tunnel when that agrees.
    Tunnel(Arc<Tunnel>),
}

/// How to forward. Made once, when a route is built, and shared by its requests.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Where to.
    pub upstream: Arc<NamedUpstream>,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// When a request is sent a further time.
    pub retry: Retry,
    /// Who is asked when this upstream has nothing to say.
    pub fallback: Option<Fallback>,
    /// Whether the upstream is told about the client: `X-Forwarded-*`, `X-Real-IP`, `X-Request-Id`. Not for a third party.
    pub forward_headers: bool,
}

impl Forward {
    /// Forwards with the default timeouts, and a second attempt where nobody can notice.
    pub fn to(upstream: Arc<NamedUpstream>) -> Self {
        Self {
            upstream,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            fallback: None,
            forward_headers: true,
        }
    }
}

/// Another upstream, for when the first one has no server, cannot be reached or breaks off.
///
/// As with a further attempt, a request of which the first one may have seen something goes on only if it may be repeated.
#[derive(Debug, Clone)]
pub struct Fallback {
    /// How it is forwarded then.
    pub to: Arc<Forward>,
    /// Answers of the first upstream that are not passed on either.
    pub on_status: Vec<StatusCode>,
}

/// How to tunnel.
#[derive(Debug, Clone)]
pub struct Tunnel {
    /// Where to, and how long the handshake may take.
    pub forward: Arc<Forward>,
    /// How long it may be silent.
    pub limits: TunnelLimits,
}

/// How long the steps of an exchange with an upstream may take.
///
/// As in nginx, `send` and `read` are between two operations, never a total: a download that keeps moving is never
/// cut, unless `total` asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To open a connection. Default: `5s`.
    #[garde(skip)]
    pub connect: Duration,
    /// For the TLS handshake on it. Default: `5s`.
    #[garde(skip)]
    pub tls: Duration,
    /// Between two writes of the request. Default: `60s`.
    #[garde(skip)]
    pub send: Duration,
    /// From the end of the request to the first byte of the response. Default: `60s`.
    #[garde(skip)]
    pub first_byte: Duration,
    /// Between two reads of the response, or `first_byte` if that is longer. Default: `60s`.
    #[garde(skip)]
    pub read: Duration,
    /// From the request's head to the end of the response, all attempts together. It ends streams and long downloads too.
    /// Default: no limit.
    #[garde(inner(custom(more_than_nothing)))]
    pub total: Option<Duration>,
}

/// How long a tunnel may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct TunnelLimits {
    /// How long it may be silent in both directions before it is closed. Default: `1h`, because a quiet socket is
    /// not a dead one.
    #[garde(skip)]
    pub idle_timeout: Duration,
    /// How long the other direction may go on after one side has closed its own. Default: `30s`.
    #[garde(skip)]
    pub linger_timeout: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        let connect = Duration::from_secs(5);
        Self { connect, tls: connect, send: minute, first_byte: minute, read: minute, total: None }
    }
}

impl Default for TunnelLimits {
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(3600), linger_timeout: Duration::from_secs(30) }
    }
}

fn more_than_nothing(time: &Duration, (): &()) -> garde::Result {
    if time.is_zero() { Err(garde::Error::new("expected more than nothing")) } else { Ok(()) }
}
