//! Which site answers a handshake, and with what.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use headwall_route::{HostMap, HostPattern, host_of};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme};

use crate::{LocalAuthority, Protocol, Sessions, Slot};

/// What may be spoken on a connection, the preferred one first (RFC 7301). `curl --http1.0` offers nothing but the last.
const HTTP2_OR_1: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];
const HTTP1: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// The sites that speak TLS, by host.
#[derive(Debug, Default)]
pub struct Sites(HostMap<Arc<Site>>);

/// One site's part in a handshake.
#[derive(Debug)]
pub struct Site {
    config: ServerConfig,
    certificates: Certificates,
}

/// Where a site's identity comes from.
#[derive(Debug)]
pub enum Certificates {
    /// From one of these: the first that is for the name and of use to the client, else the first that there is.
    Held(Vec<Arc<Slot>>),
    /// Made for each name that is asked for.
    Local(Arc<LocalAuthority>),
}

/// What a client has said.
#[derive(Debug, Clone, Copy)]
pub struct Hello<'a> {
    /// The host that it wants (RFC 6066), if it said so. Addresses are never said.
    pub server_name: Option<&'a str>,
    /// The address that it has connected to.
    pub local: Option<IpAddr>,
    /// What signatures it can verify.
    pub schemes: &'a [SignatureScheme],
    /// Whether HTTP/2 may be agreed on.
    pub http2: bool,
}

/// Why there will be no handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No site has that name.
    #[error("no site with TLS has this name")]
    UnknownName,
    /// The site has no certificate to show yet.
    #[error("there is no certificate for this name yet")]
    NoCertificate,
}

impl Sites {
    /// Adds a site. Without hosts it answers for whatever no other site names.
    pub fn add(&mut self, hosts: &[HostPattern], site: Site) {
        let site = Arc::new(site);
        if hosts.is_empty() {
            self.0.claim(None, site.clone());
        }
        for host in hosts {
            self.0.claim(Some(host), site.clone());
        }
    }

    /// What to agree on with a client that has said hello.
    pub fn agree(&self, hello: Hello<'_>) -> Result<Arc<ServerConfig>, Refusal> {
        let host = hello.host();
        let site = self.0.find(host.as_deref()).ok_or(Refusal::UnknownName)?;
        let keys = site.certificates.find(host.as_deref(), hello.schemes);
        if keys.is_empty() {
            return Err(Refusal::NoCertificate);
        }
        let alpn: &[&[u8]] = if hello.http2 { &HTTP2_OR_1 } else { &HTTP1 };
        Ok(Protocol::showing(&site.config, keys, alpn))
    }
}

impl Hello<'_> {
    /// The host in the spelling that hosts are compared in. Who names none has connected to an address.
    pub fn host(&self) -> Option<Cow<'_, str>> {
        match self.server_name {
            Some(name) => host_of(name).ok(),
            None => self.local.map(|local| match local.to_canonical() {
                IpAddr::V4(address) => Cow::Owned(address.to_string()),
                IpAddr::V6(address) => Cow::Owned(format!("[{address}]")),
            }),
        }
    }
}

impl Site {
    /// A site that speaks TLS like this and shows one of these.
    pub fn new(
        protocol: &Protocol,
        certificates: Certificates,
        sessions: &Sessions,
        provider: &CryptoProvider,
    ) -> Result<Self, rustls::Error> {
        Ok(Self { config: protocol.config(sessions, provider)?, certificates })
    }
}

impl Certificates {
    /// What may be shown for a host, the preferred one first. Which of them the client's suites allow is for rustls to say.
    fn find(&self, host: Option<&str>, schemes: &[SignatureScheme]) -> Vec<Arc<CertifiedKey>> {
        let slots = match self {
            Self::Held(slots) => slots,
            Self::Local(authority) => {
                let made = host.and_then(|host| authority.identity(host).ok());
                return made.iter().map(|identity| identity.certified_key().clone()).collect();
            }
        };
        let (mut fitting, mut fallback) = (Vec::new(), None);
        for identity in slots.iter().filter_map(|slot| slot.identity()) {
            let usable = identity.certified_key().key.choose_scheme(schemes).is_some();
            if usable && host.is_some_and(|host| identity.covers(host)) {
                fitting.push(identity.certified_key().clone());
            }
            // One that does not fit tells a person more than none: the browser says for whom it is.
            fallback.get_or_insert(identity);
        }
        if fitting.is_empty() {
            fitting.extend(fallback.map(|identity| identity.certified_key().clone()));
        }
        fitting
    }
}

