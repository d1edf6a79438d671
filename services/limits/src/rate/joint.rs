//! Several limits on one request, charged together or not at all, wherever they count.
//!
//! If a login is limited per client and per account, a request that the account's limit refuses must not use up the
//! client's. So there are two phases, as in nginx: every table but the last is looked at and changes nothing; the last
//! decides and is charged at once; then the others are charged. Redis comes last and decides on all limits that count
//! in it by one script, so those are exact however many servers ask.

use std::sync::Arc;

use headwall_limit::{Charge, Decision, Key};
use headwall_redis::Redis;
use smallvec::{SmallVec, smallvec};

use super::limit::{Limit, Nearby};
use crate::store::redis::{Account, visit};

/// A limit that concerns a request, and whom it counts there.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) limit: Arc<Limit>,
    pub(super) key: Key,
}

/// The limit that refuses, and its decision where somebody could decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) claim: usize,
    pub(super) decision: Option<Decision>,
}

/// What each limit has said, in order; `None` where nobody could decide and the request passes.
pub(super) type Decisions = SmallVec<[Option<Decision>; 2]>;

/// Claims that are decided in one go, by their places.
enum Group<'a> {
    Near(Places),
    Far(&'a Arc<Redis>, Places),
}

type Places = SmallVec<[usize; 2]>;

/// Decides on one request under several limits, and charges all of them unless one refuses it.
pub(super) async fn decide(claims: &[Claim]) -> Result<Decisions, Refused> {
    let mut hearing = Hearing { claims, decisions: smallvec![None; claims.len()] };
    let groups = groups(claims);
    if let Some((last, others)) = groups.split_last() {
        for group in others {
            hearing.visit(group, Charge::Never).await?;
        }
        hearing.visit(last, Charge::IfAllowed).await?;
        for group in others {
            hearing.visit(group, Charge::Always).await?;
        }
    }
    Ok(hearing.decisions)
}

/// What is decided here in one group, then one for each Redis; of a cluster, one for each claim.
fn groups(claims: &[Claim]) -> SmallVec<[Group<'_>; 2]> {
    let mut near = Places::new();
    let mut far = SmallVec::<[Group<'_>; 2]>::new();
    for (place, claim) in claims.iter().enumerate() {
        let Some(shared) = claim.limit.shared() else {
            near.push(place);
            continue;
        };
        let known = far.iter_mut().find_map(|group| match group {
            Group::Far(redis, places) if Arc::ptr_eq(redis, &shared.redis) && !redis.is_split() => {
                Some(places)
            }
            Group::Far(..) | Group::Near(_) => None,
        });
        match known {
            Some(places) => places.push(place),
            None => far.push(Group::Far(&shared.redis, smallvec![place])),
        }
    }
    let near = (!near.is_empty()).then_some(Group::Near(near));
    near.into_iter().chain(far).collect()
}

/// One request before its limits.
struct Hearing<'a> {
    claims: &'a [Claim],
    decisions: Decisions,
}

impl Hearing<'_> {
    async fn visit(&mut self, group: &Group<'_>, charge: Charge) -> Result<(), Refused> {
        match group {
            Group::Near(places) => self.near(places, charge),
            Group::Far(redis, places) => self.far(redis, places, charge).await,
        }
    }

    /// Two phases again where there are several tables.
    fn near(&mut self, places: &[usize], charge: Charge) -> Result<(), Refused> {
        let Some((last, others)) = places.split_last() else { return Ok(()) };
        if charge == Charge::IfAllowed {
            others.iter().try_for_each(|place| self.look(*place, Charge::Never))?;
            self.look(*last, charge)?;
            others.iter().try_for_each(|place| self.look(*place, Charge::Always))
        } else {
            places.iter().try_for_each(|place| self.look(*place, charge))
        }
    }

    /// One look at one table of this process.
    fn look(&mut self, claim: usize, charge: Charge) -> Result<(), Refused> {
        let Claim { limit, key } = &self.claims[claim];
        let decision = match limit.visit(*key, charge) {
            Nearby::Decided(decision) => Some(decision),
            Nearby::Allowed => None,
            // Who was found to pass already passes, though Redis has gone since.
            Nearby::Refused if charge == Charge::Always => return Ok(()),
            Nearby::Refused => return Err(Refused { claim, decision: None }),
        };
        self.take(claim, decision)
    }

    async fn far(&mut self, redis: &Arc<Redis>, places: &[usize], charge: Charge) -> Result<(), Refused> {
        let account = |place: &usize| {
            let Claim { limit, key } = &self.claims[*place];
            let prefix = limit.shared().map_or("", |shared| &shared.prefix);
            Account { prefix, key: *key, quota: &limit.quota }
        };
        let accounts: SmallVec<[_; 2]> = places.iter().map(account).collect();
        let Some(standings) = visit(redis, &accounts, charge).await else {
            if charge != Charge::Never {
                places.iter().for_each(|place| self.claims[*place].limit.counters.fallbacks.inc());
            }
            return self.near(places, charge);
        };
        // What is charged in any case was found to pass already.
        if charge != Charge::Always {
            for (place, before) in places.iter().zip(standings) {
                self.take(*place, Some(Decision::on(self.claims[*place].limit.quota, before)))?;
            }
        }
        if charge != Charge::Never {
            // The tables here are kept up to date, so that nobody starts afresh when Redis goes.
            for place in places {
                let Claim { limit, key } = &self.claims[*place];
                limit.visit(*key, Charge::Always);
            }
        }
        Ok(())
    }

    fn take(&mut self, claim: usize, decision: Option<Decision>) -> Result<(), Refused> {
        if decision.is_some_and(|decision| decision.is_reject()) {
            return Err(Refused { claim, decision });
        }
        self.decisions[claim] = decision;
        Ok(())
    }
}
