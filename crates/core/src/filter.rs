//! The step around a request.
//!
//! Filters are the part of the framework that most people write first, so the trait is built to be hard to get
//! wrong: a filter returns values ([`Flow`]) instead of writing to the client, an `Err` always ends the request, and
//! a body is only shown to a filter that declared that it wants it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;

use crate::head::{RequestHead, ResponseHead};
use crate::reply::{ErrorReply, LocalReply, Page};
use crate::{BoxError, Context};

/// Acts on the requests and responses of one route.
///
/// Filters run in the order in which they are written: a site's before its routes'. Responses pass them in reverse.
/// Every response passes, whether it came from an upstream or was made here, so a header set in
/// [`response`](Self::response) is on error pages too.
///
/// An `Err` ends the request with `500 Internal Server Error`: a filter never fails open. To refuse a request on
/// purpose, return [`Flow::Reply`].
#[async_trait]
pub trait Filter: Send + Sync + 'static {
    /// Which hooks this filter has.
    ///
    /// Asked once, when the route is built. The default is every hook that costs nothing to offer: a filter that
    /// overrides [`whole_request_body`](Self::whole_request_body), [`request_body`](Self::request_body),
    /// [`response_body`](Self::response_body) or [`error_page`](Self::error_page) must say so here. Naming fewer hooks
    /// saves their calls.
    fn phases(&self) -> Phases {
        Phases::HEADS
    }

    /// Before the route's service sees the request. May change its head, wait, or answer it.
    async fn request(&self, _req: &mut RequestHead, _cx: &mut Context) -> Result<Flow, BoxError> {
        Ok(Flow::Continue)
    }

    /// With all of the request's body, before an upstream hears of the request. May change it, wait, or answer. A
    /// `Content-Length` is set to what has become of it.
    ///
    /// At most 64 KiB are read; a longer body is answered with 413. A service that answers by itself reads no body, and
    /// this is not called. Needs [`Phases::WHOLE_REQUEST_BODY`].
    async fn whole_request_body(&self, _body: &mut Bytes, _cx: &mut Context) -> Result<Flow, BoxError> {
        Ok(Flow::Continue)
    }

    /// Before the head of the response is sent to the client.
    ///
    /// It does not wait, because no client should. What remains to be done elsewhere is done by a task, and there must be
    /// a bound on how many of them there are.
    fn response(&self, _res: &mut ResponseHead, _cx: &mut Context) -> Result<(), BoxError> {
        Ok(())
    }

    /// For each piece of the request's body on its way to the upstream; `end` marks the last call.
    ///
    /// The piece may be changed, or held back by taking it. [`Flow::Reply`] aborts the exchange with the upstream
    /// and answers the client instead. Where another filter of the route has asked for the whole body, that is the only
    /// piece. A filter that changes how long the body is removes `Content-Length` in [`request`](Self::request). Needs
    /// [`Phases::REQUEST_BODY`].
    fn request_body(
        &self,
        _piece: &mut Option<Bytes>,
        _end: bool,
        _cx: &mut Context,
    ) -> Result<Flow, BoxError> {
        Ok(Flow::Continue)
    }

    /// For each piece of a response's body on its way to the client, whoever made it; `end` marks the last call, in which
    /// a filter that has held something back gives it out. A response to `HEAD` has no body.
    ///
    /// A filter that changes how long the body is removes `Content-Length` in [`response`](Self::response). The head is
    /// already sent, so an `Err` can only break the connection off. Needs [`Phases::RESPONSE_BODY`].
    fn response_body(
        &self,
        _piece: &mut Option<Bytes>,
        _end: bool,
        _cx: &mut Context,
    ) -> Result<(), BoxError> {
        Ok(())
    }

    /// What the client is shown of an error instead of its sentence, or, where an upstream has answered with an error,
    /// instead of the upstream's body. The filter next to the service is asked first, and the first that has something
    /// is listened to. Every filter of a route that was entered is asked, also one that the request did not come to.
    ///
    /// It replaces a representation and nothing else: status, headers and reason stay, and the response hooks come after.
    /// Needs [`Phases::ERROR`].
    fn error_page(&self, _error: &ErrorReply<'_>, _cx: &Context) -> Option<Page> {
        None
    }

    /// When the request is over, however it ended.
    fn log(&self, _outcome: &Outcome, _cx: &Context) {}
}

