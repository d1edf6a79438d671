//! An HTTP origin: the application behind the proxy, as far as a test needs one.

mod arrival;
mod behaviour;
mod proxied;
mod ready;
mod request;
mod response;
mod seen;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub use self::arrival::SeenTls;
use self::arrival::{Arrival, Speaks};
pub use self::behaviour::Behaviour;
pub use self::proxied::Proxied;
pub use self::ready::{Drain, Echo, Feeds, FeedsRoute, Filler, Fixed};
pub use self::request::Request;
pub use self::response::Response;
use self::seen::Journal;
pub use self::seen::Seen;
use crate::certificates::{Authority, Identity};
use crate::listen::{ANY_PORT, Place};
use crate::tasks::Tasks;

/// A running HTTP origin on the loopback. It stops when it is dropped.
#[derive(Debug)]
pub struct Origin {
    place: Place,
    scheme: &'static str,
    journal: Arc<Journal>,
    tasks: Tasks,
}

/// The routes of an [`Origin`] to be, and what it speaks.
pub struct OriginBuilder {
    routes: HashMap<String, Box<dyn Behaviour>>,
    fallback: Box<dyn Behaviour>,
    speaks: Speaks,
}

/// What every connection of an origin needs.
struct Site {
    routes: OriginBuilder,
    acceptor: Option<TlsAcceptor>,
    journal: Arc<Journal>,
    tasks: Tasks,
}

/// Answers 404 to whatever no route takes.
struct NotFound;

// === impl Origin ===

impl Origin {
    /// An origin with routes of its own.
    #[must_use]
    pub fn builder() -> OriginBuilder {
        OriginBuilder { routes: HashMap::new(), fallback: Box::new(NotFound), speaks: Speaks::default() }
    }

    /// An origin that answers 200 with this text on every path.
    pub async fn fixed(text: &'static str) -> Self {
        Self::builder().otherwise(text).start().await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.address()
    }

    /// Where it listens as a URL without a path, `https://` when it speaks TLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    /// How many requests have arrived.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.journal.hits()
    }

    /// How many requests for this path have arrived, whatever their query.
    #[must_use]
    pub fn hits_of(&self, path: &str) -> usize {
        self.journal.hits_of(path)
    }

    /// How many connections have been accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.journal.connections()
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.journal.requests()
    }

    /// Waits until so many requests have arrived in total.
    ///
    /// # Panics
    ///
    /// When they do not within [`PATIENCE`](crate::PATIENCE).
    pub async fn reached(&self, hits: usize) {
        self.journal.reached(hits).await;
    }

    /// Closes the listener and every connection, whatever is on it. When this returns, connections are refused, and
    /// another origin can [`start_on`](OriginBuilder::start_on) the address. The record stays.
    pub async fn stop(&self) {
        self.tasks.stopped().await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

// === impl OriginBuilder ===

impl OriginBuilder {
    /// Answers requests for exactly this path, with any query.
    #[must_use]
    pub fn route(mut self, path: &str, behaviour: impl Behaviour) -> Self {
        self.routes.insert(path.to_owned(), Box::new(behaviour));
        self
    }

    /// Answers requests that no route takes; without it they get a 404 with a JSON body.
    #[must_use]
    pub fn otherwise(mut self, behaviour: impl Behaviour) -> Self {
        self.fallback = Box::new(behaviour);
        self
    }

    /// Speaks TLS with this identity. HTTP/2 and HTTP/1.1 are offered by ALPN; a client that does not ask gets HTTP/1.1.
    #[must_use]
    pub fn tls(mut self, identity: &Identity) -> Self {
        self.speaks.identity = Some(identity.clone());
        self
    }

    /// Offers exactly these protocols by ALPN, the favourite first; none to leave ALPN out.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.speaks.alpn = Some(protocols.iter().map(|name| name.as_bytes().to_vec()).collect());
        self
    }

    /// Speaks HTTP/2 and nothing else: without TLS by prior knowledge (RFC 9113 section 3.3), with TLS whatever ALPN says.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.speaks.http2 = true;
        self
    }

    /// Refuses clients without a certificate of this authority. Has a meaning with TLS only.
    #[must_use]
    pub fn require_client_certificate(mut self, authority: &Authority) -> Self {
        self.speaks.clients = Some(authority.clone());
        self
    }

    /// Reads a header of the PROXY protocol, version 1 or 2, before anything else, TLS included. A connection without
    /// one is closed.
    #[must_use]
    pub fn expect_proxy_protocol(mut self) -> Self {
        self.speaks.proxy_protocol = true;
        self
    }

    /// Starts on a port of the kernel's choice.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn start(self) -> Origin {
        self.start_on(ANY_PORT).await
    }

    /// Starts at this address: to come back where a stopped origin was.
    ///
    /// # Panics
    ///
    /// When the address cannot be had, or rustls cannot use the identity.
    pub async fn start_on(self, address: SocketAddr) -> Origin {
        let acceptor = self.speaks.acceptor();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let place = Place::take(address);
        let listener = place.listen();
        let journal = Journal::new();
        let tasks = Tasks::new();
        let site = Site { routes: self, acceptor, journal: Arc::clone(&journal), tasks: tasks.clone() };
        tasks.spawn(accept(listener, Arc::new(site)));
        Origin { place, scheme, journal, tasks }
    }

    fn behaviour(&self, path: &str) -> &dyn Behaviour {
        self.routes.get(path).map_or(&*self.fallback, |behaviour| &**behaviour)
    }
}

impl fmt::Debug for OriginBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OriginBuilder")
            .field("routes", &self.routes.keys())
            .field("speaks", &self.speaks)
            .finish_non_exhaustive()
    }
}

// === impl NotFound ===

impl Behaviour for NotFound {
    fn reply(&self, _: Request) -> BoxFuture<'_, Response> {
        Box::pin(async { Response::json(&serde_json::json!({ "error": "not found" })).status(404) })
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    while let Ok((stream, remote)) = listener.accept().await {
        let arrival = Arrival { remote, connection: site.journal.connected(), proxied: None, tls: None };
        site.tasks.spawn(serve(stream, arrival, Arc::clone(&site)));
    }
}

async fn serve(stream: TcpStream, arrival: Arrival, site: Arc<Site>) {
    let service = |arrival: Arrival| {
        let site = Arc::clone(&site);
        service_fn(move |request| {
            let request = Request::arrived(request, &arrival, &site.journal, site.tasks.clone());
            let site = Arc::clone(&site);
            async move {
                let reply = site.routes.behaviour(request.path()).reply(request).await;
                Ok::<_, Infallible>(reply.into_http())
            }
        })
    };
    let (acceptor, tasks) = (site.acceptor.clone(), site.tasks.clone());
    // How a connection ends is the client's to judge: it has the bytes.
    drop(site.routes.speaks.serve(stream, acceptor, arrival, tasks, service).await);
}

#[cfg(test)]
mod tests;
