//! Proving to a CA that names are ours: answers are put where it looks, and taken away afterwards.

use instant_acme::{AuthorizationStatus, ChallengeHandle, ChallengeStatus, ChallengeType, Order};

use super::Issuance;
use crate::challenges::Presented;
use crate::dns::{DnsHook, Record};
use crate::error::{AttemptError, FailedChallenge, Said};
use crate::nonce::again;
use crate::{ChallengeKind, Identifier};

/// What was put up for one order.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    answers: Vec<(ChallengeKind, Presented)>,
    records: Vec<Record>,
}

/// Whether a name can be proven that way at all.
pub(super) fn is_fit(kind: ChallengeKind, name: &Identifier) -> bool {
    match kind {
        ChallengeKind::Dns01 => matches!(name, Identifier::Dns(_)),
        ChallengeKind::Http01 | ChallengeKind::TlsAlpn01 => !name.is_wildcard(),
    }
}

/// What the CA found wrong with each name of an order.
pub(super) async fn failures(
    issuance: &Issuance<'_>,
    order: &mut Order,
) -> Result<Vec<FailedChallenge>, AttemptError> {
    fetch(issuance, order).await?;
    let mut failures = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(|error| issuance.error(error))?;
        // What is known of it is from before the CA has looked.
        again!(async { authorization.refresh().await.map(|_| ()) }).map_err(|error| issuance.error(error))?;
        let name = authorization.identifier().to_string();
        for challenge in &authorization.challenges {
            if let Some(problem) = &challenge.error {
                let (kind, problem) = (kind(&challenge.r#type), Said(problem).to_string());
                failures.push(FailedChallenge { name: name.clone(), kind, problem });
            }
        }
    }
    Ok(failures)
}

fn kind(acme: &ChallengeType) -> Option<ChallengeKind> {
    let kinds = [ChallengeKind::Http01, ChallengeKind::TlsAlpn01, ChallengeKind::Dns01];
    kinds.into_iter().find(|kind| kind.to_acme() == *acme)
}

fn words(kinds: &[ChallengeKind]) -> String {
    let words: Vec<String> = kinds.iter().map(ChallengeKind::to_string).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" or ") }
}

/// Fetches all of an order's authorizations. Those that are there are not fetched again, so it can begin anew.
async fn fetch(issuance: &Issuance<'_>, order: &mut Order) -> Result<(), AttemptError> {
    again!(async {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            authorization?;
        }
        Ok(())
    })
    .map_err(|error| issuance.error(error))
}

// === impl Proofs ===

impl Proofs {
    /// Answers every authorization that waits for it, by the first of `kinds` that the CA offers and that fits.
    pub(super) async fn answer(
        &mut self,
        issuance: &Issuance<'_>,
        order: &mut Order,
        kinds: &[ChallengeKind],
    ) -> Result<(), AttemptError> {
        fetch(issuance, order).await?;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| issuance.error(error))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = authorization.identifier().to_string();
            let offered: Vec<ChallengeKind> =
                authorization.challenges.iter().filter_map(|challenge| kind(&challenge.r#type)).collect();
            let none = || AttemptError::NoChallenge {
                host: issuance.session.host.clone(),
                name: name.clone(),
                offered: words(&offered),
                allowed: words(kinds),
            };
            let identifier: Identifier = name.parse().map_err(|_| none())?;
            let is_possible = |kind: &ChallengeKind| offered.contains(kind) && is_fit(*kind, &identifier);
            let kind = kinds.iter().copied().find(is_possible).ok_or_else(none)?;
            let mut challenge = authorization.challenge(kind.to_acme()).ok_or_else(none)?;
            self.put_up(issuance, &identifier, kind, &challenge).await?;
            // In an order of an earlier run the CA may be looking already.
            if challenge.status == ChallengeStatus::Pending {
                again!(challenge.set_ready()).map_err(|error| issuance.error(error))?;
            }
        }
        Ok(())
    }

    async fn put_up(
        &mut self,
        issuance: &Issuance<'_>,
        name: &Identifier,
        kind: ChallengeKind,
        challenge: &ChallengeHandle<'_>,
    ) -> Result<(), AttemptError> {
        let key = challenge.key_authorization();
        let challenges = &issuance.acme.challenges;
        let presented = match (kind, &issuance.wanted.dns) {
            (ChallengeKind::Http01, _) => challenges.present_http(&challenge.token, key.as_str())?,
            (ChallengeKind::TlsAlpn01, _) => {
                let mut digest = [0; 32];
                digest.copy_from_slice(key.digest().as_ref());
                challenges.present_tls_alpn(name, digest)?
            }
            (ChallengeKind::Dns01, Some(hook)) => {
                let record = Record { domain: name.base(), value: key.dns_value() };
                // Whatever the hook did before it failed is cleaned up too.
                self.records.push(record.clone());
                let made = hook.present(&record).await;
                return made.map_err(|cause| AttemptError::Dns { name: name.to_string(), cause });
            }
            // The kinds were chosen by what is there.
            (ChallengeKind::Dns01, None) => return Ok(()),
        };
        self.answers.push((kind, presented));
        Ok(())
    }

    /// The challenges that were answered.
    pub(super) fn kinds(&self) -> impl Iterator<Item = ChallengeKind> {
        self.answers.iter().map(|(kind, _)| *kind)
    }

    /// Takes everything away.
    pub(super) async fn withdraw(&mut self, hook: Option<&DnsHook>) {
        for record in self.records.drain(..) {
            if let Some(hook) = hook {
                hook.clean_up(&record).await;
            }
        }
        self.answers.clear();
    }
}
