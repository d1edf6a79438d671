//! Bodies that this crate sends, in either direction: at once, endlessly the same, or piece by piece as the test says.

mod feed;

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

pub(crate) use self::feed::Cut;
pub use self::feed::{Feed, Gone};

/// What origins and clients send.
pub(crate) type Body = UnsyncBoxBody<Bytes, Cut>;

/// What [`filled`] bodies are made of.
const FILL: &[u8] = &[b'.'; 16 * 1024];

/// A body that is there already; its length is announced.
pub(crate) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body with trailers after it. It announces no length, because only a chunked body has a place for trailers.
pub(crate) fn with_trailers(bytes: Bytes, trailers: HeaderMap) -> Body {
    let frames = [Ok(Frame::data(bytes)), Ok(Frame::trailers(trailers))];
    BodyExt::boxed_unsync(StreamBody::new(stream::iter(frames)))
}

/// A body of `length` dots that is never in memory as a whole.
pub(crate) fn filled(length: u64) -> Body {
    let pieces = stream::unfold(length, |left| async move {
        if left == 0 {
            return None;
        }
        let piece = usize::try_from(left).map_or(FILL, |left| &FILL[..left.min(FILL.len())]);
        Some((Bytes::from_static(piece), left - piece.len() as u64))
    });
    BodyExt::boxed_unsync(StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))))
}

/// A body whose pieces the test sends through the [`Feed`].
pub(crate) fn fed() -> (Feed, Body) {
    let (feed, mut pieces) = Feed::pair();
    let frames = stream::poll_fn(move |cx| pieces.poll_recv(cx));
    (feed, BodyExt::boxed_unsync(StreamBody::new(frames)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_filled_body_has_the_length_that_was_asked_for() {
        for length in [0, 1, 16_383, 16_384, 16_385, 100_000] {
            let sent = filled(length).collect().await.unwrap().to_bytes();
            assert_eq!(sent.len() as u64, length, "length {length}");
        }
    }
}
