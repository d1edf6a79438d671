//! Who is sent where.

use headwall_testkit::{Gateway, Origin};

const CONFIG: &str = include_str!("../headwall.yaml");

/// The example's own config in front of three applications.
async fn start(acme: &Origin, first: &Origin, second: &Origin) -> Gateway {
    Gateway::config(CONFIG)
        .server(super::server())
        .variable("HEADWALL_HTTP", "127.0.0.1:0")
        .variable("ACME", acme.address())
        .variable("FIRST", first.address())
        .variable("SECOND", second.address())
        .start()
        .await
}

async fn three() -> (Origin, Origin, Origin) {
    (Origin::fixed("acme").await, Origin::fixed("first").await, Origin::fixed("second").await)
}

async fn answer(gateway: &Gateway, tenant: &str) -> String {
    let reply = gateway.client().get("/cart").header("x-tenant", tenant).send().await;
    reply.assert_status(200).text()
}

#[tokio::test]
async fn a_tenant_has_a_service_of_its_own() {
    let (acme, first, second) = three().await;
    let gateway = start(&acme, &first, &second).await;
    assert_eq!(answer(&gateway, "acme").await, "acme");
    assert_eq!(acme.requests()[0].path(), "/acme/cart", "with its own settings");
    assert_ne!(answer(&gateway, "somebody").await, "acme");
    gateway.client().get("/cart").send().await.assert_status(200);
    assert_eq!((acme.hits(), first.hits() + second.hits()), (1, 2), "the others share");
}

#[tokio::test]
async fn a_key_stays_with_its_server_and_moves_on_when_that_is_gone() {
    let (acme, first, second) = three().await;
    let gateway = start(&acme, &first, &second).await;
    let mut homes = Vec::new();
    for key in 0..16 {
        let key = format!("tenant-{key}");
        let home = answer(&gateway, &key).await;
        assert_eq!(answer(&gateway, &key).await, home, "{key} stays");
        homes.push((key, home));
    }
    assert!(first.hits() > 0 && second.hits() > 0, "the keys are spread");

    first.stop().await;
    for (key, home) in homes {
        assert_eq!(answer(&gateway, &key).await, "second", "{key} was at home on {home}");
    }
}
