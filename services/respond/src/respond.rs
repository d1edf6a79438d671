//! The `respond` service: a fixed answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use garde::Validate;
use headwall_core::{
    Action, BoxError, Build, Context, LocalReply, Module, RequestHead, Service, async_trait,
};
use http::{HeaderName, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers with fixed content.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Respond {
    /// The status. Default: 200, or 204 without a body.
    #[garde(inner(range(min = 200, max = 599)))]
    pub status: Option<u16>,
    /// The body. Default: none.
    #[garde(skip)]
    pub body: String,
    /// The type of the body. Default: `text/plain; charset=utf-8`.
    #[garde(skip)]
    pub content_type: String,
    /// More headers.
    #[garde(skip)]
    pub headers: BTreeMap<String, String>,
}

struct Fixed {
    status: StatusCode,
    body: Bytes,
    content_type: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Default for Respond {
    fn default() -> Self {
        let content_type = "text/plain; charset=utf-8".to_owned();
        Self { status: None, body: String::new(), content_type, headers: BTreeMap::new() }
    }
}

impl Module for Respond {
    type Makes = dyn Service;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        let implied = if self.body.is_empty() { 204 } else { 200 };
        let header = |(name, value): (&String, &String)| -> Result<(HeaderName, HeaderValue), BoxError> {
            let invalid = |_| format!("`{name}: {value}` is not a header");
            Ok((name.parse().map_err(|_| invalid(()))?, value.parse().map_err(|_| invalid(()))?))
        };
        Ok(Arc::new(Fixed {
            status: StatusCode::from_u16(self.status.unwrap_or(implied))?,
            body: Bytes::from(self.body.clone()),
            content_type: self.content_type.parse().map_err(|_| "`content_type` is not a header value")?,
            headers: self.headers.iter().map(header).collect::<Result<_, _>>()?,
        }))
    }
}

#[async_trait]
impl Service for Fixed {
    async fn call(&self, _: &mut RequestHead, _: &mut Context) -> Result<Action, BoxError> {
        let mut reply = LocalReply::new(self.status);
        if !self.body.is_empty() {
            reply = LocalReply::bytes(self.status, self.content_type.clone(), self.body.clone());
        }
        for (name, value) in &self.headers {
            reply = reply.header(name.clone(), value.clone());
        }
        Ok(Action::Reply(reply))
    }

    fn describe(&self) -> String {
        format!("answer {}", self.status)
    }
}
