//! What is said of balancing in the config, and cannot be meant.

use super::in_front_of;

const ONE: &str = "\"a:1\"";

#[tokio::test]
async fn a_setting_that_cannot_be_meant_is_refused_at_its_place() {
    let rows = [
        ("", "policy: random", "length", "no servers"),
        (
            "\"a:1\", \"a:1\"",
            "policy: random",
            "server `a:1` is named twice; give it a weight instead",
            "duplicates",
        ),
        (
            "{ address: \"a:1\", weight: 0 }, { address: \"b:1\", weight: 0 }",
            "policy: random",
            "expected a server with a weight of more than 0",
            "all weights zero",
        ),
        ("{ address: \"a:1\", weight: 101 }", "policy: random", "100", "a weight that is too large"),
        (
            "{ address: \"a:1\", backup: true, priority: 2 }",
            "policy: random",
            "expected `backup` or `priority`, found both",
            "two words for one thing",
        ),
        (ONE, "policy: least_request", "least_requests", "a policy that is not there, and the one that is"),
        (ONE, "policy: { consistent_hash: { by: cooky } }", "cookie", "a key that is not there"),
        (ONE, "policy: { consistent_hash: {} }", "by", "no key"),
        (
            ONE,
            "policy: { consistent_hash: { by: { header: \"a b\" } } }",
            "expected the name of a header such as `x-user`, was `a b`",
            "no header's name",
        ),
        (ONE, "policy: { consistent_hash: { by: path, max_load: 90 } }", "101", "less than the average"),
        (ONE, "sticky: { cookie: \"a=b\" }", "expected the name of a cookie", "no cookie's name"),
        (ONE, "sticky: { secret: \"${SECRET}\" }", "expected at least 16 bytes", "a short secret"),
        (ONE, "sticky: { path: \"/;x\" }", "without `;`", "an attribute in disguise"),
        (
            ONE,
            "sticky: { same_site: none, secure: false }",
            "expected `secure: true`",
            "a cookie that browsers drop",
        ),
        (ONE, "queue: {}", "expected `max_connections`", "a queue that nobody comes to"),
        (ONE, "max_connections: 0", "1", "no places"),
        (ONE, "slow_start: 0s", "expected at least 1s", "no time"),
        (ONE, "breaker: { failures: 0 }", "1", "no failures"),
        (ONE, "breaker: { open: 1ms }", "expected at least 100ms", "hardly open"),
    ];
    for (servers, settings, sentence, row) in rows {
        let error =
            in_front_of(&[], servers, settings).variable("SECRET", "hunter2").try_start().await.unwrap_err();
        assert!(error.contains(sentence), "{row}: {sentence:?} is not in:\n{error}");
        let (_, place) = error.split_once("test.yaml:").unwrap_or_default();
        assert!(place.starts_with(|c: char| c.is_ascii_digit()), "{row}: no line and column in:\n{error}");
        assert!(!error.contains("hunter2"), "{row}: a secret is shown:\n{error}");
    }
}
