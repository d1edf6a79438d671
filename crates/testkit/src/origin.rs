//! An HTTP/1.1 origin: the application behind the proxy, as far as a test needs one.

mod behaviour;
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
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

pub use self::behaviour::Behaviour;
pub use self::ready::{Drain, Echo, Feeds, FeedsRoute, Filler, Fixed};
pub use self::request::Request;
pub use self::response::Response;
use self::seen::Journal;
pub use self::seen::Seen;
use crate::listen::{ANY_PORT, listen};
use crate::tasks::Tasks;

/// A running HTTP origin on the loopback. It stops when it is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    journal: Arc<Journal>,
    tasks: Tasks,
}

/// The routes of an [`Origin`] to be.
pub struct OriginBuilder {
    routes: HashMap<String, Box<dyn Behaviour>>,
    fallback: Box<dyn Behaviour>,
}

/// What every connection of an origin needs.
struct Site {
    routes: OriginBuilder,
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
        OriginBuilder { routes: HashMap::new(), fallback: Box::new(NotFound) }
    }

    /// An origin that answers 200 with this text on every path.
    pub async fn fixed(text: &'static str) -> Self {
        Self::builder().otherwise(text).start().await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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
    /// When the address cannot be had.
    pub async fn start_on(self, address: SocketAddr) -> Origin {
        let (listener, address) = listen(address);
        let journal = Journal::new();
        let tasks = Tasks::new();
        let site = Arc::new(Site { routes: self, journal: Arc::clone(&journal), tasks: tasks.clone() });
        tasks.spawn(accept(listener, site));
        Origin { address, journal, tasks }
    }

    fn behaviour(&self, path: &str) -> &dyn Behaviour {
        self.routes.get(path).map_or(&*self.fallback, |behaviour| &**behaviour)
    }
}

impl fmt::Debug for OriginBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OriginBuilder").field("routes", &self.routes.keys()).finish_non_exhaustive()
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
        let connection = site.journal.connected();
        site.tasks.spawn(serve(stream, remote, connection, Arc::clone(&site)));
    }
}

async fn serve(stream: TcpStream, remote: SocketAddr, connection: usize, site: Arc<Site>) {
    // Tests look at single writes; Nagle's algorithm would hold some of them back.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| {
        let request = Request::arrived(request, remote, connection, &site.journal, site.tasks.clone());
        let site = Arc::clone(&site);
        async move {
            let reply = site.routes.behaviour(request.path()).reply(request).await;
            Ok::<_, Infallible>(reply.into_http())
        }
    });
    // How a connection ends is the client's to judge: it has the bytes.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await);
}

#[cfg(test)]
mod tests;
