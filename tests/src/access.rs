//! Access control: who gets through to an application, and what the application hears of it.

mod api_key;
mod basic_auth;
mod cors;
mod forward_auth;
mod jwt;
mod networks;
mod session;

use headwall_testkit::{Echo, Gateway, GatewayBuilder, Origin};

/// A site called `app` whose one route, `door`, has these filters in front of an application that answers `hello`.
async fn guarded(filters: &str) -> (Origin, GatewayBuilder) {
    let app = Origin::builder().route("/", "hello").otherwise(Echo).start().await;
    let gateway = Gateway::config(&format!(
        "
        sites:
          - name: app
            routes:
              - name: door
                filters: {filters}
                api: {{ upstream: app }}
        upstreams: {{ app: {{ servers: [\"${{APP}}\"] }} }}
        "
    ))
    .variable("APP", app.address());
    (app, gateway)
}

/// The counter of one decision of that site's filter.
fn decisions(filter: &str, decision: &str) -> String {
    format!(
        "headwall_access_decisions_total{{decision=\"{decision}\",filter=\"{filter}\",place=\"app/door\"}}"
    )
}
