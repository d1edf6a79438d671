//! The chapter "Write a service".

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use garde::Validate;
use headwall::units::UpstreamRef;
use headwall::{Action, BoxError, Build, Context, Forward, Module, RequestHead, Service, async_trait};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sends some of the clients to the next version of an app.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Canary {
    /// The version for most clients.
    #[garde(skip)]
    stable: UpstreamRef,
    /// The version for the others.
    #[garde(skip)]
    next: UpstreamRef,
    /// How many of 100 clients get the next version.
    #[garde(range(max = 100))]
    percent: u64,
}

impl Module for Canary {
    type Makes = dyn Service;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        let forward = |name| Ok::<_, BoxError>(Arc::new(Forward::to(cx.upstream(name)?)));
        let (stable, next) = (forward(&self.stable)?, forward(&self.next)?);
        Ok(Arc::new(Chooser { stable, next, percent: self.percent }))
    }
}

struct Chooser {
    stable: Arc<Forward>,
    next: Arc<Forward>,
    percent: u64,
}

#[async_trait]
impl Service for Chooser {
    async fn call(&self, _: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let mut hasher = DefaultHasher::new();
        cx.client_address().hash(&mut hasher);
        // A client stays with its version.
        let is_early = hasher.finish() % 100 < self.percent;
        let forward = if is_early { &self.next } else { &self.stable };
        Ok(Action::Forward(forward.clone()))
    }
}

#[cfg(test)]
mod tests {
    use headwall_testkit::{Gateway, Origin};

    #[tokio::test]
    async fn clients_are_divided() {
        let (stable, next) = (Origin::fixed("stable").await, Origin::fixed("next").await);
        for (percent, expected) in [(0, "stable"), (100, "next")] {
            let gateway = Gateway::config(
                "
                sites: [{ routes: [{ canary: { stable: app, next: app_next, percent: \"${PERCENT}\" } }] }]
                upstreams: { app: { servers: [\"${STABLE}\"] }, app_next: { servers: [\"${NEXT}\"] } }
                ",
            )
            .server(super::super::server())
            .variable("PERCENT", percent)
            .variable("STABLE", stable.address())
            .variable("NEXT", next.address())
            .start()
            .await;
            gateway.client().get("/").send().await.assert_status(200).assert_text(expected);
        }
    }
}
