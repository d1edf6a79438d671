//! A service that contains services.

use std::collections::BTreeMap;
use std::sync::Arc;

use garde::Validate;
use headwall::{Action, BoxError, Build, Context, Module, RequestHead, Service, async_trait};
use headwall_api::Api;
use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gives each tenant a service of its own.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tenants {
    /// The request header that names the tenant.
    #[garde(length(min = 1))]
    header: String,
    /// The tenants that have one, with the settings of `api`: modules can contain the settings of others.
    #[garde(dive)]
    services: BTreeMap<String, Api>,
    /// What all others share.
    #[garde(dive)]
    otherwise: Api,
}

struct ByTenant {
    header: HeaderName,
    services: BTreeMap<String, Arc<dyn Service>>,
    otherwise: Arc<dyn Service>,
}

impl Module for Tenants {
    type Makes = dyn Service;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        let mut services = BTreeMap::new();
        for (tenant, api) in &self.services {
            services.insert(tenant.clone(), api.build(cx)?);
        }
        Ok(Arc::new(ByTenant {
            header: self.header.parse()?,
            services,
            otherwise: self.otherwise.build(cx)?,
        }))
    }
}

#[async_trait]
impl Service for ByTenant {
    async fn call(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let tenant = req.headers.get(&self.header).and_then(|name| name.to_str().ok());
        let service = tenant.and_then(|name| self.services.get(name)).unwrap_or(&self.otherwise);
        service.call(req, cx).await
    }

    /// `headwall explain` shows this line.
    fn describe(&self) -> String {
        let own = self.services.iter().map(|(tenant, service)| format!("{tenant}: {}; ", service.describe()));
        format!("by {}: {}otherwise: {}", self.header, own.collect::<String>(), self.otherwise.describe())
    }
}
