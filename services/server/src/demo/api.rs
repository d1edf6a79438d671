//! The endpoints that answer at once, with JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::reply::{self, Body};

/// Bytes of a login that are read; more is no login.
const LONGEST_LOGIN: usize = 16 * 1024;

/// The one password, which the page tells everyone.
const PASSWORD: &str = "correct horse";

/// The headers by which an app behind a proxy learns who asked for what.
const SHOWN: [&str; 5] = ["host", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "x-request-id"];

/// `{"message", "time", "headers"}`: a greeting, milliseconds since 1970, and those of the forwarded headers that were
/// there.
pub(super) fn hello(headers: &HeaderMap) -> Response<Body> {
    let seen: Map<_, _> = SHOWN
        .iter()
        .filter_map(|name| {
            let values: Vec<_> = headers
                .get_all(*name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            (!values.is_empty()).then(|| ((*name).to_owned(), Value::from(values.join(", "))))
        })
        .collect();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    reply::json(
        StatusCode::OK,
        &json!({ "message": "hello from the app behind Headwall", "time": time, "headers": seen }),
    )
}

pub(super) fn health() -> Response<Body> {
    reply::json(StatusCode::OK, &json!({ "status": "ok" }))
}

/// 200 for `{"user": …, "password": "correct horse"}`, 401 for another password, 400 and 413 for what is no login.
pub(super) async fn login(body: Incoming) -> Response<Body> {
    let Ok(body) = Limited::new(body, LONGEST_LOGIN).collect().await else {
        return reply::error(StatusCode::PAYLOAD_TOO_LARGE, "a login of at most 16 KiB is expected");
    };
    let login: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    match (login["user"].as_str(), login["password"].as_str()) {
        (Some(user), Some(PASSWORD)) => reply::json(StatusCode::OK, &json!({ "user": user })),
        (Some(_), Some(_)) => reply::error(StatusCode::UNAUTHORIZED, "wrong user or password"),
        _ => {
            reply::error(StatusCode::BAD_REQUEST, r#"expected JSON such as {"user": "ada", "password": "…"}"#)
        }
    }
}
