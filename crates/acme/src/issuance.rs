//! One certificate from one CA: an order, its challenges, the certificate (RFC 8555 7.4).

mod pending;
mod proof;

use std::collections::BTreeSet;
use std::time::Duration;

use instant_acme::{CertificateIdentifier, NewOrder, Order, OrderStatus};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use tokio::time::Instant;

use crate::account::Session;
use crate::acme::Inner;
use crate::certificate::Certificate;
use crate::error::{AttemptError, FailedChallenge};
use crate::identifier::list;
use crate::nonce::again;
use crate::storage::StorageError;
use crate::{Authority, ChallengeKind, Identifier, Secret, Wanted};

use pending::Pending;
use proof::Proofs;

/// The longest pause between two looks at an order, unless the CA asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause that the CA can ask for within an order.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// One certificate from one CA.
pub(crate) struct Issuance<'a> {
    pub(crate) acme: &'a Inner,
    pub(crate) session: &'a Session,
    pub(crate) authority: &'a Authority,
    pub(crate) wanted: &'a Wanted,
    /// The certificate that is in use.
    pub(crate) in_use: Option<&'a Certificate>,
    /// The certificate that this CA is told to be replaced (RFC 9773 5).
    pub(crate) replaces: Option<CertificateIdentifier<'static>>,
}

/// An order that the CA has taken, and the key that it is for.
struct Open {
    order: Order,
    key: Secret,
}

