//! Hands tokens out.

use std::sync::Arc;
use std::time::SystemTime;

use garde::Validate;
use headwall::units::{Duration, Secret};
use headwall::{
    Action, BoxError, Build, Context, Error, LocalReply, Module, RequestHead, Service, async_trait,
};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::token::Tokens;

/// Answers with a new session token, in the body and as a cookie. Whoever may ask for one is for the route's filters
/// to say.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issue {
    /// What tokens are signed with.
    #[garde(skip)]
    key: Secret,
    /// How long a token is good.
    #[garde(skip)]
    lifetime: Duration,
}

struct Issuer {
    tokens: Tokens,
    lifetime: Duration,
}

impl Module for Issue {
    type Makes = dyn Service;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        Ok(Arc::new(Issuer { tokens: Tokens::new(&self.key), lifetime: self.lifetime }))
    }
}

#[async_trait]
impl Service for Issuer {
    async fn call(&self, _: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let lifetime = self.lifetime.as_std();
        let token = self.tokens.issue(SystemTime::now(), lifetime);
        let token = token.map_err(|_| Error::module("session", "there is no randomness to be had"))?;
        // A browser sends the cookie along with the handshake by itself, and no script can read it.
        let secure = if cx.scheme() == "https" { "; Secure" } else { "" };
        let seconds = lifetime.as_secs();
        let cookie = format!("session={token}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}");
        let cookie = HeaderValue::try_from(cookie).map_err(|error| Error::module("session", error))?;
        let body = serde_json::json!({ "token": token, "expires_in": seconds }).to_string();
        let reply = LocalReply::json(StatusCode::OK, body)
            .header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .header(header::SET_COOKIE, cookie);
        Ok(Action::Reply(reply))
    }

    fn describe(&self) -> String {
        format!("issue a session token for {}", self.lifetime)
    }
}
