//! `${NAME}` in values.
//!
//! Expansion happens after parsing and on one value at a time, so that a variable can hold anything, line breaks
//! and `- x` included, without ever changing the structure of the file.

use super::Environment;
use crate::report::{Code, Diagnostic, Severity};
use crate::source::Place;

/// What became of a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expansion {
    /// The new text, unless the old one has nothing to expand.
    pub(super) text: Option<String>,
    /// Names and values of the variables used. Defaults are not among them: they stand in the file.
    pub(super) variables: Vec<(String, String)>,
    /// Variables without a value.
    pub(super) unset: Vec<Unset>,
}

/// A `${NAME}` that cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unset {
    /// As written, with the braces.
    pub(super) expression: String,
    name: String,
    /// The message of `${NAME:?message}`.
    message: Option<String>,
}

/// What stands between the braces.
struct Expression<'a> {
    name: &'a str,
    otherwise: Otherwise<'a>,
}

/// What holds when a variable has no value.
enum Otherwise<'a> {
    /// `${NAME}`: an error, but an empty value is a value.
    Error,
    /// `${NAME:-text}`: the text, also for an empty value.
    Default(&'a str),
    /// `${NAME:?message}`: an error with a message, also for an empty value.
    Message(&'a str),
}

/// Expands `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$` (a `$`). After any other `$` the text stays
/// as it is, because regular expressions are full of them. A default ends at the first `}`.
pub(super) fn expand(text: &str, environment: &Environment<'_>) -> Expansion {
    let mut expansion = Expansion::default();
    let mut result = String::new();
    let mut rest = text;
    let mut changed = false;
    while let Some(start) = rest.find('$') {
        let (before, dollar) = rest.split_at(start);
        result.push_str(before);
        let (replaced, length) = replacement(dollar, environment, &mut expansion);
        match replaced {
            Some(replaced) => {
                result.push_str(&replaced);
                changed = true;
            }
            None => result.push_str(dollar.get(..length).unwrap_or_default()),
        }
        rest = dollar.get(length..).unwrap_or_default();
    }
    result.push_str(rest);
    expansion.text = changed.then_some(result);
    expansion
}

/// The replacement for what begins with a `$`, and how many bytes it replaces.
fn replacement(
    dollar: &str,
    environment: &Environment<'_>,
    expansion: &mut Expansion,
) -> (Option<String>, usize) {
    if dollar.starts_with("$$") {
        return (Some("$".to_owned()), 2);
    }
    let Some((inside, _)) = dollar.strip_prefix("${").and_then(|inside| inside.split_once('}')) else {
        return (None, 1);
    };
    let Some(Expression { name, otherwise }) = Expression::parse(inside) else {
        return (None, 1);
    };
    let length = inside.len() + "${}".len();
    let value = environment(name).filter(|value| matches!(otherwise, Otherwise::Error) || !value.is_empty());
    if let Some(value) = value {
        expansion.variables.push((name.to_owned(), value.clone()));
        return (Some(value), length);
    }
    let message = match otherwise {
        Otherwise::Default(default) => return (Some(default.to_owned()), length),
        Otherwise::Message(message) => Some(message.to_owned()),
        Otherwise::Error => None,
    };
    let expression = dollar.get(..length).unwrap_or_default().to_owned();
    expansion.unset.push(Unset { expression, name: name.to_owned(), message });
    (None, length)
}

// === impl Unset ===

impl Unset {
    pub(super) fn diagnostic(&self, place: Place) -> Diagnostic {
        let Self { name, message, .. } = self;
        Diagnostic {
            severity: Severity::Error,
            code: Code::UnsetVariable,
            message: match message {
                Some(message) => format!("the environment variable `{name}` is not set: {message}"),
                None => format!("the environment variable `{name}` is not set"),
            },
            place,
            help: Some(format!(
                "set it, or write a default: `${{{name}:-default}}`; a `$` as such is written `$$`"
            )),
        }
    }
}

// === impl Expression ===

impl<'a> Expression<'a> {
    fn parse(inside: &'a str) -> Option<Self> {
        let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inside.len());
        let (name, rest) = inside.split_at(end);
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            return None;
        }
        let otherwise = match rest.split_at_checked(2) {
            None if rest.is_empty() => Otherwise::Error,
            Some((":-", default)) => Otherwise::Default(default),
            Some((":?", message)) => Otherwise::Message(message),
            None | Some(_) => return None,
        };
        Some(Self { name, otherwise })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("app.example.com".to_owned()),
            "EMPTY" => Some(String::new()),
            "TWICE" => Some("${HOST}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn expands_in_the_forms_of_a_shell() {
        let rows = [
            ("${HOST}", Some("app.example.com"), "a set variable"),
            ("https://${HOST}/x", Some("https://app.example.com/x"), "inside a text"),
            ("${EMPTY}", Some(""), "empty is a value"),
            ("${EMPTY:-x}", Some("x"), "a default also stands in for an empty value"),
            ("${NONE:-}", Some(""), "an empty default"),
            ("${NONE:-a:-b}", Some("a:-b"), "the default is everything after the first `:-`"),
            ("${NONE:-a}}", Some("a}"), "a default ends at the first brace"),
            ("${TWICE}", Some("${HOST}"), "a value is never expanded again"),
            ("$$", Some("$"), "an escaped dollar"),
            ("$${HOST}", Some("${HOST}"), "an escaped expression"),
            ("^/a$", None, "a regular expression's end"),
            ("$1 ${1} ${} ${a b} ${HOST", None, "not expressions"),
            ("${HOST:+x}", None, "a form that is not ours"),
            ("$HOST", None, "braces are needed"),
        ];
        for (text, expected, why) in rows {
            let expansion = expand(text, &environment);
            assert_eq!(expansion.text.as_deref(), expected, "{why}: {text}");
            assert_eq!(expansion.unset, [], "{why}: {text}");
        }
    }

    #[test]
    fn unset_variables_are_all_reported() {
        let expansion = expand("${A} and ${EMPTY:?is needed}", &environment);
        let expressions: Vec<_> = expansion.unset.iter().map(|unset| unset.expression.as_str()).collect();
        assert_eq!(expressions, ["${A}", "${EMPTY:?is needed}"]);
        assert_eq!(expansion.unset[1].message.as_deref(), Some("is needed"));
    }

    #[test]
    fn defaults_are_no_secrets() {
        assert_eq!(expand("${NONE:-x}", &environment).variables, []);
        let used = vec![("HOST".to_owned(), "app.example.com".to_owned())];
        assert_eq!(expand("${HOST}", &environment).variables, used);
    }

    proptest! {
        #[test]
        fn never_panics_and_leaves_text_without_dollars_alone(text in any::<String>()) {
            let expansion = expand(&text, &environment);
            if !text.contains('$') {
                prop_assert_eq!(expansion, Expansion::default());
            }
        }
    }
}
