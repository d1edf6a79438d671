//! Conditions on the path.

use super::InvalidRegex;
use crate::{InvalidPath, normalise};
use regex::Regex;
use std::fmt;

/// The paths that a matcher accepts. The default is [any](Self::any).
///
/// Patterns are normalised when they are made, so `/a/../caf%c3%a9` and `/café` are the same pattern.
#[derive(Debug, Clone, Default)]
pub struct PathMatch(Kind);

#[derive(Debug, Clone, Default)]
pub(crate) enum Kind {
    #[default]
    Any,
    Exact(String),
    /// Without a slash at its end: the prefix `/` is the empty string.
    Prefix(String),
    Regex(Regex),
}

/// Why a path condition was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidPathMatch {
    /// An exact path or a prefix is not a path.
    #[error(transparent)]
    Path(#[from] InvalidPath),

    /// A regular expression is not one.
    #[error(transparent)]
    Regex(#[from] InvalidRegex),
}

// === impl PathMatch ===

impl PathMatch {
    /// Accepts every path, and ranks below every other condition.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Accepts this path alone. A slash at its end counts: `/foo` and `/foo/` are two paths.
    ///
    /// # Errors
    ///
    /// When it is not a path, see [`normalise`].
    pub fn exact(path: &str) -> Result<Self, InvalidPathMatch> {
        Ok(Self(Kind::Exact(normalise(path)?.into_owned())))
    }

    /// Accepts this path and everything below it, by path element as in the Kubernetes Gateway API: `/foo`
    /// accepts `/foo`, `/foo/` and `/foo/bar`, not `/foobar`. `/foo/` is the same prefix as `/foo`, and `/`
    /// accepts every path.
    ///
    /// # Errors
    ///
    /// When it is not a path, see [`normalise`].
    pub fn prefix(path: &str) -> Result<Self, InvalidPathMatch> {
        let mut prefix = normalise(path)?.into_owned();
        if prefix.ends_with('/') {
            prefix.pop();
        }
        Ok(Self(Kind::Prefix(prefix)))
    }

    /// Accepts the paths in which the expression is found, anywhere unless it holds `^` or `$`,
    /// case-sensitive, like nginx's `~`. It sees the normalised path: an `é` is written `%C3%A9` there, a
    /// space `%20`.
    ///
    /// # Errors
    ///
    /// When the expression does not compile.
    pub fn regex(pattern: &str) -> Result<Self, InvalidPathMatch> {
        Ok(Self(Kind::Regex(Regex::new(pattern).map_err(InvalidRegex)?)))
    }

    /// Whether this (normalised) path is accepted.
    #[must_use]
    pub fn accepts(&self, path: &str) -> bool {
        match &self.0 {
            Kind::Any => true,
            Kind::Exact(exact) => exact == path,
            Kind::Prefix(prefix) => is_at_or_below(prefix, path),
            Kind::Regex(regex) => regex.is_match(path),
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Any, _) => true,
            (Kind::Prefix(root), _) if root.is_empty() => true,
            (_, Kind::Exact(path)) => self.accepts(path),
            (Kind::Prefix(mine), Kind::Prefix(theirs)) => is_at_or_below(mine, theirs),
            (Kind::Regex(mine), Kind::Regex(theirs)) => mine.as_str() == theirs.as_str(),
            (Kind::Exact(_) | Kind::Prefix(_) | Kind::Regex(_), _) => false,
        }
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Any => f.write_str("any path"),
            Kind::Exact(path) => write!(f, "{path} exactly"),
            Kind::Prefix(prefix) if prefix.is_empty() => f.write_str("/ and below"),
            Kind::Prefix(prefix) => write!(f, "{prefix} and below"),
            Kind::Regex(regex) => write!(f, "paths that match `{regex}`"),
        }
    }
}

fn is_at_or_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(path: &str) -> PathMatch {
        PathMatch::exact(path).unwrap()
    }

    fn prefix(path: &str) -> PathMatch {
        PathMatch::prefix(path).unwrap()
    }

    fn regex(pattern: &str) -> PathMatch {
        PathMatch::regex(pattern).unwrap()
    }

    #[test]
    fn accepts() {
        for (pattern, path, expected, why) in [
            (exact("/foo"), "/foo", true, "the path itself"),
            (exact("/foo"), "/foo/", false, "a trailing slash is another path"),
            (exact("/foo/"), "/foo/", true, "unless it was written"),
            (exact("/x/../caf%c3%a9"), "/caf%C3%A9", true, "patterns are normalised"),
            (prefix("/foo"), "/foo", true, "the prefix itself"),
            (prefix("/foo"), "/foo/", true, "its directory"),
            (prefix("/foo"), "/foo/bar", true, "below it"),
            (prefix("/foo"), "/foobar", false, "elements, not bytes"),
            (prefix("/foo"), "/foo%2Fbar", false, "an encoded slash is part of the element"),
            (prefix("/foo"), "/", false, "above it"),
            (prefix("/foo/"), "/foo", true, "`/foo/` equals `/foo`"),
            (prefix("/"), "/", true, "the root"),
            (prefix("/"), "/a/b", true, "everything is below the root"),
            (regex("/v[0-9]+/"), "/api/v2/x", true, "found anywhere"),
            (regex("^/v[0-9]+/"), "/api/v2/x", false, "unless anchored"),
            (regex(r"\.PHP$"), "/a.php", false, "case-sensitive"),
            (PathMatch::any(), "/a", true, "anything"),
        ] {
            assert_eq!(pattern.accepts(path), expected, "{pattern}, {path}: {why}");
        }
    }

    #[test]
    fn covers() {
        for (wide, narrow, expected) in [
            (PathMatch::any(), regex("a"), true),
            (prefix("/"), PathMatch::any(), true),
            (prefix("/"), regex("a"), true),
            (prefix("/a"), prefix("/a/b"), true),
            (prefix("/a"), prefix("/ab"), false),
            (prefix("/a"), exact("/a/b"), true),
            (prefix("/a"), regex("^/a/"), false),
            (prefix("/a"), PathMatch::any(), false),
            (exact("/a"), exact("/a"), true),
            (exact("/a"), prefix("/a"), false),
            (regex("^/a"), exact("/a"), true),
            (regex("^/a"), regex("^/a"), true),
            (regex("^/a"), regex("^/ab"), false),
        ] {
            assert_eq!(wide.covers(&narrow), expected, "{wide} over {narrow}");
        }
    }

    #[test]
    fn refused_with_a_reason() {
        let refusals = [
            (PathMatch::exact("foo"), "starts with `/`"),
            (PathMatch::prefix("/a?b"), "a path alone"),
            (PathMatch::regex("(a"), "unclosed group"),
        ];
        for (refused, expected) in refusals {
            let refusal = refused.unwrap_err().to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
