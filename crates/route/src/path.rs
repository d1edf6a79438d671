//! One spelling for every path.
//!
//! `/api`, `//api`, `/%61pi` and `/x/%2e%2e/api` name one resource to most servers. A proxy that compares
//! them as written can be talked past its own rules, so every request path and every pattern goes through
//! [`normalise`], and only its answer is compared or forwarded.

use crate::percent;
use std::borrow::Cow;

/// Why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It does not start at the root.
    #[error("expected a path that starts with `/`, was {0:?}")]
    NotRooted(String),

    /// A `%` without two hexadecimal digits behind it.
    #[error("expected two hexadecimal digits after `%`, was {0:?}")]
    Escape(String),

    /// A NUL byte, raw or as `%00`: it ends a string in some servers and not in others.
    #[error("a path may not hold a NUL byte")]
    Nul,

    /// A raw control character.
    #[error("a path may not hold the control character {0:?}")]
    Control(char),

    /// `?` or `#`: what follows is not path any more.
    #[error("expected a path alone, was followed by {0:?}")]
    Delimiter(char),
}

/// Brings a path into the one spelling that rules are compared with.
///
/// * Escapes of unreserved characters are decoded, all others get upper-case digits (RFC 3986 section 6.2.2).
///   `%2F` stays as it is: it is a character of a segment, not a separator.
/// * Characters that a URI may not hold raw (a space, `"`, `\`, `é` …) become escapes, so that a pattern may
///   be written as people read it.
/// * Runs of slashes become one slash. Then dot segments are resolved, encoded ones too; a path that climbs
///   above the root ends at the root (RFC 3986 section 5.2.4).
///
/// The answer starts with `/`, holds only ASCII, and has no `//`, `/./` or `/../`. Normalising it again
/// changes nothing. A path that is already normal is borrowed: no allocation.
///
/// The asterisk of `OPTIONS *` is not a path. It is refused here; answer such a request before it is routed.
///
/// # Errors
///
/// [`InvalidPath`] when the path does not start with `/`, holds a broken escape, a NUL (raw or `%00`), a raw
/// control character, or a `?` or `#`.
pub fn normalise(raw: &str) -> Result<Cow<'_, str>, InvalidPath> {
    match raw.strip_prefix('/') {
        Some(segments) if is_normal(segments) => Ok(Cow::Borrowed(raw)),
        Some(segments) => rewrite(segments).map(Cow::Owned),
        None => Err(InvalidPath::NotRooted(raw.to_owned())),
    }
}

/// Whether the path with these segments would come out of [`rewrite`] as it went in.
fn is_normal(segments: &str) -> bool {
    let mut segments = segments.split('/');
    // Only the last segment may be empty: it is what a trailing slash leaves.
    let last = segments.next_back().unwrap_or_default();
    is_normal_segment(last) && segments.all(|segment| !segment.is_empty() && is_normal_segment(segment))
}

fn is_normal_segment(segment: &str) -> bool {
    if matches!(segment, "." | "..") {
        return false;
    }
    let mut rest = segment.as_bytes();
    loop {
        match rest {
            [] => return true,
            [b'%', high, low, tail @ ..] if is_normal_escape(rest, *high, *low) => rest = tail,
            [byte, tail @ ..] if is_segment_byte(*byte) => rest = tail,
            _ => return false,
        }
    }
}

fn is_normal_escape(text: &[u8], high: u8, low: u8) -> bool {
    let kept = percent::escape(text).is_some_and(|(byte, _)| byte != 0 && !is_unreserved(byte));
    kept && !high.is_ascii_lowercase() && !low.is_ascii_lowercase()
}

fn rewrite(segments: &str) -> Result<String, InvalidPath> {
    let mut path = String::with_capacity(segments.len() + 1);
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let parent = path.len();
        path.push('/');
        push_segment(&mut path, segment)?;
        // Compared after decoding, so that `%2e` counts as the dot it is.
        match &path[parent + 1..] {
            "" | "." => path.truncate(parent),
            ".." => {
                path.truncate(parent);
                path.truncate(path.rfind('/').unwrap_or(0));
            }
            _ => continue,
        }
        if segments.peek().is_none() {
            path.push('/');
        }
    }
    Ok(path)
}

fn push_segment(path: &mut String, segment: &str) -> Result<(), InvalidPath> {
    let mut rest = segment.as_bytes();
    while let [byte, tail @ ..] = rest {
        match *byte {
            b'%' => {
                let (byte, tail) = percent::escape(rest).ok_or_else(|| broken_escape(rest))?;
                match byte {
                    0 => return Err(InvalidPath::Nul),
                    byte if is_unreserved(byte) => path.push(char::from(byte)),
                    byte => percent::push_escape(path, byte),
                }
                rest = tail;
                continue;
            }
            0 => return Err(InvalidPath::Nul),
            b'?' | b'#' => return Err(InvalidPath::Delimiter(char::from(*byte))),
            byte if byte.is_ascii_control() => return Err(InvalidPath::Control(char::from(byte))),
            byte if is_segment_byte(byte) => path.push(char::from(byte)),
            byte => percent::push_escape(path, byte),
        }
        rest = tail;
    }
    Ok(())
}

