//! The `cache` filter: the rules of RFC 9111, whose answers are given to whom, what happens when many ask or the upstream
//! fails, and what an operator can do about it.

mod attempts;
mod bodies;
mod collapsing;
mod misses;
mod nginx;
mod operators;
mod ranges;
mod rules;
mod safety;
mod stale;
mod upstreams;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwall_testkit::{Call, Client, Gateway, Origin, Reply, Response, Seen};

/// Headers of one request, or of one answer.
pub(super) type Lines<'a> = &'a [(&'a str, &'a str)];

/// A gateway with a cache in front of an origin that answers as it is told.
pub(super) struct Stage {
    pub(super) origin: Origin,
    pub(super) gateway: Gateway,
}

impl Stage {
    /// With these settings of the cache.
    pub(super) async fn new(cache: &str) -> Self {
        Self::of(obedient().await, &one_route(cache)).await
    }

    /// With this config, where `${APP}` is the origin.
    pub(super) async fn of(origin: Origin, config: &str) -> Self {
        let gateway = Gateway::config(config).variable("APP", origin.address()).start().await;
        Self { origin, gateway }
    }

    pub(super) fn client(&self) -> Client {
        self.gateway.client().host("app.example.com")
    }

    /// Asks for a path; if the origin is asked, it answers with these headers.
    pub(super) async fn get(&self, path: &str, answer: Lines<'_>) -> Reply {
        told(self.client().get(path), answer).send().await
    }
}

/// One route, `app/page`, with a cache of these settings.
pub(super) fn one_route(cache: &str) -> String {
    format!(
        r#"
        sites: [{{ name: app, routes: [{{ name: page, filters: [{{ cache: {cache} }}], api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: ["${{APP}}"] }} }}
        "#
    )
}

/// Tells the origin what to answer.
pub(super) fn told(call: Call, answer: Lines<'_>) -> Call {
    answer.iter().fold(call, |call, (name, value)| call.header("x-answer", &format!("{name}: {value}")))
}

/// An origin that answers with its count of answers, the headers that requests name in `x-answer` and the status that they
/// name there as `status`. What has the tag or the date that a request knows is answered with 304.
pub(super) async fn obedient() -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    let answer = move |seen: Seen| {
        let count = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move { obey(&seen, count) }
    };
    Origin::builder().otherwise(answer).start().await
}

fn obey(seen: &Seen, count: usize) -> Response {
    let lines: Vec<_> = seen.header_values("x-answer");
    let lines: Vec<_> = lines.iter().map(|line| line.split_once(": ").unwrap()).collect();
    let value = |name: &str| lines.iter().find(|line| line.0 == name).map(|line| line.1);
    let knows = |condition: &str, validator: &str| {
        value(validator).is_some_and(|value| seen.header(condition) == Some(value))
    };
    let mut response = Response::text(count.to_string());
    if knows("if-none-match", "etag") || knows("if-modified-since", "last-modified") {
        response = Response::new(304);
    }
    for (name, value) in &lines {
        response = match *name {
            "status" => response.status(value.parse().unwrap()),
            name => response.header(name, value),
        };
    }
    response
}

/// What `Cache-Status` says without its numbers of seconds.
pub(super) fn status_of(reply: &Reply) -> String {
    let status = reply.header("cache-status").unwrap_or("none");
    let words = status.split("; ").skip(1).filter(|word| !word.starts_with("ttl="));
    words.collect::<Vec<_>>().join("; ")
}
