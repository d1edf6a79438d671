//! Requests with a condition, in the order of RFC 9110, 13.2.2.

use std::time::SystemTime;

use http::header::{
    ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName};

use crate::date;
use crate::tags::{EntityTag, tags};

/// What tells the version that would be sent from any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validators<'a> {
    /// Its name.
    pub tag: Option<EntityTag<'a>>,
    /// When it was made, in whole seconds.
    pub modified: Option<SystemTime>,
}

/// What the conditions of a GET or a HEAD come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on. Whether a `Range` counts is told by its own condition, `If-Range`.
    Proceed {
        /// It does.
        range: bool,
    },
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client thinks it is.
    Failed,
}

// === impl Validators ===

impl<'a> Validators<'a> {
    /// What the head of an answer says.
    pub fn of(answer: &'a HeaderMap) -> Self {
        Self {
            tag: answer.get(ETAG).map(|tag| EntityTag::read(tag.as_bytes())),
            modified: date::of(answer, &LAST_MODIFIED),
        }
    }

    /// Whether one of the tags in a condition names this version. `None` where there is no such condition.
    fn are_listed(
        &self,
        request: &HeaderMap,
        condition: &HeaderName,
        same: fn(EntityTag<'_>, EntityTag<'_>) -> bool,
    ) -> Option<bool> {
        let mut lines = request.get_all(condition).iter().peekable();
        lines.peek()?;
        let mut listed = lines.flat_map(|line| tags(line.as_bytes()));
        Some(listed.any(|tag| tag.is_any() || self.tag.is_some_and(|current| same(current, tag))))
    }

    /// Whether this version is as old as the date in a condition, or older. `None` where one of the two dates is none.
    fn are_as_old(&self, request: &HeaderMap, condition: &HeaderName) -> Option<bool> {
        Some(self.modified? <= date::of(request, condition)?)
    }
}

// === impl Verdict ===

impl Verdict {
    /// Weighs all conditions of a request, as whoever has the thing itself does.
    pub fn at_origin(request: &HeaderMap, current: &Validators<'_>) -> Self {
        // A condition on a tag makes the one on a date void, and a date that is none is no condition.
        let is_meant = current
            .are_listed(request, &IF_MATCH, |tag, listed| tag.is_exactly(listed))
            .or_else(|| current.are_as_old(request, &IF_UNMODIFIED_SINCE));
        if is_meant == Some(false) { Self::Failed } else { Self::in_cache(request, current) }
    }

    /// Weighs those that a cache may: whether a version is the one that is meant, the server alone can tell (RFC 9111, 4.3.2).
    pub fn in_cache(request: &HeaderMap, current: &Validators<'_>) -> Self {
        let is_known = current
            .are_listed(request, &IF_NONE_MATCH, |tag, listed| tag.is_like(listed))
            .or_else(|| current.are_as_old(request, &IF_MODIFIED_SINCE));
        if is_known == Some(true) {
            return Self::NotModified;
        }
        Self::Proceed { range: range_counts(request, current) }
    }
}

