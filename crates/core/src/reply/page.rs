//! What a client is shown of an error, where somebody has something better than a sentence.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Representation;

/// An error that a client is about to be told.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ErrorReply<'a> {
    /// The status.
    pub status: StatusCode,
    /// The sentence that the client would be told. It is public, so nothing from the inside stands in it.
    pub message: &'a str,
    /// The word for log and metrics; empty where there is none.
    pub reason: &'static str,
    /// Whether the app itself has said it, with a body of its own. What is shown instead takes that one's place.
    pub by_upstream: bool,
    /// The headers of the request.
    pub request: &'a HeaderMap,
}

/// What is shown.
#[derive(Debug, Clone)]
pub struct Page {
    /// The type of the body.
    pub content_type: HeaderValue,
    /// The body.
    pub body: Bytes,
}

impl ErrorReply<'_> {
    /// The form that the client prefers.
    pub fn preferred(&self) -> Representation {
        Representation::preferred(self.request)
    }
}
