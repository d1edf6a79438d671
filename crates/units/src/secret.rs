//! Texts that no log, error, metric or printed config may show.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in the place of a secret wherever one is printed.
const REDACTED: &str = "[redacted]";

/// A password, token or key.
///
/// `Debug`, `Display` and `Serialize` give `[redacted]`; only [`expose`](Self::expose) gives the text, and the word
/// shows in a review. Errors about secrets do not repeat what was written. The text is neither wiped from memory on
/// drop nor locked there.
///
/// Two secrets compare, so that a reload can see what changed. The comparison takes longer the more they have in
/// common: never use it on what a client sent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

/// Why a text is not a [`Secret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Nothing was written, which is what an unset variable often leaves.
    #[error("expected a secret, found an empty text")]
    Empty,
    /// The placeholder of a printed config was fed back.
    #[error("expected a secret, found `[redacted]`, which a printed config shows in the place of one")]
    Redacted,
}

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = InvalidSecret;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "" => Err(InvalidSecret::Empty),
            REDACTED => Err(InvalidSecret::Redacted),
            _ => Ok(Self(text)),
        }
    }
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Reads a string. An error that does not come from this type is replaced: "invalid type: integer `12345`" would
    /// print the secret.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut was_text = false;
        let read = deserializer.deserialize_string(SecretVisitor { was_text: &mut was_text });
        read.map_err(|error| {
            if was_text { error } else { D::Error::custom("expected a secret as text: put it in quotes") }
        })
    }
}

/// Takes a text and remembers that it was given one.
struct SecretVisitor<'a> {
    was_text: &'a mut bool,
}

impl Visitor<'_> for SecretVisitor<'_> {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret as text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Secret, E> {
        *self.was_text = true;
        text.try_into().map_err(E::custom)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Secret").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "A password, token or key. It is never printed; take it from a variable.",
            "examples": ["${API_TOKEN}"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_printed() {
        let secret: Secret = "hunter2".parse().unwrap();
        assert_eq!(format!("{secret:?} {secret}"), "[redacted] [redacted]");
        assert_eq!(format!("{:#?}", Some(&secret)), "Some(\n    [redacted],\n)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn errors_do_not_repeat_it() {
        for json in ["12345", "-12345", "12345.5", "true", "[\"12345\"]", "{\"12345\":1}"] {
            let error = serde_json::from_str::<Secret>(json).unwrap_err().to_string();
            assert!(error.contains("put it in quotes"), "{json}: {error}");
            assert!(!error.contains("12345") && !error.contains("true"), "{json}: {error}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_one() {
        assert_eq!("".parse::<Secret>(), Err(InvalidSecret::Empty));
        assert_eq!("[redacted]".parse::<Secret>(), Err(InvalidSecret::Redacted));
        assert!(serde_json::from_str::<Secret>("\"\"").is_err());
        assert_eq!(serde_json::from_str::<Secret>("\"0123\"").unwrap().expose(), "0123");
    }
}
