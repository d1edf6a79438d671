//! What is known about one request.
//!
//! A [`Context`] goes with a request from its head to its log line. Modules read who the client is, which route was
//! taken and which attempt this is; what they want to tell each other goes into typed [`extensions`](Context::extensions).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use pingora_core::upstreams::peer::HttpPeer;
use smallvec::SmallVec;

use crate::client::TrustedProxies;
use crate::connection::{Connection, Tls, address_text};
use crate::error::Failure;
use crate::forward::X_REQUEST_ID;
use crate::gateway::deadline::Watch;
use crate::head::RequestHead;
use crate::service::Forward;
use crate::shortcut::Shortcut;
use crate::upstream::{Attempt, Lease, Repetition, Wire};
use crate::{Error, LocalReply, Route};

/// One request, as its filters, its service and its upstream see it.
#[derive(Debug)]
pub struct Context {
    started: Instant,
    peer: SocketAddr,
    peer_text: HeaderValue,
    peer_trusted: bool,
    secure: bool,
    client: IpAddr,
    client_text: HeaderValue,
    request_id: HeaderValue,
    host: Option<HeaderValue>,
    user: Option<Arc<str>>,
    line: RequestLine,
    extensions: Extensions,
    wants_forwarded: bool,
    body_limit: u64,
    pub(crate) connection: Option<Arc<Connection>>,
    /// The routes that this request has entered, the innermost last.
    pub(crate) entered: SmallVec<[Route; 2]>,
    left: bool,
    pub(crate) shortcut: Option<Arc<dyn Shortcut>>,
    cache: Option<&'static str>,
    /// What the client is told before an upstream is asked.
    pub(crate) hints: Vec<HeaderValue>,
    pub(crate) forward: Option<Arc<Forward>>,
    /// The request's body as the filters have left it, where it was read before an upstream was asked.
    pub(crate) whole_body: Option<Option<Bytes>>,
    /// The trailers of the upstream's response, while the filters see its end.
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) attempts: Attempts,
    pub(crate) verdict: Verdict,
}

/// The request line as it arrived, before anything was normalised or rewritten.
#[derive(Debug, Clone)]
pub struct RequestLine {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The protocol version.
    pub version: Version,
}

/// The attempts to have a request answered by an upstream.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) made: u32,
    /// How much of the request's body the running one was given.
    pub(crate) body: u64,
    /// Since when the pace of the body is counted, and how much has come since.
    pub(crate) pace: Option<(Instant, u64)>,
    /// Whether it was given all of it.
    pub(crate) asked: bool,
    pub(crate) running: Option<Running>,
    /// The servers that were chosen, in order.
    pub(crate) tried: SmallVec<[Arc<str>; 2]>,
    /// What the next attempt is, where the upstream is not simply asked for another peer.
    pub(crate) next: Next,
    /// How many attempts were made at another upstream, for which the present one is the fallback.
    pub(crate) before: u32,
    /// A place in the upstream's retry budget, for as long as the repetition runs.
    pub(crate) repetition: Option<Repetition>,
    /// When all of it has to be over.
    pub(crate) deadline: Option<Instant>,
    /// How the running attempt has failed, where Pingora's error does not tell.
    pub(crate) late: Option<Failure>,
    /// Kept connections that were given up before anything was sent on them.
    pub(crate) stale: u8,
    /// Informational answers so far.
    pub(crate) informational: u8,
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) upstream_status: Option<StatusCode>,
}

/// The attempt that is being made.
pub(crate) struct Running {
    pub(crate) server: Arc<str>,
    pub(crate) since: Instant,
    /// Held for as long as the attempt runs.
    pub(crate) lease: Option<Lease>,
    /// What its response is to bring beside its own cookies.
    pub(crate) cookie: Option<HeaderValue>,
    /// Which of the request's cookies its server does not get.
    pub(crate) kept_cookie: Option<Arc<str>>,
    /// The connection, if it belongs to this attempt alone.
    pub(crate) wire: Option<Arc<Wire>>,
    pub(crate) watch: Option<Watch>,
}

/// What the next attempt is.
#[derive(Debug, Default)]
pub(crate) enum Next {
    /// Whatever the upstream says.
    #[default]
    Any,
    /// The same after a wait: the last one was answered, and not well.
    Rested,
    /// The one that was begun, on another connection.
    Same(Box<HttpPeer>),
}

