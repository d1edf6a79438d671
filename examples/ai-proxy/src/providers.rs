//! Which provider a request is for, and what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use garde::Validate;
use headwall::units::{Secret, UpstreamRef};
use headwall::{
    Action, BoxError, Build, Context, Error, Forward, LocalReply, Module, RequestHead, Service, Timeouts,
    async_trait,
};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Forwards to the provider that the path names: `/v1/{provider}/…` becomes `/v1/…` there.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Providers {
    /// What stands in front of a provider's name, and in front of the rest once the name is taken out.
    #[garde(prefix("/"))]
    prefix: String,
    /// The providers by name.
    #[garde(dive)]
    table: BTreeMap<String, Provider>,
}

/// One provider.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Provider {
    /// Where it is.
    #[garde(skip)]
    upstream: UpstreamRef,
    /// The host that it is asked for.
    #[garde(length(min = 1))]
    host: String,
    /// The header in which it expects its key.
    #[garde(length(min = 1))]
    header: String,
    /// The whole value of that header.
    #[garde(skip)]
    key: Secret,
    /// How long each step may take. A model may think for a while before its first byte.
    #[serde(default)]
    #[garde(dive)]
    timeouts: Timeouts,
}

struct ByPath {
    prefix: String,
    table: BTreeMap<String, Prepared>,
}

/// A provider with everything ready to be put into requests.
struct Prepared {
    host: HeaderValue,
    header: HeaderName,
    key: HeaderValue,
    forward: Arc<Forward>,
}

impl Module for Providers {
    type Makes = dyn Service;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        let mut table = BTreeMap::new();
        for (name, provider) in &self.table {
            table.insert(name.clone(), provider.prepare(cx).map_err(|why| format!("{name}: {why}"))?);
        }
        Ok(Arc::new(ByPath { prefix: format!("{}/", self.prefix.trim_end_matches('/')), table }))
    }
}

impl Provider {
    fn prepare(&self, cx: &Build<'_>) -> Result<Prepared, BoxError> {
        // The error of a value that is no header does not repeat the value.
        let mut key = HeaderValue::try_from(self.key.expose())?;
        key.set_sensitive(true);
        let upstream = cx.upstream(&self.upstream)?;
        // A provider is somebody else: it is not told who asks.
        let forward = Forward { timeouts: self.timeouts, forward_headers: false, ..Forward::to(upstream) };
        let (host, header) = (self.host.parse()?, self.header.parse()?);
        Ok(Prepared { host, header, key, forward: Arc::new(forward) })
    }
}

impl Prepared {
    fn put_into(&self, req: &mut RequestHead, target: String) -> Result<(), BoxError> {
        req.uri = Uri::try_from(target)?;
        req.headers.insert(header::HOST, self.host.clone());
        req.headers.insert(&self.header, self.key.clone());
        Ok(())
    }
}

#[async_trait]
impl Service for ByPath {
    async fn call(&self, req: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        let Some((provider, target)) = self.find(&req.uri) else {
            let reply = LocalReply::error(StatusCode::NOT_FOUND, "unknown_provider");
            return Ok(Action::Reply(reply.message("There is no such provider.")));
        };
        provider.put_into(req, target).map_err(|error| Error::module("providers", error))?;
        Ok(Action::Forward(provider.forward.clone()))
    }

    fn describe(&self) -> String {
        let names: Vec<_> = self.table.keys().map(String::as_str).collect();
        format!("forward to one of {}", names.join(", "))
    }
}

impl ByPath {
    /// The provider, and the target without its name.
    fn find(&self, uri: &Uri) -> Option<(&Prepared, String)> {
        let target = uri.path_and_query()?.as_str();
        let (name, rest) = target.strip_prefix(&self.prefix)?.split_once('/')?;
        Some((self.table.get(name)?, format!("{}{rest}", self.prefix)))
    }
}
