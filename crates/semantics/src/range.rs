//! Which bytes a client wants (RFC 9110, 14).

use std::ops::Range;

use http::{HeaderMap, header};

/// The most ranges in one request. Whoever wants more gets the whole, which is cheaper.
const MOST: usize = 16;
/// Ranges with fewer bytes between them are sent as one, because the head of a part is longer than that.
const GAP: u64 = 80;

/// A part of a content, from its first byte to the one behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u64,
    /// The byte behind the last one.
    pub end: u64,
}

/// What a `Range` comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: there is no range, or none that can be read, or too many.
    Whole,
    /// One part.
    One(Span),
    /// Several, at least two, none of which touches another.
    Several(Vec<Span>),
    /// None that is there: 416.
    Nothing,
}

// === impl Span ===

impl Span {
    /// How many bytes it has.
    pub fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The same as a place in memory that has `length` bytes. It never lies beyond their end.
    pub fn within(self, length: usize) -> Range<usize> {
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(length);
        index(self.start)..index(self.end)
    }

    /// The value of `Content-Range`, of a content of `size` bytes.
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end.saturating_sub(1))
    }
}

// === impl Wanted ===

impl Wanted {
    /// Reads the `Range` of a request for a content of `size` bytes. It counts for GET alone (RFC 9110, 14.2), and only if its
    /// condition holds; see [`Verdict`](crate::Verdict).
    pub fn of(request: &HeaderMap, size: u64) -> Self {
        // Some clients put a range on every request. An empty content has no byte to give them, and is sent all the same.
        let range = request.get(header::RANGE).filter(|_| size > 0);
        let Some(set) = range.and_then(|range| range.to_str().ok()).and_then(byte_ranges) else {
            return Self::Whole;
        };
        let mut elements = set.split(',').map(str::trim).filter(|element| !element.is_empty()).peekable();
        if elements.peek().is_none() {
            return Self::Whole;
        }
        let mut spans = Vec::new();
        for (count, element) in elements.enumerate() {
            match span(element, size) {
                Some(_) if count == MOST => return Self::Whole,
                Some(Some(span)) => spans.push(span),
                Some(None) => {}
                None => return Self::Whole,
            }
        }
        match merged(spans).as_slice() {
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

/// One element. `None` when it is no range, `Some(None)` when the content does not reach there.
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
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(range: &str, size: u64) -> Wanted {
        let value = HeaderValue::from_str(range).unwrap();
        Wanted::of(&HeaderMap::from_iter([(header::RANGE, value)]), size)
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
            ("bytes=+1-2", Wanted::Whole, "no digits"),
            ("bytes=-", Wanted::Whole, "nothing"),
            ("bytes=", Wanted::Whole, "nothing at all"),
            ("bytes=1-2,x", Wanted::Whole, "one that is none spoils all"),
            ("lines=1-2", Wanted::Whole, "another unit"),
            ("0-1", Wanted::Whole, "no unit"),
        ];
        for (range, expected, row) in rows {
            assert_eq!(read(range, 1000), expected, "{range}: {row}");
        }
        assert_eq!(Wanted::of(&HeaderMap::new(), 1000), Wanted::Whole);
        assert_eq!(read("bytes=0-", 0), Wanted::Whole, "what is empty is sent all the same");
    }

    #[test]
    fn too_many_ranges_are_the_whole() {
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
        fn every_byte_that_is_wanted_is_sent_once_and_no_other_but_in_a_gap(
            ranges in proptest::collection::vec(
                (proptest::option::of(0_u64..2000), proptest::option::of(0_u64..2000)),
                1..MOST + 3,
            ),
            size in 1_u64..1500,
        ) {
            let number = |number: &Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
            let text: Vec<_> =
                ranges.iter().map(|(first, last)| format!("{}-{}", number(first), number(last))).collect();
            let text = format!("bytes={}", text.join(","));
            let is_bad = |range: &(Option<u64>, Option<u64>)| match range {
                (None, None) => true,
                (Some(first), Some(last)) => last < first,
                _ => false,
            };
            let is_in = |byte: u64, range: &(Option<u64>, Option<u64>)| match range {
                (Some(first), last) => *first <= byte && last.is_none_or(|last| byte <= last),
                (None, Some(last)) => byte + last >= size,
                (None, None) => false,
            };
            let wanted: Vec<bool> =
                (0..size).map(|byte| ranges.iter().any(|range| is_in(byte, range))).collect();
            let spans = match read(&text, size) {
                Wanted::Whole => {
                    prop_assert!(ranges.len() > MOST || ranges.iter().any(is_bad), "{}", text);
                    return Ok(());
                }
                Wanted::Nothing => vec![],
                Wanted::One(span) => vec![span],
                Wanted::Several(spans) => {
                    prop_assert!(spans.len() > 1);
                    spans
                }
            };
            prop_assert!(ranges.len() <= MOST && !ranges.iter().any(is_bad), "{} gave {:?}", text, spans);
            let mut sent = vec![0; usize::try_from(size).unwrap()];
            for span in &spans {
                prop_assert!(span.start < span.end && span.end <= size, "{} of {} gave {:?}", text, size, span);
                prop_assert!(wanted[span.within(wanted.len())][0] && wanted[span.end as usize - 1], "{}", text);
                sent[span.within(wanted.len())].iter_mut().for_each(|times| *times += 1);
            }
            let mut gap = 0;
            for (byte, times) in sent.iter().enumerate() {
                prop_assert!(*times <= 1, "{} sends {} twice", text, byte);
                prop_assert!(*times == 1 || !wanted[byte], "{} does not send {}", text, byte);
                gap = if *times == 1 && !wanted[byte] { gap + 1 } else { 0 };
                prop_assert!(gap <= GAP, "{} sends {} and more before it in vain", text, byte);
            }
        }
    }
}
