//! Takes secrets out of URLs before they are logged.
//!
//! Applications do put tokens into query strings (OAuth codes, WebSocket tokens, signed links), and a log is read by
//! more people than a database. The names are those that public redaction lists agree on.

use std::borrow::Cow;

const SECRET_NAMES: [&str; 18] = [
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "authorization",
    "client_secret",
    "code",
    "id_token",
    "jwt",
    "key",
    "passwd",
    "password",
    "refresh_token",
    "secret",
    "session",
    "sig",
    "signature",
    "token",
];

const REDACTED: &str = "[redacted]";

/// Whether the access log leaves out the value of a query parameter of this name.
///
/// A module that reads a secret from a parameter refuses, in its settings, a name that would be logged.
pub fn is_redacted(name: &str) -> bool {
    SECRET_NAMES.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// The URL with the values of secret-looking parameters replaced. Borrowed when there are none.
pub(crate) fn uri(uri: &str) -> Cow<'_, str> {
    let Some((path, query)) = uri.split_once('?') else {
        return Cow::Borrowed(uri);
    };
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(uri);
    }
    let mut clean = String::with_capacity(uri.len());
    clean.push_str(path);
    for (index, pair) in query.split('&').enumerate() {
        clean.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(pair) => {
                clean.push_str(name);
                clean.push('=');
                clean.push_str(REDACTED);
            }
            Some(_) | None => clean.push_str(pair),
        }
    }
    Cow::Owned(clean)
}

/// The same for a text that may already be owned.
pub(super) fn owned_uri(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => uri(text),
        Cow::Owned(text) => Cow::Owned(uri(&text).into_owned()),
    }
}

fn is_secret(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else {
        return false;
    };
    !value.is_empty() && is_redacted(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_secret_values_are_replaced() {
        let rows = [
            ("/a", "/a"),
            ("/a?b=c", "/a?b=c"),
            ("/a?token=s3cret", "/a?token=[redacted]"),
            ("/a?b=c&Token=s3cret&d", "/a?b=c&Token=[redacted]&d"),
            ("/a?tokens=5", "/a?tokens=5"),
            ("/a?token=", "/a?token="),
            ("/a?code=x?token=y", "/a?code=[redacted]"),
        ];
        for (given, expected) in rows {
            assert_eq!(uri(given), expected, "{given}");
        }
    }
}
