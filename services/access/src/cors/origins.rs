//! Which origins are meant.
//!
//! An origin is compared as a browser writes it: scheme, host and port, lower-case, without a slash. A pattern stands for
//! names under a name and for nothing else, because `https://*example.com` or an unanchored expression lets
//! `https://evil-example.com` in.

use regex::Regex;

/// Origins of web pages.
#[derive(Debug)]
pub(super) enum Origins {
    /// Every one.
    All,
    /// One of these.
    Listed { exact: Vec<String>, wildcards: Vec<Wildcard>, patterns: Vec<Regex> },
}

/// `https://*.example.com:8443`: what stands before and behind the star.
#[derive(Debug)]
pub(super) struct Wildcard {
    scheme: String,
    suffix: String,
}

/// A text that is no origin.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidOrigin {
    #[error("expected `origins`, `origin_patterns` or both: no page could read anything")]
    Nobody,
    #[error("`*` allows every origin: it stands alone")]
    NotAlone,
    #[error(
        "expected an origin such as https://app.example.com, found `{0}`: scheme and host in lower case, nothing behind them but a port"
    )]
    Origin(String),
    #[error("expected a star for whole names, as in https://*.example.com, found `{0}`")]
    Wildcard(String),
    #[error("`{text}` is not a regular expression: {source}")]
    Pattern { text: String, source: Box<regex::Error> },
}

// === impl Origins ===

impl Origins {
    pub(super) fn new(origins: &[String], patterns: &[String]) -> Result<Self, InvalidOrigin> {
        if origins.is_empty() && patterns.is_empty() {
            return Err(InvalidOrigin::Nobody);
        }
        if origins.iter().any(|origin| origin == "*") {
            let is_alone = origins.len() == 1 && patterns.is_empty();
            return if is_alone { Ok(Self::All) } else { Err(InvalidOrigin::NotAlone) };
        }
        let (mut exact, mut wildcards) = (Vec::new(), Vec::new());
        for origin in origins {
            if origin.contains('*') {
                wildcards.push(Wildcard::new(origin)?);
            } else if is_origin(origin) {
                exact.push(origin.clone());
            } else {
                return Err(InvalidOrigin::Origin(origin.clone()));
            }
        }
        let pattern = |text: &String| {
            Regex::new(&format!("^(?:{text})$"))
                .map_err(|source| InvalidOrigin::Pattern { text: text.clone(), source: Box::new(source) })
        };
        let patterns = patterns.iter().map(pattern).collect::<Result<_, _>>()?;
        Ok(Self::Listed { exact, wildcards, patterns })
    }

    pub(super) fn are_all(&self) -> bool {
        matches!(self, Self::All)
    }

    pub(super) fn have(&self, origin: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed { exact, wildcards, patterns } => {
                exact.iter().any(|known| known == origin)
                    || wildcards.iter().any(|wildcard| wildcard.matches(origin))
                    || patterns.iter().any(|pattern| pattern.is_match(origin))
            }
        }
    }
}

/// Whether a text is an origin as browsers write it, or `null`, which pages without one have.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return text == "null" };
    let is_scheme = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
    is_scheme && !rest.is_empty() && rest.bytes().all(is_host)
}

// === impl Wildcard ===

impl Wildcard {
    fn new(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin::Wildcard(text.to_owned());
        let (scheme, suffix) = text.split_once("://*").ok_or_else(invalid)?;
        if !suffix.starts_with('.') || !is_origin(&format!("{scheme}://x{suffix}")) {
            return Err(invalid());
        }
        Ok(Self { scheme: format!("{scheme}://"), suffix: suffix.to_owned() })
    }

    fn matches(&self, origin: &str) -> bool {
        let names = origin.strip_prefix(&self.scheme).and_then(|rest| rest.strip_suffix(&self.suffix));
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
        names.is_some_and(|names| !names.is_empty() && names.bytes().all(is_name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(origins: &[&str], patterns: &[&str]) -> Result<Origins, InvalidOrigin> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Origins::new(&owned(origins), &owned(patterns))
    }

    #[test]
    fn an_origin_is_meant_or_it_is_not() {
        let origins = origins(
            &["https://app.example.com", "https://*.example.org", "http://*.local.test:3000"],
            &["https://pr-[0-9]+\\.example\\.net"],
        )
        .unwrap();
        let rows = [
            ("https://app.example.com", true),
            ("http://app.example.com", false),
            ("https://app.example.com:8443", false),
            ("https://app.example.com.evil.test", false),
            ("https://evil.test/https://app.example.com", false),
            ("https://a.example.org", true),
            ("https://a.b.example.org", true),
            ("https://example.org", false),
            ("https://evil-example.org", false),
            ("https://.example.org", false),
            ("https://evil.test/.example.org", false),
            ("https://evil.test?.example.org", false),
            ("https://user@a.example.org", false),
            ("http://a.local.test:3000", true),
            ("http://a.local.test", false),
            ("https://pr-12.example.net", true),
            ("https://pr-12.example.net.evil.test", false),
            ("https://evil.test/https://pr-12.example.net", false),
            ("null", false),
            ("", false),
        ];
        for (origin, expected) in rows {
            assert_eq!(origins.have(origin), expected, "{origin}");
        }
    }

    #[test]
    fn slips_are_refused() {
        let rows: [(&[&str], &[&str], &str); 8] = [
            (&[], &[], "no page could read anything"),
            (&["*", "https://a.test"], &[], "stands alone"),
            (&["*"], &["a"], "stands alone"),
            (&["https://a.test/"], &[], "nothing behind them"),
            (&["a.test"], &[], "expected an origin"),
            (&["HTTPS://A.test"], &[], "lower case"),
            (&["https://*a.test"], &[], "whole names"),
            (&[], &["("], "not a regular expression"),
        ];
        for (listed, patterns, expected) in rows {
            let error = origins(listed, patterns).unwrap_err().to_string();
            assert!(error.contains(expected), "{listed:?} {patterns:?}: {error}");
        }
    }
}
