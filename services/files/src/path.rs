//! The way from a request's path to a name below the root.
//!
//! The path has been normalised before any service sees it, so `..` is gone. It is decoded here, once: what comes out is
//! the bytes of a name as the file system has them, in any encoding.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Names that begin with a dot and are served all the same (RFC 8615).
const WELL_KNOWN: &[u8] = b".well-known";

/// A path below the root: components parted by single slashes, none of them `.`, `..` or with a NUL in it. It is empty for
/// the root itself, and ends with a slash where a directory was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Below<'a> {
    bytes: Cow<'a, [u8]>,
    has_slash: bool,
}

/// Why a path names nothing that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotBelow {
    /// It would be another path than the one that was matched.
    #[error("expected names without a slash or a NUL in them, and neither `.` nor `..`")]
    Traversal,
    /// A component begins with a dot.
    #[error("expected no hidden name")]
    Hidden,
}

// === impl Below ===

impl<'a> Below<'a> {
    /// Reads the path of a request. `hidden` lets names pass that begin with a dot.
    pub(crate) fn read(path: &'a str, hidden: bool) -> Result<Self, NotBelow> {
        let has_slash = path.ends_with('/');
        let path = path.strip_prefix('/').unwrap_or(path);
        let bytes =
            if path.contains('%') { decode(path, hidden)?.into() } else { plain(path, hidden)?.into() };
        Ok(Self { bytes, has_slash })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// Whether a directory was asked for. Only this tells, where the path is the root itself.
    pub(crate) fn has_slash(&self) -> bool {
        self.has_slash
    }
}

fn plain(path: &str, hidden: bool) -> Result<&[u8], NotBelow> {
    for (name, is_last) in components(path) {
        check(name.as_bytes(), is_last, hidden)?;
    }
    Ok(path.as_bytes())
}

/// Component by component, because an escaped slash is a character of a name, and no name can have it.
fn decode(path: &str, hidden: bool) -> Result<Vec<u8>, NotBelow> {
    let mut bytes = Vec::with_capacity(path.len());
    for (name, is_last) in components(path) {
        let name: Cow<'_, [u8]> = percent_decode_str(name).into();
        check(&name, is_last, hidden)?;
        bytes.extend_from_slice(&name);
        if !is_last {
            bytes.push(b'/');
        }
    }
    Ok(bytes)
}

/// The components, and whether each is the last.
fn components(path: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut names = path.split('/').peekable();
    std::iter::from_fn(move || {
        let name = names.next()?;
        Some((name, names.peek().is_none()))
    })
}

fn check(name: &[u8], is_last: bool, hidden: bool) -> Result<(), NotBelow> {
    // Only the last may be empty: it is what a trailing slash leaves.
    if matches!(name, b"." | b"..")
        || (name.is_empty() && !is_last)
        || name.contains(&b'/')
        || name.contains(&0)
    {
        return Err(NotBelow::Traversal);
    }
    if !hidden && is_hidden(name) {
        return Err(NotBelow::Hidden);
    }
    Ok(())
}

/// Whether a name is one that is shown to nobody.
pub(crate) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") && name != WELL_KNOWN
}

/// The last component's extension, without its dot.
pub(crate) fn extension(path: &[u8]) -> Option<&[u8]> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    // `.profile` is a name without an extension.
    (dot > 0).then(|| &name[dot + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Outcome = Result<&'static [u8], NotBelow>;

    #[test]
    fn paths_are_decoded_once() {
        let rows: [(&str, Outcome, &str); 19] = [
            ("/", Ok(b""), "the root"),
            ("/a/b.txt", Ok(b"a/b.txt"), "as it is"),
            ("/a/", Ok(b"a/"), "a directory"),
            ("/a%20b", Ok(b"a b"), "a space"),
            ("/%C3%A9", Ok("é".as_bytes()), "UTF-8"),
            ("/%FF", Ok(b"\xff"), "what is no UTF-8 is a name too"),
            ("/%2561", Ok(b"%61"), "once, not twice"),
            ("/%252e%252e/x", Ok(b"%2e%2e/x"), "not twice for dots either"),
            ("/a%5Cb", Ok(b"a\\b"), "a backslash separates nothing"),
            ("/a%2Fb", Err(NotBelow::Traversal), "a slash cannot be part of a name"),
            ("/a%2fb", Err(NotBelow::Traversal), "in small letters"),
            ("/..%2F..%2Fetc/passwd", Err(NotBelow::Traversal), "climbing"),
            ("/../x", Err(NotBelow::Traversal), "nor where nobody has normalised it"),
            ("/%2e%2e/x", Err(NotBelow::Traversal), "nor encoded"),
            ("/a//b", Err(NotBelow::Traversal), "an empty name"),
            ("/a%00.txt", Err(NotBelow::Traversal), "a NUL ends a name for the system"),
            ("/.git/config", Err(NotBelow::Hidden), "hidden"),
            ("/a/%2Egit", Err(NotBelow::Hidden), "hidden, encoded"),
            ("/.well-known/acme", Ok(b".well-known/acme"), "made to be seen"),
        ];
        for (path, expected, row) in rows {
            let below = Below::read(path, false);
            assert_eq!(
                below.as_ref().map(Below::bytes),
                expected.as_ref().map(|bytes| *bytes),
                "{row}: {path}"
            );
        }
        assert!(Below::read("/.git/config", true).is_ok(), "unless they are wanted");
    }

    #[test]
    fn an_extension_is_what_stands_behind_the_last_dot_of_the_name() {
        let rows: [(&str, Option<&str>); 6] = [
            ("a.js", Some("js")),
            ("a.tar.gz", Some("gz")),
            ("dir.d/name", None),
            (".profile", None),
            ("a.", Some("")),
            ("", None),
        ];
        for (path, expected) in rows {
            assert_eq!(extension(path.as_bytes()), expected.map(str::as_bytes), "{path}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_let_through_leaves_the_root(path in "/(\\.|/|%2e|%2F|%5c|%00|%25|a|é){0,24}") {
            if let Ok(below) = Below::read(&path, true) {
                let bytes = below.bytes();
                let mut names: Vec<_> = bytes.split(|byte| *byte == b'/').collect();
                names.pop_if(|last| last.is_empty());
                for name in names {
                    prop_assert!(!matches!(name, b"" | b"." | b".."), "{path} gave {bytes:?}");
                    prop_assert!(!name.contains(&0), "{path} gave {bytes:?}");
                }
            }
        }
    }
}
