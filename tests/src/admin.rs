//! The admin API of upstreams: what it shows, what can be ordered, and who may.

use headwall_testkit::{
    Call, Client, Fixed, Gate, Gateway, Origin, Reply, WebSocketEcho, deaf_address, eventually,
};
use serde_json::Value;

/// An origin that answers with its name, and takes WebSockets.
async fn origin(name: &'static str) -> Origin {
    let named = Fixed::status(200).body(name);
    Origin::builder().route("/ws", WebSocketEcho::new()).otherwise(named).start().await
}

/// A config with the upstream `app`.
fn config(servers: &[&Origin], settings: &str) -> String {
    let servers: Vec<_> = servers.iter().map(|server| format!("\"{}\"", server.address())).collect();
    format!(
        "
        sites:
          - routes:
              - {{ match: {{ path: /ws }}, websocket: {{ upstream: app }} }}
              - {{ api: {{ upstream: app }} }}
        upstreams: {{ app: {{ servers: [{}] {settings} }} }}
        ",
        servers.join(", ")
    )
}

fn admin(gateway: &Gateway) -> Client {
    gateway.admin_client()
}

/// The servers of `app`.
async fn servers(gateway: &Gateway) -> Vec<Value> {
    let reply = gateway.admin("/upstreams").await;
    reply.assert_status(200);
    assert_eq!(reply.json()[0]["name"], "app");
    reply.json()[0]["servers"].as_array().unwrap().clone()
}

fn order_to(gateway: &Gateway, server: &Origin, order: &str) -> Call {
    let path = format!("/upstreams/app/servers/{}/{order}", server.address());
    admin(gateway).post(&path, "").header("x-headwall-control", "1")
}

async fn order(gateway: &Gateway, server: &Origin, what: &str) -> Reply {
    let reply = order_to(gateway, server, what).send().await;
    reply.assert_status(200);
    reply
}

