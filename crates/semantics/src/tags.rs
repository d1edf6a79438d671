//! Entity tags: names of versions (RFC 9110, 8.8.3).

/// The name of one version of what is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTag<'a> {
    /// Quotes included.
    opaque: &'a [u8],
    is_weak: bool,
}

// === impl EntityTag ===

impl<'a> EntityTag<'a> {
    /// Reads the value of an `ETag`. Some servers forget the quotes; what they write names a version all the same.
    pub fn read(text: &'a [u8]) -> Self {
        match text.strip_prefix(b"W/") {
            Some(opaque) => Self { opaque, is_weak: true },
            None => Self { opaque: text, is_weak: false },
        }
    }

    /// Whether the other version can be shown in the stead of this one: the weak comparison (RFC 9110, 8.8.3.2).
    pub fn is_like(self, other: EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }

    /// Whether the other version is this one, byte for byte: the strong comparison.
    pub fn is_exactly(self, other: EntityTag<'_>) -> bool {
        !self.is_weak && self == other
    }

    /// Whether versions may have this tag that differ in bytes.
    pub fn is_weak(self) -> bool {
        self.is_weak
    }

    /// Whether it stands for any version: a condition's `*`.
    pub(crate) fn is_any(self) -> bool {
        !self.is_weak && self.opaque == b"*"
    }
}

/// The tags of a list such as `"a", W/"b"`. A comma within quotes belongs to a tag; what has no quotes ends at the next one.
pub fn tags(list: &[u8]) -> impl Iterator<Item = EntityTag<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        rest = &rest[start..];
        let text = rest.strip_prefix(b"W/").unwrap_or(rest);
        let closing = text.strip_prefix(b"\"").and_then(|text| text.iter().position(|byte| *byte == b'"'));
        let end = match closing {
            Some(closing) => rest.len() - text.len() + closing + 2,
            None => rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len()),
        };
        let (tag, behind) = rest.split_at(end);
        rest = behind;
        Some(EntityTag::read(tag.trim_ascii_end()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_compared_as_the_rfc_has_it() {
        // RFC 9110, 8.8.3.2, table 3.
        let rows = [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ];
        for (one, other, strongly, weakly) in rows {
            let (a, b) = (EntityTag::read(one.as_bytes()), EntityTag::read(other.as_bytes()));
            assert_eq!((a.is_exactly(b), b.is_exactly(a)), (strongly, strongly), "{one} and {other}");
            assert_eq!((a.is_like(b), b.is_like(a)), (weakly, weakly), "{one} and {other}");
        }
    }

    #[test]
    fn a_list_is_read_whatever_is_in_it() {
        let rows: [(&str, &[&str], &str); 8] = [
            ("\"a\"", &["\"a\""], "one"),
            ("\"a\", W/\"b\"", &["\"a\"", "W/\"b\""], "two"),
            ("\"a,b\",\"c\"", &["\"a,b\"", "\"c\""], "a comma within a tag"),
            ("\"a\\\",\"b\"", &["\"a\\\"", "\"b\""], "a tag has no escapes"),
            (" ,, \"a\" ,", &["\"a\""], "empty elements"),
            ("a , \"b\"", &["a", "\"b\""], "without quotes"),
            ("W/, \"b\"", &["W/", "\"b\""], "half a tag"),
            ("", &[], "nothing"),
        ];
        for (list, expected, row) in rows {
            let found: Vec<_> = tags(list.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|text| EntityTag::read(text.as_bytes())).collect();
            assert_eq!(found, expected, "{row}: {list}");
        }
    }

    proptest! {
        #[test]
        fn what_was_listed_is_found(written in proptest::collection::vec("(W/)?\"[!#-~]{0,5}\"", 0..6)) {
            let list = written.join(", ");
            let found: Vec<_> = tags(list.as_bytes()).collect();
            let expected: Vec<_> = written.iter().map(|text| EntityTag::read(text.as_bytes())).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_list_comes_to_an_end(list in "[W/\",*a ]{0,40}") {
            prop_assert!(tags(list.as_bytes()).count() <= list.len());
        }
    }
}
