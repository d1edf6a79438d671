//! Hands tokens out.

use std::sync::Arc;
use std::time::SystemTime;

use garde::Validate;
use headwall_core::units::{Duration, Secret};
use headwall_core::{
    Action, BoxError, Build, Context, LocalReply, Module, RequestHead, Service, async_trait,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::token::Tokens;

/// Answers with a new session token, in the body and as a cookie. It is given to whoever the route's filters let through:
/// the user that one of them has found out, or nobody in particular.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct IssueSessionToken {
    /// What tokens are signed with, at least 32 bytes.
    #[garde(skip)]
    pub key: Secret,
    /// How long a token is good. Default: `1h`.
    #[serde(default = "default_lifetime")]
    #[garde(skip)]
    pub lifetime: Duration,
    /// The name of the cookie, which no script can read and no other site can have sent. Default: `session`.
    #[serde(default = "default_cookie")]
    #[garde(length(min = 1, max = 64))]
    pub cookie: String,
}

struct Issuer {
    tokens: Tokens,
    lifetime: Duration,
    cookie: String,
}

impl Module for IssueSessionToken {
    type Makes = dyn Service;

    fn build(&self, _: &mut Build<'_>) -> Result<Arc<dyn Service>, BoxError> {
        if HeaderName::from_bytes(self.cookie.as_bytes()).is_err() {
            return Err(format!("expected the name of a cookie, found `{}`", self.cookie).into());
        }
        if self.lifetime.is_zero() {
            return Err("expected a lifetime of more than no time".into());
        }
        let tokens = Tokens::new(&self.key, &[])?;
        Ok(Arc::new(Issuer { tokens, lifetime: self.lifetime, cookie: self.cookie.clone() }))
    }
}

#[async_trait]
impl Service for Issuer {
    async fn call(&self, _: &mut RequestHead, cx: &mut Context) -> Result<Action, BoxError> {
        let lifetime = self.lifetime.as_std();
        let user = cx.user().map_or("", |user| &**user);
        let token = self.tokens.issue(SystemTime::now(), lifetime, user)?;
        // A browser sends the cookie along with the handshake by itself, and no script can read it.
        let secure = if cx.scheme() == "https" { "; Secure" } else { "" };
        let (cookie, seconds) = (&self.cookie, lifetime.as_secs());
        let cookie =
            format!("{cookie}={token}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}");
        let body = serde_json::json!({ "token": token, "expires_in": seconds }).to_string();
        let reply = LocalReply::json(StatusCode::OK, body)
            .header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .header(header::SET_COOKIE, HeaderValue::try_from(cookie)?);
        Ok(Action::Reply(reply))
    }

    fn describe(&self) -> String {
        format!("issue a session token for {}", self.lifetime)
    }
}

fn default_lifetime() -> Duration {
    Duration::from_secs(3600)
}

fn default_cookie() -> String {
    String::from("session")
}
