//! Passive health: servers that fail real requests are passed over, whatever their checks say.

use headwall_testkit::{Gateway, Origin, RawOrigin, Wire, deaf_address, eventually};

use super::Health;

/// A gateway in front of the upstream `app` with these servers and settings.
async fn in_front_of(servers: &[String], settings: &str) -> Gateway {
    let servers: Vec<_> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams: {{ app: {{ servers: [{}], {settings} }} }}
        ",
        servers.join(", ")
    );
    Gateway::start(&yaml).await
}

fn metric(gateway: &Gateway, name: &str, server: &str) -> Option<f64> {
    gateway.metric(&format!(r#"headwall_upstream_{name}{{server="{server}",upstream="app"}}"#))
}

/// Answers `/health` with 200 and all else with what the test says.
async fn origin(health: &Health) -> Origin {
    Origin::builder().route("/health", Health::with(200)).otherwise(health.clone()).start().await
}

#[tokio::test]
async fn a_server_that_fails_requests_is_passed_over_while_its_checks_pass() {
    let (good, ill) = (Health::with(200), Health::with(503));
    let (good, bad) = (origin(&good).await, origin(&ill).await);
    let servers = [good.address().to_string(), bad.address().to_string()];
    let settings = "passive_health: { gateway_errors: 3 }, health_check: { path: /health, interval: 1h }";
    let gateway = in_front_of(&servers, settings).await;
    let client = gateway.client();
    let mut failed = 0;
    for _ in 0..20 {
        failed += u32::from(client.get("/").send().await.status == 503);
    }
    assert_eq!(failed, 3, "the third was the last");
    assert_eq!(metric(&gateway, "server_up", &servers[1]), Some(1.0), "its checks still pass");
    assert_eq!(metric(&gateway, "server_ejected", &servers[1]), Some(1.0));
    assert_eq!(metric(&gateway, "server_ejected", &servers[0]), Some(0.0));
    assert_eq!(metric(&gateway, "ejections_total", &servers[1]), Some(1.0));
    gateway.admin("/readyz").await.assert_status(200);
}

#[tokio::test]
async fn an_ejection_ends_after_its_time() {
    let (good, ill) = (Health::with(200), Health::with(502));
    let (good, bad) = (origin(&good).await, origin(&ill).await);
    let servers = [good.address().to_string(), bad.address().to_string()];
    let gateway = in_front_of(&servers, "passive_health: { gateway_errors: 1, base_time: 1s }").await;
    let client = gateway.client();
    eventually(10, async || (client.get("/").send().await.status == 502).then_some(())).await;
    ill.becomes(200);
    let hits = bad.hits();
    client.get("/").send().await.assert_status(200);
    client.get("/").send().await.assert_status(200);
    assert_eq!(bad.hits(), hits, "for now it is left alone");
    eventually(10, async || {
        client.get("/").send().await.assert_status(200);
        (bad.hits() > hits).then_some(())
    })
    .await;
    assert_eq!(metric(&gateway, "server_ejected", &servers[1]), Some(0.0));
}

#[tokio::test]
async fn a_check_that_passes_ends_an_ejection() {
    let (good, ill) = (Health::with(200), Health::with(502));
    let (good, bad) = (origin(&good).await, origin(&ill).await);
    let servers = [good.address().to_string(), bad.address().to_string()];
    let check = "health_check: { path: /health, interval: 500ms }";
    let settings = format!("passive_health: {{ gateway_errors: 1, base_time: 5m }}, {check}");
    let gateway = in_front_of(&servers, &settings).await;
    let client = gateway.client();
    eventually(10, async || (client.get("/").send().await.status == 502).then_some(())).await;
    ill.becomes(200);
    let hits = bad.hits_of("/");
    eventually(10, async || {
        client.get("/").send().await.assert_status(200);
        (bad.hits_of("/") > hits).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_lone_server_is_asked_whatever_it_does() {
    let ill = Health::with(502);
    let bad = origin(&ill).await;
    let settings = "passive_health: { failures: 1, gateway_errors: 1, max_ejected: 100 }";
    let gateway = in_front_of(&[bad.address().to_string()], settings).await;
    for _ in 0..10 {
        gateway.client().get("/").send().await.assert_status(502);
    }
    assert_eq!(bad.hits(), 10);
}

#[tokio::test]
async fn an_ejected_server_is_better_than_nobody() {
    let ill = Health::with(502);
    let bad = origin(&ill).await;
    let servers = [deaf_address().to_string(), bad.address().to_string()];
    let settings = "passive_health: { gateway_errors: 1, base_time: 5m }, health_check: { interval: 1h }";
    let gateway = in_front_of(&servers, settings).await;
    gateway.client().get("/").send().await.assert_status(502);
    assert_eq!(metric(&gateway, "server_ejected", &servers[1]), Some(1.0));
    ill.becomes(200);
    gateway.client().get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn passive_health_can_be_turned_off() {
    let (good, ill) = (Health::with(200), Health::with(502));
    let (good, bad) = (origin(&good).await, origin(&ill).await);
    let servers = [good.address().to_string(), bad.address().to_string()];
    let gateway = in_front_of(&servers, "passive_health: { enabled: false, gateway_errors: 1 }").await;
    for _ in 0..20 {
        gateway.client().get("/").send().await;
    }
    assert_eq!(bad.hits(), 10, "it has every second turn");
}

#[tokio::test]
async fn below_the_panic_threshold_nobody_is_believed_to_be_down() {
    let health = Health::with(500);
    let behaviour = Origin::builder().route("/health", health).otherwise("I can");
    let origin = behaviour.start().await;
    let servers = [deaf_address().to_string(), origin.address().to_string()];
    let check = "health_check: { path: /health, interval: 1h }";
    for (threshold, status) in [(0, 503), (50, 200)] {
        let gateway = in_front_of(&servers, &format!("panic_threshold: {threshold}, {check}")).await;
        // A request that meets the dead one goes on to the other.
        gateway.client().get("/").send().await.assert_status(status);
    }
}

#[tokio::test]
async fn connections_that_break_off_are_failures() {
    let broken = RawOrigin::start(async |wire: Wire| wire.reset()).await;
    let good = Origin::fixed("hello").await;
    let servers = [broken.address().to_string(), good.address().to_string()];
    let gateway = in_front_of(&servers, "passive_health: { failures: 2 }").await;
    eventually(10, async || {
        gateway.client().get("/").send().await;
        metric(&gateway, "server_ejected", &servers[0]).filter(|ejected| *ejected == 1.0)
    })
    .await;
}

#[tokio::test]
async fn an_ejection_outlives_a_reload() {
    let (good, ill) = (Health::with(200), Health::with(502));
    let (good, bad) = (origin(&good).await, origin(&ill).await);
    let servers = [good.address().to_string(), bad.address().to_string()];
    let settings = "passive_health: { gateway_errors: 1, base_time: 5m }";
    let mut gateway = in_front_of(&servers, settings).await;
    let client = gateway.client();
    eventually(10, async || (client.get("/").send().await.status == 502).then_some(())).await;
    let yaml = format!(
        "
        sites: [{{ routes: [{{ api: {{ upstream: app }} }}] }}]
        upstreams:
          app: {{ servers: [{{ address: \"{}\", weight: 2 }}, \"{}\"], policy: random, {settings} }}
        ",
        servers[0], servers[1]
    );
    gateway.reload(&yaml).await.unwrap();
    let hits = bad.hits();
    for _ in 0..20 {
        gateway.client().get("/").send().await.assert_status(200);
    }
    assert_eq!(bad.hits(), hits);
    assert_eq!(metric(&gateway, "server_ejected", &servers[1]), Some(1.0));
}
