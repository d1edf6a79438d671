//! Connections to servers are kept and used again.

use headwall_testkit::{Client, Drain, Feeds, Filler, Gateway, Origin};

use super::in_front_of;

#[tokio::test]
async fn many_clients_share_one_kept_connection() {
    let origin = Origin::fixed("hello").await;
    let gateway = in_front_of(origin.address()).await;
    for _ in 0..50 {
        gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
    }
    assert_eq!((origin.hits(), origin.connections()), (50, 1), "requests and connections");
}

#[tokio::test]
async fn a_connection_is_kept_after_every_kind_of_body() {
    let mut feeds = Feeds::of("text/plain");
    let drain = Drain::new();
    let origin = Origin::builder()
        .route("/chunked", feeds.route())
        .route("/filled", Filler(100_000))
        .route("/upload", drain)
        .otherwise("hello")
        .start()
        .await;
    let gateway = in_front_of(origin.address()).await;
    let client = Client::connect(gateway.address()).await;

    let open = client.get("/chunked").open().await;
    let feed = feeds.next().await;
    feed.send("piece").await.unwrap();
    feed.end();
    assert_eq!(open.whole().await.unwrap().text(), "piece");
    assert_eq!(client.get("/filled").send().await.body.len(), 100_000);
    client.post("/upload", "").filled(50_000).send().await.assert_text("{\"received\":50000}");
    client.post("/upload", "twelve bytes").send().await.assert_text("{\"received\":12}");
    client.head("/filled").send().await.assert_status(200).assert_header("content-length", "100000");
    client.get("/").send().await.assert_text("hello");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_spoil_the_pool() {
    let mut feeds = Feeds::of("text/plain");
    let origin = Origin::builder().route("/slow", feeds.route()).otherwise("hello").start().await;
    let gateway = in_front_of(origin.address()).await;
    gateway.client().get("/").send().await;

    let open = gateway.client().get("/slow").open().await;
    let feed = feeds.next().await;
    drop(open);
    feed.abandoned().await;
    for _ in 0..5 {
        gateway.client().get("/").send().await.assert_status(200).assert_text("hello");
    }
    assert_eq!(origin.connections(), 2, "the connection of the broken exchange is not used again");
}

#[tokio::test]
async fn two_servers_take_turns_on_connections_of_their_own() {
    let (one, two) = (Origin::fixed("one").await, Origin::fixed("two").await);
    let gateway = Gateway::config(
        r#"
        sites: [{ routes: [{ api: { upstream: app } }] }]
        upstreams: { app: { servers: ["${ONE}", "${TWO}"] } }
        "#,
    )
    .variable("ONE", one.address())
    .variable("TWO", two.address())
    .start()
    .await;
    for _ in 0..10 {
        gateway.client().get("/").send().await.assert_status(200);
    }
    assert_eq!((one.hits(), two.hits()), (5, 5), "requests");
    assert_eq!((one.connections(), two.connections()), (1, 1), "connections");
}
