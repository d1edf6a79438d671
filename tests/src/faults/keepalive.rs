//! Kept connections never cost a request: they are given up before a server closes them. What that is worth is shown by the
//! race itself, in `race`.

use std::time::Duration;

use headwall_testkit::{Fixed, Origin};

use super::gateway;

/// An origin that says of connections how it keeps them.
async fn keeping(says: Option<&str>) -> Origin {
    let answer = Fixed::status(200).body("me");
    let answer = says.into_iter().fold(answer, |answer, says| answer.header("keep-alive", says));
    Origin::builder().otherwise(answer).start().await
}

#[tokio::test]
async fn a_server_that_says_how_long_it_keeps_a_connection_is_believed() {
    let rows = [
        (Some("timeout=1"), 3, "one second, less one for the way"),
        (Some("timeout=30, max=100"), 1, "longer than ours"),
        (None, 1, "nothing"),
    ];
    for (says, connections, row) in rows {
        let origin = keeping(says).await;
        let gateway = gateway(origin.address(), "", "").await;
        for _ in 0..3 {
            gateway.client().get("/").send().await.assert_status(200).assert_no_header("keep-alive");
        }
        assert_eq!(origin.connections(), connections, "{row}");
        let log = gateway.stop().await;
        assert!(log.iter().all(|line| line["attempts"] == 1), "{row}: a connection given up is no attempt");
    }
}

#[tokio::test]
async fn what_cannot_be_repeated_takes_no_connection_that_has_rested_for_long() {
    let origin = keeping(None).await;
    let gateway = gateway(origin.address(), "", ", keepalive: { idle_timeout: 4s }").await;
    gateway.client().get("/").send().await.assert_status(200);
    gateway.client().post("/", "body").send().await.assert_status(200);
    assert_eq!(origin.connections(), 1, "it has rested for a moment only");
    // What this awaits is the time itself.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    gateway.client().post("/", "body").send().await.assert_status(200);
    assert_eq!(origin.connections(), 2, "more than half of its time");
    gateway.client().get("/").send().await.assert_status(200);
    assert_eq!(origin.connections(), 2, "the new one is kept");
}
