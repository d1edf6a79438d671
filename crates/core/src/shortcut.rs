//! Around the upstream.
//!
//! A filter answers before the route's service was asked, so a cache that were no more than a filter would have to trust its
//! place in the list: in front of a password check it would let everybody in. A [`Shortcut`] is asked last. Every filter has
//! passed the request and the service has said where it goes; what is left is the question whether it has to go there.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::head::RequestHead;
use crate::service::Forward;
use crate::{BoxError, Context, LocalReply};

/// Answers in an upstream's stead. A filter offers one with [`Context::offer`]. It is not asked on a route with a filter that
/// sees bodies of requests: that one decides later, and may refuse a request for having none.
#[async_trait]
pub trait Shortcut: Send + Sync + 'static {
    /// The request is about to be forwarded, as it stands. `None` lets it go its way; an answer passes the response filters
    /// like any other. An `Err` answers it with `500 Internal Server Error`, unless it is one of the framework's own
    /// [`Error`](crate::Error)s.
    async fn reply(
        &self,
        req: &RequestHead,
        forward: &Arc<Forward>,
        cx: &mut Context,
    ) -> Result<Option<LocalReply>, BoxError>;
}

impl fmt::Debug for dyn Shortcut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shortcut")
    }
}
