//! Which account an attempt is for, as its body says.
//!
//! An attacker writes the body, so it is read as generously as any app may read it: names of fields without regard to
//! case, numbers as text, what stands before a syntax error. Where it names two accounts nobody can say which of them
//! the app takes, and that is not guessed at.

use std::fmt;

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Where a login's body has the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountField {
    /// A field of a JSON object: `email`, or `user.email` for one within another.
    Json(String),
    /// A field of a form, `application/x-www-form-urlencoded`.
    Form(String),
}

/// What a body says about the account.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Nothing that could be read.
    Nobody,
    /// This one, trimmed and in lower case.
    Account(String),
    /// Several.
    Ambiguous,
}

/// Looks for the values at a path in a JSON document.
struct Find<'a, 'b> {
    path: &'a str,
    /// The document itself, or the value at the path, is what comes next.
    here: bool,
    found: &'b mut Vec<String>,
}

// === impl AccountField ===

impl AccountField {
    /// Reads the account out of a body.
    pub(super) fn read(&self, body: &[u8]) -> Named {
        let mut found = Vec::new();
        match self {
            Self::Json(path) => find_in_json(path, body, &mut found),
            Self::Form(name) => find_in_form(name, body, &mut found),
        }
        let mut accounts =
            found.iter().map(|account| account.trim().to_lowercase()).filter(|account| !account.is_empty());
        match accounts.next() {
            None => Named::Nobody,
            Some(account) if accounts.all(|other| other == account) => Named::Account(account),
            Some(_) => Named::Ambiguous,
        }
    }
}

fn find_in_json(path: &str, body: &[u8], found: &mut Vec<String>) {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let mut json = serde_json::Deserializer::from_slice(body);
    let document = Find { path, here: false, found }.deserialize(&mut json);
    // A body that is no JSON has the app to complain; what was found before the error counts.
    drop(document);
}

fn find_in_form(name: &str, body: &[u8], found: &mut Vec<String>) {
    let body = String::from_utf8_lossy(body);
    for field in body.split('&') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        if decoded(key).eq_ignore_ascii_case(name) {
            found.push(decoded(value));
        }
    }
}

/// What a part of a form means: a plus is a space, and the rest as in URLs.
fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

// === impl Find ===

impl Find<'_, '_> {
    fn take(self, value: &(impl ToString + ?Sized)) {
        if self.here {
            self.found.push(value.to_string());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Find<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Find<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a login")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (name, rest) = self.path.split_once('.').unwrap_or((self.path, ""));
        while let Some(key) = map.next_key::<String>()? {
            if !self.here && key.eq_ignore_ascii_case(name) {
                let within = Find { path: rest, here: rest.is_empty(), found: &mut *self.found };
                map.next_value_seed(within)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.take(text);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.take(&number);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.take(&number);
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.take(&number);
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(name: &str) -> Named {
        Named::Account(name.to_owned())
    }

    #[test]
    fn json_is_read_as_generously_as_by_any_app() {
        let deep =
            format!(r#"{{"a":{}1{},"email":"ada@example.com"}}"#, "[".repeat(5_000), "]".repeat(5_000));
        let rows = [
            (r#"{"email":"ada@example.com","password":"x"}"#, account("ada@example.com"), "plain"),
            (
                r#"{"password":{"email":"no"},"email":" Ada@Example.COM\n"}"#,
                account("ada@example.com"),
                "case, space",
            ),
            (r#"{"\u0065mail":"\u0061da"}"#, account("ada"), "escapes"),
            (r#"{"EMAIL":"ada"}"#, account("ada"), "Go takes fields without regard to case"),
            (r#"{"email":"ada","Email":"bob"}"#, Named::Ambiguous, "and then which is it?"),
            (r#"{"email":"ada","email":"bob"}"#, Named::Ambiguous, "twice"),
            (r#"{"email":"ada","email":"ADA "}"#, account("ada"), "twice the same"),
            (r#"{"email":"","email":"ada"}"#, account("ada"), "an empty one is none"),
            (r#"{"email":4711}"#, account("4711"), "a number"),
            (r#"{"email":"ada","password":"x" oops"#, account("ada"), "an error behind it"),
            ("\u{feff}{\"email\":\"ada\"}", account("ada"), "a byte order mark"),
            (&deep, account("ada@example.com"), "deeper than one would build it"),
            (r#"{"email":["ada"]}"#, Named::Nobody, "a list"),
            (r#"{"email":{"email":"ada"}}"#, Named::Nobody, "an object"),
            (r#"{"email":null}"#, Named::Nobody, "null"),
            (r#"{"user":"ada"}"#, Named::Nobody, "another field"),
            (r#"["email","ada"]"#, Named::Nobody, "no object"),
            ("email=ada", Named::Nobody, "no JSON"),
            ("", Named::Nobody, "nothing"),
        ];
        for (body, expected, row) in rows {
            assert_eq!(AccountField::Json("email".to_owned()).read(body.as_bytes()), expected, "{row}");
        }
    }

    #[test]
    fn a_path_leads_into_objects() {
        let field = AccountField::Json("user.name".to_owned());
        assert_eq!(field.read(br#"{"name":"no","user":{"id":1,"name":"ada"}}"#), account("ada"));
        assert_eq!(field.read(br#"{"user":{"name":"ada"},"user":{"name":"bob"}}"#), Named::Ambiguous);
        assert_eq!(field.read(br#"{"user":"name"}"#), Named::Nobody);
    }

    #[test]
    fn forms_are_decoded() {
        let rows = [
            ("username=ada&password=x", account("ada"), "plain"),
            ("password=x&username=+Ada%40example.com", account("ada@example.com"), "escapes"),
            ("%75sername=ada", account("ada"), "an escaped name"),
            ("username=ada&username=bob", Named::Ambiguous, "twice"),
            ("username=ada&password=x&Username=ada", account("ada"), "twice the same"),
            ("username=", Named::Nobody, "empty"),
            ("username", Named::Nobody, "no value"),
            ("user=ada", Named::Nobody, "another field"),
            ("username=%FF%zz", account("\u{fffd}%zz"), "no text at all"),
            ("", Named::Nobody, "nothing"),
        ];
        for (body, expected, row) in rows {
            assert_eq!(AccountField::Form("username".to_owned()).read(body.as_bytes()), expected, "{row}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_too_odd(body in prop::collection::vec(any::<u8>(), 0..200)) {
            AccountField::Json("email".to_owned()).read(&body);
            AccountField::Form("email".to_owned()).read(&body);
        }

        #[test]
        fn an_account_is_found_wherever_it_stands(before in "[a-d]{0,9}", name in "[^\u{0}-\u{1f}]{1,20}") {
            let json = serde_json::json!({ "x": before, "email": name, "y": [1, { "email": "z" }] }).to_string();
            let trimmed = name.trim().to_lowercase();
            let expected = if trimmed.is_empty() { Named::Nobody } else { Named::Account(trimmed) };
            prop_assert_eq!(AccountField::Json("email".to_owned()).read(json.as_bytes()), expected);
        }
    }
}
