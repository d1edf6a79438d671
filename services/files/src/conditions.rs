//! Requests with a condition, in the order of RFC 9110, 13.2.2.

use std::time::SystemTime;

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName};

use crate::stamp::Validators;

/// What the conditions of a GET or a HEAD come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on. Whether a `Range` counts is told by its own condition.
    Proceed { range: bool },
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client thinks it is.
    Failed,
}

/// Weighs the conditions of a request against what would be sent.
pub(crate) fn weigh(headers: &HeaderMap, current: &Validators) -> Verdict {
    let modified = current.modified.as_ref().map(|(modified, _)| *modified);
    // A condition on a tag makes the one on a date void, and a date that is none is no condition.
    let is_what_was_meant = match tags(headers, &IF_MATCH) {
        Some(tags) => tags.matches(current, Comparison::Strong),
        None => match (date(headers, &IF_UNMODIFIED_SINCE), modified) {
            (Some(date), Some(modified)) => modified <= date,
            (Some(_), None) | (None, _) => true,
        },
    };
    if !is_what_was_meant {
        return Verdict::Failed;
    }
    let is_known = match tags(headers, &IF_NONE_MATCH) {
        Some(tags) => tags.matches(current, Comparison::Weak),
        None => match (date(headers, &IF_MODIFIED_SINCE), modified) {
            (Some(date), Some(modified)) => modified <= date,
            (Some(_), None) | (None, _) => false,
        },
    };
    if is_known { Verdict::NotModified } else { Verdict::Proceed { range: range_counts(headers, current) } }
}

/// `If-Range` (RFC 9110, 13.1.5): a tag by strong comparison, or exactly the date.
fn range_counts(headers: &HeaderMap, current: &Validators) -> bool {
    let Some(condition) = headers.get(IF_RANGE) else { return true };
    if condition.as_bytes().starts_with(b"\"") {
        return condition == current.tag;
    }
    match (date(headers, &IF_RANGE), &current.modified) {
        (Some(date), Some((modified, _))) => date == *modified,
        (Some(_), None) | (None, _) => false,
    }
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// The tags of a condition, of which there may be several lines.
struct Tags<'a>(Vec<&'a str>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Tags<'a>> {
    let lines: Vec<_> =
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    (!lines.is_empty()).then_some(Tags(lines))
}

impl Tags<'_> {
    fn matches(&self, current: &Validators, comparison: Comparison) -> bool {
        let current = current.tag.as_bytes();
        self.0.iter().any(|line| {
            line.trim() == "*"
                || any_tag(line, |tag, is_weak| {
                    tag.as_bytes() == current && (comparison == Comparison::Weak || !is_weak)
                })
        })
    }
}

