//! How a site speaks TLS, and that its certificates come from one place that can have them.

use crate::config::{Certificates, Tls};
use crate::document::{NodeId, Value};
use crate::file::{Acme, CertificateFiles, HttpsRedirect, TlsSlot, TlsVersion, WrittenTls};
use crate::report::Code;
use crate::source::Place;
use crate::suggest;
use crate::typed::{At, Typing};
use headwall_route::HostPattern;
use std::net::IpAddr;

/// The words that stand for settings.
const WORDS: [&str; 3] = ["auto", "acme", "internal"];

pub(super) fn tls(
    typing: &mut Typing<'_>,
    site: NodeId,
    slot: TlsSlot,
    hosts: &[HostPattern],
) -> Option<Tls> {
    let id = slot.id();
    let place = typing.document().place(id);
    let hosts_lost = typing.document().child(site, "hosts").is_some_and(|hosts| typing.is_damaged(hosts));
    if let Value::Scalar(scalar) = &typing.document().node(id).value
        && !scalar.text.is_empty()
    {
        let word = scalar.text.clone();
        let certificates = match word.as_str() {
            "auto" => automatic(typing, id, hosts)?,
            "acme" => from_ca(typing, id, Acme::default(), hosts, hosts_lost)?,
            "internal" => Certificates::Internal,
            _ => {
                let message = format!("expected settings or one of {}", suggest::list(&WORDS));
                typing.error(id, Code::UnknownValue, message, suggest::help(&word, WORDS));
                return None;
            }
        };
        return Some(Tls {
            certificates,
            min_version: TlsVersion::default(),
            ciphers: None,
            session_tickets: true,
            client_auth: None,
            redirect: HttpsRedirect::default(),
            place,
        });
    }
    let written: WrittenTls = typing.read_slot(id)?;
    let at = |value: &NodeId| typing.document().place(*value);
    let client_auth = written.client_auth.as_ref().map(|auth| (auth.value.clone(), at(&auth.id)));
    let ciphers = written.ciphers.0.first().map(|first| {
        let names: Vec<&str> = written.ciphers.0.iter().map(|name| name.value.as_str()).collect();
        (names.join(":"), at(&first.id))
    });
    let WrittenTls { min_version, session_tickets, redirect, .. } = written;
    let certificates = certificates(typing, id, written, hosts, hosts_lost)?;
    Some(Tls { certificates, min_version, ciphers, session_tickets, client_auth, redirect, place })
}

/// The one place that certificates come from.
fn certificates(
    typing: &mut Typing<'_>,
    id: NodeId,
    written: WrittenTls,
    hosts: &[HostPattern],
    hosts_lost: bool,
) -> Option<Certificates> {
    let WrittenTls { certificate, key, certificates, acme, internal, .. } = written;
    let pair = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(At {
            id: certificate.id,
            value: CertificateFiles { certificate: certificate.value, key: key.value },
        }),
        (None, None) => None,
        (Some(At { id: lonely, .. }), None) => return half(typing, id, lonely, "certificate", "key"),
        (None, Some(At { id: lonely, .. })) => return half(typing, id, lonely, "key", "certificate"),
    };
    let files: Vec<(CertificateFiles, Place)> = pair
        .into_iter()
        .chain(certificates)
        .map(|files| (files.value, typing.document().place(files.id)))
        .collect();
    let sources = [
        (!files.is_empty()).then_some("files"),
        acme.as_ref().map(|_| "`acme`"),
        internal.as_ref().map(|_| "`internal`"),
    ];
    let named: Vec<&str> = sources.into_iter().flatten().collect();
    if let [one, other, ..] = *named {
        let message = format!("certificates come from one place, and here are {one} and {other}");
        let help = Some("give each its own site".to_owned());
        typing.error_at_key(id, Code::CertificateSource, message, help);
        return None;
    }
    if !files.is_empty() {
        return Some(Certificates::Files(files));
    }
    if internal.is_some() {
        return Some(Certificates::Internal);
    }
    match acme {
        Some(At { id: at, value }) => {
            typing.check_bounds(at, &value);
            from_ca(typing, at, value, hosts, hosts_lost)
        }
        None if typing.is_damaged(id) => None,
        None => automatic(typing, id, hosts),
    }
}

