//! The `login_guard` filter: stops the guessing of passwords, and lets people in who mistype theirs.
//!
//! ```yaml
//! login_guard: { account: { json: email } }
//! ```
//!
//! It stands on the route of an app's own login and counts what the app refuses. There are three ways to guess, and
//! each is seen from its own side: one address that tries again and again, one account that many addresses try, and one
//! network that tries many accounts. Each ends in a lockout that grows.

mod account;
mod attempt;
mod ending;
mod filter;
mod local;
mod names;
mod record;
mod report;
mod settings;
mod shared;
mod store;
mod table;
mod watch;

use std::sync::Arc;

use garde::Validate;
use headwall_core::units::{Duration, Network, Secret};
use headwall_core::{BoxError, Build, Filter, Module};
use headwall_redis::Redis;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use account::AccountField;
use filter::Guard;
use local::Local;
use names::Names;
use record::Rule;
use report::Report;
pub use settings::GuardStore;
use shared::Shared;
use store::{Rules, Store};
use watch::Watch;

/// Locks out who guesses passwords, by what the app answers. For the route that checks them: requests with safe methods,
/// such as GET, are let through and not counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct LoginGuard {
    /// How many failed attempts an address has within `window`. The last of them locks it out. An IPv6 address counts by
    /// its /64. Default: 5.
    #[serde(default = "defaults::failures")]
    #[garde(range(min = 1, max = 1_000))]
    pub failures: u32,
    /// How long a failed attempt counts. Default: 10m.
    #[serde(default = "defaults::window")]
    #[garde(custom(more_than_nothing))]
    pub window: Duration,
    /// How long the first lockout lasts. Each further one lasts twice as long as the one before, until there was none
    /// for as long as the last one lasted, and for `window` at least. Default: 1m.
    #[serde(default = "defaults::lockout")]
    #[garde(custom(more_than_nothing))]
    pub lockout: Duration,
    /// The longest lockout of an address, where `lockout` is not longer. Default: 24h.
    #[serde(default = "defaults::max_lockout")]
    #[garde(skip)]
    pub max_lockout: Duration,
    /// The statuses by which the app refuses an attempt. Any other 2xx or 3xx is a success; what remains, such as 500,
    /// is neither. Default: 401, 403, 422.
    #[serde(default = "defaults::failed_status")]
    #[garde(length(min = 1), inner(range(min = 200, max = 599)))]
    pub failed_status: Vec<u16>,
    /// Where the body of an attempt names the account. Bodies are read before the app sees them, and may have 16 KiB.
    /// Default: not looked for, so that addresses are counted and nothing else.
    #[serde(default)]
    #[garde(inner(custom(a_field)))]
    pub account: Option<AccountField>,
    /// How many failed attempts an account has within `window`, from all addresses together. The last of them locks it
    /// out for every address that it was not used from lately, and after that each further one does. Default: 10.
    #[serde(default)]
    #[garde(inner(range(min = 1, max = 1_000)), custom(with_account(&self.account)))]
    pub account_failures: Option<u32>,
    /// How many accounts a network may fail at. Default: 20.
    #[serde(default)]
    #[garde(dive, custom(with_account(&self.account)))]
    pub spread: Option<Spread>,
    /// The longest lockout of an account or a network, which an attacker may share with others. Default: 15m.
    #[serde(default = "defaults::max_shared_lockout")]
    #[garde(skip)]
    pub max_shared_lockout: Duration,
    /// How long after its last success an address is known to belong to an account. A known one passes the lockouts of
    /// its account and its network. Default: 720h, which is 30 days.
    #[serde(default = "defaults::known_for")]
    #[garde(skip)]
    pub known_for: Duration,
    /// Clients that are never counted or refused. Default: none.
    #[serde(default)]
    #[garde(skip)]
    pub allow: Vec<Network>,
    /// Counts and decides, but lets everything pass: to see what the guard would do. Default: false.
    #[serde(default)]
    #[garde(skip)]
    pub dry_run: bool,
    /// How many addresses are remembered at the same time, and how many accounts, networks and known pairs; up to 500
    /// bytes each. Beyond that what would be forgotten soonest is forgotten at once. Default: 100000.
    #[serde(default = "defaults::max_keys")]
    #[garde(range(min = 1, max = 10_000_000))]
    pub max_keys: usize,
    /// Where attempts are counted: `local`, or a Redis that several Headwalls share, such as `redis://127.0.0.1:6379` or a
    /// map with its settings. They share what stands at the same site and route. Default: `local`.
    #[serde(default)]
    #[garde(dive)]
    pub store: GuardStore,
    /// The secret by which accounts are hashed before Redis sees them, at least 32 bytes and the same for all who
    /// share. Default: none; needed with a Redis.
    #[serde(default)]
    #[garde(custom(for_redis(&self.store)))]
    pub key: Option<Secret>,
}

/// Credential stuffing: many accounts from one network.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// How many different accounts may fail from one network, an IPv4 /24 or an IPv6 /64, within `window`. The last of
    /// them locks the network out for everyone who is not known there. Default: 20.
    #[serde(default = "defaults::accounts")]
    #[garde(range(min = 2, max = 1_000))]
    pub accounts: u32,
}

