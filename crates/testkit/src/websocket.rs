//! WebSockets, from either end.

mod call;
mod serve;

use std::fmt;

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, protocol::frame::coding::CloseCode};

pub use tokio_tungstenite::tungstenite::Message;

pub use self::call::WebSocketCall;
pub use self::serve::{Sockets, SocketsRoute, WebSocketEcho};
use crate::deadline::patiently;
use crate::head;

/// An open WebSocket: a client's (from [`Client::websocket`](crate::Client::websocket)) or an origin's (from [`Sockets`]).
///
/// Pings are answered while it is read. Dropping it cuts the connection without a closing frame.
pub struct WebSocket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// Of the handshake as it came from the other side.
    headers: HeaderMap,
}

/// How a WebSocket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With a closing frame of the other side.
    Closed {
        /// The status code of the frame (RFC 6455 section 7.4), when it has one.
        code: Option<u16>,
        /// The reason in the frame.
        reason: String,
    },
    /// Without a closing frame; how the connection failed.
    Cut(String),
}

impl WebSocket {
    async fn new(upgraded: Upgraded, role: Role, headers: HeaderMap) -> Self {
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), role, None).await;
        Self { stream, headers }
    }

    /// A header of the other side's part of the handshake, when it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        head::text(&self.headers, name)
    }

    /// At a client: the subprotocol that the server chose.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.header("sec-websocket-protocol")
    }

    /// Sends a message: a `&str` or `String` as text, `Bytes` or `Vec<u8>` as binary, or any [`Message`].
    ///
    /// # Panics
    ///
    /// When the connection is closed or the other side does not read.
    pub async fn send(&mut self, message: impl Into<Message>) {
        let sent = patiently("a WebSocket message to be taken", self.stream.send(message.into())).await;
        sent.unwrap_or_else(|error| panic!("could not send a WebSocket message: {error}"));
    }

    /// The next message, control frames included.
    ///
    /// # Errors
    ///
    /// When the WebSocket has ended, well ([`Error::ConnectionClosed`]) or not.
    ///
    /// # Panics
    ///
    /// When nothing comes within [`PATIENCE`](crate::PATIENCE).
    pub async fn next(&mut self) -> Result<Message, Error> {
        patiently("a WebSocket message", self.stream.next()).await.unwrap_or(Err(Error::ConnectionClosed))
    }

    /// The next message, which is text.
    ///
    /// # Panics
    ///
    /// When another kind of message comes, the WebSocket ends, or nothing comes within [`PATIENCE`](crate::PATIENCE).
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Ok(Message::Text(text)) => text.as_str().to_owned(),
            Ok(other) => panic!("expected a text message, but came {other:?}"),
            Err(error) => panic!("expected a text message, but the WebSocket ended: {error}"),
        }
    }

    /// Sends a closing frame. The WebSocket has ended when [`WebSocket::ending`] says so.
    pub async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        // One that is closed already is closed.
        drop(patiently("a closing frame to be taken", self.stream.close(Some(frame))).await);
    }

    /// Reads past messages that may still come, and tells how the WebSocket ended. A closing frame of the other side is
    /// answered, and is the end: what becomes of the TCP connection after it is of no interest.
    ///
    /// # Panics
    ///
    /// When nothing comes within [`PATIENCE`](crate::PATIENCE).
    pub async fn ending(mut self) -> Ending {
        loop {
            match self.next().await {
                Ok(Message::Close(frame)) => {
                    // The answer is queued already. Where the other side does not wait for it, it may fail.
                    drop(patiently("a closing frame to be taken", self.stream.flush()).await);
                    let (code, reason) = frame.map(|frame| (frame.code.into(), frame.reason)).unzip();
                    return Ending::Closed {
                        code,
                        reason: reason.map(|reason| reason.to_string()).unwrap_or_default(),
                    };
                }
                Ok(_) => {}
                Err(error) => return Ending::Cut(error.to_string()),
            }
        }
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WebSocket").field("headers", &self.headers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
