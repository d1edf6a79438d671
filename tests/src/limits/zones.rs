//! Zones: counts with a name, which routes share.

use headwall_testkit::Gateway;

use super::statuses;

/// Two routes with these limits.
fn two(a: &str, b: &str) -> String {
    format!(
        "
        sites:
          - name: app
            routes:
              - {{ name: a, match: {{ path: /a }}, filters: [{a}], respond: {{ body: a }} }}
              - {{ name: b, match: {{ path: /b }}, filters: [{b}], respond: {{ body: b }} }}
        "
    )
}

#[tokio::test]
async fn routes_that_name_a_zone_share_its_counts_and_have_bursts_of_their_own() {
    let gateway = Gateway::start(&two(
        "{ rate_limit: { rate: 1r/m, burst: 1, zone: logins } }",
        "{ rate_limit: { rate: 1r/m, burst: 3, zone: logins } }",
    ))
    .await;
    let client = gateway.client();
    assert_eq!(statuses(3, || client.get("/a")).await, [200, 200, 429]);
    assert_eq!(statuses(3, || client.get("/b")).await, [200, 200, 429], "two of four are used up");
    assert_eq!(statuses(1, || client.get("/a")).await, [429]);
}

#[tokio::test]
async fn who_shares_a_zone_counts_alike_or_the_config_is_refused() {
    let rows = [
        ("rate: 2r/m", "`2r/m` by address"),
        ("rate: 1r/m, key: route", "`1r/m` by route"),
        ("rate: 1r/m, max_keys: 7", "max_keys 7"),
        ("rate: 1r/m, store: sketch", "store sketch"),
    ];
    for (other, told) in rows {
        let yaml = two(
            "{ rate_limit: { rate: 1r/m, zone: logins } }",
            &format!("{{ rate_limit: {{ {other}, zone: logins }} }}"),
        );
        let error = Gateway::config(&yaml).try_start().await.unwrap_err();
        for part in ["share the zone `logins`", told, "in `app/a`"] {
            assert!(error.contains(part), "{other}: {part} is missing in {error}");
        }
    }
}

#[tokio::test]
async fn a_zone_keeps_its_counts_over_a_reload_that_changes_burst_or_place() {
    let limit = |burst: u32| format!("{{ rate_limit: {{ rate: 1r/m, burst: {burst}, zone: logins }} }}");
    let mut gateway = Gateway::start(&two(&limit(1), &limit(1))).await;
    let client = gateway.client();
    assert_eq!(statuses(3, || client.get("/a")).await, [200, 200, 429]);
    gateway.reload(&two("{ headers: {} }", &limit(2))).await.unwrap();
    assert_eq!(statuses(2, || client.get("/b")).await, [200, 429], "one more burst is one more request");
    gateway.reload(&two("{ headers: {} }", "{ rate_limit: { rate: 2r/m, zone: logins } }")).await.unwrap();
    assert_eq!(statuses(2, || client.get("/b")).await, [200, 429], "another rate is another count");
}
