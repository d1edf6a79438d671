//! Second attempts: only where the first cannot have had an effect.

use headwall_testkit::{Client, Gateway, Origin, RawOrigin, Wire, deaf_address};

use crate::forwarding::in_front_of;

/// An origin whose connections are good for one request each, and do not say so: the second is read and then cut.
async fn cutting() -> RawOrigin {
    RawOrigin::start(async |mut wire: Wire| {
        wire.read_head().await;
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        wire.read_head().await;
    })
    .await
}

#[tokio::test]
async fn another_server_is_asked_when_one_refuses_connections() {
    let (refusing, origin) = (deaf_address(), Origin::fixed("hello").await);
    let gateway = Gateway::config(
        r#"
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${DOWN}", "${UP}"] } }
        "#,
    )
    .variable("DOWN", refusing)
    .variable("UP", origin.address())
    .start()
    .await;
    for _ in 0..4 {
        gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
        // Nothing was sent to the server that refused, so a POST may be tried again as well.
        gateway.client().post("/", "once").send().await.assert_status(200);
    }
    assert_eq!(origin.hits(), 8, "each request arrived once");
    assert!(
        origin.requests().iter().all(|seen| seen.method == "GET" || seen.text() == "once"),
        "bodies were whole"
    );
    let log = gateway.stop().await;
    assert!(
        log.iter().all(|line| line["server"] == origin.address().to_string()),
        "the log names who answered"
    );
    assert!(log.iter().any(|line| line["attempts"] == 2), "some needed a second attempt: {log:?}");
    assert!(log.iter().all(|line| line["reason"].is_null()), "in the end nothing went wrong");
}

#[tokio::test]
async fn attempts_can_be_limited_to_one() {
    let (refusing, origin) = (deaf_address(), Origin::fixed("hello").await);
    let gateway = Gateway::config(
        r#"
        sites: [{ routes: [{ api: { upstream: app, retry: { attempts: 1 } } }] }]
        upstreams: { app: { servers: ["${DOWN}", "${UP}"] } }
        "#,
    )
    .variable("DOWN", refusing)
    .variable("UP", origin.address())
    .start()
    .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(gateway.client().get("/").send().await.status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
    assert!(gateway.stop().await.iter().all(|line| line["attempts"] == 1));
}

#[tokio::test]
async fn a_get_is_repeated_when_a_kept_connection_was_dead() {
    let origin = cutting().await;
    let gateway = in_front_of(origin.address()).await;
    let client = Client::connect(gateway.address()).await;
    for _ in 0..3 {
        client.get("/").send().await.assert_status(200).assert_text("hello");
    }
    assert_eq!(origin.connections(), 3, "the second and third request needed a new one each");
    let log = gateway.stop().await;
    assert_eq!(log[1]["attempts"], 2);
}

/// The server may have acted on a POST before the connection broke, so its client has to decide.
#[tokio::test]
async fn a_post_is_never_repeated() {
    let origin = cutting().await;
    let gateway = in_front_of(origin.address()).await;
    let client = Client::connect(gateway.address()).await;
    client.get("/").send().await.assert_status(200);
    client.post("/", "").send().await.assert_status(502);
    assert_eq!(origin.connections(), 1);
    let log = gateway.stop().await;
    assert_eq!((&log[1]["attempts"], &log[1]["reason"]), (&1.into(), &"upstream_closed".into()));
}
