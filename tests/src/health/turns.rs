//! Which server gets which request.

use headwall_testkit::{Gateway, GatewayBuilder, Origin};

use super::{Health, server, until_up};

/// A gateway in front of servers with these weights.
fn balanced(servers: &[(&Origin, u32)], check: &str) -> GatewayBuilder {
    let servers: Vec<_> = servers
        .iter()
        .map(|(server, weight)| format!("{{ address: \"{}\", weight: {weight} }}", server.address()))
        .collect();
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [{}] {check} }} }}
        ",
        servers.join(", ")
    );
    Gateway::config(&yaml)
}

/// Who answers so many requests, one after the other.
async fn answers(gateway: &Gateway, requests: usize) -> String {
    let mut answers = String::new();
    for _ in 0..requests {
        answers += &gateway.client().get("/").send().await.assert_status(200).text();
    }
    answers
}

#[tokio::test]
async fn servers_take_turns_by_weight() {
    let well = Health::with(200);
    let (a, b, c) = (server("a", &well).await, server("b", &well).await, server("c", &well).await);
    let even = balanced(&[(&a, 1), (&b, 1), (&c, 1)], "").start().await;
    assert_eq!(answers(&even, 9).await, "abcabcabc");
    let weighted = balanced(&[(&a, 5), (&b, 1), (&c, 1)], "").start().await;
    assert_eq!(answers(&weighted, 14).await, "aabacaaaabacaa", "nginx's order, without a burst");
    let heavy = balanced(&[(&a, 100), (&b, 50)], "").start().await;
    assert_eq!(answers(&heavy, 6).await, "abaaba");
}

#[tokio::test]
async fn a_server_that_is_down_gets_nothing_until_it_is_back() {
    let (well, ill) = (Health::with(200), Health::with(503));
    let (a, b) = (server("a", &well).await, server("b", &ill).await);
    let check = ", health_check: { path: /health, interval: 500ms, fall: 1, rise: 1 }";
    let gateway = balanced(&[(&a, 1), (&b, 1)], check).start().await;
    assert_eq!(answers(&gateway, 10).await, "a".repeat(10));
    assert_eq!(b.hits_of("/"), 0);

    ill.becomes(200);
    until_up(&gateway, &b, true).await;
    let both = answers(&gateway, 10).await;
    assert_eq!((both.matches('a').count(), both.matches('b').count()), (5, 5), "{both}");

    well.becomes(500);
    until_up(&gateway, &a, false).await;
    assert_eq!(answers(&gateway, 10).await, "b".repeat(10));
}

#[tokio::test]
async fn a_server_that_cannot_be_connected_to_is_passed_over_at_once() {
    let well = Health::with(200);
    let (a, b) = (server("a", &well).await, server("b", &well).await);
    let gateway = balanced(&[(&a, 1), (&b, 1)], "").start().await;
    a.stop().await;
    assert_eq!(answers(&gateway, 10).await, "b".repeat(10));
    let log = gateway.stop().await;
    let attempts: Vec<_> = log.iter().filter_map(|line| line["attempts"].as_u64()).collect();
    assert_eq!(attempts, [2, 1, 2, 1, 2, 1, 2, 1, 2, 1], "every other request meets the dead server first");
}
