//! How a site speaks TLS, as written.

use super::acme::Acme;
use crate::document::NodeId;
use crate::typed::{At, NodeRef, OneOrMany};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr;

/// `tls` of a site before it is known whether it is a word or a mapping.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct TlsSlot(NodeRef);

/// How a site speaks TLS.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TlsSettings")]
pub(crate) struct WrittenTls {
    /// The certificate chain in PEM, the site's own certificate first: certbot's `fullchain.pem`. It is watched, and
    /// exchanged when it changes. Default: none, so that `acme`, `internal` or `certificates` says where from.
    #[serde(default)]
    #[schemars(with = "Option<PathBuf>")]
    pub(crate) certificate: Option<At<PathBuf>>,
    /// The private key in PEM: certbot's `privkey.pem`. It goes with `certificate`.
    #[serde(default)]
    #[schemars(with = "Option<PathBuf>")]
    pub(crate) key: Option<At<PathBuf>>,
    /// Several certificates with their keys; each name gets the one that is for it. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<CertificateFiles>")]
    pub(crate) certificates: Vec<At<CertificateFiles>>,
    /// Certificates from a CA, obtained and renewed by Headwall. Default: `{}`, if nothing else is given.
    #[serde(default)]
    #[schemars(with = "Option<Acme>")]
    pub(crate) acme: Option<At<Acme>>,
    /// Certificates signed by an authority of one's own, for names that no CA signs. Default: for hosts such as
    /// `localhost`, `app.internal` or `10.0.0.1`, if nothing else is given.
    #[serde(default)]
    #[schemars(with = "Option<Internal>")]
    pub(crate) internal: Option<At<Internal>>,
    /// The oldest version of TLS that is spoken: `1.2` or `1.3`. Default: `1.2`.
    #[serde(default)]
    pub(crate) min_version: TlsVersion,
    /// The cipher suites, as a list or with colons, by their names in OpenSSL or at IANA. Suites of TLS 1.3 stay as they
    /// are unless one is named. Default: all that there are; each has forward secrecy and AEAD.
    #[serde(default)]
    #[schemars(with = "OneOrMany<String>")]
    pub(crate) ciphers: OneOrMany<At<String>>,
    /// Whether sessions can be resumed, which saves clients that come back most of a handshake. Default: `true`.
    #[serde(default = "yes")]
    #[schemars(extend("default" = true))]
    pub(crate) session_tickets: bool,
    /// Which certificate clients have to show. Default: none.
    #[serde(default)]
    #[schemars(with = "Option<ClientAuth>")]
    pub(crate) client_auth: Option<At<ClientAuth>>,
    /// How plain HTTP is sent to HTTPS: the status `308` or `301`, or `false` to serve the routes without TLS too.
    /// Default: `308`.
    #[serde(default)]
    pub(crate) redirect: HttpsRedirect,
}

/// A certificate in files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The chain in PEM, the site's own certificate first.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// An authority of one's own has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Internal {}

/// Which certificate clients have to show (mutual TLS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientAuth {
    /// The authorities whose certificates are taken, in PEM.
    pub ca: PathBuf,
    /// `require` refuses clients without one, `request` lets them in unnamed. Default: `require`.
    #[serde(default)]
    pub mode: ClientAuthMode,
}

/// Whether a client may come without a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthMode {
    /// It may not.
    #[default]
    Require,
    /// It may.
    Request,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// How plain HTTP is sent to HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HttpsRedirect {
    /// With this status.
    Status(u16),
    /// It is not: the routes are served without TLS too.
    Off,
}

/// A text that is no way to redirect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `308`, `301` or `false`, was `{0}`")]
pub struct InvalidHttpsRedirect(String);

fn yes() -> bool {
    true
}

// === impl TlsSlot ===

impl TlsSlot {
    pub(crate) fn id(self) -> NodeId {
        self.0.0
    }
}

impl JsonSchema for TlsSlot {
    fn schema_name() -> Cow<'static, str> {
        "Tls".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let settings = generator.subschema_for::<WrittenTls>();
        json_schema!({
            "description": "How the site speaks TLS: its settings, or one of the words `auto`, `acme` and `internal`.",
            "anyOf": [{ "enum": ["auto", "acme", "internal"] }, settings],
        })
    }
}

// === impl HttpsRedirect ===

impl Default for HttpsRedirect {
    fn default() -> Self {
        Self::Status(308)
    }
}

impl FromStr for HttpsRedirect {
    type Err = InvalidHttpsRedirect;

    fn from_str(text: &str) -> Result<Self, InvalidHttpsRedirect> {
        match text {
            "308" => Ok(Self::Status(308)),
            "301" => Ok(Self::Status(301)),
            "false" => Ok(Self::Off),
            _ => Err(InvalidHttpsRedirect(text.to_owned())),
        }
    }
}

impl TryFrom<String> for HttpsRedirect {
    type Error = InvalidHttpsRedirect;

    fn try_from(text: String) -> Result<Self, InvalidHttpsRedirect> {
        text.parse()
    }
}

impl From<HttpsRedirect> for String {
    fn from(redirect: HttpsRedirect) -> Self {
        match redirect {
            HttpsRedirect::Status(status) => status.to_string(),
            HttpsRedirect::Off => "false".to_owned(),
        }
    }
}

impl JsonSchema for HttpsRedirect {
    fn schema_name() -> Cow<'static, str> {
        "HttpsRedirect".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "`308`, `301` or `false`.", "enum": [308, 301, false] })
    }
}
