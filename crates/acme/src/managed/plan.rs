//! Waiting for the time of a renewal, which the CA may move (RFC 9773).

use std::time::Duration;

use jiff::Timestamp;

use super::Task;
use super::stored::Current;
use crate::Event;
use crate::account::Session;
use crate::client::Client;
use crate::error::AttemptError;
use crate::nonce::again;
use crate::pace::{after, until};
use crate::renewal::{Window, by_lifetime, by_window, pause};

/// How long after a failed question the CA is asked for its window again.
const ASK_AFTER_FAILURE: Duration = Duration::from_secs(60 * 60);

/// How long a new certificate is used at least, or a third of what is left of it.
const SHORTEST_USE: Duration = Duration::from_secs(60 * 60);

/// When the certificate in use is renewed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    at: Timestamp,
    /// The CA's window that the time is from.
    window: Option<Window>,
    /// When the CA is asked for it again.
    ask: Timestamp,
}

/// What a CA said about a certificate's renewal.
struct Suggestion {
    window: Window,
    explanation: Option<String>,
    ask_again: Duration,
}

impl Task {
    /// Waits until there is something to ask a CA for: at once without a certificate, at the time of its renewal with
    /// one. Another process may have renewed it in the meantime.
    pub(super) async fn until_due(&mut self) {
        while let Some(current) = self.current.clone() {
            let now = self.now();
            let plan = match self.plan.clone() {
                Some(plan) if now < plan.ask || now >= plan.at => plan,
                previous => self.revise(&current, previous, now).await,
            };
            let is_due = self.now() >= plan.at;
            let wake = plan.at.min(plan.ask);
            self.plan = Some(plan);
            if is_due {
                return;
            }
            self.sleep_until(wake).await;
            self.pick_up();
        }
    }

    /// Makes a plan, or asks the CA whether the old one still holds.
    async fn revise(&self, current: &Current, previous: Option<Plan>, now: Timestamp) -> Plan {
        let lifetime = current.certificate.lifetime;
        let random = self.acme.pace.clock.random();
        let (suggestion, ask) = match self.suggestion(current).await {
            Ok(Some(suggestion)) => {
                let ask = after(now, pause(suggestion.ask_again));
                (Some(suggestion), ask)
            }
            // A CA that has no windows is not asked again for this certificate.
            Ok(None) => (None, Timestamp::MAX),
            Err(error) => {
                log::info!("the renewal window is not known yet: {error}");
                (None, after(now, ASK_AFTER_FAILURE))
            }
        };
        let is_same = |plan: &Plan| suggestion.as_ref().is_none_or(|s| plan.window == Some(s.window));
        // One time is drawn for one window; a question that failed changes nothing either.
        if let Some(previous) = previous.filter(is_same) {
            return Plan { ask, ..previous };
        }
        let suggested = suggestion.as_ref().and_then(|s| by_window(lifetime, s.window, random));
        let plan = Plan {
            at: suggested.unwrap_or_else(|| by_lifetime(lifetime, random)).max(self.earliest(current)),
            window: suggestion.as_ref().map(|s| s.window),
            ask,
        };
        self.status.lock().next_attempt = Some(plan.at);
        self.event(&Event::RenewalScheduled {
            names: self.wanted.names.clone(),
            at: plan.at,
            asked_by_authority: suggested.is_some(),
            explanation: suggestion.and_then(|s| s.explanation),
        });
        plan
    }

    /// Before when a certificate is not renewed. One that is new and due, because a clock or the CA is wrong, must not
    /// make for a certificate a second.
    fn earliest(&self, current: &Current) -> Timestamp {
        let Some(adopted) = self.adopted else { return Timestamp::MIN };
        let left = until(current.certificate.lifetime.not_after, adopted);
        after(adopted, SHORTEST_USE.min(left / 3))
    }

    /// The CA's window for a certificate. None where it has none, or where the certificate is from an account that is
    /// not here.
    async fn suggestion(&self, current: &Current) -> Result<Option<Suggestion>, AttemptError> {
        let Some(id) = &current.certificate.id else { return Ok(None) };
        let Current { authority, .. } = current;
        let email = self.wanted.email.as_deref();
        let client = Client::new(authority.root.as_ref(), self.acme.pace.request_timeout)?;
        let session = Session::resume(&self.acme.storage, authority, email, &client).await?;
        let Some(session) = session else { return Ok(None) };
        match again!(session.account.renewal_info(id)) {
            Ok((info, ask_again)) => {
                let time = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
                let window = Window {
                    start: time(info.suggested_window.start.unix_timestamp()),
                    end: time(info.suggested_window.end.unix_timestamp()),
                };
                Ok(Some(Suggestion { window, explanation: info.explanation_url, ask_again }))
            }
            Err(instant_acme::Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(AttemptError::of(&session.host, error)),
        }
    }
}
