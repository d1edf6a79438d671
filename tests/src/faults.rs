//! Servers that fail in every way that is known, and what each client gets: one table.
//!
//! A server does each thing once and works before and after, so that a request that is sent again is answered. Every row is
//! tried over new and kept connections, with methods that may be repeated and such that may not, with and without a body.
//! The same table stands in the handbook, and is compared with this one.

mod keepalive;
mod limits;
mod nonsense;
mod origin;
mod race;
mod repeating;

use futures_util::future::join_all;
use headwall_testkit::{Client, Failed, Gateway};
use serde_json::Value;

use origin::{Fault, Faulty, Http};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    status: u16,
    reason: &'static str,
    /// How many requests the server has read.
    seen: usize,
}

/// What a server does, and what becomes of requests that it is done to.
struct Row {
    fault: Fault,
    /// As in "a server that …".
    says: &'static str,
    http: Http,
    /// A new connection, may be repeated; new, may not; kept, may; kept, may not.
    outcomes: [Outcome; 4],
}

const UNREACHABLE: Outcome = bad(502, "upstream_connect_refused", 0);
const LATE: Outcome = bad(504, "upstream_read_timeout", 1);
const CLOSED: Outcome = bad(502, "upstream_closed", 1);
const CLOSED_UNREAD: Outcome = bad(502, "upstream_closed", 0);
const NONSENSE: Outcome = bad(502, "upstream_invalid_response", 1);
/// The head was passed on, so the answer is broken off.
const HALF: Outcome = bad(200, "upstream_closed", 1);
const ONCE: Outcome = ok(1);
const TWICE: Outcome = ok(2);

const TABLE: [Row; 20] = [
    row(Http::One, Fault::Refuses, "refuses connections", [UNREACHABLE; 4]),
    row(Http::Two, Fault::Refuses, "refuses connections", [UNREACHABLE; 4]),
    row(
        Http::One,
        Fault::ClosesUnread,
        "closes without reading the request",
        [ONCE, CLOSED_UNREAD, ONCE, CLOSED_UNREAD],
    ),
    row(Http::One, Fault::Silent, "never answers", [LATE; 4]),
    row(Http::Two, Fault::Silent, "never answers", [LATE; 4]),
    row(Http::One, Fault::Resets, "resets instead of an answer", [TWICE, CLOSED, TWICE, CLOSED]),
    row(Http::Two, Fault::Resets, "resets instead of an answer", [TWICE, CLOSED, TWICE, CLOSED]),
    row(Http::Two, Fault::RefusesStream, "refuses the stream", [TWICE; 4]),
    row(Http::One, Fault::ResetsInHead, "resets within the head", [TWICE, CLOSED, TWICE, CLOSED]),
    row(Http::One, Fault::ResetsInBody, "resets within the body", [HALF; 4]),
    row(Http::Two, Fault::ResetsInBody, "resets within the body", [HALF; 4]),
    row(Http::One, Fault::SlowHead, "sends the head bit by bit", [ONCE; 4]),
    row(Http::One, Fault::SlowBody, "sends the body bit by bit", [ONCE; 4]),
    row(Http::Two, Fault::SlowBody, "sends the body bit by bit", [ONCE; 4]),
    row(Http::One, Fault::Garbage, "answers with garbage", [NONSENSE; 4]),
    row(Http::One, Fault::HalfCloses, "ends its side instead of an answer", [TWICE, CLOSED, TWICE, CLOSED]),
    row(Http::Two, Fault::HalfCloses, "ends its side instead of an answer", [TWICE, CLOSED, TWICE, CLOSED]),
    row(Http::One, Fault::Restarts, "has restarted since", [ONCE; 4]),
    row(Http::Two, Fault::Restarts, "has restarted since", [ONCE; 4]),
    row(Http::One, Fault::Flaps, "resets every second request", [TWICE, CLOSED, TWICE, CLOSED]),
];

const fn ok(seen: usize) -> Outcome {
    Outcome { status: 200, reason: "", seen }
}

const fn bad(status: u16, reason: &'static str, seen: usize) -> Outcome {
    Outcome { status, reason, seen }
}

const fn row(http: Http, fault: Fault, says: &'static str, outcomes: [Outcome; 4]) -> Row {
    Row { fault, says, http, outcomes }
}

/// One request to one server.
struct Cell {
    path: String,
    row: String,
    faulty: Faulty,
    is_kept: bool,
    method: &'static str,
    body: &'static str,
    expected: Outcome,
}

/// Two methods of each kind: one without a body, one with one.
const METHODS: [[(&str, &str); 2]; 2] =
    [[("GET", ""), ("PUT", "a body")], [("POST", ""), ("POST", "a body")]];

async fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for row in &TABLE {
        for (column, expected) in row.outcomes.into_iter().enumerate() {
            for (method, body) in METHODS[column % 2] {
                let is_kept = column >= 2;
                let kept = if is_kept { "kept" } else { "new" };
                cells.push(Cell {
                    path: format!("/{}", cells.len()),
                    row: format!("{:?}, {}, {method} {body:?}, {kept} connection", row.http, row.says),
                    faulty: Faulty::start(row.http, row.fault).await,
                    is_kept,
                    method,
                    body,
                    expected,
                });
            }
        }
    }
    cells
}

