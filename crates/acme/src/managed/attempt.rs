//! One round of asking CAs: under the lock, one after the other, until one issues.

use super::Task;
use super::stored::Current;
use crate::account::Session;
use crate::certificate::Certificate;
use crate::client::Client;
use crate::error::AttemptError;
use crate::issuance::Issuance;
use crate::lock::{Lock, Waiting};
use crate::pace::{after, until};
use crate::status::State;
use crate::storage::{Meta, StorageError};
use crate::{Authority, ChallengeKind, Event};

/// Why a round has brought nothing.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) authority: String,
    pub(super) challenge: Option<ChallengeKind>,
    pub(super) error: String,
}

impl Task {
    /// Obtains a certificate from the first CA that issues it, or takes over what another process has obtained.
    pub(super) async fn obtain(&mut self) -> Result<(), Failure> {
        let first = self.wanted.authorities.first().map(|authority| authority.name.clone());
        let mut failure =
            Failure { authority: first.unwrap_or_default(), challenge: None, error: String::new() };
        if let Err(error) = self.wanted.check() {
            return Err(Failure { error: error.to_string(), ..failure });
        }
        let _lock = match self.lock().await {
            Ok(Some(lock)) => lock,
            Ok(None) => return Ok(()),
            Err(error) => return Err(failure.with(&error.into())),
        };
        self.status.lock().state = if self.current.is_some() { State::Renewing } else { State::Pending };
        for authority in self.wanted.authorities.clone() {
            authority.name.clone_into(&mut failure.authority);
            if let Some(blocked) = self.blocked.get(&authority.directory)
                && *blocked > self.now()
            {
                let wait = until(*blocked, self.now()).as_secs();
                failure.add(&format!("{}: asked to be left alone for {wait} s more", authority.host()));
                continue;
            }
            match self.ask(&authority).await {
                Ok(()) => return Ok(()),
                Err(error) => failure = failure.with(&error),
            }
        }
        Err(failure)
    }

    /// Takes the lock of this certificate. None when another process has obtained the certificate while we waited.
    async fn lock(&mut self) -> Result<Option<Lock>, StorageError> {
        let mut waiting = Waiting::new(&self.acme.storage, &self.acme.pace, &self.wanted.file_name());
        loop {
            let lock = waiting.attempt()?;
            // With the lock in hand too: whoever had it may just have been done.
            if self.pick_up() {
                return Ok(None);
            }
            if lock.is_some() {
                return Ok(lock);
            }
            tokio::time::sleep(self.acme.pace.lock.poll).await;
        }
    }

    /// Asks one CA. After a failure its staging directory is asked first, which costs nothing when it fails again.
    async fn ask(&mut self, authority: &Authority) -> Result<(), AttemptError> {
        if self.failures > 0
            && let Some(staging) = authority.rehearsal()
        {
            self.order(authority, &staging).await?;
            log::info!("{}: the staging directory would issue", authority.host());
        }
        self.order(authority, authority).await
    }

    /// Orders from `authority`'s directory, or its staging one. Being refused for asking too much counts for both.
    async fn order(&mut self, authority: &Authority, directory: &Authority) -> Result<(), AttemptError> {
        let client = Client::new(directory.root.as_ref(), self.acme.pace.request_timeout)?;
        let mut outcome = self.issue(authority, directory, &client).await;
        if outcome.as_ref().is_err_and(AttemptError::is_account_gone) {
            outcome = self.issue(authority, directory, &client).await;
        }
        if outcome.is_err()
            && let Some(wait) = client.heard().back_off
        {
            self.blocked.insert(authority.directory.clone(), after(self.now(), wait));
        }
        outcome
    }

    async fn issue(
        &mut self,
        authority: &Authority,
        directory: &Authority,
        client: &Client,
    ) -> Result<(), AttemptError> {
        let (acme, wanted) = (self.acme.clone(), self.wanted.clone());
        let email = wanted.email.as_deref();
        let session = &Session::open(&acme.storage, &acme.pace, directory, email, client).await?;
        let current = self.current.clone();
        let in_use = current.as_ref().map(|current| &current.certificate);
        let is_theirs = current.as_ref().is_some_and(|current| current.authority == *directory);
        let replaces = in_use.filter(|_| is_theirs).and_then(|certificate| certificate.id.clone());
        let (acme, wanted) = (&*acme, &wanted);
        let issuance = Issuance { acme, session, authority: directory, wanted, in_use, replaces };
        let outcome = issuance.obtain().await;
        if outcome.as_ref().is_err_and(AttemptError::is_account_gone) {
            session.set_aside(&acme.storage)?;
        }
        let certificate = outcome?;
        // What a staging directory issues is good for nothing.
        let is_safe = authority.directory != directory.directory || self.issued(certificate, authority);
        if is_safe {
            issuance.conclude()?;
        }
        Ok(())
    }

    /// Stores and delivers a new certificate, and tells whether it is stored. One that cannot be is delivered all the
    /// same: it works until the next start.
    fn issued(&mut self, certificate: Certificate, authority: &Authority) -> bool {
        let meta = Meta {
            authority: authority.name.clone(),
            directory: authority.directory.clone(),
            names: certificate.names.iter().map(ToString::to_string).collect(),
            not_before: certificate.lifetime.not_before,
            not_after: certificate.lifetime.not_after,
            stored: self.now(),
        };
        let (directory, name) = (authority.file_name(), self.wanted.file_name());
        let stored = self.acme.storage.store_certificate(&directory, &name, &certificate, &meta);
        if let Err(error) = &stored {
            log::error!("the new certificate is in use and cannot be stored: {error}");
        }
        let event = Event::Issued {
            names: certificate.names.clone(),
            authority: authority.name.clone(),
            not_after: certificate.lifetime.not_after,
        };
        self.blocked.remove(&authority.directory);
        self.adopt(Current { certificate, authority: authority.clone() }, false);
        self.event(&event);
        stored.is_ok()
    }
}

// === impl Failure ===

impl Failure {
    fn with(mut self, error: &AttemptError) -> Self {
        self.challenge = error.challenge().or(self.challenge);
        self.add(&error.to_string());
        self
    }

    fn add(&mut self, error: &str) {
        if !self.error.is_empty() {
            self.error.push_str("; ");
        }
        self.error.push_str(error);
    }
}
