//! The modules that a server knows, by kind and name.
//!
//! For the config reader a module is a settings type; for the assembly it is something that turns such settings into
//! a filter, a service or an upstream. Both are registered here in one step.

use std::collections::HashMap;
use std::sync::Arc;

use headwall_config::{AnySettings, InvalidModule, Registry, Slot};
use headwall_core::{BoxError, Build, Filter, Module, Service, Upstream};

/// Everything that can be named in a config.
#[derive(Default)]
pub(crate) struct Modules {
    registry: Registry,
    filters: Builders<dyn Filter>,
    services: Builders<dyn Service>,
    upstreams: Builders<dyn Upstream>,
    mistakes: Vec<InvalidModule>,
}

type Builders<T> = HashMap<String, Builder<T>>;
type Builder<T> = Box<dyn Fn(&dyn AnySettings, &mut Build<'_>) -> Result<Arc<T>, BoxError> + Send + Sync>;

impl Modules {
    /// What Headwall itself brings along.
    pub(crate) fn standard() -> Self {
        let mut modules = Self::default();
        modules.filter::<headwall_access::Access>("access");
        modules.filter::<headwall_access::ApiKey>("api_key");
        modules.filter::<headwall_access::BasicAuth>("basic_auth");
        modules.filter::<headwall_body::BodyLimit>("body_limit");
        modules.filter::<headwall_cache::Cache>("cache");
        modules.filter::<headwall_rewrite::Canonical>("canonical");
        modules.filter::<headwall_compress::Compress>("compress");
        modules.filter::<headwall_limits::ConcurrencyLimit>("concurrency_limit");
        modules.filter::<headwall_access::Cors>("cors");
        modules.filter::<headwall_headers::EarlyHints>("early_hints");
        modules.filter::<headwall_error_pages::ErrorPages>("error_pages");
        modules.filter::<headwall_access::ForwardAuth>("forward_auth");
        modules.filter::<headwall_grpc_web::GrpcWeb>("grpc_web");
        modules.filter::<headwall_access::Jwt>("jwt");
        modules.filter::<headwall_access::SessionToken>("session_token");
        modules.filter::<headwall_headers::Headers>("headers");
        modules.filter::<headwall_headers::SecurityHeaders>("security_headers");
        modules.filter::<headwall_limits::RateLimit>("rate_limit");
        modules.filter::<headwall_rewrite::Rewrite>("rewrite");
        modules.filter::<headwall_login::LoginGuard>("login_guard");
        modules.filter::<headwall_mirror::Mirror>("mirror");
        modules.service::<headwall_api::Api>("api");
        modules.service::<headwall_files::Files>("files");
        modules.service::<headwall_files::Spa>("spa");
        modules.service::<headwall_respond::Redirect>("redirect");
        modules.service::<headwall_respond::Respond>("respond");
        modules.service::<headwall_access::IssueSessionToken>("session_token");
        modules.service::<headwall_websocket::WebSocket>("websocket");
        modules.upstream::<headwall_upstream::ClusterSettings>(Registry::DEFAULT_UPSTREAM);
        modules
    }

    pub(crate) fn filter<M: Module<Makes = dyn Filter>>(&mut self, name: &str) {
        self.mistakes.extend(self.registry.filter::<M>(name).err());
        self.filters.insert(name.to_owned(), builder::<M>());
    }

    pub(crate) fn service<M: Module<Makes = dyn Service>>(&mut self, name: &str) {
        self.mistakes.extend(self.registry.service::<M>(name).err());
        self.services.insert(name.to_owned(), builder::<M>());
    }

    pub(crate) fn upstream<M: Module<Makes = dyn Upstream>>(&mut self, name: &str) {
        self.mistakes.extend(self.registry.upstream::<M>(name).err());
        self.upstreams.insert(name.to_owned(), builder::<M>());
    }

    /// What the config reader has to know.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Names that could not be registered.
    pub(crate) fn mistakes(&self) -> &[InvalidModule] {
        &self.mistakes
    }

    pub(crate) fn build_filter(&self, slot: &Slot, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        build(&self.filters, slot, cx)
    }

    pub(crate) fn build_service(
        &self,
        slot: &Slot,
        cx: &mut Build<'_>,
    ) -> Result<Arc<dyn Service>, BoxError> {
        build(&self.services, slot, cx)
    }

    pub(crate) fn build_upstream(
        &self,
        slot: &Slot,
        cx: &mut Build<'_>,
    ) -> Result<Arc<dyn Upstream>, BoxError> {
        build(&self.upstreams, slot, cx)
    }
}

fn builder<M: Module>() -> Builder<M::Makes> {
    Box::new(|settings, cx| match settings.downcast_ref::<M>() {
        Some(settings) => settings.build(cx),
        None => Err("its settings were read as another type".into()),
    })
}

fn build<T: ?Sized>(builders: &Builders<T>, slot: &Slot, cx: &mut Build<'_>) -> Result<Arc<T>, BoxError> {
    let builder = builders.get(&slot.name).ok_or_else(|| format!("`{}` is not registered", slot.name))?;
    builder(&*slot.settings, cx)
}
