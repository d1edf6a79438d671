//! TLS towards the servers of a cluster: the settings, and the files that they name.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use garde::Validate;
use headwall_core::upstream::{PeerTls, ServerName, UnusablePem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How TLS is spoken to `https://` servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "UpstreamTls")]
pub struct TlsSettings {
    /// The name that each server's certificate has to be valid for, and that is sent as SNI. Default: the host of the
    /// server's address. An IP address is verified as one, and not sent.
    #[garde(skip)]
    pub server_name: Option<ServerName>,
    /// A PEM file with the certificate authorities that are trusted. Default: the system's.
    #[garde(skip)]
    pub ca: Option<PathBuf>,
    /// A PEM file with a certificate for servers that ask for one, followed by its chain. Default: none is shown.
    #[garde(custom(has_companion(self.key.as_deref(), "key")))]
    pub certificate: Option<PathBuf>,
    /// A PEM file with the private key of `certificate`.
    #[garde(custom(has_companion(self.certificate.as_deref(), "certificate")))]
    pub key: Option<PathBuf>,
    /// Takes any certificate for the server's, expired ones and ones for other names too: whoever gets between Headwall and
    /// the server can read and change everything. To trust a certificate of one's own, name it as `ca` instead. Default:
    /// `false`.
    #[garde(skip)]
    pub insecure_skip_verify: bool,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableFile {
    /// It could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What it should be, and what it is.
        source: UnusablePem,
    },
}

// === impl TlsSettings ===

impl TlsSettings {
    /// Reads the files.
    pub(crate) fn read(&self) -> Result<PeerTls, UnusableFile> {
        let mut tls = PeerTls::default();
        if let Some(path) = &self.ca {
            tls = tls.with_ca(&read(path)?).map_err(|source| unusable(path, source))?;
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            tls = tls
                .with_identity(&read(certificate)?, &read(key)?)
                .map_err(|source| unusable(if source.is_about_key() { key } else { certificate }, source))?;
        }
        Ok(if self.insecure_skip_verify { tls.without_verification() } else { tls })
    }

    /// Tells the log what works and should not be like that.
    pub(crate) fn warn(&self, upstream: &str) {
        if self.insecure_skip_verify {
            log::warn!(
                "upstream {upstream}: insecure_skip_verify is on, so nobody knows whose certificates its servers show"
            );
        }
        let mode =
            self.key.as_deref().and_then(|key| Some((key, std::fs::metadata(key).ok()?.permissions())));
        if let Some((key, _)) = mode.filter(|(_, permissions)| is_everybodys(permissions)) {
            log::warn!("upstream {upstream}: {}: everybody may read this key; chmod 600", key.display());
        }
    }
}

fn is_everybodys(permissions: &Permissions) -> bool {
    permissions.mode() & 0o004 != 0
}

fn read(path: &Path) -> Result<Vec<u8>, UnusableFile> {
    std::fs::read(path).map_err(|source| UnusableFile::Unreadable { path: path.to_owned(), source })
}

fn unusable(path: &Path, source: UnusablePem) -> UnusableFile {
    UnusableFile::Unusable { path: path.to_owned(), source }
}

fn has_companion(
    companion: Option<&Path>,
    name: &'static str,
) -> impl FnOnce(&Option<PathBuf>, &()) -> garde::Result {
    let is_missing = companion.is_none();
    move |path, ()| {
        if path.is_some() && is_missing {
            return Err(garde::Error::new(format!(
                "expected `{name}` beside it: one is of no use without the other"
            )));
        }
        Ok(())
    }
}
