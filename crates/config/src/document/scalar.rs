//! A single value, and which type its text looks like.
//!
//! The type is found here, not by the YAML parser, for two reasons: a `${NAME}` must be expanded first, and a
//! text such as `1.10` must stay what was written when a module asks for a string.

/// A value that is neither a list nor a mapping.
#[derive(Clone)]
pub(crate) struct Scalar {
    /// The value as it counts: unquoted and with variables expanded.
    pub(crate) text: String,
    /// Whether a type may be inferred from the text. Quoted values are text whatever they look like.
    plain: bool,
    /// The value before variables were expanded, if there were any.
    written: Option<String>,
    /// Whether a part of the text came from the environment.
    pub(crate) from_environment: bool,
}

/// The type that the text of a scalar has by itself (YAML 1.2, core schema).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text,
}

// === impl Scalar ===

impl Scalar {
    pub(crate) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), plain: true, written: None, from_environment: false }
    }

    pub(crate) fn quoted(text: &str) -> Self {
        Self { plain: false, ..Self::plain(text) }
    }

    pub(crate) fn become_expanded(&mut self, text: String, from_environment: bool) {
        self.written = Some(std::mem::replace(&mut self.text, text));
        self.from_environment = from_environment;
    }

    /// Whether a variable or a default stood here.
    pub(crate) fn is_expanded(&self) -> bool {
        self.written.is_some()
    }

    /// The text to show in a message: variables stay variables.
    pub(crate) fn shown(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }

    /// The type to give to a reader that takes any.
    pub(crate) fn shape(&self) -> Shape {
        if self.plain { Shape::of(&self.text) } else { Shape::Text }
    }

    /// The type to give to a reader that wants a number or a truth value. Here a quoted value with a variable
    /// counts as plain, because inside `{ }` YAML allows `${NAME}` only in quotes.
    pub(crate) fn typed_shape(&self) -> Shape {
        if self.plain || self.written.is_some() { Shape::of(&self.text) } else { Shape::Text }
    }
}

// === impl Shape ===

impl Shape {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        integer(text).map(Self::Integer).or_else(|| float(text).map(Self::Float)).unwrap_or(Self::Text)
    }
}

fn integer(text: &str) -> Option<i128> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i128::from_str_radix(unsigned(digits)?, 16).ok();
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i128::from_str_radix(unsigned(digits)?, 8).ok();
    }
    text.parse().ok()
}

/// Refuses a sign after a radix prefix, which the standard library would take.
fn unsigned(digits: &str) -> Option<&str> {
    digits.starts_with(|first: char| first.is_ascii_hexdigit()).then_some(digits)
}

fn float(text: &str) -> Option<f64> {
    // The standard library also reads `inf` and `nan`, which are words in YAML.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    if !(numeric && has_digit) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_follow_the_core_schema() {
        let rows = [
            ("", Shape::Null),
            ("~", Shape::Null),
            ("null", Shape::Null),
            ("true", Shape::Bool(true)),
            ("yes", Shape::Text),
            ("off", Shape::Text),
            ("0", Shape::Integer(0)),
            ("007", Shape::Integer(7)),
            ("-12", Shape::Integer(-12)),
            ("0x1F", Shape::Integer(31)),
            ("0x-1", Shape::Text),
            ("0o17", Shape::Integer(15)),
            ("1.10", Shape::Float(1.1)),
            ("1e3", Shape::Float(1000.0)),
            ("1e999", Shape::Text),
            ("inf", Shape::Text),
            ("e", Shape::Text),
            ("1_000", Shape::Text),
            ("64k", Shape::Text),
            ("12:30", Shape::Text),
        ];
        for (text, expected) in rows {
            assert_eq!(Shape::of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn quotes_make_text_unless_a_variable_stood_there() {
        assert_eq!(Scalar::quoted("5").typed_shape(), Shape::Text, "quotes say text");
        let mut scalar = Scalar::quoted("${N:-5}");
        scalar.become_expanded("5".to_owned(), false);
        assert_eq!(scalar.typed_shape(), Shape::Integer(5), "a number was asked for");
        assert_eq!(scalar.shape(), Shape::Text, "any type was asked for");
        assert_eq!(scalar.shown(), "${N:-5}", "messages show what was written");
    }
}
