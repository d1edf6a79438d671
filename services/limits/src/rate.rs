//! The `rate_limit` filter: what is written about it, and how it is built.

mod delay;
mod fields;
mod joint;
mod limit;
mod limiter;
mod watch;

use std::num::NonZeroUsize;
use std::sync::Arc;

use garde::Validate;
use headwall_core::units::Rate;
use headwall_core::{BoxError, Build, Filter, Module};
use headwall_limit::{KeyHasher, Quota, Zone};
use headwall_redis::{Fallback, Redis};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::Digests;
use crate::refusal::Refusal;
use crate::store::redis::{PURPOSE, SCRIPT};
use crate::store::sketch::Sketch;
use crate::store::{Otherwise, Shared, Store, StoreSettings};
use crate::{Exempt, KeySource};
pub use delay::Delay;
use limit::{Counters, Limit};
use limiter::Limiter;
use watch::ZoneWatch;

/// Limits how often a client may ask.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many requests are let through in the long run: `5r/m`, `10r/s`, or `100 per 1m`.
    #[garde(skip)]
    pub rate: Rate,
    /// How many requests may come early, on top of the one that is due. Default: none, or for `100 per 1m`
    /// everything that the window allows.
    #[serde(default)]
    #[garde(inner(range(max = 1_000_000)))]
    pub burst: Option<u32>,
    /// Has early requests wait for their turn instead of passing at once: `all` of them, or those after this many;
    /// nginx's `delay=`. Default: none waits (nginx's `nodelay`).
    #[serde(default)]
    #[garde(skip)]
    pub delay: Option<Delay>,
    /// What is counted. Default: the client's address.
    #[serde(default)]
    #[garde(skip)]
    pub key: KeySource,
    /// A name for the counts. Limits that name the same zone share them, and have the same `rate`, `key`, `max_keys`
    /// and `store`. Default: each place in the config counts by itself.
    #[serde(default)]
    #[garde(inner(length(min = 1, max = 64), pattern(r"^[A-Za-z0-9_.-]+$")))]
    pub zone: Option<String>,
    /// Who is neither counted nor refused. Default: nobody.
    #[serde(default)]
    #[garde(dive)]
    pub exempt: Exempt,
    /// Counts and decides, but lets everything pass: to see what a limit would do. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub dry_run: bool,
    /// The status of a refusal. Default: 429.
    #[serde(default)]
    #[garde(inner(range(min = 400, max = 599)))]
    pub status: Option<u16>,
    /// The sentence that a refused client gets. Default: the status' own.
    #[serde(default)]
    #[garde(inner(length(min = 1)))]
    pub message: Option<String>,
    /// Tells every client what it has left, in `RateLimit` and `RateLimit-Policy`
    /// (draft-ietf-httpapi-ratelimit-headers-11). Default: false, a refusal alone has them.
    #[serde(default)]
    #[garde(skip)]
    pub headers: bool,
    /// How many clients are remembered at the same time; about 55 bytes each. Beyond that one whose count has run out
    /// is forgotten, or else the one that was idle longest. Default: 65536.
    #[serde(default = "default_max_keys", alias = "capacity")]
    #[garde(range(min = 1, max = 100_000_000))]
    pub max_keys: usize,
    /// Where counts are kept: `local`, `sketch`, or a Redis that several Headwalls share. Default: `local`.
    #[serde(default)]
    #[garde(dive)]
    pub store: StoreSettings,
}

/// What a refusal is called, unless the config says another status.
const REFUSED: (StatusCode, &str) = (StatusCode::TOO_MANY_REQUESTS, "rate_limited");
/// What it is called when nobody could decide and the config wants no request to pass uncounted.
const UNAVAILABLE: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "rate_limit_unavailable");

fn default_max_keys() -> usize {
    65_536
}

// === impl RateLimit ===

impl RateLimit {
    fn quota(&self) -> Quota {
        let quota = match &self.store {
            StoreSettings::Sketch => Sketch::quota(self.rate, self.burst.unwrap_or(0)),
            StoreSettings::Local | StoreSettings::Redis(_) => {
                Quota::new(self.rate, self.burst.unwrap_or(self.rate.implied_burst()))
            }
        };
        self.delay.map_or(quota, |delay| quota.delay_after(delay.after()))
    }

