//! What customers, operators and whoever misspells a key get to see.

use headwall_testkit::Gateway;

use super::*;

const CONFIG: &str = include_str!("../headwall.yaml");

#[tokio::test]
async fn customers_are_told_how_they_stand() {
    let gateway =
        Gateway::config(CONFIG).server(server()).variable("HEADWALL_HTTP", "127.0.0.1:0").start().await;
    let rows = [
        ("theme=dark", "guest", "no stamps at all"),
        ("stamps=9", "guest", "one too few"),
        ("stamps=10", "gold", "just enough"),
        ("theme=dark; stamps=12", "gold", "one cookie of several"),
        ("my_stamps=12", "guest", "another cookie"),
        ("stamps=many", "guest", "not a number"),
    ];
    for (cookie, tier, row) in rows {
        let reply = gateway.client().get("/").header("cookie", cookie).send().await;
        assert_eq!(reply.header("x-loyalty"), Some(tier), "{row}");
    }
    assert_eq!(gateway.metric(r#"loyalty_visits_total{tier="guest"}"#), Some(4.0));
    assert_eq!(gateway.metric(r#"loyalty_visits_total{tier="gold"}"#), Some(2.0));
}

#[test]
fn mistakes_in_the_settings_are_shown_where_they_are() {
    let rows = [
        ("gold_form: 10", "headwall.yaml:4:32", "did you mean `gold_from`", "a misspelt key"),
        ("gold_from: 0", "headwall.yaml:4:43", "lower than 1", "a number out of range"),
        ("cookie: stamps", "headwall.yaml:4:21", "gold_from", "a key too few"),
    ];
    for (settings, place, says, row) in rows {
        let config = CONFIG.replace("gold_from: 10", settings);
        let report = server().read("headwall.yaml", &config, &|_| None).unwrap_err().to_string();
        assert!(report.contains(place) && report.contains(says), "{row}:\n{report}");
    }
}
