//! The engine: the one `ProxyHttp`.
//!
//! # The life of a request
//!
//! | Pingora's phase | what happens | where |
//! |---|---|---|
//! | `new_ctx` | the config of the moment is taken hold of; it stays until the log line | here |
//! | `early_request_filter` | timeouts are set, client address and request id found out | [`arrive`] |
//! | `request_filter` | the head is checked, its path normalised; route, filters, service; a reply is sent, a tunnel opened, or a body read that a filter must see whole | [`arrive`], [`exit`], [`crate::websocket`] |
//! | `upstream_peer` | the upstream picks a server, once for each attempt | [`exchange`] |
//! | `connected_to_upstream` | a connection that has rested too long is given up | [`retry`] |
//! | `upstream_request_filter` | forward headers | [`crate::forward`] |
//! | `request_body_filter` | filters that declared it see the request's body | [`exchange`] |
//! | `upstream_response_filter` | a status that calls for another attempt ends this one; an upstream's error that a filter wants to be shown in other words becomes a reply | [`retry`], [`pages`] |
//! | `response_filter` | what concerned one hop is dropped; filters, last one first; how the body will end | [`exchange`], [`framing`] |
//! | `response_body_filter` | filters that declared it see the response's body; [`pieces`] shows them those that are written here | [`exchange`] |
//! | `error_while_proxy` | another attempt is made where nobody can tell | [`retry`] |
//! | `fail_to_proxy` | an error becomes a reply | [`exit`] |
//! | `logging` | metrics, access log, the filters' log hooks | [`exit`] |
//!
//! Each phase below is a line or two that names who does the work.

mod arrive;
pub(crate) mod deadline;
pub(crate) mod exchange;
pub(crate) mod exit;
mod fallback;
mod framing;
mod pages;
pub(crate) mod pieces;
mod refuse;
pub(crate) mod retry;

use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::Version;
use pingora_core::connectors::http::v1::Connector;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error as PingoraError, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tokio::sync::watch;

use self::retry::Sent;
use crate::access_log::AccessLog;
use crate::client::TrustedProxies;
use crate::front::Rules;
use crate::{Action, Context, Metrics, Service, forward, head, websocket};

/// Runs a service on Pingora.
pub struct Gateway<S> {
    current: Swap<S>,
    /// Connections that become tunnels. Pingora's own pool belongs to its own path.
    tunnels: Connector,
    stage: watch::Sender<Stage>,
    /// Never marked as seen, so that "has anything been said" is one atomic load on the request path.
    watched_stage: watch::Receiver<Stage>,
    metrics: Option<Metrics>,
}

/// How far a server is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not at all.
    Serving,
    /// Requests are finished, and each response says that it is the last of its connection.
    Draining,
    /// Tunnels are closed too.
    Closing,
}

/// What requests are served by at a given moment.
#[derive(Debug)]
pub struct Current<S> {
    /// The service.
    pub service: S,
    /// All that is not part of the service.
    pub settings: Settings,
}

/// The settings of a gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The proxies whose forward headers are believed. Nobody by default.
    pub trusted_proxies: TrustedProxies,
    /// Whether upstreams get RFC 7239 `Forwarded` too. Not by default.
    pub forwarded: bool,
    /// The access log. None by default.
    pub access_log: Option<AccessLog>,
    /// Between two reads of a request's body. 30 seconds by default.
    pub body_timeout: Duration,
    /// Bytes a second that a client of HTTP/2 has to send of a body, counted over each `body_timeout`. 256 by default;
    /// 0 is any. On HTTP/1 the accept loop sees to it.
    pub min_body_rate: u64,
    /// Between two writes of a response. 60 seconds by default.
    pub send_timeout: Duration,
    /// How long a connection may wait for its next request, where the accept loop does not see to it. 75 seconds by
    /// default.
    pub keepalive_timeout: Duration,
    /// How large a request's head may be: 414 or 431.
    pub head: Rules,
    /// What becomes of header fields with an underscore in their name. They are dropped by default.
    pub underscore_headers: UnderscoreHeaders,
    /// Requests on one connection. 1,000 by default. Over HTTP/2 the accept loop sees to it.
    pub max_requests_per_connection: u32,
    /// Bytes of a request's body, where no filter says otherwise: 413. 10 MiB by default.
    pub max_body_size: u64,
}

