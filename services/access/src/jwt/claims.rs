//! What a token says, and what it has to say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::token::Refused;

/// The claims of a token whose signature is good.
#[derive(Debug)]
pub(super) struct Claims(pub(super) Map<String, Value>);

/// What tokens have to say.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) issuers: Vec<String>,
    pub(super) audiences: Vec<String>,
    /// In seconds.
    pub(super) leeway: u64,
    pub(super) require_expiry: bool,
    pub(super) conditions: Vec<(String, ClaimCondition)>,
}

/// What a claim has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimCondition {
    /// The claim is this text, number or truth value.
    Equals(String),
    /// The claim is one of these.
    OneOf(Vec<String>),
    /// This word is in the claim: in a list, or among words with spaces between them, as in `scope`.
    Contains(String),
    /// One of these words is in it.
    ContainsAny(Vec<String>),
}

// === impl Expected ===

impl Expected {
    /// Whether the claims are as expected at `now`, in Unix seconds.
    pub(super) fn met_by(&self, claims: &Claims, now: u64) -> Result<(), Refused> {
        let at = |name| claims.time(name);
        match at("exp")? {
            Some(expiry) if now >= expiry.saturating_add(self.leeway) => return Err(Refused::Expired),
            None if self.require_expiry => return Err(Refused::Endless),
            Some(_) | None => {}
        }
        if at("nbf")?.is_some_and(|begin| begin > now.saturating_add(self.leeway)) {
            return Err(Refused::NotYet);
        }
        let names = |name: &str, known: &[String]| {
            known.is_empty() || claims.words(name, false).any(|word| known.contains(&word))
        };
        if !self.issuers.is_empty() && !claims.0.get("iss").is_some_and(Value::is_string) {
            return Err(Refused::Issuer);
        }
        if !names("iss", &self.issuers) {
            return Err(Refused::Issuer);
        }
        if !names("aud", &self.audiences) {
            return Err(Refused::Audience);
        }
        let is_met = |(name, condition): &(String, ClaimCondition)| condition.is_met_by(claims, name);
        if self.conditions.iter().all(is_met) { Ok(()) } else { Err(Refused::Condition) }
    }
}

// === impl ClaimCondition ===

impl ClaimCondition {
    fn is_met_by(&self, claims: &Claims, name: &str) -> bool {
        match self {
            Self::Equals(text) => claims.scalar(name).is_some_and(|found| found == *text),
            Self::OneOf(texts) => claims.scalar(name).is_some_and(|found| texts.contains(&found)),
            Self::Contains(word) => claims.words(name, true).any(|found| found == *word),
            Self::ContainsAny(words) => claims.words(name, true).any(|found| words.contains(&found)),
        }
    }
}

// === impl Claims ===

impl Claims {
    /// A claim by its name, or, if there is none that is called so, by the way to it: `a.b` is `b` inside `a`.
    fn claim(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let mut steps = name.split('.');
        let first = self.0.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    }

