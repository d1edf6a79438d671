//! What a handshake has told about the client, in words that are not rustls'.

use aws_lc_rs::digest::{SHA256, digest};
use headwall_core::connection::{ClientCertificate, Tls};
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What was agreed on.
pub(super) fn describe(connection: &ServerConnection, host: Option<Box<str>>) -> Tls {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    let suite = connection.negotiated_cipher_suite();
    let mut tls = Tls::new(version, suite.map_or("unknown", |suite| iana(suite.suite())));
    tls.host = host;
    tls.server_name = connection.server_name().map(Box::from);
    tls.resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    let shown = connection.peer_certificates().and_then(|chain| chain.first());
    tls.client_certificate = shown.and_then(|leaf| certificate(leaf)).map(Box::new);
    tls
}

fn certificate(der: &[u8]) -> Option<ClientCertificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let fingerprint = digest(&SHA256, der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(ClientCertificate::new(
        der,
        parsed.subject().to_string(),
        parsed.issuer().to_string(),
        parsed.raw_serial_as_string().replace(':', ""),
        fingerprint,
    ))
}

/// The suite by its IANA name. rustls writes the version into those of TLS 1.3.
fn iana(suite: rustls::CipherSuite) -> &'static str {
    match suite.as_str() {
        Some("TLS13_AES_256_GCM_SHA384") => "TLS_AES_256_GCM_SHA384",
        Some("TLS13_AES_128_GCM_SHA256") => "TLS_AES_128_GCM_SHA256",
        Some("TLS13_CHACHA20_POLY1305_SHA256") => "TLS_CHACHA20_POLY1305_SHA256",
        Some(name) => name,
        None => "unknown",
    }
}
