//! Counts in Redis: one atomic script for each decision.

use std::sync::Arc;

use headwall_limit::{Charge, Key, Quota, Standing};
use headwall_redis::{Call, Purpose, Redis};
use smallvec::SmallVec;

/// What decides and charges.
pub(crate) const SCRIPT: &str = include_str!("charge.lua");

/// What limits call the numbers about their Redis.
pub(crate) const PURPOSE: Purpose = Purpose {
    name: "limits",
    up: "headwall_rate_limit_store_up",
    requests: "headwall_rate_limit_store_requests_total",
    seconds: "headwall_rate_limit_store_seconds",
};

/// The account of one limit and what it is allowed.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) key: Key,
    pub(crate) quota: &'a Quota,
}

/// What accounts stood at before a request; `None` for one that was not there.
pub(crate) type Standings = SmallVec<[Option<Standing>; 2]>;

/// Decides on one request under all of the accounts and charges as told, atomically. `None` when Redis has not
/// answered within the budget, or is known to be gone.
pub(crate) async fn visit(redis: &Arc<Redis>, accounts: &[Account<'_>], charge: Charge) -> Option<Standings> {
    redis.ask(&call(redis, accounts, charge, None)).await.ok().map(|numbers| standings(&numbers))
}

/// The question. `now` stands in for Redis's own clock, in tests.
fn call<'a>(redis: &'a Redis, accounts: &[Account<'_>], charge: Charge, now: Option<u64>) -> Call<'a> {
    let mut call = redis.call();
    call.arg(match charge {
        Charge::Never => "peek",
        Charge::IfAllowed => "check",
        Charge::Always => "charge",
    });
    call.arg(now.map(|now| now.to_string()).unwrap_or_default());
    for account in accounts {
        call.key(format!("{}:{:032x}", account.prefix, account.key.to_bits()));
        call.arg(account.quota.milli_per_second()).arg(account.quota.burst_milli());
    }
    call
}

fn standings(numbers: &[i64]) -> Standings {
    let standing = |pair: &[i64]| match *pair {
        [excess, elapsed] => {
            let excess = u64::try_from(excess).ok()?;
            Some(Standing { excess, elapsed: elapsed.unsigned_abs() })
        }
        _ => None,
    };
    numbers.chunks(2).map(standing).collect()
}

#[cfg(test)]
mod tests;
