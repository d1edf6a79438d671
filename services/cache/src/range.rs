//! A part of what is kept (RFC 9110, 14).
//!
//! One range is answered with its bytes. Several at once are answered with the whole, which a server may always do: nobody
//! but downloaders of old asks for them, and an answer in many small parts costs more than the whole.

use std::ops::Range;

use http::HeaderMap;
use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};

use crate::freshness::date;

/// What a request wants of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<usize>),
    /// Bytes that are not there: 416.
    Nothing,
}

/// What a request wants of an answer with this head and so many bytes.
pub(crate) fn wanted(request: &HeaderMap, answer: &HeaderMap, length: usize) -> Wanted {
    let Some(range) = request.get(RANGE).filter(|_| still_holds(request, answer)) else {
        return Wanted::Whole;
    };
    range.to_str().ok().and_then(|range| parse(range, length)).unwrap_or(Wanted::Whole)
}

/// `If-Range`: the range is meant for one version, by a strong tag or by its exact date (RFC 9110, 13.1.5).
fn still_holds(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(version) = request.get(IF_RANGE) else { return true };
    if version.as_bytes().starts_with(b"\"") {
        return answer.get(ETAG).is_some_and(|etag| etag == version);
    }
    let asked = date(request, &IF_RANGE);
    asked.is_some() && asked == date(answer, &LAST_MODIFIED)
}

/// `None` is what does not have to be understood.
fn parse(range: &str, length: usize) -> Option<Wanted> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let number = |text: &str| match text {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(digits.parse::<usize>().unwrap_or(usize::MAX)))
        }
        _ => None,
    };
    let part = match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(suffix)) => length.saturating_sub(suffix)..length,
        (Some(first), None) => first..length,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(_), Some(_)) => return None,
    };
    Some(if part.start < part.end { Wanted::Part(part) } else { Wanted::Nothing })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask(range: &str, if_range: Option<&str>) -> Wanted {
        let mut request = HeaderMap::new();
        request.insert(RANGE, range.parse().unwrap());
        if let Some(version) = if_range {
            request.insert(IF_RANGE, version.parse().unwrap());
        }
        let mut answer = HeaderMap::new();
        answer.insert(ETAG, "\"a\"".parse().unwrap());
        answer.insert(LAST_MODIFIED, "Mon, 02 Nov 2026 08:00:00 GMT".parse().unwrap());
        wanted(&request, &answer, 10)
    }

    #[test]
    fn one_range_is_cut_out() {
        let rows = [
            ("bytes=0-3", Wanted::Part(0..4), "from the start"),
            ("bytes=4-", Wanted::Part(4..10), "to the end"),
            ("bytes=-3", Wanted::Part(7..10), "the last three"),
            ("bytes=-30", Wanted::Part(0..10), "the last of more than there is"),
            ("bytes=8-99", Wanted::Part(8..10), "beyond the end"),
            ("Bytes=0-0", Wanted::Part(0..1), "one byte; units have no case"),
            ("bytes=10-", Wanted::Nothing, "behind the end"),
            ("bytes=-0", Wanted::Nothing, "the last none"),
            ("bytes=5-4", Wanted::Whole, "no range"),
            ("bytes=a-b", Wanted::Whole, "no numbers"),
            ("bytes=+1-2", Wanted::Whole, "no digits"),
            ("bytes=0-1,3-4", Wanted::Whole, "several"),
            ("lines=0-1", Wanted::Whole, "another unit"),
            ("bytes=0-99999999999999999999", Wanted::Part(0..10), "no overflow"),
        ];
        for (range, expected, row) in rows {
            assert_eq!(ask(range, None), expected, "{row}: {range}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_the_whole() {
        let part = Wanted::Part(0..4);
        let rows = [
            ("\"a\"", part.clone(), "this version"),
            ("\"b\"", Wanted::Whole, "another"),
            ("W/\"a\"", Wanted::Whole, "a weak tag names no bytes"),
            ("Mon, 02 Nov 2026 08:00:00 GMT", part, "of this date"),
            ("Tue, 03 Nov 2026 08:00:00 GMT", Wanted::Whole, "of another, later or not"),
            ("soon", Wanted::Whole, "not a date"),
        ];
        for (version, expected, row) in rows {
            assert_eq!(ask("bytes=0-3", Some(version)), expected, "{row}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_body(range in "bytes=[0-9]{0,4}-[0-9]{0,4}", length in 0usize..2000) {
            if let Some(Wanted::Part(part)) = parse(&range, length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}
