//! Who asks, as far as an answer may depend on it.
//!
//! RFC 9111, 3.5, knows one credential, `Authorization`. Apps know cookies, and Headwall knows users and certificates; all of
//! them are the same here. Nothing that was made for somebody is given to somebody else, unless its upstream has said so.

use headwall_core::Context;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

/// Whether a request says who it comes from.
pub(crate) fn are_shown(headers: &HeaderMap, cx: &Context) -> bool {
    headers.contains_key(AUTHORIZATION)
        || headers.contains_key(COOKIE)
        || cx.user().is_some()
        || cx.tls().is_some_and(|tls| tls.client_certificate.is_some())
}