    /// What makes counts different counts. A zone's users may differ in burst and delay, as in nginx.
    fn identity(&self, place: &str, quota: &Quota) -> String {
        let Self { rate, key, max_keys, zone, .. } = self;
        match zone {
            Some(zone) => format!("zone {zone} {rate} {key} {max_keys}"),
            None => format!("{place} {quota:?} {key} {max_keys}"),
        }
    }

    fn store(&self, cx: &mut Build<'_>, quota: &Quota) -> Result<Store, BoxError> {
        let identity = self.identity(cx.place(), quota);
        Ok(match &self.store {
            StoreSettings::Local => Store::Local(self.table(cx, &identity, quota)?),
            StoreSettings::Sketch => {
                if self.delay.is_some() {
                    return Err(
                        "a sketch cannot tell when a request's turn comes: `delay` needs another store"
                            .into(),
                    );
                }
                Store::Sketch(cx.shared(&identity, || Ok(Sketch::new(self.rate)?))?)
            }
            StoreSettings::Redis(settings) => {
                let redis = Redis::shared(cx, settings, &PURPOSE, SCRIPT)?;
                let otherwise = match settings.fallback {
                    Fallback::Local => Otherwise::Local(self.table(cx, &identity, quota)?),
                    Fallback::Allow => Otherwise::Allow,
                    Fallback::Refuse => Otherwise::Refuse,
                };
                // Braces would have a cluster keep all of a limit's accounts on one server.
                let zone = self.zone.as_deref().unwrap_or(cx.place()).replace('{', "(").replace('}', ")");
                Store::Shared(Shared { redis, prefix: format!("{}:rate:{zone}", settings.prefix), otherwise })
            }
        })
    }

    /// The table of this process. It outlives a reload that changes nothing about what is counted and how.
    fn table(&self, cx: &Build<'_>, identity: &str, quota: &Quota) -> Result<Arc<Zone>, BoxError> {
        let max_keys = NonZeroUsize::new(self.max_keys).ok_or("max_keys must not be 0")?;
        let zone = cx.shared(identity, || Ok(Zone::new(*quota, max_keys)))?;
        let watch = cx.metrics().collector("headwall_rate_limit_keys", ZoneWatch::new)?;
        watch.add(self.zone.as_deref().unwrap_or(cx.place()), &zone);
        Ok(zone)
    }
}

impl Module for RateLimit {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let quota = self.quota();
        if let Some(zone) = &self.zone {
            let Self { rate, key, max_keys, store, .. } = self;
            let store = match store {
                StoreSettings::Local => "local",
                StoreSettings::Sketch => "sketch",
                StoreSettings::Redis(_) => "redis",
            };
            let said = format!("`{rate}` by {key}, max_keys {max_keys}, store {store}");
            let agreed = cx.agree(&format!("zone {zone}"), &said);
            agreed
                .map_err(|error| format!("limits that share the zone `{zone}` must count alike: {error}"))?;
        }
        let store = self.store(cx, &quota)?;
        let digests = match &store {
            Store::Shared(_) => Digests::Common,
            Store::Local(_) | Store::Sketch(_) => Digests::Own(cx.shared("keys", || Ok(KeyHasher::new()))?),
        };
        let limit = Limit {
            quota,
            keys: self.key.compile(digests)?,
            exempt: self.exempt.clone(),
            dry_run: self.dry_run,
            headers: self.headers,
            policy: fields::Policy::new(self.zone.as_deref().unwrap_or("default"), &quota),
            refusal: Refusal::new(REFUSED, self.status, self.message.as_ref())?,
            unavailable: Refusal::new(UNAVAILABLE, None, None)?,
            counters: Counters::new(cx, self.dry_run)?,
            store,
        };
        // Limits that stand next to each other decide together, in the last one.
        let decides = cx.next_filter() != Some(cx.name());
        Ok(Arc::new(Limiter { limit: Arc::new(limit), decides }))
    }
}
