//! From the TLS settings of a config to what handshakes go by.
//!
//! What is obtained, watched or renewed belongs to a [`Certificate`], which outlives reloads that do not change it. What a
//! handshake agrees on is built anew for each config.

mod acme;
mod certificate;
mod coverage;
mod files;
mod gauges;
mod root;
mod storage;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use headwall_acme::Acme;
use headwall_config::{
    Certificates as Source, ClientAuthMode, Config, Report, Site as SiteConfig, TlsVersion,
};
use headwall_core::module::Shared;
use headwall_core::{BoxError, Metrics, async_trait};
use headwall_net::{Challenges, Secure};
use headwall_tls::{
    Certificates, ClientAuth, LocalAuthority, Protocol, Sessions, Site, Slot, SuiteList, Version,
};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

pub(crate) use certificate::{Certificate, Snapshot};
use coverage::Hosts;
pub(crate) use gauges::Gauges;
pub(crate) use root::LocalRoot;
use storage::Storage;

/// What for a config is assembled. It decides how much is tried, and what a file that cannot be read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To say where a request would go. Certificates have no part in it.
    Explain,
    /// To see whether it is right. Nothing is begun, and nothing is written.
    Check,
    /// To serve with it, when nothing is served yet. A certificate that cannot be read costs its own site only.
    Start,
    /// To serve with it instead of the one that is served with. Whatever is not right leaves that one in place.
    Reload,
}

/// What handshakes have in common, whatever the config.
#[derive(Debug)]
pub(crate) struct Ground {
    provider: Arc<CryptoProvider>,
    sessions: Sessions,
    renewals: certificate::Renewals,
}

/// What the TLS settings of a config have become.
#[derive(Debug, Default)]
pub(crate) struct Secured {
    pub(crate) secure: Secure,
    pub(crate) certificates: Vec<Arc<Certificate>>,
    /// Who knows the answers for CAs that ask over HTTP.
    pub(crate) acme: Option<Arc<Acme>>,
}

/// One config's TLS in the making.
struct Securing<'a> {
    config: &'a Config,
    ground: &'a Ground,
    shared: &'a Shared,
    purpose: Purpose,
    storage: Storage,
    secured: Secured,
    errors: Vec<Report>,
}

/// Builds everything about TLS that a config says. Everything that cannot be built is in the error.
pub(crate) fn secure(
    config: &Config,
    ground: &Ground,
    shared: &Shared,
    purpose: Purpose,
) -> Result<Secured, Vec<Report>> {
    if purpose == Purpose::Explain {
        return Ok(Secured::default());
    }
    let storage = Storage::of(config);
    let secured = Secured::default();
    let mut work = Securing { config, ground, shared, purpose, storage, secured, errors: Vec::new() };
    for site in &config.sites {
        work.site(site);
    }
    let Securing { mut secured, errors, .. } = work;
    if !errors.is_empty() {
        return Err(errors);
    }
    secured.secure.challenges =
        secured.acme.clone().map(|acme| Arc::new(ByHandshake(acme)) as Arc<dyn Challenges>);
    Ok(secured)
}

impl Ground {
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, BoxError> {
        let renewals = certificate::Renewals::new(metrics)?;
        Ok(Self { provider: headwall_tls::provider(), sessions: Sessions::new()?, renewals })
    }
}

