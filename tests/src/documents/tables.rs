//! Tables of what an operator sees: metrics, log fields, reasons, alerts.

use std::collections::{BTreeMap, BTreeSet};

use headwall::error::Failure;
use headwall::front::Refusal;
use headwall_testkit::{Authority, Gateway, Origin, WebSocketEcho, eventually};
use serde_json::Value;
use tempfile::TempDir;

use super::markdown::{table, words};
use crate::tidy::files;

const OBSERVE: &str = "docs/src/observe.md";
const ERRORS: &str = "docs/src/reference/errors.md";

/// Labels take their values from config or code. Another label is a decision.
const LABELS: [&str; 21] = [
    "certificate",
    "decision",
    "direction",
    "encoding",
    "filter",
    "kind",
    "method",
    "outcome",
    "place",
    "reason",
    "result",
    "resumed",
    "route",
    "server",
    "site",
    "source",
    "status",
    "upstream",
    "version",
    "zone",
    "le",
];

/// Type and labels of a metric.
type Family = (String, BTreeSet<String>);

fn documented_metrics() -> BTreeMap<String, Family> {
    let rows = table(&files::read(OBSERVE), "## Metrics");
    let row =
        |row: Vec<String>| (words(&row[0]).concat(), (row[1].clone(), words(&row[2]).into_iter().collect()));
    rows.into_iter().map(row).collect()
}

/// The string literals of the product that are words like this.
fn literals(is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files::product() {
        for (_, line) in file.code() {
            let strings = line.split('"').skip(1).step_by(2);
            found.extend(strings.filter(|text| is_wanted(text)).map(str::to_owned));
        }
    }
    found
}

#[test]
fn the_table_of_metrics_is_complete() {
    let documented: BTreeSet<_> = documented_metrics().into_keys().collect();
    let is_metric = |text: &str| {
        let plain =
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        plain && (text.starts_with("headwall_") || text.starts_with("process_"))
    };
    assert_eq!(documented, literals(is_metric), "{OBSERVE} (left) and the code (right)");
}

#[test]
fn metric_labels_are_known_words() {
    for (name, (_, labels)) in documented_metrics() {
        let odd: Vec<_> = labels.iter().filter(|label| !LABELS.contains(&label.as_str())).collect();
        assert!(
            odd.is_empty(),
            "{name} has labels that no other metric has: {odd:?}; are their values bounded?"
        );
    }
}

/// What comes through the door of the gateway below.
const API_KEY: &str = "a key that is long enough";