/// What becomes of header fields with an underscore in their name. CGI and its heirs turn hyphens into underscores, so an
/// app cannot tell `X_Forwarded_For` from the `X-Forwarded-For` that was written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderscoreHeaders {
    /// They are taken out of the request.
    Drop,
    /// They are passed on.
    Allow,
    /// The request is answered with 400.
    Refuse,
}

/// Exchanges what a gateway serves by, while it is serving. A request that has begun stays with what it began with.
pub struct Swap<S>(Arc<ArcSwap<Current<S>>>);

/// Pingora's context of one request.
pub struct Exchange<S> {
    current: Arc<Current<S>>,
    /// Boxed, because Pingora moves its context from future to future.
    cx: Box<Context>,
}

// === impl Gateway ===

impl<S: Service> Gateway<S> {
    /// A gateway with the default settings.
    pub fn new(service: S) -> Self {
        Self::with_settings(service, Settings::default())
    }

    /// A gateway with these settings.
    pub fn with_settings(service: S, settings: Settings) -> Self {
        let current = Arc::new(Current { service, settings });
        let (stage, watched_stage) = watch::channel(Stage::Serving);
        Self {
            current: Swap(Arc::new(ArcSwap::new(current))),
            tunnels: Connector::new(None),
            stage,
            watched_stage,
            metrics: None,
        }
    }

    /// Counts tunnels in `metrics`. Routes and upstreams have their handles already.
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        Self { metrics: Some(metrics.clone()), ..self }
    }

    /// A handle to exchange service and settings with.
    pub fn swap(&self) -> Swap<S> {
        self.current.clone()
    }

    /// The stage that the gateway is told to be at. It begins with [`Stage::Serving`].
    pub fn stage(&self) -> watch::Sender<Stage> {
        self.stage.clone()
    }

    /// Reading the stage takes a lock that all workers share, so it is read only once it was ever told.
    fn is_leaving(&self) -> bool {
        self.watched_stage.has_changed().unwrap_or(true) && *self.watched_stage.borrow() > Stage::Serving
    }
}

impl<S> fmt::Debug for Gateway<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: Service> ProxyHttp for Gateway<S> {
    type CTX = Exchange<S>;

    fn new_ctx(&self) -> Exchange<S> {
        Exchange { current: self.current.load(), cx: Box::new(Context::unknown()) }
    }

