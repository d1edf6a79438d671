//! Replies: the two or three shapes that every endpoint answers in.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// What the demo sends.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(super) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(whole(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `{"error": "…"}`, as the apps that Headwall fronts answer.
pub(super) fn error(status: StatusCode, reason: &str) -> Response<Body> {
    json(status, &json!({ "error": reason }))
}

pub(super) fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).boxed_unsync()
}
