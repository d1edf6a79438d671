//! The corpus in front of nginx, for comparison: what it refuses, and what its upstream gets to hear.
//!
//! Nothing is asserted of nginx, which may change its mind. Headwall lets none of it through; `heads.rs` asserts that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use futures_util::future::join_all;
use headwall_testkit::Wire;

use super::Recorder;
use super::corpus::CORPUS;
use crate::nginx::Nginx;

/// What becomes of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// An answer with a status of its own, and nothing for the upstream.
    Refused,
    /// Closed without a word.
    Silence,
    /// A request of it reached the upstream.
    Forwarded,
}

/// Forwards, and tells the upstream by the client's port of which head a request was made.
const PROXY: &str = "
    client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; lingering_timeout 1s;
    location / {
        proxy_pass http://@ORIGIN@; proxy_http_version 1.1; proxy_set_header Connection \"\";
        proxy_set_header Host $http_host; proxy_set_header X-Row \"<$remote_port>\"; proxy_read_timeout 1s;
    }";

async fn fate(nginx: &Nginx, origin: &Recorder, head: &str) -> Fate {
    let mut wire = Wire::connect(([127, 0, 0, 1], nginx.address().port()).into()).await;
    let port = wire.local_address().port();
    drop(wire.try_write(head.replace('·', "\r\n")).await);
    let answer = wire.read_to_end().await;
    if origin.seen().contains(&format!("<{port}>")) {
        Fate::Forwarded
    } else if answer.is_empty() {
        Fate::Silence
    } else {
        Fate::Refused
    }
}

#[tokio::test]
async fn the_corpus_is_compared_with_nginx() {
    let origin = Recorder::start().await;
    let server = PROXY.replace("@ORIGIN@", &origin.address().to_string());
    let Some(nginx) = Nginx::start("", &server, |_| {}).await else { return };
    let fates = join_all(CORPUS.iter().map(|(head, ..)| fate(&nginx, &origin, head))).await;

    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for ((_, _, reason), fate) in CORPUS.iter().zip(&fates) {
        counts.entry(reason).or_default()[*fate as usize] += 1;
    }
    let total = |fate: Fate| fates.iter().filter(|found| **found == fate).count();
    let mut table = format!("{:<27} {:>5}  refused  silence  forwarded\n", "nginx beside Headwall", "heads");
    let totals = [total(Fate::Refused), total(Fate::Silence), total(Fate::Forwarded)];
    for (reason, [refused, silence, forwarded]) in counts.into_iter().chain([("all", totals)]) {
        let heads = refused + silence + forwarded;
        writeln!(table, "{reason:<27} {heads:>5}  {refused:>7}  {silence:>7}  {forwarded:>9}").unwrap();
    }
    table.push_str("forwarded by nginx, refused by Headwall:\n");
    for ((head, ..), _) in CORPUS.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Forwarded) {
        writeln!(table, "  {}", head.escape_debug()).unwrap();
    }
    // Past the capture of the test runner, for whoever wants to compare.
    std::io::stderr().write_all(table.as_bytes()).unwrap();
    assert_eq!(fates.len(), CORPUS.len());
}
