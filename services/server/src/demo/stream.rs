//! The endpoints that take time: a proxy shows its character when an answer is slow, long or without end.

use std::time::Duration as StdDuration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use headwall_units::{Duration, Size};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::query;
use super::reply::{self, Body};
use super::stop::Stop;

/// Time between two events unless the query says otherwise.
const TICK: Duration = Duration::from_secs(1);
/// The shortest time between two events.
const SHORTEST_TICK: StdDuration = StdDuration::from_millis(1);
/// How long the slow answer takes unless the query says otherwise.
const WAIT: Duration = Duration::from_secs(2);
/// The length of the big answer unless the query says otherwise.
const SIZE: Size = Size::from_mib(1);
/// What the big answer is made of.
const PIECE: &[u8] = &[b'.'; 16 * 1024];

/// Server-sent events `{"n":1}`, `{"n":2}` … at once and then one `every` so often, `count` of them or until the client
/// leaves.
pub(super) fn events(query: &str, stop: Stop) -> Response<Body> {
    let (count, every) = match (query::read(query, "count"), query::read(query, "every")) {
        (Ok(count), Ok(every)) => (count.unwrap_or(u64::MAX), every.unwrap_or(TICK)),
        (Err(wrong), _) | (_, Err(wrong)) => return reply::error(StatusCode::BAD_REQUEST, &wrong),
    };
    let mut ticks = interval(every.as_std().max(SHORTEST_TICK));
    // A client that could not read for a while gets no burst of what it missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = stream::unfold((0, ticks, stop), move |(sent, mut ticks, mut stop)| async move {
        if sent == count {
            return None;
        }
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.requested() => return None,
        }
        let n = sent + 1;
        Some((Bytes::from(format!("data: {}\n\n", json!({ "n": n }))), (n, ticks, stop)))
    });

    let mut response = Response::new(streamed(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers `{"waited_ms": …}` after `wait`, or early when the demo stops.
pub(super) async fn slow(query: &str, mut stop: Stop) -> Response<Body> {
    let wait = match query::read(query, "wait") {
        Ok(wait) => wait.unwrap_or(WAIT),
        Err(wrong) => return reply::error(StatusCode::BAD_REQUEST, &wrong),
    };
    let begun = Instant::now();
    tokio::select! {
        () = sleep(wait.as_std()) => {}
        () = stop.requested() => {}
    }
    let waited = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    reply::json(StatusCode::OK, &json!({ "waited_ms": waited }))
}

/// `size` bytes, announced by `content-length` and never in memory as a whole.
pub(super) fn big(query: &str) -> Response<Body> {
    let size: Size = match query::read(query, "size") {
        Ok(size) => size.unwrap_or(SIZE),
        Err(wrong) => return reply::error(StatusCode::BAD_REQUEST, &wrong),
    };
    let pieces = stream::unfold(size.bytes(), |left| async move {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE.len());
        (length > 0).then(|| (Bytes::from_static(&PIECE[..length]), left - length as u64))
    });
    let mut response = Response::new(streamed(pieces));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size.bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

fn streamed(pieces: impl stream::Stream<Item = Bytes> + Send + 'static) -> Body {
    BodyExt::boxed_unsync(StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))))
}
