//! Texts with placeholders: `https://{host}{uri}`.
//!
//! A [`Template`] is taken apart once, when the config is read, so an unknown name is an error with line and column; a request
//! only puts pieces one behind the other. What it puts in comes from clients, so [`Escape`] says where the text is going to
//! stand, and nothing gets out of there: no header ends early, no path grows elements, no page gets tags.

mod escape;
mod pattern;
mod placeholder;
mod scene;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use http::{HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use escape::Escape;
pub use pattern::{InvalidPattern, Pattern};
pub use placeholder::Placeholder;
pub use scene::Scene;

/// A text with placeholders such as `{client.ip}`. `{{` and `}}` are braces. The names are those of [`Placeholder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    written: String,
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Value(Placeholder),
}

/// Why a text is not a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidTemplate {
    /// A brace without its partner.
    #[error("`{0}` has a brace that stands alone; a brace as such is written `{{{{` or `}}}}`")]
    Brace(String),
    /// No such placeholder.
    #[error("there is no `{{{0}}}`; known are {known}", known = placeholder::KNOWN)]
    Unknown(String),
}

// === impl Template ===

impl Template {
    /// Reads a page, in which braces are common: only what has the form of a placeholder, as `{status}` has, is taken for
    /// one, and every other brace for itself.
    ///
    /// # Errors
    ///
    /// [`InvalidTemplate::Unknown`] for a word in braces that is no placeholder.
    pub fn page(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let (mut plain, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let name = after.split_once('}').filter(|(name, _)| placeholder::has_form(name));
            match name {
                Some((name, after)) => {
                    push_text(&mut parts, &mut plain);
                    parts.push(Part::Value(name.parse()?));
                    rest = after;
                }
                None => {
                    plain.push('{');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        push_text(&mut parts, &mut plain);
        Ok(Self { written: text.to_owned(), parts: parts.into() })
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The whole text, if nothing in it depends on a request.
    pub fn fixed(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What the text begins with, up to the first placeholder.
    pub fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            Some(Part::Value(_)) | None => "",
        }
    }

    /// The placeholders, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(value) => Some(value),
            Part::Text(_) => None,
        })
    }

    /// The request headers that are put in.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.placeholders()
            .filter_map(|value| if let Placeholder::Header(name) = value { Some(name) } else { None })
    }

    /// In two at the first such character outside of placeholders, which itself is left out.
    pub fn split(&self, at: char) -> (Self, Option<Self>) {
        let found = self.parts.iter().enumerate().find_map(|(index, part)| match part {
            Part::Text(text) => text.split_once(at).map(|halves| (index, halves)),
            Part::Value(_) => None,
        });
        let Some((index, (before, after))) = found else { return (self.clone(), None) };
        let text = |text: &str| (!text.is_empty()).then(|| Part::Text(text.into()));
        let first = self.parts[..index].iter().cloned().chain(text(before)).collect();
        let second = text(after).into_iter().chain(self.parts[index + 1..].iter().cloned()).collect();
        let made = |parts| Self { written: self.written.clone(), parts };
        (made(first), Some(made(second)))
    }

    /// The text for one request. What the scene does not have is empty.
    pub fn expand(&self, scene: &Scene<'_>, escape: Escape) -> String {
        let mut text = String::with_capacity(self.written.len() + 32);
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Value(value) => escape.push(&mut text, &scene.value(value)),
            }
        }
        text
    }

    /// The text as the value of a header.
    pub fn header_value(&self, scene: &Scene<'_>) -> HeaderValue {
        let text = self.expand(scene, Escape::Header);
        // The placeholders have been made safe; a text around them that is not was refused when it was read.
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
    }
}

fn push_text(parts: &mut Vec<Part>, text: &mut String) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text).into()));
    }
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let lonely = || InvalidTemplate::Brace(written.to_owned());
        let mut parts = Vec::new();
        let (mut plain, mut rest) = (String::new(), written);
        while let Some(place) = rest.find(['{', '}']) {
            let (before, braced) = rest.split_at(place);
            plain.push_str(before);
            rest = if let Some(after) = braced.strip_prefix("{{") {
                plain.push('{');
                after
            } else if let Some(after) = braced.strip_prefix("}}") {
                plain.push('}');
                after
            } else {
                let inner = braced.strip_prefix('{').ok_or_else(lonely)?;
                let (name, after) = inner.split_once('}').ok_or_else(lonely)?;
                push_text(&mut parts, &mut plain);
                parts.push(Part::Value(name.parse()?));
                after
            };
        }
        plain.push_str(rest);
        push_text(&mut parts, &mut plain);
        Ok(Self { written: written.to_owned(), parts: parts.into() })
    }
}

impl TryFrom<String> for Template {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.written
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A text in which placeholders such as {client.ip}, {host} and {request.id} stand for what \
                            they name. {{ and }} are braces.",
            "examples": ["{client.ip}", "https://{host}{uri}"],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Context;

    fn expanded(text: &str) -> String {
        let cx = Context::unknown();
        let uri = "/a%20b?c=d".parse().unwrap();
        let scene = Scene::of(&cx).uri(&uri).captures(&["whole", "one"]);
        text.parse::<Template>().unwrap().expand(&scene, Escape::Header)
    }

    #[test]
    fn placeholders_stand_for_what_they_name() {
        let rows = [
            ("", ""),
            ("plain", "plain"),
            ("{path}", "/a%20b"),
            ("<{path}?{query}>", "</a%20b?c=d>"),
            ("{uri}", "/a%20b?c=d"),
            ("{method} {scheme}", "GET http"),
            ("{1}{2}", "one"),
            ("{{path}}", "{path}"),
            ("{{{path}}}", "{/a%20b}"),
            ("{user}{host}{tls.version}{http.header.x-none}{status}", ""),
        ];
        for (written, expected) in rows {
            assert_eq!(expanded(written), expected, "{written}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_words() {
        let message = |text: &str| text.parse::<Template>().unwrap_err().to_string();
        assert!(
            message("{hots}").starts_with("there is no `{hots}`; known are {client.ip}, "),
            "{}",
            message("{hots}")
        );
        assert!(message("{http.header.a b}").starts_with("there is no `{http.header.a b}`"));
        for text in ["{", "}", "a{b", "a}b", "{path}}"] {
            assert!(message(text).starts_with(&format!("`{text}` has a brace that stands alone")), "{text}");
        }
    }

    #[test]
    fn a_page_may_be_full_of_braces() {
        let page = Template::page("<style>p{color:red}</style>{\"status\":{status}} {} {").unwrap();
        let cx = Context::unknown();
        let scene = Scene::of(&cx).status(http::StatusCode::NOT_FOUND);
        assert_eq!(page.expand(&scene, Escape::Html), "<style>p{color:red}</style>{\"status\":404} {} {");
        assert!(Template::page("{statsu}").is_err(), "a slip is still found");
    }

    #[test]
    fn a_template_is_split_in_its_text_alone() {
        let (path, query) = "/a{path}?b={query}".parse::<Template>().unwrap().split('?');
        assert_eq!(path.placeholders().collect::<Vec<_>>(), [&Placeholder::Path]);
        assert_eq!(query.unwrap().beginning(), "b=");
        assert_eq!("{uri}".parse::<Template>().unwrap().split('?').1, None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_told_why_not(text in ".{0,40}") {
            match text.parse::<Template>() {
                Ok(template) => prop_assert_eq!(String::from(template), text),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        #[test]
        fn doubled_braces_are_the_text_itself(text in ".{0,40}") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            let template: Template = doubled.parse().unwrap();
            prop_assert_eq!(template.fixed(), Some(&*text));
        }
    }
}
