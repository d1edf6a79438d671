//! What a client is told when something goes wrong, and what the log and the metrics know that the client is not told.

mod modules;
mod pages;
mod replies;
mod retries;
mod upstreams;

use headwall_testkit::Reply;

/// Asserts that a reply is an error in Headwall's own words.
#[track_caller]
pub(crate) fn assert_error(reply: &Reply, status: u16, sentence: &str) {
    reply.assert_status(status).assert_header("content-type", "application/json");
    assert_eq!(reply.json(), serde_json::json!({ "error": sentence }));
}