/// Goes through a list of tags, quotes included. What is no tag ends the list: a comma may stand within a tag, so nothing
/// tells where the next one begins.
fn any_tag(line: &str, mut wanted: impl FnMut(&str, bool) -> bool) -> bool {
    let mut rest = line.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (text, is_weak) = rest.strip_prefix("W/").map_or((rest, false), |text| (text, true));
        let Some(length) = text.strip_prefix('"').and_then(|text| text.find('"')) else { return false };
        let (tag, behind) = text.split_at(length + 2);
        if wanted(tag, is_weak) {
            return true;
        }
        rest = behind.trim_start_matches([' ', '\t', ',']);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::tests::stamp;
    use http::HeaderValue;

    type Conditions<'a> = &'a [(&'a str, &'a str)];

    const PROCEED: Verdict = Verdict::Proceed { range: true };
    const WHOLE: Verdict = Verdict::Proceed { range: false };
    /// The date of the file, and a second before and behind it.
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEHIND: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn verdict(conditions: &[(&str, &str)]) -> Verdict {
        let current =
            Validators { tag: HeaderValue::from_static("\"a\""), ..stamp(1, 784_111_777).validators(None) };
        let mut headers = HeaderMap::new();
        for (name, value) in conditions {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        weigh(&headers, &current)
    }

    #[test]
    fn each_condition_by_itself() {
        let rows = [
            ("if-none-match", "\"a\"", Verdict::NotModified, "known"),
            ("if-none-match", "W/\"a\"", Verdict::NotModified, "compared weakly"),
            ("if-none-match", "\"b\", \"a\"", Verdict::NotModified, "one of several"),
            ("if-none-match", "\"b,\",W/\"a\"", Verdict::NotModified, "a comma within a tag"),
            ("if-none-match", "*", Verdict::NotModified, "anything"),
            ("if-none-match", "\"b\"", PROCEED, "another"),
            ("if-none-match", "a", PROCEED, "no tag"),
            ("if-none-match", "", PROCEED, "nothing"),
            ("if-match", "\"a\"", PROCEED, "the one"),
            ("if-match", "*", PROCEED, "anything"),
            ("if-match", "W/\"a\"", Verdict::Failed, "compared strongly"),
            ("if-match", "\"b\"", Verdict::Failed, "another"),
            ("if-modified-since", DATE, Verdict::NotModified, "the same date"),
            ("if-modified-since", BEHIND, Verdict::NotModified, "a later one"),
            ("if-modified-since", BEFORE, PROCEED, "an earlier one"),
            ("if-modified-since", "yesterday", PROCEED, "no date"),
            (
                "if-modified-since",
                "Sunday, 06-Nov-94 08:49:37 GMT",
                Verdict::NotModified,
                "as RFC 850 had it",
            ),
            ("if-modified-since", "Sun Nov  6 08:49:37 1994", Verdict::NotModified, "as asctime has it"),
            ("if-unmodified-since", DATE, PROCEED, "the same date"),
            ("if-unmodified-since", BEHIND, PROCEED, "a later one"),
            ("if-unmodified-since", BEFORE, Verdict::Failed, "an earlier one"),
            ("if-unmodified-since", "yesterday", PROCEED, "no date"),
            ("if-range", "\"a\"", PROCEED, "the tag"),
            ("if-range", "W/\"a\"", WHOLE, "a weak tag is none"),
            ("if-range", "\"b\"", WHOLE, "another tag"),
            ("if-range", DATE, PROCEED, "the date"),
            ("if-range", BEHIND, WHOLE, "exactly the date"),
            ("if-range", "x", WHOLE, "neither"),
        ];
        for (name, value, expected, row) in rows {
            assert_eq!(verdict(&[(name, value)]), expected, "{name}: {value} - {row}");
        }
    }

    #[test]
    fn conditions_are_weighed_in_order() {
        let (same, other) = ("\"a\"", "\"b\"");
        let rows: [(Conditions<'_>, Verdict, &str); 8] = [
            (&[("if-match", same), ("if-unmodified-since", BEFORE)], PROCEED, "a tag makes the date void"),
            (&[("if-none-match", other), ("if-modified-since", BEHIND)], PROCEED, "there too"),
            (&[("if-none-match", same), ("if-modified-since", BEFORE)], Verdict::NotModified, "there too"),
            (&[("if-match", other), ("if-none-match", same)], Verdict::Failed, "412 before 304"),
            (
                &[("if-unmodified-since", BEFORE), ("if-modified-since", BEHIND)],
                Verdict::Failed,
                "412 before 304",
            ),
            (&[("if-match", same), ("if-none-match", same)], Verdict::NotModified, "both are asked"),
            (&[("if-none-match", same), ("if-range", other)], Verdict::NotModified, "304 before any range"),
            (
                &[("if-none-match", other), ("if-none-match", same)],
                Verdict::NotModified,
                "two lines are one list",
            ),
        ];
        for (conditions, expected, row) in rows {
            assert_eq!(verdict(conditions), expected, "{conditions:?} - {row}");
        }
    }

    #[test]
    fn a_file_from_the_future_has_no_date_to_compare() {
        let current = stamp(1, i64::from(u32::MAX)).validators(None);
        let mut headers = HeaderMap::new();
        headers.insert(IF_MODIFIED_SINCE, HeaderValue::from_static(DATE));
        assert_eq!(weigh(&headers, &current), PROCEED);
    }
}
