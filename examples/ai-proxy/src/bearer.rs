//! Who may use the proxy.

use std::sync::Arc;

use garde::Validate;
use headwall::units::Secret;
use headwall::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// Lets only requests with the right bearer token pass (RFC 6750).
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bearer {
    /// The token.
    #[garde(skip)]
    token: Secret,
}

struct Guard(Secret);

impl Module for Bearer {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Guard(self.token.clone())))
    }
}

#[async_trait]
impl Filter for Guard {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        if req.headers.get(AUTHORIZATION).and_then(bearer_token).is_some_and(|token| self.knows(token)) {
            // It has done its work. Nobody behind the proxy is to have it.
            req.headers.remove(AUTHORIZATION);
            return Ok(Flow::Continue);
        }
        let reply = LocalReply::error(StatusCode::UNAUTHORIZED, "wrong_token");
        Ok(Flow::Reply(reply.header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))))
    }
}

impl Guard {
    /// Takes as long for a token that is nearly right as for one that is not right at all.
    fn knows(&self, token: &[u8]) -> bool {
        token.ct_eq(self.0.expose().as_bytes()).into()
    }
}

/// What stands behind `Bearer `, however that is capitalised (RFC 9110, 11.1).
fn bearer_token(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