/// Why the answer is not the upstream's own.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) reason: Option<&'static str>,
    /// A reply that a hook decided on where only an error could be returned to Pingora.
    pub(crate) reply: Option<Box<LocalReply>>,
    /// The same for an error.
    pub(crate) error: Option<Error>,
    /// The request became a tunnel, which writes its own log line when it ends.
    pub(crate) tunnelled: bool,
    /// The first byte of the response was sent this long after the start.
    pub(crate) answered: Option<Duration>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.server).finish()
    }
}

// === impl Context ===

impl Context {
    /// A request of our own that is made because of this one, and outlives it: the same client and the same id. It is on
    /// no route, so it is neither counted nor logged as a request.
    #[must_use]
    pub fn aside(&self) -> Self {
        let mut aside = Self::unknown();
        (aside.peer, aside.peer_text, aside.peer_trusted) =
            (self.peer, self.peer_text.clone(), self.peer_trusted);
        (aside.client, aside.client_text) = (self.client, self.client_text.clone());
        (aside.secure, aside.connection) = (self.secure, self.connection.as_ref().and_then(|it| it.aside()));
        (aside.request_id, aside.host) = (self.request_id.clone(), self.host.clone());
        (aside.line, aside.wants_forwarded) = (self.line.clone(), self.wants_forwarded);
        aside.let_go_of_the_head();
        aside
    }

    /// A request of which nothing is known yet but that it is here.
    pub(crate) fn unknown() -> Self {
        let text = HeaderValue::from_static("unknown");
        Self {
            started: Instant::now(),
            peer: SocketAddr::from(([0, 0, 0, 0], 0)),
            peer_trusted: false,
            secure: false,
            client: IpAddr::from([0, 0, 0, 0]),
            client_text: text.clone(),
            peer_text: text,
            request_id: HeaderValue::from_static(""),
            host: None,
            user: None,
            line: RequestLine { method: Method::GET, uri: Uri::default(), version: Version::HTTP_11 },
            extensions: Extensions::new(),
            wants_forwarded: false,
            body_limit: u64::MAX,
            connection: None,
            entered: SmallVec::new(),
            left: false,
            shortcut: None,
            cache: None,
            hints: Vec::new(),
            forward: None,
            whole_body: None,
            trailers: None,
            attempts: Attempts::default(),
            verdict: Verdict::default(),
        }
    }

    /// A request from `client` that came through no gateway: for tests of modules, and for questions on nobody's behalf.
    pub fn from_client(client: SocketAddr) -> Self {
        let mut cx = Self::unknown();
        cx.arrive_from(client, false);
        cx
    }

    /// The request came on this connection. What is known of it is filled in in place: a context is large to move.
    pub(crate) fn arrive_on(&mut self, connection: Arc<Connection>, secure: bool) {
        self.arrive(connection.peer(), connection.peer_text().clone(), secure);
        self.connection = Some(connection);
    }

    /// The request came from there.
    pub(crate) fn arrive_from(&mut self, peer: SocketAddr, secure: bool) {
        self.arrive(peer, address_text(peer.ip()), secure);
    }

    fn arrive(&mut self, peer: SocketAddr, text: HeaderValue, secure: bool) {
        self.peer = peer;
        self.client = peer.ip().to_canonical();
        self.client_text = text.clone();
        self.peer_text = text;
        self.secure = secure;
    }