impl Refusal {
    /// The TLS alert that says so: `unrecognized_name` or `internal_error` (RFC 8446, 6).
    pub fn alert(self) -> u8 {
        match self {
            Self::UnknownName => 112,
            Self::NoCertificate => 80,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::identity;
    use crate::provider;
    use std::time::SystemTime;

    fn site(certificates: Certificates) -> Site {
        Site::new(&Protocol::default(), certificates, &Sessions::new().unwrap(), &provider()).unwrap()
    }

    fn holding(names: &[&str]) -> Arc<Slot> {
        let slot = Slot::new();
        slot.put(identity(names, (2020, 2060)), SystemTime::now());
        Arc::new(slot)
    }

    fn agree(sites: &Sites, server_name: Option<&str>, local: &str) -> Result<(), Refusal> {
        let schemes = &[SignatureScheme::ECDSA_NISTP256_SHA256];
        let hello = Hello { server_name, local: local.parse().ok(), schemes, http2: true };
        sites.agree(hello).map(drop)
    }

    #[test]
    fn a_handshake_finds_the_site_that_a_request_would_find() {
        let mut sites = Sites::default();
        let hosts = |hosts: &[&str]| hosts.iter().map(|host| host.parse().unwrap()).collect::<Vec<_>>();
        sites.add(&hosts(&["app.example.com", "10.0.0.1"]), site(Certificates::Held(vec![holding(&["a"])])));
        sites.add(&hosts(&["*.example.org"]), site(Certificates::Held(vec![])));
        let rows = [
            (Some("app.example.com"), "127.0.0.1", Ok(()), "by name"),
            (Some("APP.example.com"), "127.0.0.1", Ok(()), "whatever the case"),
            (Some("other.example.com"), "127.0.0.1", Err(Refusal::UnknownName), "nobody's name"),
            (Some("other.example.com"), "10.0.0.1", Err(Refusal::UnknownName), "nobody's name anywhere"),
            (Some("x.example.org"), "127.0.0.1", Err(Refusal::NoCertificate), "nothing to show"),
            (None, "10.0.0.1", Ok(()), "by address"),
            (None, "::ffff:10.0.0.1", Ok(()), "by address on a dual-stack listener"),
            (None, "127.0.0.1", Err(Refusal::UnknownName), "nobody's address"),
        ];
        for (name, local, expected, row) in rows {
            assert_eq!(agree(&sites, name, local), expected, "{row}");
        }
        sites.add(&[], site(Certificates::Held(vec![holding(&["b"])])));
        assert_eq!(agree(&sites, Some("other.example.com"), "127.0.0.1"), Ok(()), "a site for all others");
    }

    #[test]
    fn of_several_certificates_the_one_for_the_name_is_shown() {
        let slots = vec![Arc::new(Slot::new()), holding(&["a.example.com"]), holding(&["*.example.com"])];
        let wanted: Vec<_> = slots.iter().map(|slot| slot.identity()).collect();
        let certificates = Certificates::Held(slots);
        let rows = [
            ("a.example.com", 1, "exact"),
            ("b.example.com", 2, "wildcard"),
            ("example.org", 1, "none fits: the first"),
        ];
        for (host, index, row) in rows {
            let found = certificates.find(Some(host), &[SignatureScheme::ECDSA_NISTP256_SHA256]);
            assert!(Arc::ptr_eq(&found[0], wanted[index].as_ref().unwrap().certified_key()), "{row}");
        }
    }

    #[test]
    fn a_local_authority_makes_what_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Arc::new(LocalAuthority::open(dir.path(), provider()).unwrap());
        let mut sites = Sites::default();
        sites.add(&[], site(Certificates::Local(authority)));
        assert_eq!(agree(&sites, Some("app.internal"), "127.0.0.1"), Ok(()));
        assert_eq!(agree(&sites, None, "::1"), Ok(()), "an address");
    }
}
