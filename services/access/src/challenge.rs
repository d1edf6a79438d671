//! What a 401 tells the client to bring (RFC 9110, 11.6.1).

use headwall_core::LocalReply;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

/// A text that is no realm: it has characters that no header can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a realm of printable characters, found {0:?}")]
pub(crate) struct InvalidRealm(String);

/// A challenge: `Basic realm="staff"`, with what else its scheme has to say.
pub(crate) fn challenge(scheme: &str, realm: &str, rest: &str) -> Result<HeaderValue, InvalidRealm> {
    let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
    let value = HeaderValue::try_from(format!("{scheme} realm=\"{realm}\"{rest}"));
    value.map_err(|_| InvalidRealm(realm))
}

/// A 401 with its challenge.
pub(crate) trait Challenged {
    /// Adds the challenge.
    fn challenged(self, challenge: &HeaderValue) -> Self;
}

impl Challenged for LocalReply {
    fn challenged(self, challenge: &HeaderValue) -> Self {
        debug_assert!(self.status() == StatusCode::UNAUTHORIZED || self.status() == StatusCode::FORBIDDEN);
        self.header(WWW_AUTHENTICATE, challenge.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_is_quoted() {
        assert_eq!(
            challenge("Basic", "a \"b\" \\", ", charset=\"UTF-8\"").unwrap(),
            r#"Basic realm="a \"b\" \\", charset="UTF-8""#
        );
        assert!(challenge("Basic", "a\nb", "").is_err());
    }
}
