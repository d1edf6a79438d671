//! The guard among the filters: when it is asked, and what it answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwall_core::{
    BoxError, Context, Filter, Flow, LocalReply, Phases, RequestHead, ResponseHead, async_trait,
};
use headwall_limit::Key;
use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::account::{AccountField, Named};
use super::attempt::Attempt;
use super::record::Refusal;
use super::store::{Kind, Seat};
use super::watch::{Answer, Watch};

/// The filter.
pub(super) struct Guard(pub(super) Arc<Watch>);

/// The attempts that one request is, one for each guard that it has passed.
#[derive(Clone, Default)]
struct Attempts(Vec<Arc<Attempt>>);

/// How long an attempt waits for others from its address to be answered. People behind one address who log in at the same
/// moment notice a delay at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest body of an attempt. What is longer could hide the account from us and show it to the app.
const LONGEST_BODY: usize = 16 * 1024;

// === impl Guard ===

impl Guard {
    fn guards(&self, req: &RequestHead, client: IpAddr) -> bool {
        // A safe method changes nothing (RFC 9110, 9.2.1): it shows the form.
        !req.method.is_safe() && !self.0.allow.iter().any(|network| network.contains(client))
    }

    /// Has the address admit an attempt, and waits a moment where that could go either way.
    async fn admit(&self, address: Key) -> Result<Seat, Refusal> {
        let Watch { store, rules, dry_run, .. } = &*self.0;
        let deadline = Instant::now() + PATIENCE;
        for question in 0.. {
            let settled = store.settled(address);
            let admitted = store.admit(rules, Kind::Address, address).await;
            let now = Instant::now();
            if !matches!(admitted, Err(Refusal::Busy)) || *dry_run || now >= deadline {
                return admitted;
            }
            let again = store.pause(question).map_or(deadline, |pause| deadline.min(now + pause));
            // Settled or not, whoever is asked next knows.
            drop(timeout_at(again, settled).await);
        }
        Err(Refusal::Busy)
    }

    /// The account that a body names; none if it names none. The error is the answer to one that could mean one account
    /// for us and another for the app.
    fn account(&self, field: &AccountField, body: &[u8]) -> Result<Option<String>, Box<LocalReply>> {
        let named = if body.len() > LONGEST_BODY { None } else { Some(field.read(body)) };
        match named {
            Some(Named::Account(name)) => Ok(Some(name)),
            Some(Named::Nobody) => Ok(None),
            // A dry run lets everything pass.
            Some(Named::Ambiguous) | None if self.0.dry_run => Ok(None),
            Some(Named::Ambiguous) => {
                let reply = LocalReply::error(StatusCode::BAD_REQUEST, "ambiguous_account");
                Err(Box::new(reply.message("The request names more than one account.")))
            }
            None => Err(Box::new(LocalReply::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"))),
        }
    }

    /// The attempt that this request is here, if it is one.
    fn attempt(&self, cx: &Context) -> Option<Arc<Attempt>> {
        let Attempts(attempts) = cx.extensions().get()?;
        attempts.iter().find(|attempt| attempt.is_at(&self.0)).cloned()
    }
}

#[async_trait]
impl Filter for Guard {
    fn phases(&self) -> Phases {
        let heads = Phases::REQUEST | Phases::RESPONSE;
        if self.0.account.is_some() { heads | Phases::WHOLE_REQUEST_BODY } else { heads }
    }

    async fn request(&self, req: &mut RequestHead, cx: &mut Context) -> Result<Flow, BoxError> {
        let client = cx.client_address();
        if !self.guards(req, client) {
            return Ok(Flow::Continue);
        }
        let address = Key::address(client);
        match self.admit(address).await {
            Ok(seat) => {
                let attempt = Arc::new(Attempt::begin(&self.0, client, seat));
                cx.extensions_mut().get_or_insert_default::<Attempts>().0.push(attempt);
                Ok(Flow::Continue)
            }
            Err(refusal) => Ok(self.0.refuse(Kind::Address, refusal).map_or(Flow::Continue, Flow::Reply)),
        }
    }

    async fn whole_request_body(&self, body: &mut Bytes, cx: &mut Context) -> Result<Flow, BoxError> {
        let (Some(field), Some(attempt)) = (&self.0.account, self.attempt(cx)) else {
            return Ok(Flow::Continue);
        };
        let name = match self.account(field, body) {
            Ok(Some(name)) => name,
            Ok(None) => {
                self.0.report.unnamed.inc();
                String::new()
            }
            Err(reply) => {
                attempt.give_up();
                return Ok(Flow::Reply(*reply));
            }
        };
        let Err((kind, refusal)) = attempt.concerns(&name).await else {
            return Ok(Flow::Continue);
        };
        attempt.give_up();
        Ok(self.0.refuse(kind, refusal).map_or(Flow::Continue, Flow::Reply))
    }

    fn response(&self, res: &mut ResponseHead, cx: &mut Context) -> Result<(), BoxError> {
        if let Some(attempt) = self.attempt(cx) {
            // An answer with a reason is ours, and says nothing about a password.
            let answer = if cx.reason().is_none() { self.0.answer(res.status) } else { Answer::Undecided };
            attempt.end(answer);
        }
        Ok(())
    }
}
