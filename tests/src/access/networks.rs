//! `access`: by address, and by the one address that everything else goes by.

use std::net::{IpAddr, Ipv4Addr};

use headwall_testkit::{Client, Gateway};

use super::{decisions, guarded};
use crate::metrics::metric_is;

fn from(gateway: &Gateway, last: u8) -> Client {
    Client::to(gateway.address()).from_ip(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
}

#[tokio::test]
async fn an_address_comes_in_or_it_does_not() {
    let (app, gateway) = guarded("[{ access: { allow: [127.0.0.0/28], deny: [127.0.0.3] } }]").await;
    let gateway = gateway.start().await;
    from(&gateway, 2).get("/").send().await.assert_status(200).assert_text("hello");
    for (last, row) in [(3, "deny goes first"), (77, "not among the allowed")] {
        let refused = from(&gateway, last).get("/").send().await;
        assert_eq!(refused.status.as_u16(), 403, "{row}");
        assert_eq!(refused.json()["error"], "You are not allowed to do this.", "{row}");
    }
    assert_eq!(app.hits(), 1, "the application hears of nobody else");
    metric_is(&gateway, &decisions("access", "passed"), 1.0).await;
    metric_is(&gateway, &decisions("access", "forbidden"), 2.0).await;
    let log = gateway.stop().await;
    assert_eq!((&log[1]["status"], &log[1]["reason"]), (&403.into(), &"address_denied".into()));
}

#[tokio::test]
async fn nobody_talks_their_way_in() {
    let (app, gateway) = guarded("[{ access: { allow: [127.0.0.1, 192.0.2.7] } }]").await;
    let gateway = gateway.start().await;
    let stranger = from(&gateway, 9);
    let spoofs = [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-for", "192.0.2.7, 127.0.0.1"),
        ("x-real-ip", "192.0.2.7"),
        ("forwarded", "for=192.0.2.7"),
        ("client-ip", "192.0.2.7"),
        ("true-client-ip", "192.0.2.7"),
        ("cf-connecting-ip", "192.0.2.7"),
        ("x-forwarded-host", "localhost"),
    ];
    for (name, value) in spoofs {
        let refused = stranger.get("/").header(name, value).send().await;
        assert_eq!(refused.status.as_u16(), 403, "{name}: {value}");
    }
    assert_eq!(app.hits(), 0);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_who_it_speaks_for() {
    let app = headwall_testkit::Origin::fixed("hello").await;
    let gateway = Gateway::config(
        "
        client: { trusted_proxies: [127.0.0.1] }
        sites: [{ routes: [{ filters: [{ access: { allow: [192.0.2.0/24] } }], api: { upstream: app } }] }]
        upstreams: { app: { servers: [\"${APP}\"] } }
        ",
    )
    .variable("APP", app.address())
    .start()
    .await;
    let rows = [
        ("192.0.2.7", 200, "an address that is allowed"),
        ("198.51.100.1", 403, "one that is not"),
        ("192.0.2.7, 198.51.100.1", 403, "who invents a hop in front of itself"),
        ("198.51.100.1, 192.0.2.7", 200, "what stands to the left may be an invention"),
    ];
    for (hops, status, row) in rows {
        let reply = gateway.client().get("/").header("x-forwarded-for", hops).send().await;
        assert_eq!(reply.status.as_u16(), status, "{row}: {hops}");
    }
    gateway.client().get("/").send().await.assert_status(403);
    // 127.0.0.1 alone is a trusted proxy.
    from(&gateway, 2).get("/").header("x-forwarded-for", "192.0.2.7").send().await.assert_status(403);
}

#[tokio::test]
async fn a_filter_that_lets_everybody_in_is_refused() {
    let (_app, gateway) = guarded("[{ access: {} }]").await;
    let report = gateway.try_start().await.unwrap_err();
    assert!(report.contains("`access`: expected `allow`, `deny` or both"), "{report}");
}
