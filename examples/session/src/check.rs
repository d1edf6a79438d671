//! Asks for a token.

use std::sync::Arc;
use std::time::SystemTime;

use garde::Validate;
use headwall::units::Secret;
use headwall::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::token::Tokens;

/// Lets only requests with a session token pass.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// What tokens are signed with: the key of the service that issues them.
    #[garde(skip)]
    key: Secret,
}

struct Checker(Tokens);

impl Module for Check {
    type Makes = dyn Filter;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Checker(Tokens::new(&self.key))))
    }
}

#[async_trait]
impl Filter for Checker {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    /// Runs before the upgrade: filters see a handshake like any other request.
    async fn request(&self, req: &mut RequestHead, _: &mut Context) -> Result<Flow, BoxError> {
        let now = SystemTime::now();
        if in_query(req).or_else(|| in_cookie(req)).is_some_and(|token| self.0.is_good(token, now)) {
            return Ok(Flow::Continue);
        }
        let reply = LocalReply::error(StatusCode::UNAUTHORIZED, "no_session");
        Ok(Flow::Reply(
            reply.message("This needs a session token that is still good; POST /api/session has one."),
        ))
    }
}

/// For clients that cannot set headers and have no cookies. The access log leaves the value of `token` out.
fn in_query(req: &RequestHead) -> Option<&str> {
    req.uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

fn in_cookie(req: &RequestHead) -> Option<&str> {
    let lines = req.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix("session="))
}
