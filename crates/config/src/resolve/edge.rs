//! Listeners: what each speaks, and which cannot exist side by side.

use crate::config::{Listener, Site};
use crate::document::Document;
use crate::file::{File, ListenAddress, WrittenListener};
use crate::report::Code;
use crate::typed::Typing;
use std::net::{Ipv6Addr, SocketAddr};

/// The port that TLS is spoken on unless something else is said.
const HTTPS: u16 = 443;

/// The listeners with their defaults.
pub(super) fn listeners(typing: &mut Typing<'_>, file: &File, sites: &[Site]) -> Vec<Listener> {
    check_addresses(typing, file);
    let any = |port| ListenAddress::Tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    let has_tls = sites.iter().any(|site| site.tls.is_some());
    let lost = typing.document().child(Document::ROOT, "listeners");
    if let Some(written) = lost.filter(|_| file.listeners.is_empty()) {
        if !typing.is_damaged(written) {
            let message = "an empty list listens nowhere".to_owned();
            let help = Some("leave `listeners` out for the default".to_owned());
            typing.error(written, Code::InvalidValue, message, help);
        }
        return Vec::new();
    }
    let written = file.listeners.iter().map(|listener| &listener.value);
    let listeners: Vec<_> = match (file.listeners.is_empty(), has_tls) {
        (false, _) => written.map(|listener| with_defaults(listener, has_tls)).collect(),
        (true, false) => vec![plain(any(8080))],
        (true, true) => vec![plain(any(80)), Listener { tls: true, http2: true, ..plain(any(HTTPS)) }],
    };
    check_tls(typing, file, sites, &listeners);
    listeners
}

fn plain(address: ListenAddress) -> Listener {
    Listener { address, tls: false, http2: false, proxy_protocol: Vec::new() }
}

fn with_defaults(written: &WrittenListener, has_tls: bool) -> Listener {
    let is_https = matches!(&written.address, ListenAddress::Tcp(address) if address.port() == HTTPS);
    let tls = written.tls.unwrap_or(has_tls && is_https);
    Listener {
        address: written.address.clone(),
        tls,
        http2: written.http2.unwrap_or(tls),
        proxy_protocol: written.proxy_protocol.clone(),
    }
}

/// Sites with TLS need a listener that speaks it, and a listener that speaks it needs a site with a certificate.
fn check_tls(typing: &mut Typing<'_>, file: &File, sites: &[Site], listeners: &[Listener]) {
    let document = typing.document();
    let listeners_lost =
        document.child(Document::ROOT, "listeners").is_some_and(|listeners| typing.is_damaged(listeners));
    let sites_lost = document.child(Document::ROOT, "sites").is_some_and(|sites| typing.is_damaged(sites));
    let site = file.sites.iter().find(|site| site.value.tls.is_some());
    if let Some(slot) = site.and_then(|site| site.value.tls)
        && !listeners_lost
        && !listeners.iter().any(|listener| listener.tls)
    {
        let message = "no listener speaks TLS, so nobody reaches this site with it".to_owned();
        let help = "add `- address: \"[::]:443\"` to `listeners`, or `tls: true` to one with another port";
        typing.error_at_key(slot.id(), Code::NoTls, message, Some(help.to_owned()));
    }
    if sites_lost || sites.iter().any(|site| site.tls.is_some()) || site.is_some() {
        return;
    }
    for listener in file.listeners.iter().filter(|listener| listener.value.tls == Some(true)) {
        let at = document.child(listener.id, "tls").unwrap_or(listener.id);
        let message = "no site has `tls`, so there is no certificate to show here".to_owned();
        let help = "give a site `tls: auto`, or its certificate and key".to_owned();
        typing.error_at_key(at, Code::NoTls, message, Some(help));
    }
}

fn check_addresses(typing: &mut Typing<'_>, file: &File) {
    let document = typing.document();
    for (index, listener) in file.listeners.iter().enumerate() {
        let address = &listener.value.address;
        let earlier = file.listeners.iter().take(index);
        let clash =
            earlier.map(|earlier| &earlier.value.address).find(|earlier| address.clashes_with(earlier));
        if let Some(earlier) = clash {
            let at = document.child(listener.id, "address").unwrap_or(listener.id);
            typing.error(at, Code::DuplicateListener, twice(address, earlier, "another listener"), None);
        }
    }
    let Some(admin) = file.admin.listen_address() else {
        return;
    };
    let clash = file.listeners.iter().find(|listener| listener.value.address.clashes_with(admin));
    if let Some(listener) = clash {
        let written =
            document.child(Document::ROOT, "admin").and_then(|admin| document.child(admin, "address"));
        let at = written.or_else(|| document.child(listener.id, "address")).unwrap_or(listener.id);
        let message = twice(admin, &listener.value.address, "a listener");
        let help =
            "the admin page needs an address of its own; `admin: { enabled: false }` turns it off".to_owned();
        typing.error(at, Code::DuplicateListener, message, Some(help));
    }
}

fn twice(address: &ListenAddress, other: &ListenAddress, who: &str) -> String {
    if address == other {
        format!("{who} already has the address `{address}`")
    } else {
        format!("`{address}` and `{other}` of {who} cannot both be bound: each takes every IPv4 address")
    }
}
