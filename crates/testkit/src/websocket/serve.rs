//! The origin's side: WebSockets that echo, and WebSockets that the test holds itself.

use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Message, WebSocket};
use crate::deadline::patiently;
use crate::origin::{Behaviour, Request, Response};

/// Accepts WebSockets and sends every text and binary message back. What is no WebSocket handshake gets a 400.
#[derive(Debug, Clone, Default)]
pub struct WebSocketEcho {
    protocols: Vec<&'static str>,
}

/// The test's end of a WebSocket route: one [`WebSocket`] for each that is opened.
#[derive(Debug)]
pub struct Sockets {
    opened: mpsc::UnboundedSender<WebSocket>,
    sockets: mpsc::UnboundedReceiver<WebSocket>,
}

/// The origin's end of [`Sockets`].
#[derive(Debug, Clone)]
pub struct SocketsRoute {
    opened: mpsc::UnboundedSender<WebSocket>,
}

// === impl WebSocketEcho ===

impl WebSocketEcho {
    /// One that knows no subprotocols.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that accepts the first of the client's subprotocols that it knows.
    #[must_use]
    pub fn protocols(self, known: &[&'static str]) -> Self {
        Self { protocols: known.to_vec() }
    }
}

impl Behaviour for WebSocketEcho {
    fn reply(&self, request: Request) -> BoxFuture<'_, Response> {
        let offered = request.header("sec-websocket-protocol").unwrap_or_default();
        let chosen =
            offered.split(',').find_map(|offer| self.protocols.iter().find(|known| **known == offer.trim()));
        let chosen = chosen.copied();
        let mut response = accept(request, echo);
        if let Some(protocol) = chosen {
            response = response.header("sec-websocket-protocol", protocol);
        }
        Box::pin(async { response })
    }
}

// === impl Sockets ===

impl Sockets {
    /// A route whose WebSockets the test serves itself.
    #[must_use]
    pub fn new() -> Self {
        let (opened, sockets) = mpsc::unbounded_channel();
        Self { opened, sockets }
    }

    /// The behaviour to give to a route.
    #[must_use]
    pub fn route(&self) -> SocketsRoute {
        SocketsRoute { opened: self.opened.clone() }
    }

    /// The origin's end of the next WebSocket.
    ///
    /// # Panics
    ///
    /// When none is opened within [`PATIENCE`](crate::PATIENCE).
    pub async fn next(&mut self) -> WebSocket {
        let socket = patiently("a WebSocket to reach the origin", self.sockets.recv()).await;
        socket.unwrap_or_else(|| unreachable!("`self` holds a sender of this channel"))
    }
}

impl Default for Sockets {
    fn default() -> Self {
        Self::new()
    }
}

// === impl SocketsRoute ===

impl Behaviour for SocketsRoute {
    fn reply(&self, request: Request) -> BoxFuture<'_, Response> {
        let opened = self.opened.clone();
        // When the test has dropped its end, the WebSocket drops here and is cut.
        let response = accept(request, async move |socket| drop(opened.send(socket)));
        Box::pin(async { response })
    }
}

/// Answers a handshake, and serves the WebSocket in the origin's tasks once the 101 is out.
fn accept<F, Fut>(request: Request, serve: F) -> Response
where
    F: FnOnce(WebSocket) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let (head, upgrade, tasks) = request.into_upgrade();
    let headers = head.headers.clone();
    let handshake = match create_response(&http::Request::from_parts(head, ())) {
        Ok(handshake) => handshake,
        Err(error) => return Response::new(400).body("text/plain; charset=utf-8", error.to_string()),
    };
    tasks.spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            serve(WebSocket::new(upgraded, Role::Server, headers).await).await;
        }
    });
    let mut response = Response::new(101);
    for (name, value) in handshake.headers() {
        response = response.header(name.as_str(), value.to_str().unwrap_or_default());
    }
    response
}

/// Sends back until either side ends. Pings and closing frames are answered by the protocol itself.
///
/// It reads the stream and not [`WebSocket::next`], because an idle WebSocket is no mistake of the test.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.stream.next().await {
        let answered = match message {
            Message::Text(_) | Message::Binary(_) => socket.stream.send(message).await,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        };
        if answered.is_err() {
            return;
        }
    }
}
