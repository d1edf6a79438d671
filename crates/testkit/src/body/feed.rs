//! The test's hand on a body: each piece leaves when the test sends it, so "the third event is still to come" is a fact
//! and not a guess about timing.

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Frame;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::deadline::patiently;
use crate::head;

/// One body, sent piece by piece: a reply's (from [`Feeds`](crate::Feeds)) or a request's (from
/// [`Call::streamed`](crate::Call::streamed)).
///
/// Dropping it ends the body well; [`Feed::cut`] ends it badly.
#[derive(Debug)]
pub struct Feed {
    pieces: mpsc::Sender<Result<Frame<Bytes>, Cut>>,
}

/// The other side went away before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the other side went away before the end of the body")]
pub struct Gone;

/// The sender broke its own body off, because a test wanted that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the body was cut off on purpose")]
pub(crate) struct Cut;

impl Feed {
    /// A feed and where its pieces come out.
    ///
    /// One piece may wait in between: enough that a single `send` returns at once, and too little to hide that the other
    /// side has stopped reading.
    pub(super) fn pair() -> (Self, mpsc::Receiver<Result<Frame<Bytes>, Cut>>) {
        let (pieces, received) = mpsc::channel(1);
        (Self { pieces }, received)
    }

    /// Sends one piece, and waits while the other side does not read. It has no deadline, so that a test of back-pressure
    /// can race it.
    ///
    /// # Errors
    ///
    /// [`Gone`] when nobody will read it.
    pub async fn send(&self, piece: impl Into<Bytes>) -> Result<(), Gone> {
        self.pieces.send(Ok(Frame::data(piece.into()))).await.map_err(|_| Gone)
    }

    /// Sends one server-sent event with this data, a `data:` line for each line of it.
    ///
    /// # Errors
    ///
    /// [`Gone`] when nobody will read it.
    pub async fn event(&self, data: &str) -> Result<(), Gone> {
        let mut event = String::new();
        for line in data.split('\n') {
            event.push_str("data: ");
            event.push_str(line);
            event.push('\n');
        }
        event.push('\n');
        self.send(event).await
    }

    /// Ends the body well. Dropping the feed does the same.
    pub fn end(self) {}

    /// Ends the body with trailers. Over HTTP/1.1 they go out only when the head named them in `trailer` and, in a reply,
    /// when the request said `te: trailers`.
    ///
    /// # Errors
    ///
    /// [`Gone`] when nobody will read them.
    pub async fn end_with(self, trailers: &[(&str, &str)]) -> Result<(), Gone> {
        let trailers: HeaderMap = trailers.iter().map(|(name, value)| head::field(name, value)).collect();
        self.pieces.send(Ok(Frame::trailers(trailers))).await.map_err(|_| Gone)
    }

    /// Breaks the body off: the connection closes before the end that the head promised.
    pub async fn cut(self) {
        // When the other side is gone already, the body is as broken as it can be.
        drop(self.pieces.send(Err(Cut)).await);
    }

    /// Waits until nobody reads this body any more: the client left, or the origin answered and closed.
    ///
    /// # Panics
    ///
    /// When that does not happen within [`PATIENCE`](crate::PATIENCE).
    pub async fn abandoned(&self) {
        patiently("the reader of a body to go away", self.pieces.closed()).await;
    }
}