impl Issuance<'_> {
    /// Obtains the certificate. A challenge that fails is not tried again; another one is, with another order.
    pub(crate) async fn obtain(&self) -> Result<Certificate, AttemptError> {
        self.wanted.check()?;
        let random = self.acme.pace.clock.random();
        let mut kinds = self.acme.experience.order(self.wanted.dns.is_some(), self.wanted.challenges, random);
        let mut failures = Vec::new();
        loop {
            let error = match self.attempt(&kinds).await {
                Ok(certificate) => return Ok(certificate),
                Err(error) => error,
            };
            let AttemptError::Challenges { failures: new, .. } = error else { return Err(error) };
            let failed: BTreeSet<ChallengeKind> = new.iter().filter_map(|failure| failure.kind).collect();
            failures.extend(new);
            kinds.retain(|kind| !failed.contains(kind));
            let is_hopeless = |name: &Identifier| !kinds.iter().any(|kind| proof::is_fit(*kind, name));
            if failed.is_empty() || self.wanted.names.iter().any(is_hopeless) {
                return Err(AttemptError::Challenges { host: self.session.host.clone(), failures });
            }
            let left: Vec<String> = kinds.iter().map(ChallengeKind::to_string).collect();
            log::info!("{}: a challenge failed, {} is next", list(&self.wanted.names), left.join(", "));
        }
    }

    /// One order to its end.
    async fn attempt(&self, kinds: &[ChallengeKind]) -> Result<Certificate, AttemptError> {
        let mut open = self.open().await?;
        let mut proofs = Proofs::default();
        let outcome = self.drive(&mut open, kinds, &mut proofs).await;
        let answered: BTreeSet<ChallengeKind> = proofs.kinds().collect();
        proofs.withdraw(self.wanted.dns.as_ref()).await;
        match &outcome {
            Ok(_) => answered.into_iter().for_each(|kind| self.acme.experience.note(kind, true)),
            Err(AttemptError::Challenges { failures, .. }) => {
                let kinds: BTreeSet<_> = failures.iter().filter_map(|failure| failure.kind).collect();
                kinds.into_iter().for_each(|kind| self.acme.experience.note(kind, false));
            }
            Err(_) => {}
        }
        // An order that was not refused may be continued, after a pause or by another process.
        if outcome.as_ref().is_err_and(AttemptError::is_final) {
            self.conclude()?;
        }
        outcome
    }

    /// Forgets the order, once its certificate is safe. Until then a restart can fetch it again.
    pub(crate) fn conclude(&self) -> Result<(), StorageError> {
        Pending::forget(self)
    }

    /// The order of an earlier run if the CA still knows it, or a new one.
    async fn open(&self) -> Result<Open, AttemptError> {
        // An order for the key in use has brought its certificate, and could not be forgotten then.
        let is_open =
            |pending: &Pending| !self.in_use.is_some_and(|current| pending.is_for(&current.key_pem));
        if let Some(pending) = Pending::find(self)?.filter(is_open) {
            match again!(self.session.account.order(pending.url.clone())) {
                Ok(mut order) => {
                    if order.state().status != OrderStatus::Invalid {
                        log::info!("{}: goes on with the order {}", list(&self.wanted.names), pending.url);
                        return Ok(Open { order, key: pending.key() });
                    }
                }
                Err(error) => {
                    let error = self.error(error);
                    if !error.is_final() || error.is_account_gone() {
                        return Err(error);
                    }
                }
            }
            Pending::forget(self)?;
        }
        let key = self.wanted.key_type.generate()?;
        let order = self.order(self.replaces.clone()).await?;
        Pending::remember(self, order.url(), &key)?;
        Ok(Open { order, key })
    }

    /// Makes an order. Its relation to an earlier certificate is a courtesy: a CA that does not want to hear of it,
    /// because it cannot or because that certificate was replaced already, gets the order without.
    async fn order(&self, replaces: Option<CertificateIdentifier<'static>>) -> Result<Order, AttemptError> {
        let names: Vec<_> = self.wanted.names.iter().map(Identifier::to_acme).collect();
        let plain = || {
            let order = NewOrder::new(&names);
            let Some(profile) = self.authority.profile.as_deref() else { return order };
            order.profile(profile)
        };
        if let Some(replaces) = replaces {
            self.acme.throttle.admit(&self.session.file).await;
            let wanted = plain().replaces(replaces);
            match again!(self.session.account.new_order(&wanted)) {
                Ok(order) => return Ok(order),
                Err(error) => {
                    let is_too_much = self.session.client.heard().back_off.is_some();
                    let error = self.error(error);
                    if is_too_much || !error.is_final() || error.is_account_gone() {
                        return Err(error);
                    }
                    log::debug!("{error}; ordered anew without a relation");
                }
            }
        }
        self.acme.throttle.admit(&self.session.file).await;
        let wanted = plain();
        again!(self.session.account.new_order(&wanted)).map_err(|error| self.error(error))
    }

    /// Does what the order's state asks for, until there is a certificate.
    async fn drive(
        &self,
        open: &mut Open,
        kinds: &[ChallengeKind],
        proofs: &mut Proofs,
    ) -> Result<Certificate, AttemptError> {
        let pace = &self.acme.pace;
        let mut deadline = Instant::now() + pace.order_timeout;
        let mut pause = pace.order_poll;
        let (mut is_answered, mut is_finalized) = (false, false);
        loop {
            let status = open.order.state().status;
            match status {
                OrderStatus::Pending if !is_answered => {
                    if let Err(error) = proofs.answer(self, &mut open.order, kinds).await {
                        return Err(self.second_look(&mut open.order, error).await);
                    }
                    is_answered = true;
                }
                OrderStatus::Ready if !is_finalized => {
                    let request = self.request(&open.key)?;
                    again!(open.order.finalize_csr(&request)).map_err(|error| self.error(error))?;
                    is_finalized = true;
                    deadline = Instant::now() + pace.order_timeout;
                    pause = pace.order_poll;
                    continue;
                }
                OrderStatus::Valid => {
                    let chain = again!(open.order.certificate()).map_err(|error| self.error(error))?;
                    return self.certificate(chain.unwrap_or_default(), open.key.clone());
                }
                OrderStatus::Invalid => return Err(self.refusal(&mut open.order).await),
                OrderStatus::Pending | OrderStatus::Ready | OrderStatus::Processing => {}
            }
            if Instant::now() >= deadline {
                let (state, limit) = (format!("{status:?}").to_lowercase(), pace.order_timeout);
                return Err(AttemptError::Timeout { host: self.session.host.clone(), state, limit });
            }
            let asked = self.session.client.heard().retry_after.unwrap_or_default();
            tokio::time::sleep(pause.max(asked.min(LONGEST_ASKED))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            again!(async { open.order.refresh().await.map(|_| ()) }).map_err(|error| self.error(error))?;
        }
    }

    /// A CA that looks at an answer at once may refuse it before it is asked how it went. The order has the reasons.
    async fn second_look(&self, order: &mut Order, error: AttemptError) -> AttemptError {
        let AttemptError::Problem { .. } = error else { return error };
        let looked = again!(async { order.refresh().await.map(|_| ()) });
        if looked.is_ok() && order.state().status == OrderStatus::Invalid {
            return self.refusal(order).await;
        }
        error
    }

    /// Why the CA has given up an order: the challenges that failed, or what it says of the whole.
    async fn refusal(&self, order: &mut Order) -> AttemptError {
        let failures = match proof::failures(self, order).await {
            Ok(failures) => failures,
            Err(error) => return error,
        };
        if !failures.is_empty() {
            return AttemptError::Challenges { host: self.session.host.clone(), failures };
        }
        match &order.state().error {
            Some(problem) => self.error(instant_acme::Error::Api(problem.clone())),
            None => {
                let problem = "the order is invalid, and the CA does not say why".to_owned();
                let failure = FailedChallenge { name: list(&self.wanted.names), kind: None, problem };
                AttemptError::Challenges { host: self.session.host.clone(), failures: vec![failure] }
            }
        }
    }

    /// A request for a certificate (PKCS #10) as DER. The names stand in its extension alone, as CAs want it.
    fn request(&self, key: &Secret) -> Result<Vec<u8>, AttemptError> {
        let key = KeyPair::from_pem(key.expose())?;
        let names: Vec<String> = self.wanted.names.iter().map(Identifier::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&key)?.der().to_vec())
    }

    fn certificate(&self, chain: String, key: Secret) -> Result<Certificate, AttemptError> {
        let invalid = |cause| AttemptError::Certificate { host: self.session.host.clone(), cause };
        let certificate = Certificate::read(chain, key, &self.acme.provider).map_err(invalid)?;
        certificate.check(&self.wanted.names, self.acme.pace.clock.now()).map_err(invalid)?;
        Ok(certificate)
    }

    fn error(&self, error: instant_acme::Error) -> AttemptError {
        AttemptError::of(&self.session.host, error)
    }
}
