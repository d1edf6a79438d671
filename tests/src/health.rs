//! Upstreams whose servers come and go: health checks, turns, names that are looked up.

mod addresses;
mod checks;
mod kinds;
mod names;
mod passive;
mod rolling;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use futures_util::future::BoxFuture;
use headwall_testkit::{Behaviour, Fixed, Gateway, Origin, Request, Response, eventually};

/// What a server answers when it is asked for its health; the test changes it.
#[derive(Debug, Clone)]
pub(crate) struct Health(Arc<AtomicU16>);

impl Health {
    pub(crate) fn with(status: u16) -> Self {
        Self(Arc::new(AtomicU16::new(status)))
    }

    pub(crate) fn becomes(&self, status: u16) {
        self.0.store(status, Ordering::SeqCst);
    }
}

impl Behaviour for Health {
    fn reply(&self, _: Request) -> BoxFuture<'_, Response> {
        let status = self.0.load(Ordering::SeqCst);
        Box::pin(async move { Response::new(status) })
    }
}

/// A server that answers everything with `name`, and says at `/health` how it is.
pub(crate) async fn server(name: &'static str, health: &Health) -> Origin {
    let otherwise = Fixed::status(200).body(name);
    Origin::builder().route("/health", health.clone()).otherwise(otherwise).start().await
}

/// What the metrics say of a server of the upstream `app`.
pub(crate) fn is_up(gateway: &Gateway, server: &Origin) -> Option<f64> {
    gateway.metric(&format!(r#"headwall_upstream_server_up{{server="{}",upstream="app"}}"#, server.address()))
}

fn checks(gateway: &Gateway, server: &Origin, result: &str) -> Option<f64> {
    gateway.metric(&format!(
        r#"headwall_upstream_health_checks_total{{result="{result}",server="{}",upstream="app"}}"#,
        server.address()
    ))
}

pub(crate) async fn until_up(gateway: &Gateway, server: &Origin, up: bool) {
    let wanted = if up { 1.0 } else { 0.0 };
    eventually(10, async || (is_up(gateway, server) == Some(wanted)).then_some(())).await;
}
