//! The filter: whom a request counts for, what is decided, and what the client is told.

use std::sync::Arc;

use headwall_core::{
    BoxError, Context, Filter, Flow, LocalReply, Phases, RequestHead, ResponseHead, async_trait,
};
use headwall_limit::Decision;
use smallvec::SmallVec;

use super::fields::{RATELIMIT, RATELIMIT_POLICY};
use super::joint::{Claim, Refused, decide};
use super::limit::Limit;

/// One `rate_limit` of a list of filters.
pub(super) struct Limiter {
    pub(super) limit: Arc<Limit>,
    /// Whether it decides. Where another stands right behind, that one does, for both.
    pub(super) decides: bool,
}

/// Limits that a later one is to decide on.
#[derive(Clone, Default)]
struct Waiting(SmallVec<[Claim; 2]>);

/// What the client is to be told.
#[derive(Clone, Default)]
struct Told(SmallVec<[(Arc<Limit>, Decision); 2]>);

#[async_trait]
impl Filter for Limiter {
    fn phases(&self) -> Phases {
        if self.limit.headers { Phases::REQUEST | Phases::RESPONSE } else { Phases::REQUEST }
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let claim = self.claim(req, cx);
        if !self.decides {
            if let Some(claim) = claim {
                cx.extensions_mut().get_or_insert_default::<Waiting>().0.push(claim);
            }
            return Ok(Flow::Continue);
        }
        let Waiting(mut claims) = cx.extensions_mut().remove().unwrap_or_default();
        claims.extend(claim);
        // A dry run sees what the limits that count let through.
        let (trials, claims): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) =
            claims.into_iter().partition(|claim: &Claim| claim.limit.dry_run);
        if let Some(reply) = enforce(&claims, cx).await {
            return Ok(Flow::Reply(reply));
        }
        for trial in trials {
            match decide(std::slice::from_ref(&trial)).await {
                Ok(decisions) => trial.limit.counters.pass(decisions[0].as_ref()),
                Err(refused) => trial.limit.counters.refuse(refused.decision.as_ref()),
            }
        }
        Ok(Flow::Continue)
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        if let Some(Told(told)) = cx.extensions_mut().remove() {
            told.iter().for_each(|(limit, decision)| limit.policy.tell(decision, &mut res.headers));
        }
        Ok(())
    }
}

impl Limiter {
    /// Whom this limit counts the request for, if it concerns it.
    fn claim(&self, req: &RequestHead, cx: &Context) -> Option<Claim> {
        if self.limit.exempt.covers(req, cx) {
            return None;
        }
        Some(Claim { key: self.limit.keys.of(req, cx)?, limit: self.limit.clone() })
    }
}

/// Decides, counts, and waits if that is what was decided. A refusal is the reply.
async fn enforce(claims: &[Claim], cx: &mut Context) -> Option<LocalReply> {
    let decisions = match decide(claims).await {
        Ok(decisions) => decisions,
        Err(refused) => return Some(refuse(claims, refused)),
    };
    let mut wait = std::time::Duration::ZERO;
    for (claim, decision) in claims.iter().zip(decisions) {
        claim.limit.counters.pass(decision.as_ref());
        let Some(decision) = decision else { continue };
        wait = wait.max(decision.delay());
        if claim.limit.headers {
            cx.extensions_mut().get_or_insert_default::<Told>().0.push((claim.limit.clone(), decision));
        }
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    None
}

fn refuse(claims: &[Claim], Refused { claim, decision }: Refused) -> LocalReply {
    let limit = &claims[claim].limit;
    limit.counters.refuse(decision.as_ref());
    let Some(decision) = decision else {
        return limit.unavailable.reply().retry_after(std::time::Duration::from_secs(1));
    };
    let reply = limit.refusal.reply().retry_after(decision.retry_after());
    reply.header(RATELIMIT_POLICY, limit.policy.item()).header(RATELIMIT, limit.policy.state(&decision))
}
