//! Certificates in files, which somebody else renews.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use headwall_core::BoxError;
use headwall_core::module::Shared;
use headwall_tls::{FilePair, Identity, InvalidFile, Slot, Stamp};
use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::certificate::{Care, Certificate, Renewals};
use super::coverage::Hosts;
use super::{Ground, Purpose};

/// How often it is looked whether the files have changed. It costs two system calls.
const EVERY: Duration = Duration::from_secs(1);

/// Reads a pair and watches it from then on. Nothing comes of it where the config is only looked at.
pub(super) fn open(
    pair: FilePair,
    site: &str,
    hosts: &Hosts,
    ground: &Ground,
    shared: &Shared,
    purpose: Purpose,
) -> Result<Option<Arc<Certificate>>, BoxError> {
    if purpose == Purpose::Check {
        pair.read(&ground.provider)?;
        return Ok(None);
    }
    // Other hosts want another certificate, which is for the reload that brings them to judge.
    let key = format!("certificate {site} {hosts}{} {}", pair.certificate.display(), pair.key.display());
    let obtained = shared.obtain(&key, || {
        let stamp = pair.stamp();
        let slot = Arc::new(Slot::new());
        let error = Arc::new(Mutex::new(None));
        let label = pair.certificate.display().to_string();
        match pair.read(&ground.provider) {
            Ok(identity) => {
                warn(&pair, &identity);
                slot.put(identity, SystemTime::now());
            }
            Err(unusable) if purpose == Purpose::Start => {
                log::error!(
                    "{site}: no certificate to show, and the other sites go on without it: {unusable}"
                );
                *error.lock() = Some(unusable.to_string());
            }
            Err(unusable) => return Err(unusable.into()),
        }
        let watched = Watched {
            pair,
            provider: ground.provider.clone(),
            slot: slot.clone(),
            error: error.clone(),
            site: site.to_owned(),
            hosts: hosts.clone(),
            label: label.clone(),
            renewals: ground.renewals.clone(),
        };
        let watch = tokio::spawn(watched.watch(stamp));
        Ok(Certificate::new(site, label, slot, Care::Files { watch, error }))
    });
    obtained.map(Some)
}

/// Says what is odd about a certificate that is used all the same.
fn warn(pair: &FilePair, identity: &Identity) {
    if pair.key_is_public() {
        log::warn!(
            "{}: every user of this machine can read this private key; `chmod o= …` mends it",
            pair.key.display()
        );
    }
    let now = SystemTime::now();
    if !identity.is_valid_at(now) {
        let when = if identity.not_after() <= now { "has expired" } else { "is not valid yet" };
        log::error!("{}: this certificate {when}; browsers will refuse it", pair.certificate.display());
    }
}

/// A pair of files with an eye on them.
struct Watched {
    pair: FilePair,
    provider: Arc<CryptoProvider>,
    slot: Arc<Slot>,
    error: Arc<Mutex<Option<String>>>,
    site: String,
    hosts: Hosts,
    label: String,
    renewals: Renewals,
}

/// What has come of a change of the files.
enum Found {
    /// They are as they were when they were last looked at.
    Nothing,
    /// They have changed, and this is what they are now.
    Change(Result<Identity, InvalidFile>),
}

impl Watched {
    async fn watch(self, mut last: Stamp) {
        // What did not fit at the last look. While files are being exchanged it is normal for a moment.
        let mut doubtful: Option<Stamp> = None;
        loop {
            sleep(EVERY).await;
            let (pair, provider, known) = (self.pair.clone(), self.provider.clone(), last.clone());
            let look = move || {
                let stamp = pair.stamp();
                let found = if stamp == known { Found::Nothing } else { Found::Change(pair.read(&provider)) };
                (stamp, found)
            };
            let Ok((stamp, found)) = spawn_blocking(look).await else { return };
            match found {
                Found::Nothing => {}
                Found::Change(Ok(identity)) => {
                    (last, doubtful) = (stamp, None);
                    self.take(identity);
                }
                Found::Change(Err(unusable)) if doubtful.as_ref() == Some(&stamp) => {
                    (last, doubtful) = (stamp, None);
                    self.refuse(unusable.to_string());
                }
                Found::Change(Err(_)) => doubtful = Some(stamp),
            }
        }
    }

    fn take(&self, identity: Identity) {
        let now = SystemTime::now();
        if let Some(held) = self.slot.identity().filter(|held| held.is_valid_at(now))
            && let Some(host) = self.hosts.lost(&held, &identity)
        {
            return self.refuse(format!("{}: the certificate is not for `{host}`", self.label));
        }
        warn(&self.pair, &identity);
        let until = jiff::Timestamp::try_from(identity.not_after()).unwrap_or_default();
        if self.slot.put(identity, now) {
            log::info!("{}: a new certificate is used, valid until {until}", self.label);
            *self.error.lock() = None;
            self.renewals.count(&self.site, &self.label, true);
        } else {
            self.refuse(format!("{}: the certificate is not valid at this time", self.label));
        }
    }

    fn refuse(&self, why: String) {
        let kept =
            if self.slot.identity().is_some() { "the old one stays in use" } else { "there is none to use" };
        log::error!("a new certificate was refused and {kept}: {why}");
        *self.error.lock() = Some(why);
        self.renewals.count(&self.site, &self.label, false);
    }
}
