//! A certificate authority: where its ACME directory is and what it wants of us.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::Secret;

/// A CA that speaks ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// How logs, metrics and the status call it.
    pub name: String,
    /// The URL of its directory.
    pub directory: String,
    /// The URL of its staging directory. Where there is one, an attempt after a failure is made there first, which
    /// spares the rate limits of the real one. None by default.
    pub staging: Option<String>,
    /// A PEM file with the roots to trust for the CA's own HTTPS, for a CA in one's own network. The platform's roots
    /// by default.
    pub root: Option<PathBuf>,
    /// The account at the CA's own site that the ACME account is to belong to (RFC 8555 7.3.4).
    pub account_binding: Option<AccountBinding>,
    /// Which of the CA's certificate profiles is wanted, `shortlived` for example. The CA's default by default.
    pub profile: Option<String>,
}

/// A key that a CA has handed out at its own site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountBinding {
    /// The key's id.
    pub key_id: String,
    /// The HMAC key, decoded; `[redacted]` in `Debug`.
    hmac: Secret,
}

/// Why an account binding cannot be used. The key itself is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the HMAC key of account binding `{key_id}`: expected base64url without padding, as the CA shows it")]
pub struct InvalidBinding {
    key_id: String,
}

// === impl Authority ===

impl Authority {
    /// Let's Encrypt, with its staging directory.
    pub fn lets_encrypt() -> Self {
        Self {
            name: "letsencrypt".to_owned(),
            staging: Some(instant_acme::LetsEncrypt::Staging.url().to_owned()),
            ..Self::directory(instant_acme::LetsEncrypt::Production.url())
        }
    }

    /// ZeroSSL, which asks for an account binding.
    pub fn zerossl(binding: AccountBinding) -> Self {
        Self {
            name: "zerossl".to_owned(),
            account_binding: Some(binding),
            ..Self::directory(instant_acme::ZeroSsl::Production.url())
        }
    }

    /// Any CA, by the URL of its directory. It is called by the URL's host.
    pub fn directory(url: impl Into<String>) -> Self {
        let directory = url.into();
        let name = host(&directory);
        Self { name, directory, staging: None, root: None, account_binding: None, profile: None }
    }

    /// The same CA's staging directory, as a CA of its own.
    pub(crate) fn rehearsal(&self) -> Option<Self> {
        let directory = self.staging.clone()?;
        Some(Self { name: format!("{} (staging)", self.name), directory, staging: None, ..self.clone() })
    }

    /// Host and port of the directory, for messages.
    pub(crate) fn host(&self) -> String {
        host(&self.directory)
    }

    /// The directory of this CA's files in the storage, from the URL, so that two CAs never share one.
    pub(crate) fn file_name(&self) -> String {
        let url = self.directory.split_once("://").map_or(self.directory.as_str(), |(_, rest)| rest);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let name: String = url.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
        // A name with a dot in front is one of the storage's own.
        let name = name.trim_matches(['-', '.']);
        if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
    }
}

/// Host and port of a URL, without a password before them, or what is written when it is none.
pub(crate) fn host(url: &str) -> String {
    let parsed = url.parse::<http::Uri>().ok();
    let text = parsed.as_ref().and_then(|uri| uri.authority()).map_or(url, http::uri::Authority::as_str);
    text.rsplit_once('@').map_or(text, |(_, host)| host).to_owned()
}

// === impl AccountBinding ===

impl AccountBinding {
    /// Takes the HMAC key in base64url, as CAs hand it out; padding is fine.
    pub fn new(key_id: impl Into<String>, hmac: &Secret) -> Result<Self, InvalidBinding> {
        let key_id = key_id.into();
        let text = hmac.expose().trim().trim_end_matches('=');
        match BASE64_URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if !bytes.is_empty() => Ok(Self { key_id, hmac: Secret::new(text) }),
            _ => Err(InvalidBinding { key_id }),
        }
    }

    pub(crate) fn to_acme(&self) -> instant_acme::ExternalAccountKey {
        let key = BASE64_URL_SAFE_NO_PAD.decode(self.hmac.expose()).unwrap_or_default();
        instant_acme::ExternalAccountKey::new(self.key_id.clone(), &key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_have_files_of_their_own() {
        let rows = [
            (Authority::lets_encrypt(), "acme-v02.api.letsencrypt.org-directory"),
            (
                Authority::lets_encrypt().rehearsal().unwrap(),
                "acme-staging-v02.api.letsencrypt.org-directory",
            ),
            (Authority::directory("https://127.0.0.1:14000/../dir"), "127.0.0.1-14000-..-dir"),
            (Authority::directory("https://../"), "unnamed"),
        ];
        for (authority, expected) in rows {
            assert_eq!(authority.file_name(), expected, "{}", authority.directory);
        }
    }

    #[test]
    fn an_hmac_key_is_never_shown() {
        let secret = Secret::new("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");
        let binding = AccountBinding::new("kid-1", &secret).unwrap();
        assert!(!format!("{:?}", Authority::zerossl(binding)).contains("zWND"), "Debug has the key");
        let error = AccountBinding::new("kid-1", &Secret::new("not base64!")).unwrap_err().to_string();
        assert!(error.contains("kid-1") && !error.contains("not base64"), "{error}");
    }
}
