//! How a route answers, as a ladder: a text, a ready-made behaviour, a closure, and the trait for everything else.

use futures_util::future::BoxFuture;

use super::request::Request;
use super::response::Response;
use super::seen::Seen;

/// Answers the requests of a route.
///
/// * a `&'static str` answers 200 with that text;
/// * a closure `|seen: Seen| async { … }` is called when the whole request has arrived, and returns anything that makes a
///   [`Response`]: a text, a JSON value, a `Response`;
/// * a type of your own gets the [`Request`] while its body may still be coming, so it can answer early, read slowly or
///   not at all.
pub trait Behaviour: Send + Sync + 'static {
    /// Answers one request. Nothing is sent before the future is done; then the head goes out at once.
    fn reply(&self, request: Request) -> BoxFuture<'_, Response>;
}

impl Behaviour for &'static str {
    fn reply(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(
            async move { request.whole().await.map_or_else(|_| broken_off(), |_| Response::text(*self)) },
        )
    }
}

impl<F, Fut> Behaviour for F
where
    F: Fn(Seen) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Into<Response>> + Send,
{
    fn reply(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            match request.whole().await {
                Ok(seen) => self(seen).await.into(),
                Err(_) => broken_off(),
            }
        })
    }
}

/// The answer to a request that never came to its end. Nobody is left to read it.
pub(super) fn broken_off() -> Response {
    Response::new(400)
}