impl Module for LoginGuard {
    type Makes = dyn Filter;

    fn build(&self, cx: &mut Build<'_>) -> Result<Arc<dyn Filter>, BoxError> {
        let report = Report::new(cx, self.dry_run)?;
        let names = match &self.key {
            Some(key) => Arc::new(Names::common(key)),
            None => cx.shared("names", || Ok(Names::own()))?,
        };
        let failed = self.failed_status.iter().map(|status| StatusCode::from_u16(*status));
        Ok(Arc::new(Guard(Arc::new(Watch {
            store: self.store(cx, &report)?,
            rules: self.rules(),
            report,
            names,
            account: self.account.clone(),
            failed: failed.collect::<Result<_, _>>()?,
            allow: self.allow.clone(),
            dry_run: self.dry_run,
        }))))
    }
}

impl LoginGuard {
    fn store(&self, cx: &mut Build<'_>, report: &Report) -> Result<Store, BoxError> {
        // What was counted outlives every reload, changed rules too. What a dry run has counted is not held against
        // anybody.
        let identity = format!("{} {} {}", cx.place(), self.max_keys, self.dry_run);
        let local = cx.shared(&identity, || Ok(Local::new(self.max_keys, &report.evicted)))?;
        let GuardStore::Redis(settings) = &self.store else { return Ok(Store::Local(local)) };
        let redis = Redis::shared(cx, settings, &shared::PURPOSE, shared::SCRIPT)?;
        let place = if self.dry_run { format!("{} dry_run", cx.place()) } else { cx.place().to_owned() };
        let shared = Shared::new(redis, local, &settings.prefix, &place, report.fallbacks.clone());
        Ok(Store::Shared(Arc::new(shared)))
    }

    fn rules(&self) -> Rules {
        let rule = |failures: u32, longest: Duration| Rule {
            failures: failures as usize,
            again: failures as usize,
            distinct: false,
            window: self.window.into(),
            lockout: self.lockout.into(),
            longest: longest.max(self.lockout).into(),
        };
        let accounts = self.spread.map_or(defaults::accounts(), |spread| spread.accounts);
        let account = rule(self.account_failures.unwrap_or(10), self.max_shared_lockout);
        Rules {
            address: rule(self.failures, self.max_lockout),
            // Those who fail at an account have addresses without end, and are not slowed down by losing some.
            account: Rule { again: 1, ..account },
            network: Rule { distinct: true, ..rule(accounts, self.max_shared_lockout) },
            known_for: self.known_for.into(),
        }
    }
}

/// What holds where nothing is written.
mod defaults {
    use headwall_core::units::Duration;

    pub(super) fn failures() -> u32 {
        5
    }

    pub(super) fn window() -> Duration {
        Duration::from_secs(10 * 60)
    }

    pub(super) fn lockout() -> Duration {
        Duration::from_secs(60)
    }

    pub(super) fn max_lockout() -> Duration {
        Duration::from_secs(24 * 60 * 60)
    }

    pub(super) fn failed_status() -> Vec<u16> {
        vec![401, 403, 422]
    }

    pub(super) fn accounts() -> u32 {
        20
    }

    pub(super) fn max_shared_lockout() -> Duration {
        Duration::from_secs(15 * 60)
    }

    pub(super) fn known_for() -> Duration {
        Duration::from_secs(30 * 24 * 60 * 60)
    }

    pub(super) fn max_keys() -> usize {
        100_000
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde calls it so")]
fn more_than_nothing(span: &Duration, (): &()) -> garde::Result {
    if span.is_zero() { Err(garde::Error::new("expected more than nothing")) } else { Ok(()) }
}

fn a_field(field: &AccountField, (): &()) -> garde::Result {
    let is_empty = match field {
        AccountField::Json(path) => path.split('.').any(str::is_empty),
        AccountField::Form(name) => name.is_empty(),
    };
    if is_empty { Err(garde::Error::new("expected the name of a field")) } else { Ok(()) }
}

fn with_account<T>(account: &Option<AccountField>) -> impl FnOnce(&Option<T>, &()) -> garde::Result {
    let has_account = account.is_some();
    move |setting, ()| match setting {
        Some(_) if !has_account => {
            Err(garde::Error::new("accounts can only be counted where `account` says how they are named"))
        }
        Some(_) | None => Ok(()),
    }
}

fn for_redis(store: &GuardStore) -> impl FnOnce(&Option<Secret>, &()) -> garde::Result {
    let is_redis = matches!(store, GuardStore::Redis(_));
    move |key, ()| match key {
        None if is_redis => Err(garde::Error::new(
            "expected a secret, such as `key: ${LOGIN_KEY}`: accounts do not go to Redis by name",
        )),
        Some(_) if !is_redis => {
            Err(garde::Error::new("without a Redis in `store` nothing is hashed with it"))
        }
        Some(key) if key.expose().len() < 32 => {
            Err(garde::Error::new("expected at least 32 bytes, such as those of `openssl rand -hex 32`"))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
