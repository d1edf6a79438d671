//! `/upstreams`: how each server stands, and orders to one.
//!
//! ```text
//! GET  /upstreams
//! POST /upstreams/app/servers/10.0.0.5:3000/drain
//! POST /upstreams/app/servers/10.0.0.5:3000/ready
//! POST /upstreams/app/servers/10.0.0.5:3000/weight/5
//! POST /upstreams/app/servers/10.0.0.5:3000/weight/config
//! ```

use std::sync::Arc;

use headwall_core::upstream::{Disobeyed, Order, ServerStatus};
use headwall_core::{BoxError, LocalReply, NamedUpstream, RequestHead};
use http::{Method, StatusCode};
use serde::Serialize;

use super::wrong_method;

/// The most that a server can be worth, as in the config.
const HEAVIEST: u32 = 100;

/// An upstream, as the answer has it.
#[derive(Serialize)]
struct UpstreamStatus<'a> {
    name: &'a str,
    available: bool,
    servers: Vec<ServerStatus>,
}

/// An order and whom it is for.
#[derive(Debug, PartialEq, Eq)]
struct Addressed<'a> {
    upstream: &'a str,
    server: &'a str,
    order: Order,
}

/// Whether this is ours to answer.
pub(super) fn is_below(path: &str) -> bool {
    path == "/upstreams" || path.starts_with("/upstreams/")
}

pub(super) fn answer(req: &RequestHead, upstreams: &[Arc<NamedUpstream>]) -> Result<LocalReply, BoxError> {
    let path = req.uri.path();
    if path == "/upstreams" {
        if req.method != Method::GET && req.method != Method::HEAD {
            return Ok(wrong_method("GET, HEAD"));
        }
        let upstreams: Vec<_> = upstreams.iter().map(|upstream| status(upstream)).collect();
        return Ok(LocalReply::json(StatusCode::OK, serde_json::to_string(&upstreams)?));
    }
    if req.method != Method::POST {
        return Ok(wrong_method("POST"));
    }
    let Some(Addressed { upstream: name, server, order }) = addressed(path) else {
        let reply = LocalReply::error(StatusCode::NOT_FOUND, "no_route");
        return Ok(reply.message(
            "Orders are /upstreams/NAME/servers/ADDRESS/ and drain, ready, weight/0 to weight/100 or weight/config.",
        ));
    };
    let Some(upstream) = upstreams.iter().find(|upstream| **upstream.name() == *name) else {
        return Ok(LocalReply::error(StatusCode::NOT_FOUND, "unknown_upstream"));
    };
    Ok(match upstream.inner().order(server, order) {
        Ok(()) => LocalReply::json(StatusCode::OK, serde_json::to_string(&status(upstream))?),
        Err(Disobeyed::UnknownServer) => LocalReply::error(StatusCode::NOT_FOUND, "unknown_server"),
        Err(error) => LocalReply::error(StatusCode::CONFLICT, "order_not_taken").message(error.to_string()),
    })
}

fn status(upstream: &NamedUpstream) -> UpstreamStatus<'_> {
    UpstreamStatus {
        name: upstream.name(),
        available: upstream.is_available(),
        servers: upstream.inner().servers(),
    }
}

/// Reads an order. A server may have slashes in its name: the path of a unix socket.
fn addressed(path: &str) -> Option<Addressed<'_>> {
    let (upstream, rest) = path.strip_prefix("/upstreams/")?.split_once("/servers/")?;
    let (rest, verb) = rest.rsplit_once('/')?;
    let (server, order) = match verb {
        "drain" => (rest, Order::Drain),
        "ready" => (rest, Order::Ready),
        weight => {
            let server = rest.strip_suffix("/weight")?;
            if weight == "config" {
                (server, Order::ConfiguredWeight)
            } else {
                let weight = weight.parse().ok().filter(|weight| *weight <= HEAVIEST)?;
                (server, Order::Weight(weight))
            }
        }
    };
    Some(Addressed { upstream, server, order })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        let rows = [
            ("/upstreams/app/servers/10.0.0.5:80/drain", Some(("app", "10.0.0.5:80", Order::Drain))),
            ("/upstreams/app/servers/[::1]:80/ready", Some(("app", "[::1]:80", Order::Ready))),
            (
                "/upstreams/app/servers/unix:/run/app.sock/drain",
                Some(("app", "unix:/run/app.sock", Order::Drain)),
            ),
            ("/upstreams/app/servers/a:80/weight/0", Some(("app", "a:80", Order::Weight(0)))),
            ("/upstreams/app/servers/a:80/weight/100", Some(("app", "a:80", Order::Weight(100)))),
            ("/upstreams/app/servers/a:80/weight/config", Some(("app", "a:80", Order::ConfiguredWeight))),
            ("/upstreams/app/servers/a:80/weight/101", None),
            ("/upstreams/app/servers/a:80/weight/-1", None),
            ("/upstreams/app/servers/a:80/weight", None),
            ("/upstreams/app/servers/a:80/stop", None),
            ("/upstreams/app/servers/drain", None),
            ("/upstreams/app", None),
        ];
        for (path, expected) in rows {
            let expected = expected.map(|(upstream, server, order)| Addressed { upstream, server, order });
            assert_eq!(addressed(path), expected, "{path}");
        }
    }
}