fn half(
    typing: &mut Typing<'_>,
    tls: NodeId,
    lonely: NodeId,
    one: &str,
    other: &str,
) -> Option<Certificates> {
    if !typing.is_damaged(tls) {
        let message = format!("`{one}` needs `{other}` beside it");
        typing.error_at_key(lonely, Code::MissingKey, message, None);
    }
    None
}

/// A public CA for public names, an authority of one's own for the others.
fn automatic(typing: &mut Typing<'_>, id: NodeId, hosts: &[HostPattern]) -> Option<Certificates> {
    match (hosts.iter().any(is_local), hosts.iter().all(is_local)) {
        (_, true) => Some(Certificates::Internal),
        (false, false) => from_ca(typing, id, Acme::default(), hosts, false),
        (true, false) => {
            let message =
                "some of these hosts are known to this machine alone, and some to everybody".to_owned();
            let help = "give each kind its own site: no CA signs names such as `localhost` or `app.internal`";
            typing.error_at_key(id, Code::CertificateSource, message, Some(help.to_owned()));
            None
        }
    }
}

fn from_ca(
    typing: &mut Typing<'_>,
    id: NodeId,
    acme: Acme,
    hosts: &[HostPattern],
    hosts_lost: bool,
) -> Option<Certificates> {
    let mut refuse = |message: String, help: &str| {
        typing.error_at_key(id, Code::CertificateSource, message, Some(help.to_owned()));
    };
    if hosts.is_empty() {
        if !hosts_lost {
            refuse(
                "a CA signs names, and this site has no `hosts`".to_owned(),
                "name its hosts, or use `tls: internal`",
            );
        }
        return None;
    }
    let is_public_ca =
        acme.authorities.iter().any(|ca| ca.ca.as_ref().is_none_or(|ca| ca.as_os_str().is_empty()));
    // Addresses that everybody reaches are signed by some, for a few days at a time (RFC 8738).
    let signs_addresses = acme.authorities.iter().any(|ca| ca.profile.is_some());
    let refused = |host: &&HostPattern| is_local(host) && !(signs_addresses && is_public_address(host));
    if let Some(local) = hosts.iter().filter(|_| is_public_ca).find(refused) {
        refuse(format!("no CA signs the name `{local}`"), "use `tls: internal` for it");
        return None;
    }
    if let Some(wildcard) = hosts.iter().find(|host| acme.dns.is_none() && host.to_string().starts_with("*."))
    {
        refuse(
            format!("a CA signs `{wildcard}` only for who puts a record into DNS"),
            "say how in `acme: { dns: { exec: […] } }` or `{ webhook: … }`",
        );
        return None;
    }
    if let Some(dns) = &acme.dns
        && dns.exec.is_empty() == dns.webhook.is_none()
    {
        refuse("`dns` needs exactly one of `exec` and `webhook`".to_owned(), "keep one of them");
        return None;
    }
    Some(Certificates::Acme(Box::new(acme)))
}

/// An address that is not of a network of one's own.
fn is_public_address(host: &HostPattern) -> bool {
    match address(&host.to_string()) {
        Some(IpAddr::V4(v4)) => {
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified())
        }
        Some(IpAddr::V6(v6)) => {
            !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified())
        }
        None => false,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// Names that no public CA signs: those of this machine or of a network of one's own (RFC 6761, RFC 6762, and ICANN's
/// `.internal`), and addresses.
fn is_local(host: &HostPattern) -> bool {
    let name = host.to_string();
    let name = name.strip_prefix("*.").unwrap_or(&name);
    let last = name.rsplit('.').next().unwrap_or(name);
    address(name).is_some()
        || !name.contains('.')
        || ["localhost", "internal", "local", "test", "home", "lan"].contains(&last)
        || name.ends_with(".home.arpa")
}
