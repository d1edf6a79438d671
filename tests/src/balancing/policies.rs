//! Policies, with servers that are real.

use headwall_testkit::{Gate, Origin};

use super::{answers, in_front_of, server};

const TWO: &str = "\"${A}\", \"${B}\"";
const THREE: &str = "\"${A}\", \"${B}\", \"${C}\"";

#[tokio::test]
async fn a_server_that_has_requests_gets_fewer() {
    for policy in ["least_requests", "peak_ewma"] {
        let gate = Gate::closed();
        let (a, b) = (server("a", &gate).await, Origin::fixed("b").await);
        let gateway = in_front_of(&[&a, &b], TWO, &format!("policy: {policy}")).start().await;
        let client = gateway.client();
        let held = loop {
            // Chance decides while both are idle; sooner or later the one with the gate gets one.
            let before = b.hits();
            let held = tokio::spawn(client.get("/slow").send());
            tokio::select! {
                () = gate.reached(1) => break held,
                () = b.reached(before + 1) => {}
            }
        };
        assert_eq!(answers(&client, 20).await, "b".repeat(20), "{policy}");
        gate.open();
        held.await.unwrap().assert_status(200).assert_text("a");
    }
}

#[tokio::test]
async fn the_same_key_goes_to_the_same_server_and_on_when_that_is_gone() {
    let gate = Gate::closed();
    let (a, b, c) = (server("a", &gate).await, server("b", &gate).await, server("c", &gate).await);
    let by_user = "policy: { consistent_hash: { by: { header: x-user } } }";
    let gateway = in_front_of(&[&a, &b, &c], THREE, by_user).start().await;
    let owners = async || {
        let mut owners = Vec::new();
        for user in 0..30 {
            let call = gateway.client().get("/").header("x-user", &format!("user {user}"));
            owners.push(call.send().await.assert_status(200).text());
        }
        owners
    };
    let before = owners().await;
    assert_eq!(owners().await, before, "nobody moves");
    for name in ["a", "b", "c"] {
        assert!(before.iter().any(|owner| owner == name), "{name} has nobody in {before:?}");
    }
    b.stop().await;
    for (before, after) in before.iter().zip(owners().await) {
        assert!(after != "b" && (before == "b" || *before == after), "from {before} to {after}");
    }
}

#[tokio::test]
async fn every_policy_finds_the_server_that_works() {
    let policies = [
        "round_robin",
        "least_requests",
        "peak_ewma",
        "random",
        "{ consistent_hash: { by: path } }",
        "{ consistent_hash: { by: client_address, max_load: 125 } }",
    ];
    let gate = Gate::closed();
    let (a, b) = (server("a", &gate).await, server("b", &gate).await);
    a.stop().await;
    for policy in policies {
        let gateway = in_front_of(&[&a, &b], TWO, &format!("policy: {policy}")).start().await;
        assert_eq!(answers(&gateway.client(), 6).await, "bbbbbb", "{policy}");
    }
}

#[tokio::test]
async fn a_backup_is_asked_when_the_others_cannot_be() {
    let gate = Gate::closed();
    let (a, b, c) = (server("a", &gate).await, server("b", &gate).await, server("c", &gate).await);
    let servers = "\"${A}\", { address: \"${B}\", backup: true }, { address: \"${C}\", priority: 2 }";
    let gateway = in_front_of(&[&a, &b, &c], servers, "policy: round_robin").start().await;
    assert_eq!(answers(&gateway.client(), 6).await, "aaaaaa");
    a.stop().await;
    assert_eq!(answers(&gateway.client(), 6).await, "bbbbbb", "the request itself goes on to the backup");
    assert_eq!(c.hits(), 0);
}

#[tokio::test]
async fn a_server_without_weight_gets_nothing() {
    let gate = Gate::closed();
    let (a, b) = (server("a", &gate).await, server("b", &gate).await);
    let gateway =
        in_front_of(&[&a, &b], "{ address: \"${A}\", weight: 0 }, \"${B}\"", "policy: random").start().await;
    assert_eq!(answers(&gateway.client(), 10).await, "b".repeat(10));
}