/// `If-Range` (RFC 9110, 13.1.5): a tag by strong comparison, or exactly the date.
fn range_counts(request: &HeaderMap, current: &Validators<'_>) -> bool {
    let Some(condition) = request.get(IF_RANGE) else { return true };
    if condition.as_bytes().starts_with(b"\"") {
        return current.tag.is_some_and(|tag| tag.is_exactly(EntityTag::read(condition.as_bytes())));
    }
    let asked = date::read(condition);
    asked.is_some() && asked == current.modified
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Conditions<'a> = &'a [(&'a str, &'a str)];

    const PROCEED: Verdict = Verdict::Proceed { range: true };
    const WHOLE: Verdict = Verdict::Proceed { range: false };
    /// The date of the version, and a second before and behind it.
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEHIND: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn head(lines: Conditions<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn verdict(conditions: Conditions<'_>) -> Verdict {
        let answer = head(&[("etag", "\"a\""), ("last-modified", DATE)]);
        Verdict::at_origin(&head(conditions), &Validators::of(&answer))
    }

    #[test]
    fn each_condition_by_itself() {
        let rows = [
            ("if-none-match", "\"a\"", Verdict::NotModified, "known"),
            ("if-none-match", "W/\"a\"", Verdict::NotModified, "compared weakly"),
            ("if-none-match", "\"b\", \"a\"", Verdict::NotModified, "one of several"),
            ("if-none-match", "\"b,\",W/\"a\"", Verdict::NotModified, "a comma within a tag"),
            ("if-none-match", "b, \"a\"", Verdict::NotModified, "one that has no quotes before it"),
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
            ("if-unmodified-since", DATE, PROCEED, "the same date"),
            ("if-unmodified-since", BEHIND, PROCEED, "a later one"),
            ("if-unmodified-since", BEFORE, Verdict::Failed, "an earlier one"),
            ("if-unmodified-since", "yesterday", PROCEED, "no date"),
            ("if-range", "\"a\"", PROCEED, "the tag"),
            ("if-range", "W/\"a\"", WHOLE, "a weak tag names no bytes"),
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
    fn what_is_not_known_of_a_version_matches_nothing() {
        let rows: [(Conditions<'_>, Conditions<'_>, Verdict, &str); 8] = [
            (&[], &[("if-none-match", "\"a\"")], PROCEED, "it has no tag"),
            (&[], &[("if-none-match", "*")], Verdict::NotModified, "it is there all the same"),
            (&[], &[("if-match", "\"a\"")], Verdict::Failed, "it has no tag"),
            (&[], &[("if-modified-since", DATE)], PROCEED, "it has no date"),
            (&[], &[("if-unmodified-since", DATE)], PROCEED, "there too"),
            (&[], &[("if-range", DATE)], WHOLE, "there too"),
            (&[("etag", "W/\"a\"")], &[("if-range", "\"a\"")], WHOLE, "its tag names no bytes"),
            (&[("etag", "a")], &[("if-none-match", "b, a")], Verdict::NotModified, "its tag has no quotes"),
        ];
        for (answer, conditions, expected, row) in rows {
            let answer = head(answer);
            let found = Verdict::at_origin(&head(conditions), &Validators::of(&answer));
            assert_eq!(found, expected, "{answer:?} and {conditions:?} - {row}");
        }
    }

    /// 13.2.2, step by step, on what each condition would say by itself.
    fn by_the_book(holds: [Option<bool>; 5], is_cache: bool) -> Verdict {
        let [matches, is_unmodified, matches_none, is_modified, range] = holds;
        if !is_cache {
            if matches == Some(false) {
                return Verdict::Failed;
            }
            if matches.is_none() && is_unmodified == Some(false) {
                return Verdict::Failed;
            }
        }
        if matches_none == Some(false) {
            return Verdict::NotModified;
        }
        if matches_none.is_none() && is_modified == Some(false) {
            return Verdict::NotModified;
        }
        Verdict::Proceed { range: range != Some(false) }
    }

    proptest! {
        #[test]
        fn any_conditions_come_to_what_the_rfc_says(
            holds in proptest::array::uniform5(proptest::option::of(any::<bool>())),
        ) {
            let written = [
                ("if-match", ["\"b\"", "\"a\""]),
                ("if-unmodified-since", [BEFORE, DATE]),
                ("if-none-match", ["\"a\"", "\"b\""]),
                ("if-modified-since", [DATE, BEFORE]),
                ("if-range", ["\"b\"", "\"a\""]),
            ];
            let lines: Vec<_> = written
                .iter()
                .zip(holds)
                .filter_map(|((name, values), holds)| Some((*name, values[usize::from(holds?)])))
                .collect();
            let (request, answer) = (head(&lines), head(&[("etag", "\"a\""), ("last-modified", DATE)]));
            let current = Validators::of(&answer);
            prop_assert_eq!(Verdict::at_origin(&request, &current), by_the_book(holds, false), "{:?}", lines);
            prop_assert_eq!(Verdict::in_cache(&request, &current), by_the_book(holds, true), "{:?}", lines);
        }
    }
}
