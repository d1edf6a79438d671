//! What a reload leaves as it is, although the upstream has changed.

use headwall_testkit::{Fixed, Gate, Gateway, Origin, eventually};

use super::{answers, in_front_of, server, upstream};
use crate::health::{Health, is_up, server as checked, until_up};

const CHECK: &str = "health_check: { path: /health, interval: 1h }";

#[tokio::test]
async fn weights_and_policies_change_without_a_new_check() {
    let well = Origin::builder().route("/health", Fixed::status(200)).otherwise("a").start().await;
    let ill = Origin::builder().route("/health", Fixed::status(500)).otherwise("b").start().await;
    let both = "\"${A}\", \"${B}\"";
    let mut gateway = in_front_of(&[&well, &ill], both, CHECK).start().await;
    assert_eq!(answers(&gateway.client(), 4).await, "aaaa");
    let changed = [
        ("{ address: \"${A}\", weight: 2 }, { address: \"${B}\", weight: 50 }", "policy: round_robin"),
        (both, "policy: least_requests"),
        (both, "sticky: {}, slow_start: 10s"),
        ("{ address: \"${A}\", max_connections: 4 }, \"${B}\"", "queue: {}"),
    ];
    for (servers, settings) in changed {
        gateway.reload(&upstream(servers, &format!("{CHECK}, {settings}"))).await.unwrap();
        assert_eq!(answers(&gateway.client(), 4).await, "aaaa", "{settings}: what is down stays down");
        assert_eq!((is_up(&gateway, &well), is_up(&gateway, &ill)), (Some(1.0), Some(0.0)), "{settings}");
    }
    assert_eq!((well.hits_of("/health"), ill.hits_of("/health")), (1, 1), "nobody was asked again");
    assert_eq!(well.connections(), 2, "the check's, and one for all requests");
}

#[tokio::test]
async fn a_server_that_stays_keeps_what_is_known_when_others_come_and_go() {
    let gate = Gate::closed();
    let (a, b, c) = (server("a", &gate).await, server("b", &gate).await, server("c", &gate).await);
    let mut gateway = in_front_of(&[&a, &b, &c], "\"${A}\", \"${B}\"", "policy: round_robin").start().await;
    assert_eq!(answers(&gateway.client(), 4).await, "abab");
    gateway.reload(&upstream("\"${C}\", \"${B}\"", "policy: round_robin")).await.unwrap();
    let four = answers(&gateway.client(), 4).await;
    assert_eq!((four.matches('b').count(), four.matches('c').count()), (2, 2), "{four}");
    assert_eq!(b.connections(), 1, "its connection is the old one");
}

#[tokio::test]
async fn requests_in_flight_count_on() {
    let gate = Gate::closed();
    let a = server("a", &gate).await;
    let servers = |weight: u32| format!("{{ address: \"${{A}}\", max_connections: 1, weight: {weight} }}");
    let mut gateway = in_front_of(&[&a], &servers(1), "policy: round_robin").start().await;
    let held = tokio::spawn(gateway.client().get("/slow").send());
    gate.reached(1).await;
    gateway.reload(&upstream(&servers(2), "policy: random")).await.unwrap();
    gateway.client().get("/").send().await.assert_status(503);
    gate.open();
    held.await.unwrap().assert_status(200);
    eventually(10, async || (gateway.client().get("/").send().await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn whoever_waits_gets_the_place_that_an_older_config_gave() {
    let gate = Gate::closed();
    let a = server("a", &gate).await;
    let one = "{ address: \"${A}\", max_connections: 1 }";
    let mut gateway = in_front_of(&[&a], one, "queue: { timeout: 20s }").start().await;
    let held = tokio::spawn(gateway.client().get("/slow").send());
    gate.reached(1).await;
    gateway.reload(&upstream(one, "queue: { timeout: 30s }")).await.unwrap();
    let waits = tokio::spawn(gateway.client().get("/").send());
    let waiting = |gateway: &Gateway| gateway.metric(r#"headwall_upstream_waiting{upstream="app"}"#);
    eventually(10, async || (waiting(&gateway) == Some(1.0)).then_some(())).await;
    gate.open();
    held.await.unwrap().assert_status(200);
    waits.await.unwrap().assert_status(200);
}

#[tokio::test]
async fn a_server_that_is_back_starts_slowly_and_a_new_one_does_not() {
    let (well, flapping) = (Health::with(200), Health::with(200));
    let (a, b) = (checked("a", &flapping).await, checked("b", &well).await);
    let settings = "slow_start: 1d, health_check: { path: /health, interval: 500ms, fall: 1, rise: 1 }";
    let gateway = in_front_of(&[&a, &b], "\"${A}\", \"${B}\"", settings).start().await;
    let at_first = answers(&gateway.client(), 20).await;
    assert_eq!(at_first.matches('a').count(), 10, "nobody is slow at the start: {at_first}");
    flapping.becomes(500);
    until_up(&gateway, &a, false).await;
    flapping.becomes(200);
    until_up(&gateway, &a, true).await;
    let later = answers(&gateway.client(), 42).await;
    assert_eq!(later.matches('a').count(), 2, "a twentieth of the other's: {later}");
}
