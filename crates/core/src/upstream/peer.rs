//! The server that one attempt goes to, and how it is spoken to.

use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::announce::Announcer;
use super::dial::Dial;
use super::tls::{PeerTls, ServerName};
use crate::{Timeouts, proxy_protocol};

/// How many requests share one HTTP/2 connection. Most servers allow 100 or 128; a server that allows fewer says so.
const STREAMS: usize = 128;

/// The server that one attempt goes to.
pub struct Peer {
    http: Box<HttpPeer>,
    name: Arc<str>,
    dial: Arc<Dial>,
    announcer: Option<Announcer>,
    lease: Option<Lease>,
    cookie: Option<HeaderValue>,
    kept_cookie: Option<Arc<str>>,
}

/// Whatever must not outlive an attempt.
pub(crate) type Lease = Box<dyn Any + Send + Sync>;

/// Which HTTP a server is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "UpstreamProtocol")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: over TLS by ALPN (RFC 9113, 3.2), otherwise at once, without asking (RFC 9113, 3.3).
    Http2,
    /// Over TLS HTTP/2 if the server agrees (RFC 7301), otherwise HTTP/1.1.
    Auto,
}

/// What an attempt needs of its peer.
pub(crate) struct Target {
    pub(crate) http: Box<HttpPeer>,
    pub(crate) server: Arc<str>,
    pub(crate) lease: Option<Lease>,
    pub(crate) cookie: Option<HeaderValue>,
    pub(crate) kept_cookie: Option<Arc<str>>,
    dial: Arc<Dial>,
    announcer: Option<Announcer>,
}

// === impl Peer ===

impl Peer {
    /// A server spoken to in plain HTTP/1.1.
    ///
    /// The idle limit of its kept-alive connections is 4 seconds: below the 5 seconds after which a Node server
    /// closes its side, so that a request is not sent into a closing connection.
    pub fn plain(address: SocketAddr) -> Self {
        Self::new(HttpPeer::new(address, false, String::new()), address.to_string().into())
    }

    /// A server spoken to in HTTP/1.1 over TLS 1.2 or 1.3, which has to prove to be `server_name`.
    ///
    /// Make one [`PeerTls`] and keep it: what is in it is parsed once.
    pub fn tls(address: SocketAddr, server_name: &ServerName, tls: &PeerTls) -> Self {
        let mut http = HttpPeer::new(address, true, server_name.as_str().to_owned());
        tls.apply(&mut http);
        Self::new(http, address.to_string().into())
    }

    /// A server behind a unix socket.
    pub fn unix(path: &str) -> Result<Self, crate::BoxError> {
        let http = HttpPeer::new_uds(path, false, String::new())?;
        Ok(Self::new(http, format!("unix:{path}").into()))
    }

    fn new(mut http: HttpPeer, name: Arc<str>) -> Self {
        http.options.idle_timeout = Some(Duration::from_secs(4));
        // Upgrades never take Pingora's path: the gateway has a tunnel of its own.
        http.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        let dial = Dial::within(Timeouts::default().connect.as_std());
        Self {
            http: Box::new(http),
            name,
            dial,
            announcer: None,
            lease: None,
            cookie: None,
            kept_cookie: None,
        }
    }

