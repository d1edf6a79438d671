//! The `concurrency_limit` filter: how much at once.
//!
//! ```yaml
//! concurrency_limit: { limit: 10 }
//! ```
//!
//! Like nginx's `limit_conn`, it counts requests that are being served, from their head to the end of their answer; a
//! WebSocket for as long as its tunnel lives. The count is exact: `pingora_limits::Inflight` would need less memory
//! for very many keys, but there are never more keys than requests in flight, and a collision refuses the innocent.

use std::sync::Arc;
use std::time::Duration;

use garde::Validate;
use headwall_core::{BoxError, Build, Context, Filter, Flow, Module, Phases, RequestHead, async_trait};
use headwall_limit::{InFlight, KeyHasher, Place};
use http::StatusCode;
use prometheus::IntCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::key::{Digests, Keys};
use crate::refusal::Refusal;
use crate::{Exempt, KeySource};

/// Limits how many requests of a client are served at the same time.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyLimit {
    /// How many requests of one key may be in flight; a WebSocket counts until it is closed.
    #[garde(range(min = 1, max = 1_000_000))]
    pub limit: u32,
    /// What is counted. With `route` all requests count as one client's. Default: the client's address.
    #[serde(default)]
    #[garde(skip)]
    pub key: KeySource,
    /// A name for the counts. Limits that name the same zone share them, and have the same `key`. Default: each place
    /// in the config counts by itself.
    #[serde(default)]
    #[garde(inner(length(min = 1, max = 64), pattern(r"^[A-Za-z0-9_.-]+$")))]
    pub zone: Option<String>,
    /// Who is neither counted nor refused. Default: nobody.
    #[serde(default)]
    #[garde(dive)]
    pub exempt: Exempt,
    /// Counts and decides, but lets everything pass. Default: false.
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
}

/// What a refusal is called, unless the config says another status.
const REFUSED: (StatusCode, &str) = (StatusCode::TOO_MANY_REQUESTS, "too_many_in_flight");

/// When to come back: nobody knows when a place will be free, so soon.
const SOON: Duration = Duration::from_secs(1);

struct Limiter {
    limit: u32,
    table: Arc<InFlight>,
    keys: Keys,
    exempt: Exempt,
    dry_run: bool,
    refusal: Refusal,
    passed: IntCounter,
    rejected: IntCounter,
}

/// The places that a request has taken. They are given back when the request, or its tunnel, is over.
#[derive(Clone, Default)]
struct Taken(SmallVec<[Arc<Place>; 1]>);

impl Module for ConcurrencyLimit {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let Self { key, zone, limit, .. } = self;
        // A limit that was changed still knows who is in.
        let identity = match zone {
            Some(zone) => {
                let agreed = cx.agree(&format!("zone {zone}"), &format!("by {key}"));
                agreed.map_err(|error| {
                    format!("limits that share the zone `{zone}` must count alike: {error}")
                })?;
                format!("zone {zone} {key}")
            }
            None => format!("{} {key}", cx.place()),
        };
        let decisions = cx.metrics().counters(
            "headwall_concurrency_limit_decisions_total",
            "Requests that a concurrency limit has decided on.",
            &["place", "decision"],
        )?;
        let suffix = if self.dry_run { "_dry_run" } else { "" };
        let decision = |word: &str| decisions.with_label_values(&[cx.place(), &format!("{word}{suffix}")]);
        Ok(Arc::new(Limiter {
            limit: *limit,
            table: cx.shared(&identity, || Ok(InFlight::new()))?,
            keys: key.compile(Digests::Own(cx.shared("keys", || Ok(KeyHasher::new()))?))?,
            exempt: self.exempt.clone(),
            dry_run: self.dry_run,
            refusal: Refusal::new(REFUSED, self.status, self.message.as_ref())?,
            passed: decision("passed"),
            rejected: decision("rejected"),
        }))
    }
}

#[async_trait]
impl Filter for Limiter {
    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        if self.exempt.covers(req, cx) {
            return Ok(Flow::Continue);
        }
        let Some(key) = self.keys.of(req, cx) else { return Ok(Flow::Continue) };
        match self.table.enter(key, self.limit) {
            Some(place) => {
                self.passed.inc();
                cx.extensions_mut().get_or_insert_default::<Taken>().0.push(Arc::new(place));
            }
            None => {
                self.rejected.inc();
                if !self.dry_run {
                    return Ok(Flow::Reply(self.refusal.reply().retry_after(SOON)));
                }
            }
        }
        Ok(Flow::Continue)
    }
}