    /// Takes in what the head says, as far as its sender is to be believed.
    pub(crate) fn learn(&mut self, req: &RequestHead, trusted: &TrustedProxies, wants_forwarded: bool) {
        self.wants_forwarded = wants_forwarded;
        self.peer_trusted = trusted.trusts(self.peer.ip());
        if self.peer_trusted {
            self.client = trusted.client(self.peer.ip(), &req.headers);
            self.client_text = address_text(self.client);
            if req.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https") {
                self.secure = true;
            }
        }
        self.request_id = self.believed_request_id(&req.headers).unwrap_or_else(new_request_id);
        self.host = req.headers.get(HOST).cloned().or_else(|| {
            let authority = req.uri.authority()?;
            HeaderValue::try_from(authority.as_str()).ok()
        });
        self.line = RequestLine { method: req.method.clone(), uri: req.uri.clone(), version: req.version };
    }

    /// Copies what was borrowed from the buffer that the head was read into, so that a tunnel does not keep 4 KiB for
    /// an hour for the sake of its host and path.
    pub(crate) fn let_go_of_the_head(&mut self) {
        for text in self.host.iter_mut().chain([&mut self.request_id]) {
            *text = own(text);
        }
        if let Ok(uri) = self.line.uri.to_string().parse() {
            self.line.uri = uri;
        }
    }

    /// A trusted proxy's request id, if it is short and plain enough to be written into logs as it is.
    fn believed_request_id(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let id = headers.get(&X_REQUEST_ID).filter(|_| self.peer_trusted)?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
        (!id.is_empty() && id.len() <= 128 && id.as_bytes().iter().all(plain)).then(|| id.clone())
    }

    /// When the head of the request had arrived.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The address of the client: the connection's other end, or, where that is a trusted proxy, who it speaks for.
    pub fn client_address(&self) -> IpAddr {
        self.client
    }

    /// The address of the connection's other end.
    pub fn peer_address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// The client's address, with its port where the connection tells it and 0 where only a proxy's word does not.
    pub(crate) fn client_socket(&self) -> SocketAddr {
        let port = if self.client == self.peer_address() { self.peer.port() } else { 0 };
        SocketAddr::new(self.client, port)
    }

    /// Whether the connection comes from a trusted proxy.
    pub fn peer_is_trusted(&self) -> bool {
        self.peer_trusted
    }

    /// `https` if the client speaks TLS, to us or to a trusted proxy, otherwise `http`.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// What was agreed on in the TLS handshake, where the accept loop has told.
    pub fn tls(&self) -> Option<&Tls> {
        self.connection.as_ref()?.tls()
    }

    /// The host that the client asked for, port included, as it wrote it.
    pub fn host(&self) -> Option<&str> {
        self.host.as_ref().and_then(|host| host.to_str().ok())
    }

    /// The request line as it arrived.
    pub fn request_line(&self) -> &RequestLine {
        &self.line
    }

    /// The id that this request has in logs and for the upstream.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// Who the request comes from, as the filter that has verified it says.
    pub fn user(&self) -> Option<&Arc<str>> {
        self.user.as_ref()
    }

    /// Says who the request comes from. The access log has the name, so it must be one, and not a secret; and it must
    /// have been verified: nobody behind asks again.
    pub fn identify(&mut self, user: impl Into<Arc<str>>) {
        self.user = Some(user.into());
    }

    /// The innermost route that the request has entered.
    pub fn route(&self) -> Option<&Route> {
        self.entered.last()
    }

    /// Which attempt this is, counted from 1; 0 before the first. Those at an upstream before its fallback count too.
    pub fn attempt(&self) -> u32 {
        self.attempts.made
    }

    /// The names of the servers that attempts have gone to, in order: the same `Arc`s that [`Peer::name`](crate::Peer::name)
    /// gave.
    pub fn tried(&self) -> &[Arc<str>] {
        &self.attempts.tried
    }

    /// Why the answer is not the app's own, as a word such as `rate_limited`: known once a reply was decided on, in time for
    /// [`Filter::response`](crate::Filter::response). `None` there says that an upstream, or the service itself, has answered.
    pub fn reason(&self) -> Option<&'static str> {
        self.verdict.reason
    }

    /// How many bytes the request's body may have: what the settings say, or what a filter has said since.
    pub fn body_limit(&self) -> u64 {
        self.body_limit
    }

    /// Lets the request's body have so many bytes. One that says that it has more is answered with 413 before an
    /// upstream hears of it; one that turns out to have more breaks the exchange off. Said in a request hook or by a
    /// service; the last word counts.
    pub fn limit_body(&mut self, bytes: u64) {
        self.body_limit = bytes;
    }

    /// Has a shortcut asked before the request goes to an upstream. The last one offered is.
    pub fn offer(&mut self, shortcut: Arc<dyn Shortcut>) {
        self.shortcut = Some(shortcut);
    }

    /// Tells the client what it is going to need, as one value of `Link` (RFC 8288), in a `103 Early Hints` (RFC 8297): once all
    /// filters have let the request pass and before an upstream is asked. The answer itself says nothing of it. Said in a
    /// request hook or by a service; each call adds a value.
    ///
    /// Only clients of HTTP/1.1 are told. HTTP/1.0 knows no such answers, Pingora sends none over HTTP/2, and what is answered
    /// without an upstream is there at once.
    pub fn hint(&mut self, link: HeaderValue) {
        self.hints.push(link);
    }

    /// Takes away the trailers with which an upstream ends its response (RFC 9110, 6.5): the client does not get them, but
    /// what the filter makes of them. They are there in the last call of
    /// [`Filter::response_body`](crate::Filter::response_body), for an upstream of HTTP/2 that sends any.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// What a cache has done with the request, as the access log says it.
    pub fn cache(&self) -> Option<&'static str> {
        self.cache
    }

    /// Tells the access log what a cache has done with the request: a word of the code's, such as `hit`.
    pub fn tell_cache(&mut self, word: &'static str) {
        self.cache = Some(word);
    }

    /// What modules have left for each other.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The same, to leave something.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    pub(crate) fn client_text(&self) -> &HeaderValue {
        &self.client_text
    }

    pub(crate) fn peer_text(&self) -> &HeaderValue {
        &self.peer_text
    }

    pub(crate) fn host_text(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    pub(crate) fn request_id_text(&self) -> &HeaderValue {
        &self.request_id
    }

    pub(crate) fn wants_forwarded(&self) -> bool {
        self.wants_forwarded
    }

    /// Takes note that the request is now on this route.
    pub(crate) fn enter(&mut self, route: Route) {
        if let Some(metrics) = route.metrics() {
            metrics.in_flight.inc();
        }
        self.entered.push(route);
    }

    /// The request is no longer in flight on its routes. They stay known, for the log.
    pub(crate) fn leave_routes(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            self.entered.iter().filter_map(Route::metrics).for_each(|metrics| metrics.in_flight.dec());
        }
    }

    /// Ends the running attempt, if there is one, and tells its upstream. The lease is for whoever goes on with the
    /// connection, as a tunnel does; otherwise it ends here too.
    pub(crate) fn finish_attempt(&mut self, failure: Option<Failure>) -> Option<Lease> {
        let Running { server, since, lease, .. } = self.attempts.running.take()?;
        if let Some(connection) = &self.connection {
            connection.never_give_up();
        }
        if let Some(forward) = &self.forward {
            let status = self.attempts.upstream_status;
            let elapsed = self.attempts.first_byte.unwrap_or_else(|| since.elapsed());
            let lease = lease.as_deref();
            forward.upstream.finished(&Attempt { server: &server, status, failure, elapsed, lease });
        }
        lease
    }
}