/// What happens next to a request that a filter has seen.
#[derive(Debug)]
#[must_use]
pub enum Flow {
    /// The next filter, or the route's service, has its turn.
    Continue,
    /// The client gets this answer and the request ends here.
    Reply(LocalReply),
}

/// How a request ended, as [`Filter::log`] and the access log see it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The status that the client was sent; `None` when it left before it could be sent any.
    pub status: Option<StatusCode>,
    /// Why the answer is not the upstream's own, as a machine-readable word such as `rate_limited`.
    pub reason: Option<&'static str>,
    /// From the request's last header byte to the end of the response.
    pub duration: Duration,
    /// Body bytes that were read from the client.
    pub bytes_received: u64,
    /// Body bytes that were written to the client.
    pub bytes_sent: u64,
}

/// A set of hooks. See [`Filter::phases`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// No hook at all.
    pub const NONE: Self = Self(0);
    /// [`Filter::request`].
    pub const REQUEST: Self = Self(1);
    /// [`Filter::response`].
    pub const RESPONSE: Self = Self(1 << 1);
    /// [`Filter::log`].
    pub const LOG: Self = Self(1 << 2);
    /// [`Filter::request_body`].
    pub const REQUEST_BODY: Self = Self(1 << 3);
    /// [`Filter::request_body`] for a filter that decides nothing by a body: it only watches, or makes the same of it each
    /// time. It may be shown one again from its beginning when a further attempt is made, which it tells by
    /// [`Context::attempt`], and none of a request that a cache answers. Requests of other filters that see bodies are not
    /// repeated once a server may have seen them.
    pub const WATCH_REQUEST_BODY: Self = Self(Self::REQUEST_BODY.0 | 1 << 7);
    /// [`Filter::response_body`].
    pub const RESPONSE_BODY: Self = Self(1 << 4);
    /// [`Filter::whole_request_body`].
    pub const WHOLE_REQUEST_BODY: Self = Self(1 << 5);
    /// [`Filter::error_page`].
    pub const ERROR: Self = Self(1 << 6);
    /// Request, response and log: what costs nothing to offer.
    pub const HEADS: Self = Self(Self::REQUEST.0 | Self::RESPONSE.0 | Self::LOG.0);

    /// Whether every hook of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The hooks of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

// === impl Phases ===

impl std::ops::BitOr for Phases {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl fmt::Debug for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Phases, &str); 8] = [
            (Phases::REQUEST, "request"),
            (Phases::RESPONSE, "response"),
            (Phases::LOG, "log"),
            (Phases::REQUEST_BODY, "request_body"),
            (Phases::WATCH_REQUEST_BODY, "watch_request_body"),
            (Phases::RESPONSE_BODY, "response_body"),
            (Phases::WHOLE_REQUEST_BODY, "whole_request_body"),
            (Phases::ERROR, "error"),
        ];
        let named = NAMES.iter().filter(|(phase, _)| self.contains(*phase)).map(|(_, name)| name);
        f.debug_set().entries(named).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_phases_leave_bodies_alone() {
        assert!(Phases::HEADS.contains(Phases::REQUEST | Phases::RESPONSE | Phases::LOG));
        assert!(!Phases::HEADS.contains(Phases::REQUEST_BODY));
        assert!(!Phases::HEADS.contains(Phases::RESPONSE_BODY));
        assert_eq!(
            format!("{:?}", Phases::REQUEST | Phases::RESPONSE_BODY),
            r#"{"request", "response_body"}"#
        );
    }
}
