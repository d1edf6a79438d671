//! The `basic_auth` filter: a name and a password (RFC 7617).
//!
//! ```yaml
//! basic_auth: { htpasswd: /etc/headwall/htpasswd }
//! ```
//!
//! A browser sends the password with each request, and a good hash takes a tenth of a second of a core. So passwords are
//! checked off the threads that serve requests, only so many at a time ([`checks`]), and what was right is remembered for
//! a while ([`remembered`]).

mod checks;
mod remembered;
mod users;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration as StdDuration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use garde::Validate;
use headwall_core::units::{Duration, Secret};
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::challenge::{Challenged as _, challenge};
use crate::digest::Digester;
use crate::place::{after_scheme, the_only};
use crate::tally::{Decision, Tally};
use crate::told::Told;
use checks::Checks;
use remembered::Remembered;
use users::Users;

/// Asks for a name and a password.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// Users and the hashes of their passwords, bcrypt or argon2id, as `headwall hash-password` makes them. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub users: BTreeMap<String, Secret>,
    /// A file with more of them, as `htpasswd -B` writes it: `user:hash`, one in a line. It is read at the start and at
    /// each reload. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub htpasswd: Option<PathBuf>,
    /// What the browser says is asked for. Default: `Restricted`.
    #[serde(default = "default_realm")]
    #[garde(length(max = 128))]
    pub realm: String,
    /// A request header that tells the upstream who the user is. One that the client has sent is replaced. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub user_header: Option<String>,
    /// Leaves the `Authorization` header in the request for the upstream. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub keep: bool,
    /// How long a password that was right is remembered. A changed password is forgotten at the reload that brings it.
    /// Default: `5m`; `0s` remembers nothing.
    #[serde(default = "default_remember")]
    #[garde(skip)]
    pub remember: Duration,
}

/// How many right passwords are remembered, at about 150 bytes each.
const REMEMBERED: usize = 4096;

struct Basic {
    users: Arc<Users>,
    checks: Arc<Checks>,
    remembered: Arc<Remembered>,
    digester: Digester,
    challenge: HeaderValue,
    user_header: Option<Told>,
    keep: bool,
    tally: Tally,
}

/// A name and a password, as they were sent.
struct Shown {
    user: String,
    password: Vec<u8>,
}

// === impl BasicAuth ===

impl Module for BasicAuth {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        Ok(Arc::new(Basic {
            users: Arc::new(Users::new(&self.users, self.htpasswd.as_deref())?),
            checks: cx.shared("checks", || Ok(Checks::of_this_machine()))?,
            remembered: Arc::new(Remembered::new(REMEMBERED, self.remember.as_std())),
            digester: Digester::new()?,
            challenge: challenge("Basic", &self.realm, ", charset=\"UTF-8\"")?,
            user_header: Told::maybe(self.user_header.as_deref())?,
            keep: self.keep,
            tally: Tally::new(cx)?,
        }))
    }
}

// === impl Basic ===

impl Basic {
    /// Whether the password is the user's, or why that cannot be found out now.
    async fn is_right(&self, shown: &Shown) -> Result<bool, checks::Busy> {
        let digest = self.digester.of(&[shown.user.as_bytes(), &shown.password]);
        if self.remembered.has(&digest, Instant::now()) {
            return Ok(true);
        }
        let (users, remembered) = (self.users.clone(), self.remembered.clone());
        let (user, password) = (shown.user.clone(), shown.password.clone());
        self.checks
            .run(move || {
                // A page asks for twenty files at once: the first has found out by now what the others wait for.
                if remembered.has(&digest, Instant::now()) {
                    return true;
                }
                let is_right = users.are_right(&user, &password);
                if is_right {
                    remembered.add(digest, Instant::now());
                }
                is_right
            })
            .await
    }

    fn ask(&self, decision: Decision) -> Flow {
        self.tally.count(decision);
        let reply = if decision == Decision::Missing {
            LocalReply::error(StatusCode::UNAUTHORIZED, "credentials_missing")
        } else {
            LocalReply::error(StatusCode::UNAUTHORIZED, "credentials_wrong")
                .message("The name or the password is wrong.")
        };
        Flow::Reply(reply.challenged(&self.challenge))
    }
}

#[async_trait]
impl Filter for Basic {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        if !req.headers.contains_key(AUTHORIZATION) {
            return Ok(self.ask(Decision::Missing));
        }
        let Some(shown) = Shown::in_request(req) else {
            return Ok(self.ask(Decision::Wrong));
        };
        match self.is_right(&shown).await {
            Ok(true) => {}
            Ok(false) => return Ok(self.ask(Decision::Wrong)),
            Err(checks::Busy) => {
                self.tally.count(Decision::Busy);
                let reply = LocalReply::error(StatusCode::SERVICE_UNAVAILABLE, "password_checks_busy");
                return Ok(Flow::Reply(reply.retry_after(StdDuration::from_secs(1))));
            }
        }
        if !self.keep {
            req.headers.remove(AUTHORIZATION);
        }
        if let Some(name) = &self.user_header {
            name.set(req, &shown.user)?;
        }
        cx.identify(shown.user);
        self.tally.count(Decision::Passed);
        Ok(Flow::Continue)
    }
}

// === impl Shown ===

impl Shown {
    /// What the request shows, if it is a name and a password in UTF-8.
    fn in_request(req: &RequestHead) -> Option<Self> {
        let text = after_scheme(the_only(&req.headers, &AUTHORIZATION)?, "Basic")?;
        let bytes = BASE64.decode(text.trim_end()).ok()?;
        let colon = bytes.iter().position(|byte| *byte == b':')?;
        let user = String::from_utf8(bytes[..colon].to_vec()).ok()?;
        Some(Self { user, password: bytes[colon + 1..].to_vec() })
    }
}

fn default_realm() -> String {
    String::from("Restricted")
}

fn default_remember() -> Duration {
    Duration::from_secs(300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_rfc_7617_has_them() {
        let shown = |value: &str| {
            let (mut req, ()) = http::Request::new(()).into_parts();
            req.headers.insert(AUTHORIZATION, value.parse().unwrap());
            Shown::in_request(&req).map(|shown| (shown.user, String::from_utf8(shown.password).unwrap()))
        };
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        let rows = [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", pair("Aladdin", "open sesame"), "the RFC's example"),
            ("Basic dGVzdDoxMjPCow==", pair("test", "123£"), "the RFC's example in UTF-8"),
            ("basic YTpi", pair("a", "b"), "schemes do not differ by case"),
            ("Basic YTpiOmM=", pair("a", "b:c"), "a password may have colons"),
            ("Basic YTo=", pair("a", ""), "an empty password is one"),
            ("Basic YQ==", None, "no colon"),
            ("Basic !!!!", None, "no base64"),
            ("Basic", None, "nothing"),
            ("Bearer YTpi", None, "another scheme"),
        ];
        for (value, expected, row) in rows {
            assert_eq!(shown(value), expected, "{row}");
        }
    }
}
