//! Names of header fields and of cookies, and what a request has under them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use headwall_core::{RequestHead, cookie};
use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a header field, in lower case (RFC 9110, 5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct FieldName(HeaderName);

/// The name of a cookie (RFC 6265, 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CookieName(Cow<'static, str>);

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Of no header field.
    #[error("expected the name of a header such as `x-user`, was `{0}`")]
    Field(String),
    /// Of no cookie.
    #[error("expected the name of a cookie: letters, digits, `-` and `_`, was `{0}`")]
    Cookie(String),
}

// === impl FieldName ===

impl FieldName {
    /// What the request has in the first field of this name.
    pub(crate) fn of<'a>(&self, req: &'a RequestHead) -> Option<&'a [u8]> {
        req.headers.get(&self.0).map(http::HeaderValue::as_bytes)
    }
}

impl FromStr for FieldName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.parse().map(Self).map_err(|_| InvalidName::Field(text.to_owned()))
    }
}

impl TryFrom<String> for FieldName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<FieldName> for String {
    fn from(name: FieldName) -> Self {
        name.0.as_str().to_owned()
    }
}

// === impl CookieName ===

impl CookieName {
    /// The name that sticky cookies have by default.
    pub(crate) const SERVER: Self = Self(Cow::Borrowed("headwall-server"));

    /// The value of the first cookie of this name.
    pub(crate) fn of<'a>(&self, req: &'a RequestHead) -> Option<&'a [u8]> {
        cookie(&req.headers, &self.0)
    }
}

impl FromStr for CookieName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // The same characters as in a field's name.
        match HeaderName::from_bytes(text.as_bytes()) {
            Ok(_) => Ok(Self(text.to_owned().into())),
            Err(_) => Err(InvalidName::Cookie(text.to_owned())),
        }
    }
}

impl TryFrom<String> for CookieName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<CookieName> for String {
    fn from(name: CookieName) -> Self {
        name.0.into_owned()
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn a_cookie_is_found_under_its_whole_name() {
        let rows = [
            (&["server=abc"][..], Some("abc"), "alone"),
            (&["a=b; server=abc;c=d"], Some("abc"), "among others"),
            (&["a=b", "server=abc"], Some("abc"), "in a field of its own"),
            (&["xserver=abc; serverx=abc; SERVER=abc"], None, "other names"),
            (&["server"], None, "no value"),
            (&["server="], Some(""), "an empty value"),
            (&[], None, "no cookies"),
        ];
        let name: CookieName = "server".parse().unwrap();
        for (lines, expected, row) in rows {
            let mut req = http::Request::new(()).into_parts().0;
            for line in lines {
                req.headers.append(COOKIE, line.parse().unwrap());
            }
            assert_eq!(name.of(&req), expected.map(str::as_bytes), "{row}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "a b", "a=b", "a;b", "ä"] {
            assert!(text.parse::<FieldName>().is_err(), "{text:?}");
            assert!(text.parse::<CookieName>().is_err(), "{text:?}");
        }
    }
}