fn draining(gateway: &Gateway, server: &Origin) -> Option<f64> {
    let server = server.address();
    gateway.metric(&format!(r#"headwall_upstream_server_draining{{server="{server}",upstream="app"}}"#))
}

#[tokio::test]
async fn every_server_is_shown_as_it_stands() {
    let good = origin("good").await;
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams:
          app:
            servers: [{{ address: \"{}\", weight: 3 }}, \"{}\"]
            health_check: {{ interval: 1h }}
        ",
        good.address(),
        deaf_address()
    );
    let gateway = Gateway::start(&yaml).await;
    let servers = servers(&gateway).await;
    assert_eq!(servers[0]["server"], good.address().to_string());
    assert_eq!((servers[0]["state"].as_str(), servers[0]["weight"].as_u64()), (Some("ready"), Some(3)));
    assert_eq!((servers[0]["in_flight"].as_u64(), servers[0]["ejections"].as_u64()), (Some(0), Some(0)));
    assert_eq!(servers[0].get("last_failure"), None, "nothing has failed");
    assert_eq!(servers[1]["state"], "down");
    assert_eq!(servers[1]["last_failure"]["reason"], "connect_refused");
    assert!(servers[1]["last_failure"]["timestamp_seconds"].as_u64().unwrap() > 1_700_000_000);
}

#[tokio::test]
async fn a_server_that_is_drained_gets_nothing_new_and_keeps_its_tunnels() {
    let (one, two) = (origin("one").await, origin("two").await);
    let mut gateway = Gateway::start(&config(&[&one, &two], "")).await;
    let mut tunnels = Vec::new();
    for _ in 0..2 {
        tunnels.push(gateway.client().websocket("/ws").open().await);
    }
    order(&gateway, &one, "drain").await;
    assert_eq!((draining(&gateway, &one), draining(&gateway, &two)), (Some(1.0), Some(0.0)));
    for _ in 0..6 {
        gateway.client().get("/").send().await.assert_text("two");
    }
    assert_eq!(servers(&gateway).await[0]["in_flight"], 1, "its tunnel is its business still");
    for tunnel in &mut tunnels {
        tunnel.send("still here").await;
        assert_eq!(tunnel.text().await, "still here");
    }

    gateway.reload(&config(&[&two, &one], ", policy: random")).await.unwrap();
    for _ in 0..6 {
        gateway.client().get("/").send().await.assert_text("two");
    }
    assert_eq!(draining(&gateway, &one), Some(1.0), "a reload forgets no order");

    order(&gateway, &one, "ready").await;
    eventually(10, async || (gateway.client().get("/").send().await.text() == "one").then_some(())).await;
}

#[tokio::test]
async fn a_request_that_is_under_way_is_finished() {
    let gate = Gate::closed();
    let slow = Origin::builder().otherwise(gate.then("slow")).start().await;
    let fast = origin("fast").await;
    let gateway = Gateway::start(&config(&[&slow, &fast], "")).await;
    let held = tokio::spawn(gateway.client().get("/").send());
    gate.reached(1).await;
    order(&gateway, &slow, "drain").await;
    gateway.client().get("/").send().await.assert_text("fast");
    gate.open();
    held.await.unwrap().assert_status(200).assert_text("slow");
}

#[tokio::test]
async fn clients_that_stick_to_a_server_move_on_when_it_drains() {
    let (one, two) = (origin("one").await, origin("two").await);
    let gateway = Gateway::start(&config(&[&one, &two], ", sticky: {}")).await;
    let first = gateway.client().get("/").send().await;
    let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let again = || gateway.client().get("/").header("cookie", &cookie).send();
    for _ in 0..4 {
        again().await.assert_text(&first.text());
    }
    let (mine, other) = if first.text() == "one" { (&one, "two") } else { (&two, "one") };
    order(&gateway, mine, "drain").await;
    again().await.assert_status(200).assert_text(other);
}

#[tokio::test]
async fn a_weight_is_changed_while_the_server_runs() {
    let (one, two) = (origin("one").await, origin("two").await);
    let gateway = Gateway::start(&config(&[&one, &two], "")).await;
    let shares = async || {
        let (before_one, before_two) = (one.hits(), two.hits());
        for _ in 0..20 {
            gateway.client().get("/").send().await.assert_status(200);
        }
        (one.hits() - before_one, two.hits() - before_two)
    };
    assert_eq!(shares().await, (10, 10));
    let reply = order(&gateway, &one, "weight/3").await;
    assert_eq!(reply.json()["servers"][0]["weight"], 3);
    assert_eq!(shares().await, (15, 5));
    order(&gateway, &one, "weight/0").await;
    assert_eq!(shares().await, (0, 20));
    order(&gateway, &one, "weight/config").await;
    assert_eq!(shares().await, (10, 10));
}

#[tokio::test]
async fn a_page_in_a_browser_can_order_nothing() {
    let one = origin("one").await;
    let gateway = Gateway::start(&config(&[&one], "")).await;
    let path = format!("/upstreams/app/servers/{}/drain", one.address());
    let rows = [
        (admin(&gateway).post(&path, ""), "X-Headwall-Control", "a form of any page"),
        (
            admin(&gateway).post(&path, "").host("rebound.test").header("x-headwall-control", "1"),
            "admin.hosts",
            "a page whose name leads here",
        ),
        (admin(&gateway).get("/upstreams").host("rebound.test"), "admin.hosts", "one that only reads"),
    ];
    for (call, says, row) in rows {
        let reply = call.send().await;
        reply.assert_status(403);
        assert!(reply.text().contains(says), "{row}: {reply}");
    }
    assert_eq!(servers(&gateway).await[0]["state"], "ready");
    let yaml = config(&[&one], "") + "\n        admin: { hosts: [admin.test] }\n";
    let gateway = Gateway::start(&yaml).await;
    admin(&gateway).get("/upstreams").host("admin.test:9180").send().await.assert_status(200);
}

#[tokio::test]
async fn what_cannot_be_done_is_told() {
    let one = origin("one").await;
    let gateway = Gateway::start(&config(&[&one], "")).await;
    let post = |path: &str| admin(&gateway).post(path, "").header("x-headwall-control", "1").send();
    post("/upstreams/nobody/servers/a:80/drain").await.assert_status(404);
    post("/upstreams/app/servers/10.9.9.9:80/drain").await.assert_status(404);
    order_to(&gateway, &one, "weight/1000").send().await.assert_status(404);
    post("/upstreams").await.assert_status(405);
    admin(&gateway).get("/upstreams/app/servers/a:80/drain").send().await.assert_status(405);
}
