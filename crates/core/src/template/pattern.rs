//! Regular expressions in settings.

use std::borrow::Cow;
use std::str::FromStr;

use regex::{Captures, Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Escape, Scene, Template};

/// More than a pattern that somebody has written needs, and less than one that a generator has gone wild with.
const SIZE: usize = 1 << 20;

/// A regular expression in the syntax of the `regex` crate. It finds its match in time linear to the text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

/// Why a text is not a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{written}` is not a regular expression: {reason}")]
pub struct InvalidPattern {
    written: String,
    reason: String,
}

// === impl Pattern ===

impl Pattern {
    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it matches somewhere.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Calls `then` with what the first match and its groups have matched; groups that took no part are empty. `None` where
    /// nothing matches.
    pub fn capture<T>(&self, text: &str, then: impl FnOnce(&[&str]) -> T) -> Option<T> {
        self.0.captures(text).map(|found| then(&texts(&found)))
    }

    /// Puts the template in place of every match. `None` where nothing matches.
    pub fn replace(&self, text: &str, with: &Template, scene: &Scene<'_>, escape: Escape) -> Option<String> {
        let replaced = self
            .0
            .replace_all(text, |found: &Captures<'_>| with.expand(&scene.captures(&texts(found)), escape));
        match replaced {
            Cow::Owned(text) => Some(text),
            Cow::Borrowed(_) => None,
        }
    }
}

fn texts<'a>(found: &Captures<'a>) -> smallvec::SmallVec<[&'a str; 10]> {
    found.iter().take(10).map(|group| group.map_or("", |group| group.as_str())).collect()
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let built = RegexBuilder::new(text).size_limit(SIZE).build();
        built.map(Self).map_err(|error| {
            // The crate draws a picture of several lines; its last line has the reason.
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            InvalidPattern { written: text.to_owned(), reason: reason.to_owned() }
        })
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A regular expression.", "examples": ["^/user/([0-9]+)$"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Context;

    #[test]
    fn groups_are_put_in() {
        let pattern: Pattern = "([a-z]+)=([0-9]+)?".parse().unwrap();
        let cx = Context::unknown();
        let replace =
            |text| pattern.replace(text, &"<{2}:{1}>".parse().unwrap(), &Scene::of(&cx), Escape::Header);
        assert_eq!(
            replace("a=1;b="),
            Some("<1:a>;<:b>".to_owned()),
            "each match, and a group that took no part"
        );
        assert_eq!(replace("nothing"), None);
    }

    #[test]
    fn a_broken_expression_is_told_with_its_reason() {
        let error = "a(b".parse::<Pattern>().unwrap_err().to_string();
        assert_eq!(error, "`a(b` is not a regular expression: unclosed group");
    }
}
