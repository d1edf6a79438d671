//! How many instructions the steps of a request take, counted by callgrind.
//!
//! Unlike time, the count hardly differs between two runs or two machines of a kind, so a change that costs 2 % is seen.
//! `instructions.txt` beside this crate holds the counts of the last change that was meant to move them, and
//! `README.md` tells how to count again. What was set up is given back, because taking it down is not what is counted. Needs valgrind and `gungraun-runner` in the version of the crate.

// The macros make public items of what is private here, and end the process themselves.
#![allow(missing_docs, unreachable_pub, clippy::exit)]

mod hot_path;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};

use hot_path::{Limit, Lookup, Stack};

/// One request in so many would be lost in what the event loop does once.
const REQUESTS: usize = 100;

// The first call of anything resolves symbols, which is thousands of instructions: each setup makes it.

fn table_of(routes: usize) -> Lookup {
    let lookup = Lookup::among(routes);
    assert_eq!(lookup.find(), Some(routes - 1), "the benchmark finds what it looks for");
    lookup
}

#[library_benchmark]
#[bench::among_5(args = (5), setup = table_of)]
#[bench::among_200(args = (200), setup = table_of)]
fn find(lookup: Lookup) -> (Lookup, Option<usize>) {
    let found = black_box(&lookup).find();
    (lookup, found)
}

fn path(path: &'static str) -> &'static str {
    assert!(headwall_route::normalise(path).is_ok(), "{path}");
    path
}

#[library_benchmark]
#[bench::clean(args = ("/api/v1/resource7/42"), setup = path)]
#[bench::with_dots(args = ("/static/..//%61pi/v1/resource7/42"), setup = path)]
fn normalise(path: &str) -> usize {
    headwall_route::normalise(black_box(path)).map_or(0, |path| path.len())
}

fn known_client() -> Limit {
    let limit = Limit::new();
    limit.check();
    limit
}

#[library_benchmark]
#[bench::known_client(setup = known_client)]
fn rate_limit(limit: Limit) -> (Limit, headwall_limit::Verdict) {
    let verdict = black_box(&limit).check();
    (limit, verdict)
}

#[library_benchmark]
#[bench::replied(args = ("/reply"), setup = Stack::asking_for)]
#[bench::forwarded(args = ("/plain/1"), setup = Stack::asking_for)]
#[bench::everything(args = ("/everything/1"), setup = Stack::asking_for)]
fn hundred_requests(mut stack: Stack) -> Stack {
    stack.ask(REQUESTS);
    stack
}

library_benchmark_group!(name = steps, benchmarks = [find, normalise, rate_limit]);
library_benchmark_group!(name = requests, benchmarks = [hundred_requests]);
main!(library_benchmark_groups = [steps, requests]);
