//! Certificates that are there already, from an earlier run or from another process.

use super::Task;
use crate::certificate::{Certificate, InvalidCertificate};
use crate::status::State;
use crate::storage::StorageError;
use crate::{Authority, Issued};

/// A certificate that was delivered, and who issued it.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) certificate: Certificate,
    pub(super) authority: Authority,
}

impl Task {
    /// Delivers a certificate from the storage, if there is one that lasts longer than the one in use. Tells whether
    /// it did.
    pub(super) fn pick_up(&mut self) -> bool {
        let found = self.wanted.authorities.iter().filter_map(|authority| self.stored(authority));
        let Some(found) = found.max_by_key(|found| found.certificate.lifetime.not_after) else {
            return false;
        };
        let is_newer = self.current.as_ref().is_none_or(|current| {
            found.certificate.lifetime.not_after > current.certificate.lifetime.not_after
        });
        if is_newer {
            self.adopt(found, true);
        }
        is_newer
    }

    /// Makes a certificate the one in use and delivers it.
    pub(super) fn adopt(&mut self, new: Current, is_stored: bool) {
        let Current { certificate, authority } = &new;
        {
            let mut status = self.status.lock();
            status.state = State::Valid;
            status.authority = Some(authority.name.clone());
            status.not_before = Some(certificate.lifetime.not_before);
            status.not_after = Some(certificate.lifetime.not_after);
            status.next_attempt = None;
            status.failures = 0;
            status.last_error = None;
        }
        (self.deliver)(Issued {
            chain_pem: certificate.chain_pem.clone(),
            key_pem: certificate.key_pem.clone(),
            names: certificate.names.clone(),
            not_before: certificate.lifetime.not_before,
            not_after: certificate.lifetime.not_after,
            authority: authority.name.clone(),
            is_stored,
        });
        self.current = Some(new);
        self.adopted = Some(self.now());
        self.plan = None;
    }

    /// The certificate of one CA, if it can be used. A damaged one is set aside: nothing would ever make it good.
    fn stored(&self, authority: &Authority) -> Option<Current> {
        let (storage, name) = (&self.acme.storage, self.wanted.file_name());
        let directory = authority.file_name();
        let set_aside = |why: &str| {
            if let Err(error) = storage.set_certificate_aside(&directory, &name, why) {
                log::warn!("{error}");
            }
        };
        let (chain, key) = match storage.certificate(&directory, &name) {
            Ok(files) => files?,
            Err(error @ StorageError::Damaged { .. }) => {
                set_aside(&error.to_string());
                return None;
            }
            Err(error) => {
                log::warn!("{error}");
                return None;
            }
        };
        let certificate = match Certificate::read(chain, key, &self.acme.provider) {
            Ok(certificate) => certificate,
            Err(error) => {
                set_aside(&error.to_string());
                return None;
            }
        };
        match certificate.check(&self.wanted.names, self.now()) {
            Ok(()) => Some(Current { certificate, authority: authority.clone() }),
            // Neither is damage: a new one takes its place.
            Err(InvalidCertificate::Expired(_) | InvalidCertificate::NotCovered(_)) => None,
            Err(error) => {
                set_aside(&error.to_string());
                None
            }
        }
    }
}
