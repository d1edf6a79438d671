//! Another upstream, when the first has nothing to say.
//!
//! | what has happened | what goes to the fallback |
//! |---|---|
//! | there is no server, or none can be connected to | every request |
//! | the connection ended, and the server has not seen a byte | every request |
//! | an attempt failed otherwise, or the answer has a status of `on_status` | what may be repeated |
//! | `timeouts.total` is over, or a part of an answer was passed on | nothing |
//!
//! It begins anew: the fallback has attempts, waits and a budget of its own. What may take long as a whole goes on.

use http::StatusCode;

use crate::Context;
use crate::error::Failure;

/// Has the next attempt go to the fallback, if there is one. The attempt before has to be over.
pub(super) fn turn(cx: &mut Context) -> bool {
    let Some(fallback) = cx.forward.as_ref().and_then(|forward| forward.fallback.as_ref()) else {
        return false;
    };
    let to = fallback.to.clone();
    to.upstream.budget().request(cx.started());
    cx.forward = Some(to);
    cx.attempts.before = cx.attempts.made;
    true
}

/// Whether this is a failure that another upstream can make good.
pub(super) fn is_mended(cx: &Context, failure: Failure) -> bool {
    has(cx) && failure.is_upstreams() && failure != Failure::Overdue
}

/// Whether this is an answer that another upstream is to give instead.
pub(super) fn is_asked_for(cx: &Context, status: StatusCode) -> bool {
    let fallback = cx.forward.as_ref().and_then(|forward| forward.fallback.as_ref());
    fallback.is_some_and(|fallback| fallback.on_status.contains(&status))
}

fn has(cx: &Context) -> bool {
    cx.forward.as_ref().is_some_and(|forward| forward.fallback.is_some())
}