/// A gateway that has met a bit of everything.
async fn used() -> (Gateway, (Origin, TempDir)) {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue(&["127.0.0.1"]).write(dir.path());
    let ca = authority.write(dir.path());
    let origin = Origin::builder().route("/", "hello").route("/ws", WebSocketEcho::new()).start().await;
    let gateway = Gateway::config(
        "
        listeners: [{ address: \"127.0.0.1:0\" }, { address: \"127.0.0.1:0\", tls: true }]
        sites:
          - tls:
              certificate: \"${CERT}\"
              key: \"${KEY}\"
              client_auth: { ca: \"${CA}\" }
              redirect: false
            filters: [{ rate_limit: { rate: 1r/m, burst: 4 } }, { api_key: { keys: { ada: \"${API_KEY}\" } } }, { cache: {} }]
            routes:
              - match: { path: /ws }
                websocket: { upstream: app }
              - api: { upstream: app }
        upstreams:
          app: { servers: [\"${APP}\"], health_check: { path: / } }
        ",
    )
    .variable("APP", origin.address())
    .variable("CERT", certificate.display())
    .variable("KEY", key.display())
    .variable("CA", ca.display())
    .variable("API_KEY", API_KEY)
    .start()
    .await;
    let named = authority.issue_client("ada");
    let encrypted = gateway.client_at(1).tls(&authority).identity(&named);
    encrypted.get("/").header("x-api-key", API_KEY).send().await.assert_status(200);
    let client = gateway.client();
    client
        .get("/")
        .header("user-agent", "a test")
        .header("x-api-key", API_KEY)
        .header("referer", "/before")
        .send()
        .await
        .assert_status(200);
    client.websocket("/ws").header("x-api-key", API_KEY).open().await.close(1000, "").await;
    client.get("/nowhere").header("x-api-key", API_KEY).send().await.assert_status(404);
    client.get("/").header("x-api-key", API_KEY).send().await.assert_status(200);
    client.get("/").send().await.assert_status(429);
    eventually(10, async || gateway.metric("headwall_websockets_open").filter(|open| *open == 0.0)).await;
    (gateway, (origin, dir))
}

#[tokio::test]
async fn metrics_are_as_the_table_says() {
    let (gateway, _behind) = used().await;
    let text = gateway.admin("/metrics").await.text();
    let documented = documented_metrics();
    let mut types = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        types.insert(name, kind);
        assert_eq!(documented.get(name).map(|(kind, _)| kind.as_str()), Some(kind), "the type of {name}");
    }
    assert!(types.len() > 20, "most metrics are there: {types:?}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once('{').map_or_else(
            || (line.split(' ').next().unwrap_or_default(), ""),
            |(name, rest)| (name, rest.rsplit_once('}').map_or("", |(labels, _)| labels)),
        );
        let suffixes = ["_bucket", "_sum", "_count"];
        let base = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let base = if types.contains_key(name) { name } else { base };
        let names =
            labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
        let names: BTreeSet<_> = names.filter(|name| !name.is_empty() && name != "le").collect();
        assert_eq!(documented[base].1, names, "the labels of {base}");
    }
}

#[tokio::test]
async fn log_fields_are_as_the_table_says() {
    let rows = table(&files::read(OBSERVE), "### Fields");
    let documented: BTreeSet<_> = rows.iter().flat_map(|row| words(&row[0])).collect();

    let source = files::read("crates/core/src/access_log/json.rs");
    let (fields, _) = source.split_once("\nimpl Line").unwrap();
    // Each field is named where it is written: `line.text("kind", …)`, and the first one in the opening of the object.
    let name = |line: &str| {
        let (_, call) = line.split_once("line.")?;
        let (_, rest) = call.split_once("(\"")?;
        rest.split_once('"').map(|(name, _)| name.to_owned())
    };
    let written: BTreeSet<_> = fields.lines().filter_map(name).chain(["time".to_owned()]).collect();
    assert_eq!(documented, written, "{OBSERVE} (left) and the code (right)");

    let (gateway, _behind) = used().await;
    let log = gateway.stop().await;
    let seen: BTreeSet<_> =
        log.iter().filter_map(Value::as_object).flat_map(|line| line.keys().cloned()).collect();
    assert_eq!(documented, seen, "{OBSERVE} (left) and lines that were written (right)");
}

/// Every reply that Headwall makes itself: reason and status.
fn reasons_in_code() -> BTreeSet<(String, u16)> {
    let mut reasons = BTreeSet::new();
    for file in files::product() {
        let code: String = file.code().map(|(_, line)| line.trim()).collect::<Vec<_>>().join(" ");
        // A call that is broken into lines is the same call.
        let code = code.replace("( StatusCode::", "(StatusCode::");
        for rest in code.split("(StatusCode::").skip(1) {
            let Some((constant, rest)) = rest.split_once(", \"") else { continue };
            let Some((word, _)) = rest.split_once('"') else { continue };
            let is_reason = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if is_reason && constant.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                reasons.insert((word.to_owned(), status(constant)));
            }
        }
    }
    reasons
}

/// The number of a status that code calls by name.
fn status(constant: &str) -> u16 {
    let is_called = |status: &http::StatusCode| {
        let name = status.canonical_reason().unwrap_or_default().to_uppercase().replace([' ', '-'], "_");
        name == constant
    };
    let known = (100..600).filter_map(|number| http::StatusCode::from_u16(number).ok()).find(is_called);
    known.unwrap_or_else(|| panic!("which status is {constant}?")).as_u16()
}

#[test]
fn the_table_of_reasons_is_complete() {
    let failures = [
        Failure::ConnectRefused,
        Failure::ConnectTimeout,
        Failure::ConnectFailed,
        Failure::Tls,
        Failure::ReadTimeout,
        Failure::SendTimeout,
        Failure::Overdue,
        Failure::Closed,
        Failure::InvalidResponse,
        Failure::ClientClosed,
        Failure::ClientTimeout,
        Failure::InvalidRequest,
        Failure::Internal,
    ];
    let mut real = reasons_in_code();
    real.extend(Refusal::ALL.map(|refusal| (refusal.reason().to_owned(), refusal.status().as_u16())));
    real.extend(failures.map(|failure| (failure.reason().to_owned(), failure.status().as_u16())));
    // The words of `Error` itself, whose statuses stand beside them in that file.
    // So is a word that stands with whatever status another server has chosen.
    for (word, status) in [
        ("module_error", 500),
        ("no_healthy_server", 503),
        ("upstream_unknown_peer", 502),
        ("auth_refused", 401),
        ("error_page", 404),
    ] {
        real.insert((word.to_owned(), status));
    }
    let in_errors: BTreeSet<_> = {
        let source = files::read("crates/core/src/error.rs");
        source.split("=> \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    };
    let known: BTreeSet<_> = real.iter().map(|(word, _)| word.clone()).collect();
    assert!(in_errors.is_subset(&known), "this test knows every word of error.rs: {in_errors:?}");

    let rows = table(&files::read(ERRORS), "## Reasons");
    let documented: BTreeSet<(String, u16)> =
        rows.iter().map(|row| (words(&row[0]).concat(), row[1].parse().unwrap())).collect();
    assert_eq!(documented, real, "{ERRORS} (left) and the code (right)");
}

#[test]
fn the_table_of_tunnel_ends_is_complete() {
    let source = files::read("crates/core/src/websocket/relay.rs");
    let real: BTreeSet<_> =
        source.split("=> \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect();
    let rows = table(&files::read(ERRORS), "## How tunnels end");
    let documented: BTreeSet<_> = rows.iter().map(|row| words(&row[0]).concat()).collect();
    assert_eq!(documented, real, "{ERRORS} (left) and the code (right)");
}

#[test]
fn alerts_ask_for_metrics_that_are_there() {
    let known = documented_metrics();
    let text = files::read("docs/alerts.yaml");
    let names: BTreeSet<_> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("headwall_"))
        .collect();
    assert!(names.len() > 4, "alerts were found: {names:?}");
    for name in names {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        assert!(
            known.contains_key(name) || base.is_some_and(|base| known.contains_key(base)),
            "docs/alerts.yaml asks for {name}"
        );
    }
}
