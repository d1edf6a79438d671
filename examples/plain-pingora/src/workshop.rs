//! Where modules are made by hand, with what `headwall run` would have around them.

use std::collections::HashMap;
use std::sync::Arc;

use headwall::module::{Shared, WarmUp};
use headwall::{BoxError, Build, Metrics, Module, NamedUpstream, Upstream, async_trait};
use parking_lot::Mutex;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::ServiceReadyNotifier;
use pingora_core::services::background::{BackgroundService, GenBackgroundService, background_service};
use serde_json::Value;

/// What modules find around them while they are made.
pub(crate) struct Workshop {
    metrics: Metrics,
    shared: Shared,
    upstreams: HashMap<String, Arc<NamedUpstream>>,
    warm_up: Vec<WarmUp>,
}

/// The first health checks, which go on by themselves afterwards, on Pingora's own runtime.
pub(crate) struct FirstLooks(Mutex<Vec<WarmUp>>);

impl Workshop {
    pub(crate) fn new() -> Result<Self, BoxError> {
        Ok(Self {
            metrics: Metrics::new()?,
            shared: Shared::default(),
            upstreams: HashMap::new(),
            warm_up: Vec::new(),
        })
    }

    /// Makes a module from the settings that it would have in YAML.
    pub(crate) fn make<M: Module>(&mut self, name: &str, settings: Value) -> Result<Arc<M::Makes>, BoxError> {
        let settings: M = serde_json::from_value(settings)?;
        settings.validate()?;
        let Self { metrics, shared, upstreams, warm_up } = self;
        settings.build(&mut Build::new(name, "plain-pingora", upstreams, metrics, shared, warm_up))
    }

    /// Makes an upstream, which modules made later can name.
    pub(crate) fn upstream<M>(&mut self, name: &str, settings: Value) -> Result<(), BoxError>
    where
        M: Module<Makes = dyn Upstream>,
    {
        let upstream = self.make::<M>(name, settings)?;
        let named = NamedUpstream::new(name, upstream, &self.metrics);
        self.upstreams.insert(name.to_owned(), Arc::new(named));
        Ok(())
    }

    /// What has to be done before the first request, as a service that others can wait for.
    pub(crate) fn first_looks(self) -> GenBackgroundService<FirstLooks> {
        background_service("first looks", FirstLooks(Mutex::new(self.warm_up)))
    }
}

#[async_trait]
impl BackgroundService for FirstLooks {
    async fn start_with_ready_notifier(&self, _: ShutdownWatch, ready: ServiceReadyNotifier) {
        let looks = std::mem::take(&mut *self.0.lock());
        for look in looks {
            look.await;
        }
        ready.notify_ready();
    }
}