impl Securing<'_> {
    fn site(&mut self, site: &SiteConfig) {
        let Some(tls) = &site.tls else { return };
        let protocol = self.protocol(tls);
        let certificates = match &tls.certificates {
            Source::Files(files) => Some(self.files(site, files)),
            Source::Acme(acme) => self.issued(site, tls, acme),
            Source::Internal => self.local(tls),
        };
        let (Some(protocol), Some(certificates)) = (protocol, certificates) else { return };
        match Site::new(&protocol, certificates, &self.ground.sessions, &self.ground.provider) {
            Ok(built) => self.secured.secure.sites.add(&site.hosts, built),
            Err(error) => self.errors.push(self.config.error_at(&tls.place, format!("`tls`: {error}"))),
        }
    }

    /// How the site speaks. Both of its parts are read before one is given up.
    fn protocol(&mut self, tls: &headwall_config::Tls) -> Option<Protocol> {
        let ciphers = tls.ciphers.as_ref().map(|(names, place)| {
            names
                .parse::<SuiteList>()
                .map_err(|error| self.config.error_at(place, format!("`ciphers`: {error}")))
        });
        let client_auth = tls.client_auth.as_ref().map(|(wanted, place)| {
            let required = wanted.mode == ClientAuthMode::Require;
            let bundle = fs::read(&wanted.ca).map_err(|error| error.to_string());
            let auth = bundle.and_then(|bundle| {
                ClientAuth::new(&bundle, required, self.ground.provider.clone())
                    .map_err(|error| error.to_string())
            });
            auth.map_err(|error| {
                self.config.error_at(place, format!("`client_auth`: {}: {error}", wanted.ca.display()))
            })
        });
        let (ciphers, client_auth) = (self.sound(ciphers), self.sound(client_auth));
        let min_version = match tls.min_version {
            TlsVersion::V1_2 => Version::Tls12,
            TlsVersion::V1_3 => Version::Tls13,
        };
        Some(Protocol {
            min_version,
            ciphers: ciphers?,
            tickets: tls.session_tickets,
            client_auth: client_auth?,
        })
    }

    /// What is there, unless it is wrong; then that is reported.
    #[expect(clippy::option_option, reason = "nothing was asked for, and nothing can be had, are two things")]
    fn sound<T>(&mut self, part: Option<Result<T, Report>>) -> Option<Option<T>> {
        match part {
            None => Some(None),
            Some(Ok(part)) => Some(Some(part)),
            Some(Err(report)) => {
                self.errors.push(report);
                None
            }
        }
    }

    fn files(
        &mut self,
        site: &SiteConfig,
        files: &[(headwall_config::CertificateFiles, headwall_config::Place)],
    ) -> Certificates {
        let hosts = Hosts::of(&site.hosts);
        let mut slots: Vec<Arc<Slot>> = Vec::new();
        for (files, place) in files {
            let pair =
                headwall_tls::FilePair { certificate: files.certificate.clone(), key: files.key.clone() };
            let opened = files::open(pair, &site.name, &hosts, self.ground, self.shared, self.purpose);
            match opened {
                Ok(Some(certificate)) => {
                    slots.push(certificate.slot().clone());
                    self.secured.certificates.push(certificate);
                }
                Ok(None) => {}
                Err(error) => self.errors.push(self.config.error_at(place, format!("`tls`: {error}"))),
            }
        }
        let shown: Vec<_> = slots.iter().filter_map(|slot| slot.identity()).collect();
        // Of one that cannot be read it was said already.
        if shown.len() == files.len() {
            for host in hosts.uncovered(&shown) {
                log::warn!("{}: no certificate is for `{host}`; browsers will refuse it", site.name);
            }
        }
        Certificates::Held(slots)
    }

    fn issued(
        &mut self,
        site: &SiteConfig,
        tls: &headwall_config::Tls,
        settings: &headwall_config::Acme,
    ) -> Option<Certificates> {
        let mut refuse = |error: BoxError| {
            self.errors.push(self.config.error_at(&tls.place, format!("`acme`: {error}")));
        };
        let mut wanted = Vec::new();
        for host in &site.hosts {
            match acme::wanted(host, settings) {
                Ok(certificate) => wanted.push(certificate),
                Err(error) => {
                    refuse(error);
                    return None;
                }
            }
        }
        if self.purpose == Purpose::Check {
            return Some(Certificates::Held(Vec::new()));
        }
        let opened = self.storage.open().and_then(|storage| {
            let dir = storage.join("acme");
            // Challenges that are pending are known to the one that has made them.
            self.shared.obtain(&format!("acme {}", dir.display()), || Ok(Acme::open(&dir)?))
        });
        let acme = match opened {
            Ok(acme) => acme,
            Err(error) => {
                refuse(error);
                return None;
            }
        };
        let mut slots = Vec::new();
        for wanted in wanted {
            match acme::manage(&acme, wanted, &site.name, self.ground, self.shared) {
                Ok(certificate) => {
                    slots.push(certificate.slot().clone());
                    self.secured.certificates.push(certificate);
                }
                Err(error) => self.errors.push(self.config.error_at(&tls.place, format!("`acme`: {error}"))),
            }
        }
        self.secured.acme = Some(acme);
        Some(Certificates::Held(slots))
    }

    fn local(&mut self, tls: &headwall_config::Tls) -> Option<Certificates> {
        if self.purpose == Purpose::Check {
            return Some(Certificates::Held(Vec::new()));
        }
        let dir = self.storage.open().map(|storage| storage.join("local"));
        let opened = dir.and_then(|dir: PathBuf| {
            let make = || Ok(LocalAuthority::open(&dir, self.ground.provider.clone())?);
            self.shared.obtain(&format!("local authority {}", dir.display()), make)
        });
        match opened {
            Ok(authority) => Some(Certificates::Local(authority)),
            Err(error) => {
                self.errors.push(self.config.error_at(&tls.place, format!("`internal`: {error}")));
                None
            }
        }
    }
}

/// Shows CAs what they look for in a handshake.
#[derive(Debug)]
struct ByHandshake(Arc<Acme>);

#[async_trait]
impl Challenges for ByHandshake {
    async fn find(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        self.0.challenges().tls_alpn(server_name).await
    }
}
