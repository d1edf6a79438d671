//! Limits beyond a single count by address: keys, zones, several at once, what clients are told, shared counts, and
//! how much at once.

mod concurrency;
mod joint;
mod rate;
mod shared;
mod zones;

use headwall_testkit::{Call, Gateway};

/// The statuses of so many requests in a row.
async fn statuses(times: usize, call: impl Fn() -> Call) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(call().send().await.status.as_u16());
    }
    statuses
}

/// One route, `app/login`, behind these filters.
async fn behind(filters: &str) -> Gateway {
    Gateway::config(&one_route(filters)).start().await
}

fn one_route(filters: &str) -> String {
    format!(
        "
        client: {{ trusted_proxies: [127.0.0.1] }}
        sites:
          - name: app
            routes:
              - name: login
                filters: {filters}
                respond: {{ body: welcome }}
        "
    )
}

/// The value of a counter of decisions at `app/login`.
fn decided(gateway: &Gateway, decision: &str) -> f64 {
    let name = format!("headwall_rate_limit_decisions_total{{decision=\"{decision}\",place=\"app/login\"}}");
    gateway.metric(&name).unwrap_or_default()
}
