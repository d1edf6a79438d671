//! Values from the environment are often secrets, and error messages end up in logs and chats. So every message
//! passes through here, once, before anybody can see it; no other code has to remember.

/// Values at least this long are taken out wherever they occur; shorter ones only where they stand as a word,
/// because `5` is also a part of `65535`.
const LONG: usize = 4;

/// The values that came out of `${NAME}`, with the text that replaces each.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Redaction {
    /// Longest first, so that a value inside another one does not break it up.
    values: Vec<(String, String)>,
}

// === impl Redaction ===

impl Redaction {
    /// Takes pairs of a variable's name and its value.
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values: Vec<_> = variables
            .into_iter()
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(name, value)| (value, format!("${{{name}}}")))
            .collect();
        values.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup_by(|(a, _), (b, _)| a == b);
        Self { values }
    }

    /// Replaces every value in a message by the variable it came from.
    pub(crate) fn apply(&self, message: &mut String) {
        for (value, name) in &self.values {
            // Types quote what they read in several ways; `{:?}` escapes quotes and line breaks.
            let escaped = value.escape_debug().to_string();
            for value in [value, &escaped] {
                if message.contains(value.as_str()) {
                    *message = replace(message, value, name);
                }
            }
        }
    }
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values.iter().map(|(_, name)| name)).finish()
    }
}

/// Replaces a value in a message by what was `written` in the file. Parts of the value that the message quotes are
/// taken out, unless they were written: a parser that explains `unknown unit "xs"` would tell a part of a secret.
pub(crate) fn as_written(message: &str, value: &str, written: &str) -> String {
    if value.is_empty() {
        return message.to_owned();
    }
    let message = replace(message, value, written);
    let mut result = String::with_capacity(message.len());
    let mut rest = message.as_str();
    while let Some(start) = rest.find(['`', '"', '\'']) {
        let (before, quoted) = rest.split_at(start);
        let (quote, inside) = quoted.split_at(1);
        result.push_str(before);
        result.push_str(quote);
        let Some((part, after)) = inside.split_once(quote) else {
            rest = inside;
            continue;
        };
        let is_secret = value.contains(part) && !written.contains(part);
        result.push_str(if is_secret { "[redacted]" } else { part });
        result.push_str(quote);
        rest = after;
    }
    result.push_str(rest);
    result
}

fn replace(message: &str, value: &str, name: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut result = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(value) {
        let (before, found) = rest.split_at(start);
        let after = found.get(value.len()..).unwrap_or_default();
        let inside_a_word = before.chars().next_back().or(result.chars().next_back()).is_some_and(is_word)
            || after.chars().next().is_some_and(is_word);
        result.push_str(before);
        result.push_str(if value.len() < LONG && inside_a_word { value } else { name });
        rest = after;
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_by_their_variable() {
        let rows = [
            ("TOKEN", "hunter2-long", "unknown upstream `hunter2-long`", "unknown upstream `${TOKEN}`"),
            ("TOKEN", "a\n- x", "found \"a\\n- x\"", "found \"${TOKEN}\""),
            ("N", "5", "65535 is more than 5", "65535 is more than ${N}"),
            ("N", "", "nothing", "nothing"),
            ("LONG", "secret", "xsecretx", "x${LONG}x"),
        ];
        for (name, value, message, expected) in rows {
            let redaction = Redaction::new([(name.to_owned(), value.to_owned())]);
            let mut actual = message.to_owned();
            redaction.apply(&mut actual);
            assert_eq!(actual, expected, "{name}={value:?}");
        }
    }

    #[test]
    fn a_value_inside_another_does_not_break_it_up() {
        let variables = [("SHORT", "abcd"), ("LONG", "abcdef")];
        let redaction = Redaction::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut message = "abcdef".to_owned();
        redaction.apply(&mut message);
        assert_eq!(message, "${LONG}");
    }

    #[test]
    fn a_value_and_its_quoted_parts_are_shown_as_written() {
        let message = "unknown unit \"xs\", expected `s`, isn't it";
        let redacted = "unknown unit \"[redacted]\", expected `[redacted]`, isn't it";
        assert_eq!(as_written(message, "10xs9", "${TOKEN}"), redacted);
        assert_eq!(as_written("found `5`, not 55", "5", "${N}"), "found `${N}`, not 55");
        assert_eq!(as_written(message, "77", "${TOKEN}"), message, "other words stay");
        assert_eq!(as_written(message, "77xs", "${N}xs"), message, "so do those in the file");
    }
}