impl Drop for Context {
    /// A module that panics must not leave its request or its attempt counted as running.
    fn drop(&mut self) {
        self.finish_attempt(Some(Failure::Internal));
        self.leave_routes();
    }
}

/// A copy that shares no buffer with the original.
pub(crate) fn own(text: &HeaderValue) -> HeaderValue {
    // What was a header value is one.
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| text.clone())
}

/// 128 random bits in hexadecimal.
fn new_request_id() -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut bits = fastrand::u128(..);
    let mut text = [0; 32];
    for digit in &mut text {
        *digit = HEX[(bits & 15) as usize];
        bits >>= 4;
    }
    // Hexadecimal digits are valid header text.
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_32_digits_and_differ() {
        let (a, b) = (new_request_id(), new_request_id());
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
    }

    #[test]
    fn a_request_id_that_could_forge_a_log_line_is_not_believed() {
        let trusted = TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]);
        for (sent, kept) in
            [("abc-123", true), ("a b", false), ("a\"b", false), ("", false), (&"x".repeat(129), false)]
        {
            let mut req = crate::head::tests::request("GET", "/");
            req.headers.insert("x-request-id", sent.parse().unwrap());
            let mut cx = Context::unknown();
            cx.arrive_from("127.0.0.1:1".parse().unwrap(), false);
            cx.learn(&req, &trusted, false);
            assert_eq!(cx.request_id() == sent, kept, "{sent:?}");
        }
    }

    #[test]
    fn a_tunnel_does_not_keep_the_buffer_of_its_head() {
        let head = Bytes::from(b"/ws app.example.com abc-123".to_vec());
        let text = |range| HeaderValue::from_maybe_shared(head.slice(range)).unwrap();
        let mut req = crate::head::tests::request("GET", "/");
        req.uri = Uri::from_maybe_shared(head.slice(..3)).unwrap();
        req.headers.insert(HOST, text(4..19));
        req.headers.insert("x-request-id", text(20..27));
        let mut cx = Context::unknown();
        cx.arrive_from("127.0.0.1:1".parse().unwrap(), false);
        cx.learn(&req, &TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]), false);
        drop(req);
        assert!(!head.is_unique(), "the context borrows from the buffer");

        cx.let_go_of_the_head();

        assert!(head.is_unique(), "something still holds the buffer");
        assert_eq!((cx.host(), cx.request_id()), (Some("app.example.com"), "abc-123"));
        assert_eq!(cx.request_line().uri, "/ws");
    }
}
