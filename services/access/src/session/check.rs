//! Asks for a session token.

use std::sync::Arc;
use std::time::SystemTime;

use garde::Validate;
use headwall_core::units::Secret;
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::token::{Refused, Tokens};
use crate::challenge::{Challenged as _, challenge};
use crate::place::{Places, TokenPlace};
use crate::tally::{Decision, Tally};
use crate::told::Told;

/// Asks for a session token, as the service `session_token` hands them out.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionToken {
    /// What tokens are signed with, at least 32 bytes: the key of the service that issues them.
    #[garde(skip)]
    pub key: Secret,
    /// Keys that were used before, whose tokens are still accepted. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub previous_keys: Vec<Secret>,
    /// Where the token stands, in order. Default: `[{ cookie: session }, { query: token }, { subprotocol: session-token. }]`.
    #[serde(default = "default_from")]
    #[garde(length(min = 1))]
    pub from: Vec<TokenPlace>,
    /// A request header that tells the upstream whom the token was given to. One that the client has sent is taken away.
    /// Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub user_header: Option<String>,
    /// Leaves the token in the request for the upstream. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub keep: bool,
}

struct Checker {
    tokens: Tokens,
    places: Places,
    user_header: Option<Told>,
    keep: bool,
    challenge: HeaderValue,
    tally: Tally,
}

impl Module for SessionToken {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Checker {
            tokens: Tokens::new(&self.key, &self.previous_keys)?,
            places: Places::new(&self.from)?,
            user_header: Told::maybe(self.user_header.as_deref())?,
            keep: self.keep,
            challenge: challenge("Session", "headwall", "")?,
            tally: Tally::new(cx)?,
        }))
    }
}

#[async_trait]
impl Filter for Checker {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    /// Runs before the upgrade: filters see a handshake like any other request.
    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        if let Some(name) = &self.user_header {
            name.clear(req);
        }
        let Some(token) = self.places.find(req) else {
            self.tally.count(Decision::Missing);
            let reply = LocalReply::error(StatusCode::UNAUTHORIZED, "session_missing");
            return Ok(Flow::Reply(reply.challenged(&self.challenge)));
        };
        let user = match self.tokens.user(&token, SystemTime::now()) {
            Ok(user) => user,
            Err(refused) => {
                let (decision, reply) = match refused {
                    Refused::Invalid => {
                        (Decision::Wrong, LocalReply::error(StatusCode::UNAUTHORIZED, "session_invalid"))
                    }
                    Refused::Expired => {
                        (Decision::Expired, LocalReply::error(StatusCode::UNAUTHORIZED, "session_expired"))
                    }
                };
                self.tally.count(decision);
                return Ok(Flow::Reply(reply.challenged(&self.challenge)));
            }
        };
        if !self.keep {
            self.places.clear(req);
        }
        if !user.is_empty() {
            if let Some(name) = &self.user_header {
                name.set(req, &user)?;
            }
            cx.identify(user);
        }
        self.tally.count(Decision::Passed);
        Ok(Flow::Continue)
    }
}

fn default_from() -> Vec<TokenPlace> {
    vec![
        TokenPlace::Cookie(String::from("session")),
        TokenPlace::Query(String::from("token")),
        TokenPlace::Subprotocol(String::from("session-token.")),
    ]
}
