//! Streamed replies under the test's control: each request to the route gives the test a [`Feed`] to answer it with.

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::body::Feed;
use crate::deadline::patiently;
use crate::origin::behaviour::Behaviour;
use crate::origin::request::Request;
use crate::origin::response::Response;

/// The test's end of a streamed route: one [`Feed`] for each request.
///
/// ```
/// # use headwall_testkit::{Client, Feeds, Origin};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut feeds = Feeds::events();
/// let origin = Origin::builder().route("/events", feeds.route()).start().await;
///
/// let mut events = Client::to(origin.address()).get("/events").open().await.events();
/// let feed = feeds.next().await;
/// feed.event("one").await.unwrap();
/// assert_eq!(events.next().await.unwrap().data, "one");
/// feed.end();
/// assert!(events.next().await.is_none());
/// # }
/// ```
#[derive(Debug)]
pub struct Feeds {
    content_type: &'static str,
    opened: mpsc::UnboundedSender<Feed>,
    feeds: mpsc::UnboundedReceiver<Feed>,
}

/// The origin's end of [`Feeds`]. It answers with a head at once, and leaves the body to the test and the request's body
/// unread.
#[derive(Debug, Clone)]
pub struct FeedsRoute {
    content_type: &'static str,
    opened: mpsc::UnboundedSender<Feed>,
}

// === impl Feeds ===

impl Feeds {
    /// Streams of this content type.
    #[must_use]
    pub fn of(content_type: &'static str) -> Self {
        let (opened, feeds) = mpsc::unbounded_channel();
        Self { content_type, opened, feeds }
    }

    /// Streams of server-sent events.
    #[must_use]
    pub fn events() -> Self {
        Self::of("text/event-stream")
    }

    /// The behaviour to give to a route; several routes may have one.
    #[must_use]
    pub fn route(&self) -> FeedsRoute {
        FeedsRoute { content_type: self.content_type, opened: self.opened.clone() }
    }

    /// The feed for the next request, in order of arrival.
    ///
    /// # Panics
    ///
    /// When no request comes within [`PATIENCE`](crate::PATIENCE).
    pub async fn next(&mut self) -> Feed {
        let feed = patiently("a request for a streamed reply", self.feeds.recv()).await;
        feed.unwrap_or_else(|| unreachable!("`self` holds a sender of this channel"))
    }
}

// === impl FeedsRoute ===

impl Behaviour for FeedsRoute {
    fn reply(&self, _: Request) -> BoxFuture<'_, Response> {
        let (feed, response) = Response::fed(self.content_type);
        // When the test has dropped its end, the feed drops here and the reply is an empty one.
        drop(self.opened.send(feed));
        Box::pin(async { response })
    }
}
