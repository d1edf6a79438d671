//! How long the steps of a request take: `cargo bench -p headwall-benches --bench micro`.
//!
//! Times on a shared machine are good for finding what is slow, not for seeing that something has become 2 % slower;
//! for that there is `instructions.rs`.

mod hot_path;
mod picks;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

use hot_path::{Limit, Lookup, Stack};
use picks::Picks;

fn routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    for count in [5, 200] {
        let lookup = Lookup::among(count);
        assert_eq!(lookup.find(), Some(count - 1), "the benchmark finds what it looks for");
        group.bench_function(format!("find among {count}"), |bencher| {
            bencher.iter(|| black_box(&lookup).find());
        });
    }
    for (name, path) in
        [("a clean path", "/api/v1/resource7/42"), ("a path with dots", "/static/..//%61pi/v1/resource7/42")]
    {
        group.bench_function(format!("normalise {name}"), |bencher| {
            bencher.iter(|| headwall_route::normalise(black_box(path)).map(|path| path.len()));
        });
    }
    group.finish();
}

/// A head as a browser sends it.
const HEAD: &[u8] = b"GET /api/v1/resource7/42?page=3 HTTP/1.1\r\nHost: app.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef\r\nSec-Fetch-Dest: document\r\n\r\n";

fn heads(criterion: &mut Criterion) {
    let rules = headwall::front::Rules::default();
    criterion.bench_function("scan a head of 400 bytes", |bencher| {
        bencher.iter(|| headwall::front::check(black_box(HEAD), rules));
    });
}

fn limits(criterion: &mut Criterion) {
    let limit = Limit::new();
    criterion.bench_function("rate limit check", |bencher| bencher.iter(|| black_box(&limit).check()));
}

/// The choice of a server, without the request around it. The budget is 100 ns.
fn picks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick among 100 servers");
    for (name, picks) in Picks::by_every_policy(100) {
        assert!(picks.pick().is_some(), "the benchmark finds a server");
        group.bench_function(name, |bencher| bencher.iter(|| black_box(&picks).pick()));
    }
    group.finish();
}

/// Client and origin are in these too, with about half of the time.
fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request over loopback");
    for (name, path) in
        [("replied", "/reply"), ("forwarded", "/plain/1"), ("forwarded, everything on", "/everything/1")]
    {
        let mut stack = Stack::asking_for(path);
        group.bench_function(name, |bencher| bencher.iter(|| stack.ask(1)));
    }
    group.finish();
}

criterion_group!(benches, routes, heads, limits, picks, requests);
criterion_main!(benches);