    /// Pingora's modules cost a box a request, and its compression holds events back; ours is a filter.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, exchange: &mut Exchange<S>) -> Result<()> {
        arrive::greet(session, exchange);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange<S>) -> Result<bool> {
        // Whatever is rare is boxed, so that the future of the common case stays small.
        match arrive::decide(session, exchange).await {
            Ok(Action::Forward(forward)) => {
                let body_timeout = exchange.current.settings.body_timeout;
                exchange::begin(session, &mut exchange.cx, forward, body_timeout).await?;
                Ok(false)
            }
            Ok(Action::Tunnel(tunnel)) => Box::pin(websocket::open(self, session, exchange, tunnel)).await,
            Ok(Action::Reply(reply)) => Box::pin(exit::send(session, &mut exchange.cx, reply)).await,
            Err(error) => Box::pin(exit::send(session, &mut exchange.cx, exit::reply_to(&error))).await,
        }
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        exchange: &mut Exchange<S>,
    ) -> Result<Box<HttpPeer>> {
        exchange::next_peer(session, &mut exchange.cx).await
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Exchange<S>,
        error: Box<PingoraError>,
    ) -> Box<PingoraError> {
        exchange::not_connected(&mut exchange.cx, error)
    }

    async fn connected_to_upstream(
        &self,
        session: &mut Session,
        reused: bool,
        peer: &HttpPeer,
        _: RawFd,
        digest: Option<&Digest>,
        exchange: &mut Exchange<S>,
    ) -> Result<()> {
        let (now, has_body) = (Instant::now(), !session.is_body_empty());
        retry::connected(&Sent::Through(session), &mut exchange.cx, peer, reused, digest, now)?;
        deadline::watch(&mut exchange.cx);
        exchange::asking(&mut exchange.cx, has_body, now);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        header: &mut RequestHeader,
        exchange: &mut Exchange<S>,
    ) -> Result<()> {
        let mut req = head::take_request(header);
        forward::apply(&mut req.headers, &exchange.cx);
        if req.version == Version::HTTP_2 {
            forward::welcome_trailers(&mut req.headers);
        }
        *header = req.into();
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        piece: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Exchange<S>,
    ) -> Result<()> {
        let Exchange { current, cx } = exchange;
        let Settings { body_timeout, min_body_rate, .. } = current.settings;
        exchange::keep_pace(cx, piece.as_ref().map_or(0, Bytes::len), body_timeout, min_body_rate)
            .and_then(|()| exchange::request_body(cx, piece, end))
            // Pingora passes over errors of anybody else where the upstream speaks HTTP/2, and waits for its answer.
            .map_err(|error| error.into_down())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        header: &mut ResponseHeader,
        exchange: &mut Exchange<S>,
    ) -> Result<()> {
        let cx = &mut exchange.cx;
        if retry::is_followed(header.status, &mut cx.attempts.informational)? {
            return Ok(());
        }
        let now = Instant::now();
        exchange::answered(cx, header.status, now);
        retry::answered(&Sent::Through(session), cx, header.status, &header.headers, now)?;
        pages::replace(session, cx, header)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        header: &mut ResponseHeader,
        exchange: &mut Exchange<S>,
    ) -> Result<()> {
        if self.is_leaving() {
            session.set_keepalive(None);
        }
        let mut res = head::take_response(header);
        forward::end_hop(&mut res.headers);
        exchange::response(&mut res, &mut exchange.cx)?;
        *header = res.into();
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        piece: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Exchange<S>,
    ) -> Result<Option<Duration>> {
        exchange::relayed(&mut exchange.cx, piece, end).map(|()| None)
    }

    async fn response_trailer_filter(
        &self,
        _: &mut Session,
        trailers: &mut http::HeaderMap,
        exchange: &mut Exchange<S>,
    ) -> Result<Option<Bytes>> {
        exchange::relayed_trailers(&mut exchange.cx, trailers)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<PingoraError>,
        exchange: &mut Exchange<S>,
        reused: bool,
    ) -> Box<PingoraError> {
        retry::interrupted(&Sent::Through(session), &mut exchange.cx, error, reused)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &PingoraError,
        exchange: &mut Exchange<S>,
    ) -> FailToProxy {
        exit::fail(session, &mut exchange.cx, error).await
    }

    async fn logging(&self, session: &mut Session, error: Option<&PingoraError>, exchange: &mut Exchange<S>) {
        exit::log(session, exchange, error);
    }

    /// The access log tells of every request that failed, with its reason; see [`exit`] for what goes to the log.
    fn suppress_error_log(&self, _: &Session, _: &Exchange<S>, _: &PingoraError) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Exchange<S>,
        _: &PingoraError,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

// === access for the tunnel driver ===

impl<S> Gateway<S> {
    pub(crate) fn connector(&self) -> &Connector {
        &self.tunnels
    }

    pub(crate) fn watch_stage(&self) -> watch::Receiver<Stage> {
        self.watched_stage.clone()
    }

    pub(crate) fn websocket_metrics(&self) -> Option<&crate::metrics::WebSocketMetrics> {
        self.metrics.as_ref().map(Metrics::websockets)
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            trusted_proxies: TrustedProxies::default(),
            forwarded: false,
            access_log: None,
            body_timeout: Duration::from_secs(30),
            min_body_rate: 256,
            send_timeout: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(75),
            head: Rules::default(),
            underscore_headers: UnderscoreHeaders::Drop,
            max_requests_per_connection: 1_000,
            max_body_size: 10 << 20,
        }
    }
}

// === impl Swap ===

impl<S> Swap<S> {
    /// Serves from now on by something else.
    pub fn replace(&self, next: Current<S>) {
        self.0.store(Arc::new(next));
    }

    /// What is served by now.
    pub fn load(&self) -> Arc<Current<S>> {
        self.0.load_full()
    }
}

impl<S> Clone for Swap<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Swap<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swap").finish_non_exhaustive()
    }
}

// === impl Exchange ===

impl<S> Exchange<S> {
    pub(crate) fn cx(&mut self) -> &mut Context {
        &mut self.cx
    }

    pub(crate) fn access_log(&self) -> Option<&AccessLog> {
        self.current.settings.access_log.as_ref()
    }
}

impl<S> fmt::Debug for Exchange<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("cx", &self.cx).finish_non_exhaustive()
    }
}