    /// Speaks another HTTP than HTTP/1.1. A WebSocket is asked for in HTTP/1.1 all the same.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        let alpn = match (protocol, self.http.is_tls()) {
            (Protocol::Http1, _) | (Protocol::Auto, false) => ALPN::H1,
            (Protocol::Http2, _) => ALPN::H2,
            (Protocol::Auto, true) => ALPN::H2H1,
        };
        if alpn != self.http.options.alpn {
            // Connections that were agreed on otherwise are other connections.
            let mut hasher = DefaultHasher::new();
            (self.http.group_key, &alpn).hash(&mut hasher);
            self.http.group_key = hasher.finish();
            self.http.options.max_h2_streams = STREAMS;
            self.http.options.alpn = alpn;
        }
        self
    }

    /// Tells the server who the client is before anything else is said on a connection, TLS included. Such a connection is
    /// kept for requests of the same client connection only.
    #[must_use]
    pub fn with_proxy_protocol(mut self, version: proxy_protocol::Version) -> Self {
        self.announcer = Some(Announcer::new(version));
        self
    }

    /// Keeps `lease` until the attempt is over, even if it panics, and a tunnel's until the tunnel has ended: drop it to
    /// release a place at a server. [`Upstream::finished`](super::Upstream::finished) is shown it before.
    #[must_use]
    pub fn with_lease(mut self, lease: impl Any + Send + Sync) -> Self {
        self.lease = Some(Box::new(lease));
        self
    }

    /// Adds a `Set-Cookie` (RFC 6265, 4.1) to the response that this attempt brings, before the route's filters see it: a
    /// client that is to come back to the same server can be told so by nobody else.
    #[must_use]
    pub fn with_cookie(mut self, cookie: HeaderValue) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Keeps the request's cookies of this name here: they are between its client and the upstream, and no business of the
    /// server's. Said of a cookie that [`with_cookie`](Self::with_cookie) gives out.
    #[must_use]
    pub fn keeping_cookie(mut self, name: Arc<str>) -> Self {
        self.kept_cookie = Some(name);
        self
    }

    /// How long a connection may wait idle in the pool for its next request.
    #[must_use]
    pub fn with_idle_timeout(mut self, idle: Duration) -> Self {
        self.http.options.idle_timeout = Some(idle);
        self
    }

    /// The name of this server in logs: its address, unless it was given another.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The same server in Pingora's terms, for a connection that is made on nobody's behalf, such as a health check's.
    /// Connecting may take `timeout`, and so may the TLS handshake and each read and write.
    pub fn for_check(&self, timeout: Duration) -> HttpPeer {
        let mut http = HttpPeer::clone(&self.http);
        Dial::within(timeout).open_for(&mut http, timeout);
        http.options.read_timeout = Some(timeout);
        http.options.write_timeout = Some(timeout);
        if let Some(announcer) = &self.announcer {
            announcer.speak_for_nobody(timeout, &mut http);
        }
        http
    }

    pub(crate) fn lease(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.lease.as_deref()
    }

    pub(crate) fn into_target(self) -> Target {
        let Self { http, name: server, dial, announcer, lease, cookie, kept_cookie } = self;
        Target { http, server, lease, cookie, kept_cookie, dial, announcer }
    }
}

impl Clone for Peer {
    /// The same server without lease and cookies, which belong to one attempt.
    fn clone(&self) -> Self {
        let Self { http, name, dial, announcer, lease: _, cookie: _, kept_cookie: _ } = self;
        let (http, name, announcer) = (http.clone(), name.clone(), announcer.clone());
        Self { http, name, dial: dial.clone(), announcer, lease: None, cookie: None, kept_cookie: None }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.name).finish()
    }
}

// === impl Target ===

impl Target {
    /// Gives each step its time. None has longer than what is left of the attempt's time, and of the whole exchange's.
    pub(crate) fn limit(&mut self, timeouts: &Timeouts, attempt: Option<Duration>, total: Option<Duration>) {
        let at_most = |time: Duration| attempt.into_iter().chain(total).fold(time, Duration::min);
        let connect = at_most(timeouts.connect.as_std());
        if connect != self.dial.limit() {
            self.dial = Dial::within(connect);
        }
        self.dial.open_for(&mut self.http, at_most(timeouts.tls.as_std()));
        let options = &mut self.http.options;
        options.write_timeout = Some(at_most(timeouts.send.as_std()));
        // The first byte has a deadline of its own, so this one must not come before it.
        let read = timeouts.read.as_std().max(timeouts.first_byte.as_std());
        // A connection that is shared cannot be cut when the time is over, so the longest silence has to do.
        let is_shared = options.alpn != ALPN::H1;
        options.read_timeout = Some(total.filter(|_| is_shared).map_or(read, |total| read.min(total)));
    }

    /// Whether the server wants to know who the client is.
    pub(crate) fn announces(&self) -> bool {
        self.announcer.is_some()
    }

    /// The connection is made on nobody's behalf.
    pub(crate) fn speak_for_nobody(&mut self) {
        if let Some(announcer) = &self.announcer {
            announcer.speak_for_nobody(self.dial.limit(), &mut self.http);
        }
    }

    /// Tells it: the client at `source` had connected to `destination`, if that is known.
    pub(crate) fn announce(&mut self, source: SocketAddr, destination: Option<SocketAddr>) {
        if let Some(announcer) = &self.announcer {
            announcer.speak_for(source, destination, self.dial.limit(), &mut self.http);
        }
    }
}
