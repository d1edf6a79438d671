//! How a site speaks TLS: versions, ciphers, resumption, clients.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache,
    StoresServerSessions,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::{ClientAuth, SuiteList};

/// How many sessions of TLS 1.2 clients without tickets are kept, over all sites.
const SESSIONS: usize = 10_000;

/// The protocol by which a CA looks at a challenge (RFC 8737).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// TLS 1.2 (RFC 5246), with AEAD ciphers and forward secrecy only.
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// How a site speaks TLS.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// The oldest version. TLS 1.2 by default.
    pub min_version: Version,
    /// The suites; none means all there are.
    pub ciphers: Option<SuiteList>,
    /// Whether sessions are resumed with tickets (RFC 5077, RFC 8446 2.2). They are by default.
    pub tickets: bool,
    /// What clients have to show. Nothing by default.
    pub client_auth: Option<ClientAuth>,
}

/// What makes sessions resumable, shared by everybody who accepts them.
///
/// Ticket keys are made by the process, replaced every six hours and accepted for twice as long. They are in no file, so
/// a restart costs each client one full handshake.
#[derive(Clone)]
pub struct Sessions {
    ticketer: Arc<dyn ProducesTickets>,
    cache: Arc<dyn StoresServerSessions>,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { min_version: Version::default(), ciphers: None, tickets: true, client_auth: None }
    }
}

impl Protocol {
    /// The config of a site without a certificate yet: [`showing`](Self::showing) puts one in.
    pub(crate) fn config(
        &self,
        sessions: &Sessions,
        provider: &CryptoProvider,
    ) -> Result<ServerConfig, rustls::Error> {
        let mut provider = provider.clone();
        if let Some(list) = &self.ciphers {
            provider.cipher_suites = list.select(&provider.cipher_suites);
        }
        let has = |version: &SupportedProtocolVersion| {
            provider.cipher_suites.iter().any(|suite| suite.version().version == version.version)
        };
        let versions: Vec<_> = [&TLS13, &TLS12]
            .into_iter()
            .filter(|version| has(version) && (self.min_version == Version::Tls12 || *version == &TLS13))
            .collect();
        let builder =
            ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&versions)?;
        let builder = match &self.client_auth {
            Some(client_auth) => builder.with_client_cert_verifier(client_auth.verifier()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Shown(Vec::new())));
        // All suites are strong, and the order is the provider's: AES-256 first, as every common test asks for.
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A client that was let in unnamed must not come back so when names are asked for: what was agreed on with
        // certificates is resumed only by who was asked for the same ones.
        let own = self.client_auth.as_ref().map(|_| Sessions::new()).transpose()?;
        let sessions = own.as_ref().unwrap_or(sessions);
        if self.tickets {
            config.ticketer = sessions.ticketer.clone();
            // For clients of TLS 1.2 without tickets. TLS 1.3 then needs no memory at all.
            config.session_storage = sessions.cache.clone();
            config.send_tls13_tickets = 2;
        } else {
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }

    /// A config with the identities that one handshake may show, the preferred one first, and what may be spoken after it.
    pub(crate) fn showing(
        config: &ServerConfig,
        keys: Vec<Arc<CertifiedKey>>,
        alpn: &[&[u8]],
    ) -> Arc<ServerConfig> {
        let mut config = config.clone();
        config.cert_resolver = Arc::new(Shown(keys));
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

/// The config for a CA that looks at a challenge: nothing but its protocol and the certificate that proves it.
pub fn challenge(key: Arc<CertifiedKey>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder =
        ServerConfig::builder_with_provider(crate::provider()).with_protocol_versions(&[&TLS13, &TLS12])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Shown(vec![key])));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(Arc::new(config))
}

impl Sessions {
    /// New keys and no session.
    pub fn new() -> Result<Self, rustls::Error> {
        let cache = ServerSessionMemoryCache::new(SESSIONS);
        Ok(Self { ticketer: aws_lc_rs::Ticketer::new()?, cache })
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// Shows one of the identities that were chosen before: the first that client and suites can use. A client of TLS 1.2
/// may know every signature and still offer suites for one kind of key alone.
#[derive(Debug)]
struct Shown(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let usable = self.0.iter().find(|key| key.key.choose_scheme(schemes).is_some());
        usable.or(self.0.first()).cloned()
    }
}