/// One gateway, with a route and an upstream for each cell.
async fn in_front_of(cells: &[Cell]) -> Gateway {
    let (mut routes, mut upstreams) = (String::new(), String::new());
    for (number, Cell { path, faulty, .. }) in cells.iter().enumerate() {
        let (address, protocol) = (faulty.address(), faulty.http().protocol());
        // Only who waits for nothing is not to wait for long: the machine may be busy with all the others.
        let first_byte = if faulty.fault() == Fault::Silent { "1s" } else { "1m" };
        routes += &format!(
            "  - {{ match: {{ path: {path} }}, api: {{ upstream: u{number}, timeouts: {{ first_byte: {first_byte} }} }} }}\n"
        );
        upstreams += &format!("  u{number}: {{ servers: [\"{address}\"], protocol: {protocol} }}\n");
    }
    Gateway::start(&format!("sites:\n- routes:\n{routes}upstreams:\n{upstreams}")).await
}

/// Sends what a cell asks for. Tells the status that the client got, and how many requests the server has read.
async fn ask(client: Client, cell: &Cell) -> (u16, usize) {
    let send = |method: &str, body: &'static str| {
        let method = method.parse().unwrap();
        let call = client.request(method, &cell.path);
        if body.is_empty() { call.try_send() } else { call.body(body).try_send() }
    };
    if cell.is_kept {
        send("GET", "").await.unwrap().assert_status(200);
    }
    let warmed = cell.faulty.seen();
    cell.faulty.begin().await;
    let status = match send(cell.method, cell.body).await {
        Ok(reply) => {
            let is_whole = reply.status != 200 || reply.text() == "hello";
            assert!(is_whole, "{}: {reply}", cell.row);
            reply.status.as_u16()
        }
        Err(Failed::BrokenOff { .. }) => 200,
        // What little there was had not been sent on yet when it all ended.
        Err(Failed::NoReply { .. }) => 0,
        Err(failed) => panic!("{}: {failed}", cell.row),
    };
    let seen = cell.faulty.seen() - warmed;
    if cell.expected != UNREACHABLE {
        let after = send("GET", "").await.unwrap();
        assert_eq!(after.status, 200, "{}: the next request finds no trace of it", cell.row);
    }
    (status, seen)
}

#[tokio::test]
async fn each_fault_has_the_outcome_of_the_table() {
    let cells = cells().await;
    let gateway = in_front_of(&cells).await;
    let results = join_all(cells.iter().map(|cell| ask(gateway.client(), cell))).await;
    let log = gateway.stop().await;
    let mut wrong = Vec::new();
    for (cell, (status, seen)) in cells.iter().zip(results) {
        let lines: Vec<_> = log.iter().filter(|line| line["uri"] == *cell.path).collect();
        let line = lines[usize::from(cell.is_kept)];
        let reason = line["reason"].as_str().unwrap_or_default();
        let Outcome { status: expected, reason: why, seen: read } = cell.expected;
        let is_in_time = lines.iter().all(|line| line["duration"].as_f64().unwrap() < 30.0);
        if (status, reason, seen) != (expected, why, read) || !is_in_time {
            wrong.push(format!(
                "{}: {status} {reason} {seen}, expected {:?}\n{line}",
                cell.row, cell.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_handbook_has_the_same_table() {
    let handbook = crate::tidy::files::read("docs/src/retries.md");
    for Row { says, http, outcomes, .. } in &TABLE {
        let cells: Vec<_> = outcomes.iter().map(ToString::to_string).collect();
        let line = format!("| {says} | {http} | {} |", cells.join(" | "));
        assert!(handbook.contains(&line), "docs/src/retries.md lacks:\n{line}");
    }
    let rows = handbook.lines().filter(|line| line.contains(" | 1.1 | ") || line.contains(" | 2 | "));
    assert_eq!(rows.count(), TABLE.len(), "docs/src/retries.md has rows that nobody tries");
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.status, self.reason) {
            (200, "") => write!(f, "200")?,
            (200, reason) => write!(f, "broken off, `{reason}`")?,
            (status, reason) => write!(f, "{status} `{reason}`")?,
        }
        write!(f, ", read {}", ["never", "once", "twice"][self.seen])
    }
}

/// The last line of a gateway's log.
async fn last_line(gateway: Gateway) -> Value {
    gateway.stop().await.pop().unwrap_or_default()
}

/// A gateway with one route to one server; `route` and `upstream` are more of their settings.
async fn gateway(server: impl std::fmt::Display, route: &str, upstream: &str) -> Gateway {
    let yaml = format!(
        "
        sites: [{{ name: site, routes: [{{ name: route, api: {{ upstream: app{route} }} }}] }}]
        upstreams: {{ app: {{ servers: [\"{server}\"]{upstream} }} }}
        "
    );
    Gateway::start(&yaml).await
}
