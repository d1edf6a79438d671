//! What `Cache-Control` says (RFC 9111, 5.2), in an answer and in a request.

use std::time::Duration;

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderName};

/// RFC 9111, 1.2.2: what is too large to count is this.
const LONGEST: u64 = 1 << 31;

/// Everything that is understood of it. The first mention of a directive counts (RFC 9111, 4.2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: Scope,
    pub(crate) private: Scope,
    pub(crate) public: bool,
    /// `must-revalidate`, or `proxy-revalidate`, which is the same for a shared cache.
    pub(crate) must_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    pub(crate) min_fresh: Option<Duration>,
    /// Without a value any staleness will do.
    pub(crate) max_stale: Option<Duration>,
}

/// What a directive is about that may name header fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The directive is not there.
    #[default]
    Nothing,
    /// These fields alone.
    Fields(Vec<HeaderName>),
    /// The whole answer.
    All,
}

// === impl Directives ===

impl Directives {
    /// Reads all lines of `Cache-Control` in the head of an answer.
    pub(crate) fn of_answer(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            for part in parts(line.as_bytes()) {
                found.hear(part);
            }
        }
        found
    }

    /// The same for a request, where an HTTP/1.0 client may say `Pragma: no-cache` instead (RFC 9111, 5.4).
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        let mut found = Self::of_answer(headers);
        if !headers.contains_key(CACHE_CONTROL) {
            let pragma = headers.get_all(PRAGMA).iter().flat_map(|line| parts(line.as_bytes()));
            if pragma.into_iter().any(|part| part.eq_ignore_ascii_case(b"no-cache")) {
                found.no_cache = Scope::All;
            }
        }
        found
    }

    fn hear(&mut self, part: &[u8]) {
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(equals) => (part[..equals].trim_ascii(), Some(part[equals + 1..].trim_ascii())),
            None => (part, None),
        };
        let first = |slot: &mut Option<Duration>, otherwise| {
            slot.get_or_insert_with(|| seconds(value).unwrap_or(otherwise));
        };
        // What cannot be read makes an answer stale rather than fresh.
        let none = Duration::ZERO;
        match name.to_ascii_lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache.hear(value),
            b"private" => self.private.hear(value),
            b"public" => self.public = true,
            b"must-revalidate" | b"proxy-revalidate" => self.must_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => first(&mut self.max_age, none),
            b"s-maxage" => first(&mut self.s_maxage, none),
            b"stale-while-revalidate" => first(&mut self.stale_while_revalidate, none),
            b"stale-if-error" => first(&mut self.stale_if_error, none),
            b"min-fresh" => first(&mut self.min_fresh, none),
            b"max-stale" => {
                first(&mut self.max_stale, if value.is_none() { Duration::from_secs(LONGEST) } else { none });
            }
            _ => {}
        }
    }
}

// === impl Scope ===

impl Scope {
    fn hear(&mut self, value: Option<&[u8]>) {
        let fields = value.map(unquoted).map(|list| {
            let names = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            names.filter(|name| !name.is_empty()).map(HeaderName::from_bytes).collect::<Result<Vec<_>, _>>()
        });
        *self = match (std::mem::take(self), fields) {
            (Self::Nothing, Some(Ok(fields))) if !fields.is_empty() => Self::Fields(fields),
            (Self::Fields(mut all), Some(Ok(fields))) if !fields.is_empty() => {
                all.extend(fields);
                Self::Fields(all)
            }
            // Without names, or with some that are none, it is about everything.
            _ => Self::All,
        };
    }

    /// The fields that it names.
    pub(crate) fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(fields) => fields,
            Self::Nothing | Self::All => &[],
        }
    }
}

/// The parts of a list, whose commas may stand in quotes.
pub(crate) fn parts(list: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in list.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                parts.push(list[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[start..].trim_ascii());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The inside of a quoted string; anything else as it stands.
fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// A whole number of seconds (RFC 9111, 1.2.2). A quoted one is taken as well.
fn seconds(value: Option<&[u8]>) -> Option<Duration> {
    let digits = unquoted(value?);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse::<u64>().unwrap_or(LONGEST);
    Some(Duration::from_secs(number.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Directives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, line.parse().unwrap());
        }
        Directives::of_answer(&headers)
    }

    #[test]
    fn directives_are_found_however_they_are_written() {
        let secs = |secs| Some(Duration::from_secs(secs));
        let none = Directives::default;
        let rows: [(&[&str], Directives, &str); 17] = [
            (&[], none(), "nothing is said"),
            (&["max-age=60"], Directives { max_age: secs(60), ..none() }, "the usual"),
            (&["MAX-AGE=60"], Directives { max_age: secs(60), ..none() }, "names have no case"),
            (&["max-age=\"60\""], Directives { max_age: secs(60), ..none() }, "quoted, against the rules"),
            (&["max-age = 60"], Directives { max_age: secs(60), ..none() }, "with spaces, against the rules"),
            (&["max-age=60, max-age=5"], Directives { max_age: secs(60), ..none() }, "the first counts"),
            (
                &["max-age=60", "s-maxage=5"],
                Directives { max_age: secs(60), s_maxage: secs(5), ..none() },
                "two lines",
            ),
            (&["max-age=1.5"], Directives { max_age: secs(0), ..none() }, "not a whole number: stale"),
            (&["max-age=-1"], Directives { max_age: secs(0), ..none() }, "negative: stale"),
            (&["max-age"], Directives { max_age: secs(0), ..none() }, "no number: stale"),
            (
                &["max-age=99999999999999999999"],
                Directives { max_age: secs(LONGEST), ..none() },
                "no overflow",
            ),
            (&["no-cache"], Directives { no_cache: Scope::All, ..none() }, "all of it"),
            (&["private=\"\""], Directives { private: Scope::All, ..none() }, "no names: all of it"),
            (&["ext=\"no-store, x\", public"], Directives { public: true, ..none() }, "a comma in quotes"),
            (&["ext=\"\\\", no-store\""], Directives { ..none() }, "an escaped quote"),
            (&["proxy-revalidate"], Directives { must_revalidate: true, ..none() }, "the same for us"),
            (&["max-stale"], Directives { max_stale: secs(LONGEST), ..none() }, "any staleness"),
        ];
        for (lines, expected, row) in rows {
            assert_eq!(read(lines), expected, "{row}: {lines:?}");
        }
        let fields = read(&["no-cache=\"Set-Cookie, X-User\""]);
        assert_eq!(fields.no_cache.fields(), ["set-cookie", "x-user"]);
    }

    proptest! {
        #[test]
        fn no_line_is_a_surprise(line in "[ -~]{0,80}") {
            let whole = read(&[&line]);
            // What forbids keeping is found wherever it stands outside of quotes.
            if !line.contains(['"', '\\']) {
                let forbidden = read(&[&format!("{line}, no-store")]);
                prop_assert!(forbidden.no_store);
                prop_assert_eq!(read(&[&line, "x"]), whole);
            }
        }
    }
}
