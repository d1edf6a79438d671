//! The error type of the deserializer: what serde has to say, and the node it is about.

use crate::document::{Document, NodeId, Value};
use crate::report::{Code, Diagnostic, Severity, as_written};
use crate::suggest;
use serde::de::{Expected, Unexpected};
use std::fmt;

/// Why a node does not have a type.
///
/// Boxed, because it travels through every `Result` of a type's deserialization, which mostly succeeds.
#[derive(Debug)]
pub(crate) struct Mistake(Box<Inner>);

#[derive(Debug)]
struct Inner {
    node: Option<NodeId>,
    code: Code,
    what: What,
    help: Option<String>,
}

#[derive(Debug)]
enum What {
    /// A sentence about the node's value.
    Sentence(String),
    /// What was expected; what was found is added from the document.
    Expected(String),
    /// A sentence about the node's key.
    Key(String),
}

// === impl Mistake ===

impl Mistake {
    fn new(code: Code, what: What) -> Self {
        Self(Box::new(Inner { node: None, code, what, help: None }))
    }

    pub(super) fn sentence(code: Code, sentence: String, help: Option<String>) -> Self {
        Self(Box::new(Inner { node: None, code, what: What::Sentence(sentence), help }))
    }

    /// A mapping that should have one key. (Not a wrong type: the key may have been there and refused.)
    pub(super) fn expected_one_key(expected: String) -> Self {
        Self::new(Code::InvalidValue, What::Expected(expected))
    }

    pub(super) fn expected(expected: impl Into<String>) -> Self {
        Self::new(Code::WrongType, What::Expected(expected.into()))
    }

    /// A key that is not among those of its mapping.
    pub(super) fn unknown_key(key: &str, known: &[&str]) -> Self {
        let mut mistake = Self::new(Code::UnknownKey, What::Key(format!("unknown key `{key}`")));
        mistake.0.help = if known.is_empty() {
            Some("no keys are known here".to_owned())
        } else {
            suggest::help(key, known.iter().copied())
        };
        mistake
    }

    /// A word that is not among the allowed ones.
    pub(super) fn unknown_value(written: &str, known: &[&str]) -> Self {
        let mut mistake = Self::new(Code::UnknownValue, What::Sentence(format!("unknown value `{written}`")));
        mistake.0.help = suggest::help(written, known.iter().copied());
        mistake
    }

    /// Turns a mistake of a key's own type into one that points at the key.
    pub(super) fn about_key(mut self) -> Self {
        self.0.what = match self.0.what {
            What::Sentence(sentence) | What::Key(sentence) => What::Key(sentence),
            What::Expected(expected) => What::Key(format!("expected {expected} as a key")),
        };
        self
    }

    /// Says which node it is about. The innermost node that is known stays.
    pub(super) fn at(mut self, id: NodeId) -> Self {
        self.0.node.get_or_insert(id);
        self
    }

    /// Whether a part that is missing can be the cause.
    pub(super) fn can_be_a_consequence(&self) -> bool {
        matches!(
            (self.0.code, &self.0.what),
            (Code::MissingKey | Code::InvalidValue, What::Sentence(_) | What::Expected(_))
        )
    }

    pub(super) fn node(&self) -> Option<NodeId> {
        self.0.node
    }

    pub(super) fn diagnostic(self, document: &Document, id: NodeId) -> Diagnostic {
        let Inner { code, what, help, .. } = *self.0;
        let (message, place) = match what {
            What::Sentence(sentence) => (sentence_about(document, id, sentence), document.place(id)),
            What::Expected(expected) => {
                (format!("expected {expected}, found {}", found(document, id)), document.place(id))
            }
            What::Key(sentence) => (sentence, document.key_place(id)),
        };
        Diagnostic { severity: Severity::Error, code, message, place, help }
    }
}

impl serde::de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Code::InvalidValue, What::Sentence(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(in_prose(&expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Code::InvalidValue, What::Expected(in_prose(&expected.to_string())))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let expected = in_prose(&expected.to_string());
        Self::new(Code::InvalidValue, What::Sentence(format!("expected {expected}, found {length} values")))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown_value(variant, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown_key(field, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Code::MissingKey, What::Sentence(format!("the key `{field}` is missing here")))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Code::DuplicateKey, What::Sentence(format!("`{field}` is given twice")))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.what {
            What::Sentence(text) | What::Key(text) => f.write_str(text),
            What::Expected(expected) => write!(f, "expected {expected}"),
        }
    }
}

impl std::error::Error for Mistake {}

/// What serde calls a type, in words for somebody who writes YAML.
fn in_prose(expected: &str) -> String {
    let prose = match expected {
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "u128" | "usize" => "an integer of at least 0",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "an integer",
        "a nonzero u8" => "an integer from 1 to 255",
        "a nonzero u16" => "an integer from 1 to 65535",
        "a nonzero u32" => "an integer from 1 to 4294967295",
        "a nonzero u64" | "a nonzero usize" => "an integer of at least 1",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" | "a borrowed string" => "a text",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "unit" => "nothing",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    };
    prose.to_owned()
}

/// What stands in the file. A variable is shown as written, never as its value.
fn found(document: &Document, id: NodeId) -> String {
    match &document.node(id).value {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Scalar(scalar) if scalar.shown().is_empty() => "nothing".to_owned(),
        Value::Scalar(scalar) => format!("`{}`", scalar.shown()),
    }
}

/// A sentence about a node's value, without the parts that a parser may quote of a value from the environment.
pub(super) fn sentence_about(document: &Document, id: NodeId, sentence: String) -> String {
    match &document.node(id).value {
        Value::Scalar(scalar) if scalar.from_environment => {
            as_written(&sentence, &scalar.text, scalar.shown())
        }
        Value::Scalar(_) | Value::List(_) | Value::Map(_) => sentence,
    }
}
