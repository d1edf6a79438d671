//! Several limits on one request, charged together or not at all.
//!
//! If a login is limited per client and per account, a request that the account's limit refuses must not use up the
//! client's. So there are two phases, as in nginx: every limit but the last is looked up and changes nothing; the last
//! decides and is charged at once; then the others are charged too.

use crate::account::Charge;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::key::Key;
use crate::zone::Zone;

/// The outcome of several limits: the decision that counts, and which of them made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The place of the deciding limit among those that were given.
    pub limit: usize,
    /// What it said, which is what goes for the request.
    pub decision: Decision,
}

/// Decides on one request under several limits, and charges all of them unless one rejects it.
///
/// The first limit that rejects decides. Otherwise the one with the longest delay does, among equals the one with
/// the fewest requests remaining, among those the first. `None` means that no limits were given, and so none reached.
///
/// No two shards are locked at a time, so limits may be given in any order and share zones. The price, as in nginx,
/// is that a limit other than the last is charged without a second look: of requests that race between its two
/// phases, each passes and each is charged, so such a limit can be exceeded by as many requests as are in flight at
/// that moment, and the excess is worked off before the next passes. Put the limit that must be exact last.
pub fn check_all<C: Clock>(limits: &[(&Zone<C>, Key)]) -> Option<Ruling> {
    let ((last_zone, last_key), others) = limits.split_last()?;
    for (limit, (zone, key)) in others.iter().enumerate() {
        let decision = zone.visit(*key, zone.quota(), Charge::Never);
        if decision.is_reject() {
            return Some(Ruling { limit, decision });
        }
    }
    let last = Ruling { limit: others.len(), decision: last_zone.check(*last_key) };
    if last.decision.is_reject() {
        return Some(last);
    }
    let charged = others.iter().enumerate().map(|(limit, (zone, key))| Ruling {
        limit,
        decision: zone.visit(*key, zone.quota(), Charge::Always),
    });
    Some(charged.fold(last, Ruling::stricter))
}

impl Ruling {
    fn stricter(self, other: Self) -> Self {
        let strictness = |ruling: &Self| {
            let Self { limit, decision } = ruling;
            (decision.delay(), std::cmp::Reverse((decision.remaining(), *limit)))
        };
        std::cmp::max_by_key(self, other, strictness)
    }
}

#[cfg(test)]
mod tests;
