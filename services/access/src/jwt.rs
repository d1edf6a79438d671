//! The `jwt` filter: a signed token (RFC 7519, as RFC 8725 wants them checked).
//!
//! ```yaml
//! jwt:
//!   jwks: { url: https://id.example.com/.well-known/jwks.json }
//!   issuer: [https://id.example.com]
//!   audience: [shop]
//!   headers: { X-User: sub }
//! ```
//!
//! What a token says of itself decides nothing. A key brings the algorithms that it may be used with, so neither `none`
//! nor a public key taken for an HMAC secret is ever a choice, and no claim is looked at before the signature is found
//! good.

mod claims;
mod jwks;
mod keys;
mod token;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration as StdDuration, SystemTime, UNIX_EPOCH};

use garde::Validate;
use headwall_core::units::{Duration, Secret};
use headwall_core::{
    BoxError, Build, Context, Filter, Flow, LocalReply, Module, Phases, RequestHead, async_trait,
};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::challenge::{Challenged as _, challenge};
use crate::place::{Places, TokenPlace};
use crate::tally::{Decision, Tally};
use crate::told::Told;
use claims::{Claims, Expected};
use jwks::KeySet;
use keys::Key;
use token::{Refused, Token};

pub use claims::ClaimCondition;
pub use keys::SignatureAlgorithm;

/// Asks for a signed token.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Keys that tokens may be signed with. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub keys: Vec<JwtKey>,
    /// Where the issuer publishes its keys. Default: nowhere.
    #[serde(default)]
    #[garde(skip)]
    pub jwks: Option<Jwks>,
    /// The algorithms that are accepted. Default: all that the keys are for.
    #[serde(default)]
    #[garde(skip)]
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Who may have issued a token (`iss`). Default: anybody who has a key.
    #[serde(default)]
    #[garde(skip)]
    pub issuer: Vec<String>,
    /// For whom a token may be (`aud`). Default: whoever it names; do not leave it out where one issuer serves several
    /// applications.
    #[serde(default)]
    #[garde(skip)]
    pub audience: Vec<String>,
    /// By how much clocks may differ where `exp` and `nbf` are looked at. Default: `30s`.
    #[serde(default = "default_leeway")]
    #[garde(skip)]
    pub leeway: Duration,
    /// Whether a token without `exp` is refused. Default: true.
    #[serde(default = "default_true")]
    #[garde(skip)]
    pub require_expiry: bool,
    /// What claims must say, by name; `a.b` is `b` inside `a`. Whoever has a good token that says something else gets 403.
    /// Default: nothing.
    #[serde(default)]
    #[garde(skip)]
    pub require: BTreeMap<String, ClaimCondition>,
    /// Where the token stands, in order. Default: `[bearer]`.
    #[serde(default = "default_from")]
    #[garde(length(min = 1))]
    pub from: Vec<TokenPlace>,
    /// Request headers that tell the upstream what claims say. Those that the client has sent are taken away. Default:
    /// none.
    #[serde(default)]
    #[garde(skip)]
    pub headers: BTreeMap<String, String>,
    /// The claim that names the user in the access log. Default: `sub`.
    #[serde(default = "default_user")]
    #[garde(skip)]
    pub user: String,
    /// Leaves the token in the request for the upstream. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub keep: bool,
    /// What the client is told is asked for. Default: `headwall`.
    #[serde(default = "default_realm")]
    #[garde(length(max = 128))]
    pub realm: String,
}

/// A key that tokens may be signed with.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JwtKey {
    /// A secret that issuer and Headwall share, for HS256, HS384 and HS512; at least 32 bytes.
    Secret(Secret),
    /// The same, written in base64 or base64url.
    SecretBase64(Secret),
    /// A public key in PEM: RSA, EC (P-256, P-384) or Ed25519.
    Pem(String),
    /// A file with such a key. It is read at the start and at each reload.
    File(PathBuf),
}

/// Keys that an issuer publishes (RFC 7517).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwks {
    /// The address of the key set.
    pub url: String,
    /// How old keys may become before they are fetched again. When that fails, the old ones stay. Default: `1h`.
    #[serde(default = "default_refresh")]
    pub refresh: Duration,
    /// How long a fetch may take. Default: `5s`.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// A file with the certificates that are trusted instead of the system's. Default: none.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

struct Bearer {
    keys: Vec<Key>,
    key_set: Option<Arc<KeySet>>,
    algorithms: Vec<SignatureAlgorithm>,
    expected: Expected,
    places: Places,
    headers: Vec<(Told, String)>,
    user: String,
    keep: bool,
    challenges: Challenges,
    tally: Tally,
}

/// What clients are told (RFC 6750, 3).
struct Challenges {
    missing: HeaderValue,
    forbidden: HeaderValue,
    invalid: Vec<(Refused, HeaderValue)>,
}

// === impl Jwt ===

impl Module for Jwt {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        if self.keys.is_empty() && self.jwks.is_none() {
            return Err("expected `keys`, `jwks` or both: no token could be checked".into());
        }
        let key_set = match &self.jwks {
            Some(settings) => Some(self.key_set(settings, cx)?),
            None => None,
        };
        let headers = self.headers.iter().map(|(name, claim)| Ok((Told::new(name)?, claim.clone())));
        Ok(Arc::new(Bearer {
            keys: self.keys.iter().map(Key::new).collect::<Result<_, _>>()?,
            key_set,
            algorithms: self.algorithms.clone(),
            expected: Expected {
                issuers: self.issuer.clone(),
                audiences: self.audience.clone(),
                leeway: self.leeway.as_std().as_secs(),
                require_expiry: self.require_expiry,
                conditions: self.require.clone().into_iter().collect(),
            },
            places: Places::new(&self.from)?,
            headers: headers.collect::<Result<_, BoxError>>()?,
            user: self.user.clone(),
            keep: self.keep,
            challenges: Challenges::new(&self.realm)?,
            tally: Tally::new(cx)?,
        }))
    }
}