    /// A claim as one line: a list with commas between its entries. `None` if it is not there or null.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.claim(name)? {
            Value::Null => None,
            Value::Array(entries) => Some(entries.iter().filter_map(plain).collect::<Vec<_>>().join(",")),
            value @ Value::Object(_) => Some(value.to_string()),
            value @ (Value::String(_) | Value::Number(_) | Value::Bool(_)) => plain(value),
        }
    }

    fn scalar(&self, name: &str) -> Option<String> {
        plain(self.claim(name)?)
    }

    /// The entries of a list, or the text itself, or its words.
    fn words(&self, name: &str, split: bool) -> impl Iterator<Item = String> {
        let words = match self.claim(name) {
            Some(Value::Array(entries)) => entries.iter().filter_map(plain).collect(),
            Some(Value::String(text)) if split => text.split(' ').map(str::to_owned).collect(),
            Some(value) => plain(value).into_iter().collect::<Vec<_>>(),
            None => Vec::new(),
        };
        words.into_iter().filter(|word| !word.is_empty())
    }

    /// A time in Unix seconds, which may have a fraction (RFC 7519, 2).
    fn time(&self, name: &str) -> Result<Option<u64>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => match (value.as_u64(), value.as_f64()) {
                (Some(seconds), _) => Ok(Some(seconds)),
                // A float as large as this has no fraction, and a negative one is long ago.
                (None, Some(seconds)) if seconds.is_finite() => Ok(Some(seconds.max(0.0) as u64)),
                (None, _) => Err(Refused::Malformed),
            },
        }
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn claims(value: &Value) -> Claims {
        Claims(value.as_object().cloned().unwrap())
    }

    #[test]
    fn times_issuer_and_audience_are_as_expected() {
        let expected = Expected {
            issuers: vec!["a".into(), "b".into()],
            audiences: vec!["shop".into()],
            leeway: 30,
            require_expiry: true,
            conditions: Vec::new(),
        };
        let ok = Ok(());
        let rows = [
            (json!({"exp": NOW + 1, "iss": "a", "aud": "shop"}), ok, "good"),
            (json!({"exp": NOW + 1, "iss": "b", "aud": ["other", "shop"]}), ok, "one of several"),
            (json!({"exp": NOW - 29, "iss": "a", "aud": "shop"}), ok, "within the leeway"),
            (json!({"exp": NOW - 30, "iss": "a", "aud": "shop"}), Err(Refused::Expired), "on the second"),
            (json!({"exp": 1_700_000_000.5, "iss": "a", "aud": "shop"}), Err(Refused::Expired), "a fraction"),
            (json!({"exp": -5, "iss": "a", "aud": "shop"}), Err(Refused::Expired), "long ago"),
            (json!({"exp": "soon", "iss": "a", "aud": "shop"}), Err(Refused::Malformed), "no number"),
            (json!({"exp": null, "iss": "a", "aud": "shop"}), Err(Refused::Malformed), "null is no time"),
            (json!({"iss": "a", "aud": "shop"}), Err(Refused::Endless), "no expiry"),
            (json!({"exp": NOW + 1, "nbf": NOW + 30, "iss": "a", "aud": "shop"}), ok, "just begun"),
            (
                json!({"exp": NOW + 99, "nbf": NOW + 31, "iss": "a", "aud": "shop"}),
                Err(Refused::NotYet),
                "not yet",
            ),
            (json!({"exp": NOW + 1, "iss": "c", "aud": "shop"}), Err(Refused::Issuer), "another issuer"),
            (
                json!({"exp": NOW + 1, "iss": ["a", "c"], "aud": "shop"}),
                Err(Refused::Issuer),
                "an issuer is one",
            ),
            (json!({"exp": NOW + 1, "aud": "shop"}), Err(Refused::Issuer), "no issuer"),
            (json!({"exp": NOW + 1, "iss": "a", "aud": "other"}), Err(Refused::Audience), "for another"),
            (json!({"exp": NOW + 1, "iss": "a", "aud": []}), Err(Refused::Audience), "for nobody"),
            (json!({"exp": NOW + 1, "iss": "a"}), Err(Refused::Audience), "no audience"),
            (
                json!({"exp": NOW + 1, "iss": "a", "aud": "my shop"}),
                Err(Refused::Audience),
                "words are not audiences",
            ),
        ];
        for (value, result, row) in rows {
            assert_eq!(expected.met_by(&claims(&value), NOW), result, "{row}");
        }
        let loose = Expected::default();
        assert_eq!(loose.met_by(&claims(&json!({})), NOW), ok, "nothing is expected");
    }

    #[test]
    fn conditions_look_into_texts_lists_and_objects() {
        let claims = claims(&json!({
            "scope": "orders:read orders:write",
            "roles": ["staff", "admin"],
            "level": 3,
            "active": true,
            "realm_access": { "roles": ["auditor"] },
            "https://shop.example/tier": "gold",
        }));
        let text = str::to_owned;
        let rows = [
            ("scope", ClaimCondition::Contains(text("orders:read")), true),
            ("scope", ClaimCondition::Contains(text("orders")), false),
            ("scope", ClaimCondition::ContainsAny(vec![text("x"), text("orders:write")]), true),
            ("scope", ClaimCondition::Equals(text("orders:read")), false),
            ("roles", ClaimCondition::Contains(text("admin")), true),
            ("roles", ClaimCondition::Equals(text("admin")), false),
            ("level", ClaimCondition::Equals(text("3")), true),
            ("active", ClaimCondition::Equals(text("true")), true),
            ("realm_access.roles", ClaimCondition::Contains(text("auditor")), true),
            ("https://shop.example/tier", ClaimCondition::OneOf(vec![text("silver"), text("gold")]), true),
            ("missing", ClaimCondition::Equals(String::new()), false),
            ("scope", ClaimCondition::Contains(String::new()), false),
        ];
        for (name, condition, expected) in rows {
            assert_eq!(condition.is_met_by(&claims, name), expected, "{name}: {condition:?}");
        }
    }

    #[test]
    fn claims_become_header_text() {
        let claims = claims(&json!({"sub": "ada", "roles": ["a", "b"], "n": 5, "none": null, "o": {"a": 1}}));
        let rows =
            [("sub", Some("ada")), ("roles", Some("a,b")), ("n", Some("5")), ("none", None), ("x", None)];
        for (name, expected) in rows {
            assert_eq!(claims.text(name).as_deref(), expected, "{name}");
        }
    }
}
