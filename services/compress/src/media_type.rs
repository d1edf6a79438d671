//! Types of content as people list them: `text/*`, `application/json`, `application/*+json`.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A type of content, or all types that look alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaPattern {
    written: String,
    kind: String,
    subtype: Subtype,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subtype {
    Any,
    /// With a structured suffix (RFC 6838, 4.2.8), the `+` included.
    Suffix(String),
    Named(String),
}

/// Why a text is not a [`MediaPattern`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected a type of content such as text/*, application/json or application/*+json, was `{0}`")]
pub struct InvalidMediaPattern(String);

// === impl MediaPattern ===

impl MediaPattern {
    /// Whether it takes a type without its parameters.
    pub(crate) fn takes(&self, essence: &str) -> bool {
        let Some((kind, subtype)) = essence.split_once('/') else { return false };
        kind.eq_ignore_ascii_case(&self.kind)
            && match &self.subtype {
                Subtype::Any => true,
                Subtype::Named(name) => subtype.eq_ignore_ascii_case(name),
                Subtype::Suffix(suffix) => {
                    let start = subtype.len().checked_sub(suffix.len());
                    let tail = start.and_then(|start| subtype.get(start..));
                    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
                }
            }
    }
}

impl FromStr for MediaPattern {
    type Err = InvalidMediaPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMediaPattern(text.to_owned());
        let is_token = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !text.is_empty() && text.bytes().all(plain)
        };
        let (kind, subtype) = text.split_once('/').ok_or_else(invalid)?;
        let subtype = match subtype.strip_prefix('*') {
            Some("") => Subtype::Any,
            Some(suffix) if suffix.starts_with('+') && is_token(&suffix[1..]) => {
                Subtype::Suffix(suffix.to_owned())
            }
            None if is_token(subtype) => Subtype::Named(subtype.to_owned()),
            Some(_) | None => return Err(invalid()),
        };
        if !is_token(kind) {
            return Err(invalid());
        }
        Ok(Self { written: text.to_owned(), kind: kind.to_owned(), subtype })
    }
}

impl TryFrom<String> for MediaPattern {
    type Error = InvalidMediaPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MediaPattern> for String {
    fn from(pattern: MediaPattern) -> Self {
        pattern.written
    }
}

impl JsonSchema for MediaPattern {
    fn schema_name() -> Cow<'static, str> {
        "MediaPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A type of content, or all that look alike.",
            "examples": ["text/*", "application/json", "application/*+json"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_what_it_says() {
        let rows = [
            ("text/*", "text/html", true),
            ("text/*", "TEXT/css", true),
            ("text/*", "texts/css", false),
            ("text/*", "text", false),
            ("application/json", "application/json", true),
            ("application/json", "application/jsonp", false),
            ("application/*+json", "application/problem+json", true),
            ("application/*+json", "application/json", false),
            ("application/*+json", "application/é", false),
        ];
        for (pattern, essence, expected) in rows {
            assert_eq!(
                pattern.parse::<MediaPattern>().unwrap().takes(essence),
                expected,
                "{pattern} {essence}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_in_words() {
        for text in ["", "text", "text/", "/html", "*/*", "text/*html", "text/html; charset=utf-8", "a b/c"] {
            let error = text.parse::<MediaPattern>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("was `{text}`")), "{error}");
        }
    }
}
