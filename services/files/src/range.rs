//! Which bytes of a file a client wants (RFC 9110, 14).

use http::HeaderValue;

/// The most ranges in one request. Whoever wants more gets the whole file, which is cheaper.
const MOST: usize = 16;
/// Ranges with fewer bytes between them are sent as one, because the head of a part is longer than that.
const GAP: u64 = 80;

/// A part of a file, from its first byte to the one behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// What a `Range` comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: there is no range, or none that can be read, or too many.
    Whole,
    /// One part.
    One(Span),
    /// Several, at least two.
    Several(Vec<Span>),
    /// None that the file has: 416.
    Nothing,
}

// === impl Span ===

impl Span {
    pub(crate) fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The value of `Content-Range`.
    pub(crate) fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end.saturating_sub(1))
    }
}

// === impl Wanted ===

impl Wanted {
    /// Reads a `Range` for a file of `size` bytes.
    pub(crate) fn read(range: Option<&HeaderValue>, size: u64) -> Self {
        // Some clients put a range on every request. An empty file has no byte to give them, and is sent all the same.
        let range = range.filter(|_| size > 0);
        let Some(set) = range.and_then(|range| range.to_str().ok()).and_then(byte_ranges) else {
            return Self::Whole;
        };
        let mut spans = Vec::new();
        for (count, element) in
            set.split(',').map(str::trim).filter(|element| !element.is_empty()).enumerate()
        {
            match span(element, size) {
                Some(_) if count == MOST => return Self::Whole,
                Some(Some(span)) => spans.push(span),
                Some(None) => {}
                None => return Self::Whole,
            }
        }
        let is_empty = set.split(',').all(|element| element.trim().is_empty());
        match merged(spans).as_slice() {
            [] if is_empty => Self::Whole,
            [] => Self::Nothing,
            [one] => Self::One(*one),
            several => Self::Several(several.to_vec()),
        }
    }
}

/// What stands behind `bytes=`. Other units are nothing to us.
fn byte_ranges(range: &str) -> Option<&str> {
    let (unit, set) = range.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(set)
}

/// One element. `None` when it is no range, `Some(None)` when the file does not reach there.
fn span(element: &str, size: u64) -> Option<Option<Span>> {
    let (first, last) = element.split_once('-')?;
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    let span = match (first, last) {
        (None, None) => return None,
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), last) => {
            Span { start: first, end: last.map_or(size, |last| last.saturating_add(1).min(size)) }
        }
        (None, Some(suffix)) => Span { start: size.saturating_sub(suffix), end: size },
    };
    Some((span.start < span.end).then_some(span))
}

/// Digits, or nothing at all. A number that is too large is a large number.
fn number(digits: &str) -> Option<Option<u64>> {
    if digits.is_empty() {
        return Some(None);
    }
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(digits.parse().unwrap_or(u64::MAX)))
}

/// Ranges that overlap or all but touch become one. The client's order stays unless that happens.
fn merged(spans: Vec<Span>) -> Vec<Span> {
    let mut sorted = spans.clone();
    sorted.sort_by_key(|span| span.start);
    let mut merged: Vec<Span> = Vec::with_capacity(sorted.len());
    for span in sorted {
        match merged.last_mut() {
            Some(last) if span.start <= last.end.saturating_add(GAP) => last.end = last.end.max(span.end),
            Some(_) | None => merged.push(span),
        }
    }
    if merged.len() == spans.len() { spans } else { merged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(range: &str, size: u64) -> Wanted {
        Wanted::read(Some(&HeaderValue::from_str(range).unwrap()), size)
    }

    fn one(start: u64, end: u64) -> Wanted {
        Wanted::One(Span { start, end })
    }

    #[test]
    fn ranges_of_a_thousand_bytes() {
        let several = |spans: &[(u64, u64)]| {
            Wanted::Several(spans.iter().map(|(start, end)| Span { start: *start, end: *end }).collect())
        };
        let rows = [
            ("bytes=0-0", one(0, 1), "the first byte"),
            ("bytes=0-499", one(0, 500), "the first half"),
            ("bytes=500-", one(500, 1000), "the rest"),
            ("bytes=-1", one(999, 1000), "the last byte"),
            ("bytes=-2000", one(0, 1000), "more than there is"),
            ("bytes=900-5000", one(900, 1000), "beyond the end"),
            ("bytes=999-99999999999999999999999", one(999, 1000), "a number that is too large"),
            ("BYTES = 0-0", one(0, 1), "any spelling"),
            ("bytes=0-0,", one(0, 1), "an empty element"),
            ("bytes=1000-", Wanted::Nothing, "behind the end"),
            ("bytes=1000-1001,5000-", Wanted::Nothing, "all behind the end"),
            ("bytes=-0", Wanted::Nothing, "the last no bytes"),
            ("bytes=1000-,0-0", one(0, 1), "what there is"),
            ("bytes=0-0,500-501", several(&[(0, 1), (500, 502)]), "two"),
            ("bytes=500-501,0-0", several(&[(500, 502), (0, 1)]), "in the client's order"),
            ("bytes=0-99,50-149", one(0, 150), "overlapping"),
            ("bytes=0-99,120-149", one(0, 150), "hardly apart"),
            ("bytes=500-599,0-9,550-699", several(&[(0, 10), (500, 700)]), "two of three overlap"),
            ("bytes=5-1", Wanted::Whole, "backwards"),
            ("bytes=a-b", Wanted::Whole, "no numbers"),
            ("bytes=-", Wanted::Whole, "nothing"),
            ("bytes=", Wanted::Whole, "nothing at all"),
            ("bytes=1-2,x", Wanted::Whole, "one that is none spoils all"),
            ("bytes=+1-2", Wanted::Whole, "a sign"),
            ("lines=1-2", Wanted::Whole, "another unit"),
            ("0-1", Wanted::Whole, "no unit"),
        ];
        for (range, expected, row) in rows {
            assert_eq!(read(range, 1000), expected, "{range}: {row}");
        }
        assert_eq!(Wanted::read(None, 1000), Wanted::Whole);
        assert_eq!(
            read("bytes=0-", 0),
            Wanted::Whole,
            "an empty file has no first byte, and is sent all the same"
        );
    }

    #[test]
    fn too_many_ranges_are_the_whole_file() {
        let many = |count: u64| {
            let ranges: Vec<_> = (0..count).map(|n| format!("{0}-{0}", n * 1000)).collect();
            read(&format!("bytes={}", ranges.join(",")), 1 << 20)
        };
        assert!(matches!(many(16), Wanted::Several(spans) if spans.len() == 16));
        assert_eq!(many(17), Wanted::Whole);
        assert_eq!(many(1000), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn what_is_sent_is_there_and_never_twice(
            ranges in proptest::collection::vec((0_u64..2000, proptest::option::of(0_u64..2000)), 1..16),
            size in 0_u64..1500,
        ) {
            let text: Vec<_> = ranges
                .iter()
                .map(|(first, last)| format!("{first}-{}", last.map(|last| last.to_string()).unwrap_or_default()))
                .collect();
            let spans = match read(&format!("bytes={}", text.join(",")), size) {
                Wanted::One(span) => vec![span],
                Wanted::Several(spans) => spans,
                Wanted::Whole | Wanted::Nothing => vec![],
            };
            let sum: u64 = spans.iter().map(|span| span.length()).sum();
            prop_assert!(sum <= size, "{text:?} of {size} gave {spans:?}");
            for span in spans {
                prop_assert!(span.start < span.end && span.end <= size, "{text:?} of {size} gave {span:?}");
            }
        }
    }
}