impl Jwt {
    /// Keys outlive a reload: an issuer that is down just then must not lock everybody out.
    fn key_set(&self, settings: &Jwks, cx: &mut Build<'_>) -> Result<Arc<KeySet>, BoxError> {
        let Jwks { url, refresh, timeout, ca } = settings;
        let key = format!("jwks {url} {refresh} {timeout} {ca:?}");
        let key_set = cx.shared(&key, || Ok(KeySet::new(settings)?))?;
        let first = key_set.clone();
        cx.before_traffic(async move { drop(first.look_again().await) });
        Ok(key_set)
    }
}

// === impl Bearer ===

impl Bearer {
    /// The claims of a good token.
    async fn claims(&self, text: &str) -> Result<Claims, Refused> {
        let token = Token::read(text)?;
        if !self.algorithms.is_empty() && !self.algorithms.contains(&token.algorithm) {
            return Err(Refused::Algorithm);
        }
        let claims = match token.verified(&self.keys) {
            Err(refused) => match &self.key_set {
                Some(key_set) => verified_by(key_set, &token).await?,
                None => return Err(refused),
            },
            Ok(claims) => claims,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.expected.met_by(&claims, now)?;
        Ok(claims)
    }

    fn refuse(&self, refused: Refused) -> Flow {
        log::debug!("a token was refused: {refused}");
        if refused == Refused::NoKeys {
            self.tally.count(Decision::Unavailable);
            let reply = LocalReply::error(StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable");
            return Flow::Reply(reply.retry_after(StdDuration::from_secs(1)));
        }
        let (decision, reply) = if refused == Refused::Expired {
            (Decision::Expired, LocalReply::error(StatusCode::UNAUTHORIZED, "token_expired"))
        } else if refused == Refused::Condition {
            (Decision::Forbidden, LocalReply::error(StatusCode::FORBIDDEN, "token_insufficient"))
        } else {
            (Decision::Wrong, LocalReply::error(StatusCode::UNAUTHORIZED, "token_invalid"))
        };
        self.tally.count(decision);
        Flow::Reply(reply.challenged(self.challenges.of(refused)))
    }
}

/// Has the token checked with the published keys, which are fetched anew when none of them is the token's.
async fn verified_by(key_set: &Arc<KeySet>, token: &Token<'_>) -> Result<Claims, Refused> {
    key_set.refresh_if_stale();
    match token.verified(&key_set.known().keys) {
        Err(Refused::UnknownKey) => {}
        // None of the keys was named, so it may be one that is new.
        Err(Refused::Signature) if !token.names_its_key() => {}
        claims => return claims,
    }
    let known = key_set.look_again().await;
    if known.is_empty() {
        return Err(Refused::NoKeys);
    }
    token.verified(&known.keys)
}

#[async_trait]
impl Filter for Bearer {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        for (name, _) in &self.headers {
            name.clear(req);
        }
        let Some(text) = self.places.find(req) else {
            self.tally.count(Decision::Missing);
            let reply = LocalReply::error(StatusCode::UNAUTHORIZED, "token_missing");
            return Ok(Flow::Reply(reply.challenged(&self.challenges.missing)));
        };
        let claims = match self.claims(&text).await {
            Ok(claims) => claims,
            Err(refused) => return Ok(self.refuse(refused)),
        };
        if !self.keep {
            self.places.clear(req);
        }
        for (name, claim) in &self.headers {
            let Some(text) = claims.text(claim) else { continue };
            if name.set(req, &text).is_err() {
                return Ok(self.refuse(Refused::Malformed));
            }
        }
        if let Some(user) = claims.text(&self.user) {
            cx.identify(user);
        }
        self.tally.count(Decision::Passed);
        Ok(Flow::Continue)
    }
}

// === impl Challenges ===

impl Challenges {
    fn new(realm: &str) -> Result<Self, BoxError> {
        let invalid = Refused::ALL.map(|refused| {
            let rest = format!(", error=\"invalid_token\", error_description=\"{refused}\"");
            Ok::<_, BoxError>((refused, challenge("Bearer", realm, &rest)?))
        });
        Ok(Self {
            missing: challenge("Bearer", realm, "")?,
            forbidden: challenge("Bearer", realm, ", error=\"insufficient_scope\"")?,
            invalid: invalid.into_iter().collect::<Result<_, _>>()?,
        })
    }

    fn of(&self, refused: Refused) -> &HeaderValue {
        if refused == Refused::Condition {
            return &self.forbidden;
        }
        let found = self.invalid.iter().find(|(known, _)| *known == refused);
        found.map_or(&self.missing, |(_, challenge)| challenge)
    }
}

fn default_leeway() -> Duration {
    Duration::from_secs(30)
}

fn default_refresh() -> Duration {
    Duration::from_secs(3600)
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_true() -> bool {
    true
}

fn default_from() -> Vec<TokenPlace> {
    vec![TokenPlace::Bearer]
}

fn default_user() -> String {
    String::from("sub")
}

fn default_realm() -> String {
    String::from("headwall")
}
