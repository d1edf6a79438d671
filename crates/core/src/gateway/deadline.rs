//! How long an attempt, and a whole exchange, may take.
//!
//! Pingora has timers for single reads and writes only. The first byte's deadline is kept by the client's stream where that
//! belongs to one request (HTTP/1). Everything else is watched: when the time has come, the connection to the server is
//! cut, and the read that waits on it ends. Nothing is watched unless a setting asks for it.
//!
//! A connection that other requests share (HTTP/2) cannot be cut. There the shortest of the limits is given to Pingora, as
//! the longest time that it waits for a piece, and the end is looked at with each piece that comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Version};
use tokio::task::AbortHandle;

use crate::Context;
use crate::error::Failure;
use crate::service::Forward;
use crate::upstream::Wire;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Clocks count in milliseconds, and not all of them round to the same side.
pub(super) const GRAIN: Duration = Duration::from_millis(5);

/// Cuts a connection at a given time, unless it is dropped before.
#[derive(Debug)]
pub(crate) struct Watch(AbortHandle);

// === impl Watch ===

impl Watch {
    fn over(wire: Arc<Wire>, until: Instant) -> Self {
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(until.into()).await;
            wire.cut();
        });
        Self(task.abort_handle())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Finds out when all has to be over.
pub(super) fn set(cx: &mut Context, forward: &Forward, headers: &HeaderMap) {
    let total = forward.timeouts.total.map(|total| total.as_std());
    let limit = total.into_iter().chain(grpc_timeout(headers)).min();
    cx.attempts.deadline = limit.and_then(|limit| cx.started().checked_add(limit));
}

/// How long an attempt may take until it is answered, if there is a limit to that as a whole.
pub(super) fn of_attempt(forward: &Forward) -> Option<Duration> {
    forward.retry.per_try_timeout.map(|limit| limit.as_std())
}

/// How much is left of the time that all of it may take.
pub(super) fn left(cx: &Context) -> Option<Duration> {
    cx.attempts.deadline.map(|due| due.saturating_duration_since(Instant::now()))
}

/// When the running attempt has to be answered.
pub(crate) fn due(cx: &Context) -> Option<Instant> {
    let limit = cx.forward.as_deref().and_then(of_attempt);
    let since = cx.attempts.running.as_ref().map(|running| running.since);
    let attempt = limit.and_then(|limit| since?.checked_add(limit));
    attempt.into_iter().chain(cx.attempts.deadline).min()
}

/// The attempt has a connection.
pub(super) fn watch(cx: &mut Context) {
    let until = due(cx);
    watch_until(cx, until);
}

/// The request has been sent as far as it goes: from now on the upstream is to answer.
pub(super) fn await_answer(cx: &mut Context, now: Instant) {
    let Some(forward) = cx.forward.as_ref().filter(|_| cx.attempts.first_byte.is_none()) else {
        return;
    };
    let (first_byte, read) = (forward.timeouts.first_byte, forward.timeouts.read);
    let until = now.checked_add(first_byte.as_std()).into_iter().chain(due(cx)).min();
    if cx.request_line().version < Version::HTTP_2 {
        if let Some((connection, until)) = cx.connection.as_ref().zip(until) {
            connection.give_up_at(until);
        }
    } else if first_byte < read {
        // Otherwise the longest pause that Pingora allows is this very limit.
        watch_until(cx, until);
    }
}

/// The answer has begun; only the end of it is watched from here on.
pub(super) fn answered(cx: &mut Context) {
    if let Some(connection) = &cx.connection {
        match cx.attempts.deadline.filter(|_| !connection.is_multiplexed()) {
            Some(until) => connection.give_up_at(until),
            None => connection.never_give_up(),
        }
    }
    let until = cx.attempts.deadline;
    watch_until(cx, until);
}

fn watch_until(cx: &mut Context, until: Option<Instant>) {
    if let Some(running) = &mut cx.attempts.running {
        running.watch = until.zip(running.wire.clone()).map(|(until, wire)| Watch::over(wire, until));
    }
}

/// Whether the exchange has had its time.
pub(super) fn is_over(cx: &Context) -> bool {
    cx.attempts.deadline.is_some_and(|due| Instant::now() + GRAIN >= due)
}

/// What a failure is, given that time may have been called: by a watch, or by the total being over.
pub(super) fn judge(cx: &mut Context, failure: Failure) -> Failure {
    let was_cut = |cx: &Context| {
        let wire = cx.attempts.running.as_ref().and_then(|running| running.wire.as_ref());
        wire.is_some_and(|wire| wire.was_cut())
    };
    let has_run_out =
        matches!(failure, Failure::ReadTimeout | Failure::SendTimeout | Failure::ConnectTimeout);
    let is_cut = failure == Failure::Closed && was_cut(cx);
    if !has_run_out && !is_cut {
        return failure;
    }
    let failure = if is_over(cx) {
        Failure::Overdue
    } else if is_cut {
        Failure::ReadTimeout
    } else {
        failure
    };
    cx.attempts.late = Some(failure);
    failure
}

/// The deadline that a client of gRPC has set: up to eight digits and a unit (PROTOCOL-HTTP2 of gRPC).
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&GRPC_TIMEOUT)?.to_str().ok()?;
    let is_grpc = headers.get(CONTENT_TYPE)?.as_bytes().starts_with(b"application/grpc");
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !is_grpc || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<u64>().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_of_grpc_are_read() {
        let rows = [
            ("application/grpc", "100m", Some(100_000_000)),
            ("application/grpc+proto", "2S", Some(2_000_000_000)),
            ("application/grpc", "1H", Some(3_600_000_000_000)),
            ("application/grpc", "3M", Some(180_000_000_000)),
            ("application/grpc", "7u", Some(7_000)),
            ("application/grpc", "99999999n", Some(99_999_999)),
            ("application/grpc", "123456789n", None),
            ("application/grpc", "5", None),
            ("application/grpc", "m", None),
            ("application/grpc", "", None),
            ("application/grpc", "-5m", None),
            ("application/json", "100m", None),
        ];
        for (content_type, timeout, nanos) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
            headers.insert(GRPC_TIMEOUT, timeout.parse().unwrap());
            let expected = nanos.map(Duration::from_nanos);
            assert_eq!(grpc_timeout(&headers), expected, "{content_type} {timeout:?}");
        }
    }
}
