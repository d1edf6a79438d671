//! What a client and the accept loop have agreed on, for filters, logs and forward headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;

/// What was agreed on in a TLS handshake.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tls {
    /// `TLSv1.3` or `TLSv1.2`, as nginx and OpenSSL write them.
    pub version: &'static str,
    /// The cipher suite by its IANA name.
    pub cipher: &'static str,
    /// The host that the client named (SNI, RFC 6066).
    pub server_name: Option<Box<str>>,
    /// The host whose site has answered the handshake, in the spelling that hosts are compared in: the one that was
    /// named, else the address that the client has connected to.
    pub host: Option<Box<str>>,
    /// Whether an earlier session was taken up again.
    pub resumed: bool,
    /// The certificate that the client has shown. It was verified: one that does not verify ends the handshake.
    pub client_certificate: Option<Box<ClientCertificate>>,
}

/// A client's certificate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The name it is for (RFC 4514), such as `CN=alice, O=Example`.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate in hexadecimal: what tells it from every other one.
    pub fingerprint: String,
    /// What upstreams are told, made once for all requests of the connection.
    pub(crate) texts: Texts,
}

/// A client's certificate as header text.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    /// The whole certificate (RFC 9440, 2.2).
    pub(crate) certificate: HeaderValue,
    pub(crate) subject: HeaderValue,
    pub(crate) fingerprint: HeaderValue,
}

impl Tls {
    /// What was agreed on, with no host named and no certificate shown.
    pub fn new(version: &'static str, cipher: &'static str) -> Self {
        Self { version, cipher, server_name: None, host: None, resumed: false, client_certificate: None }
    }
}

impl ClientCertificate {
    /// The certificate `der` with what stands in it.
    pub fn new(der: &[u8], subject: String, issuer: String, serial: String, fingerprint: String) -> Self {
        // Letters of other alphabets are header text too; what cannot be written are control characters.
        let text = |text: &str| {
            HeaderValue::from_bytes(text.as_bytes())
                .unwrap_or_else(|_| HeaderValue::from_static("unprintable"))
        };
        let texts = Texts {
            certificate: text(&format!(":{}:", BASE64.encode(der))),
            subject: text(&subject),
            fingerprint: text(&fingerprint),
        };
        Self { subject, issuer, serial, fingerprint, texts }
    }
}