fn broken_escape(text: &[u8]) -> InvalidPath {
    InvalidPath::Escape(String::from_utf8_lossy(text).chars().take(3).collect())
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand raw in a segment: `pchar` of RFC 3986 section 3.3, escapes apart.
const fn is_segment_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vectors() {
        for (raw, expected, why) in [
            ("/", "/", "the root"),
            ("/a/b", "/a/b", "already normal"),
            ("/a/b/", "/a/b/", "a trailing slash means something"),
            ("/%61pi", "/api", "unreserved characters are decoded"),
            ("/%7euser", "/~user", "the tilde is unreserved"),
            ("/a%2fb", "/a%2Fb", "an encoded slash separates nothing"),
            ("/a%2F..%2fb", "/a%2F..%2Fb", "nor does it make dot segments"),
            ("/%2541", "/%2541", "decoded once, not twice"),
            ("/%c3%a9", "/%C3%A9", "digits are upper-cased"),
            ("/café", "/caf%C3%A9", "a pattern may be written as it is read"),
            ("/a b\"c", "/a%20b%22c", "nor may a URI hold these"),
            ("/a\\..\\b", "/a%5C..%5Cb", "a backslash is no separator, and cannot be taken for one"),
            ("//a///b//", "/a/b/", "slashes collapse"),
            ("/./a/./b/.", "/a/b/", "single dots vanish, the last leaves its slash"),
            ("/a/../b", "/b", "double dots climb"),
            ("/a/b/..", "/a/", "as in RFC 3986 5.2.4"),
            ("/a//../b", "/b", "slashes collapse before dots climb"),
            ("/..", "/", "there is nothing above the root"),
            ("/../../etc", "/etc", "nor two levels above it"),
            ("/a/%2e%2E/b", "/b", "encoded dots are dots"),
            ("/a/.%2e/b", "/b", "half-encoded ones too"),
            ("/a/%2e", "/a/", "an encoded single dot"),
            ("/...", "/...", "three dots are a name"),
            ("/a/.hidden/..b", "/a/.hidden/..b", "dots within names are names"),
            ("/b/c/./../g", "/b/g", "RFC 3986 5.4.2"),
            ("/a/b;x=1/c:d@e", "/a/b;x=1/c:d@e", "sub-delimiters stay"),
            ("/..;/a", "/..;/a", "a parameter makes it a name"),
            ("/%0a", "/%0A", "an encoded control character stays encoded"),
        ] {
            assert_eq!(normalise(raw).as_deref(), Ok(expected), "{raw}: {why}");
        }
    }

    #[test]
    fn refused() {
        for (raw, expected) in [
            ("", InvalidPath::NotRooted(String::new())),
            ("*", InvalidPath::NotRooted("*".to_owned())),
            ("a/b", InvalidPath::NotRooted("a/b".to_owned())),
            ("http://a/", InvalidPath::NotRooted("http://a/".to_owned())),
            ("/%", InvalidPath::Escape("%".to_owned())),
            ("/%4", InvalidPath::Escape("%4".to_owned())),
            ("/a%zz", InvalidPath::Escape("%zz".to_owned())),
            ("/%4/1", InvalidPath::Escape("%4".to_owned())),
            ("/%00", InvalidPath::Nul),
            ("/a\0", InvalidPath::Nul),
            ("/a\r\n", InvalidPath::Control('\r')),
            ("/\x7f", InvalidPath::Control('\x7f')),
            ("/a?b", InvalidPath::Delimiter('?')),
            ("/a#b", InvalidPath::Delimiter('#')),
            ("/a%00/../b", InvalidPath::Nul),
        ] {
            assert_eq!(normalise(raw), Err(expected), "{raw:?}");
        }
    }

    #[test]
    fn a_normal_path_is_borrowed() {
        for path in ["/", "/a", "/a/b/", "/caf%C3%A9/x;y=(1)", "/a%2Fb"] {
            assert!(matches!(normalise(path), Ok(Cow::Borrowed(_))), "{path}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn idempotent_and_clean(raw in "/(\\.|/|%2e|%2F|%5c|%25|2|e|a|é| |%){0,24}") {
            if let Ok(once) = normalise(&raw) {
                let again = normalise(&once);
                let unchanged = matches!(&again, Ok(Cow::Borrowed(twice)) if **twice == *once);
                prop_assert!(unchanged, "{raw} gave {once}, then {again:?}");
                prop_assert!(once.starts_with('/') && once.is_ascii());
                let closed = format!("{once}/");
                for segment in ["/./", "/../"] {
                    prop_assert!(!closed.contains(segment), "{raw} gave {once}");
                }
                prop_assert!(!once.contains("//"), "{raw} gave {once}");
            }
        }

        #[test]
        fn never_panics(raw in any::<String>()) {
            let rooted = format!("/{raw}");
            if let Ok(once) = normalise(&rooted) {
                let again = normalise(&once);
                prop_assert_eq!(again.as_deref(), Ok(&*once));
            }
        }
    }
}
