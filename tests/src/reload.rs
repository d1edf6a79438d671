//! Another config while the server runs: all of it is put to work, or nothing changes.

mod kept;
mod listeners;
mod load;
mod refused;
mod routes;

use headwall_testkit::Gateway;

/// How many reloads have ended so.
fn reloads(gateway: &Gateway, result: &str) -> Option<f64> {
    gateway.metric(&format!(r#"headwall_config_reloads_total{{result="{result}"}}"#))
}
