//! Which of two matchers is better, written once.
//!
//! The order of the fields below *is* the precedence: it is compared by the derived `Ord`, which cannot
//! disagree with the derived `Eq`.

use crate::Matcher;
use crate::matcher::PathKind;
use std::cmp::Reverse;

/// How specific a matcher is. Of the matchers that accept a request, the one with the greatest rank wins.
///
/// In this order, as in the Kubernetes Gateway API:
///
/// 1. the path: exact, then the longest prefix (in bytes, normalised), then regular expressions in the order
///    in which they are written, then no condition on the path;
/// 2. a condition on the method;
/// 3. the number of headers;
/// 4. the number of query parameters;
/// 5. the order of writing.
///
/// Unlike nginx, a prefix ranks above a regular expression: a rule for the prefix `/` leaves nothing to
/// expressions. No two matchers of one site have the same rank, because no two are written at the same
/// [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    path: PathRank,
    has_method: bool,
    headers: usize,
    query: usize,
    position: Reverse<Position>,
}

/// Where a matcher is written in its site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Index of the rule in its site.
    pub rule: usize,
    /// Index of the matcher in its rule.
    pub matcher: usize,
}

/// From the worst to the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    Any,
    Regex(Reverse<Position>),
    Prefix { bytes: usize },
    Exact,
}

// === impl Rank ===

impl Rank {
    /// The rank of a matcher that is written at `position`.
    #[must_use]
    pub fn new(matcher: &Matcher, position: Position) -> Self {
        let path = match matcher.path.kind() {
            PathKind::Any => PathRank::Any,
            PathKind::Regex(_) => PathRank::Regex(Reverse(position)),
            PathKind::Prefix(prefix) => PathRank::Prefix { bytes: prefix.len() },
            PathKind::Exact(_) => PathRank::Exact,
        };
        Self {
            path,
            has_method: !matcher.methods.is_any(),
            headers: matcher.headers.len(),
            query: matcher.query.len(),
            position: Reverse(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeaderMatch, MethodMatch, PathMatch, QueryMatch, ValueMatch};

    #[test]
    fn precedence() {
        let exact = || PathMatch::exact("/").unwrap();
        let prefix = |path| PathMatch::prefix(path).unwrap();
        let regex = || PathMatch::regex("^/a/very/long/expression$").unwrap();
        let methods = || MethodMatch::parse(["GET"]).unwrap();
        let headers = |count| vec![HeaderMatch::new("x", ValueMatch::present()).unwrap(); count];
        let query = |count| vec![QueryMatch::new("x", ValueMatch::present()); count];
        let written = |path, methods, headers, query| Matcher { path, methods, headers, query };
        let any = MethodMatch::any;

        // Every matcher is better than the ones below it, wherever either is written.
        let falling = [
            written(exact(), methods(), vec![], vec![]),
            written(exact(), any(), headers(1), query(9)),
            written(exact(), any(), vec![], vec![]),
            written(prefix("/long/prefix"), any(), vec![], vec![]),
            written(prefix("/prefix"), methods(), headers(9), query(9)),
            written(prefix("/prefix"), any(), headers(2), vec![]),
            written(prefix("/prefix"), any(), headers(1), query(9)),
            written(prefix("/prefix"), any(), headers(1), vec![]),
            written(prefix("/prefix"), any(), vec![], query(2)),
            written(prefix("/prefix"), any(), vec![], query(1)),
            written(prefix("/"), any(), vec![], vec![]),
            written(regex(), any(), vec![], vec![]),
            written(PathMatch::any(), methods(), headers(9), query(9)),
            written(PathMatch::any(), any(), vec![], vec![]),
        ];
        let [early, late] = [0, 1].map(|rule| Position { rule, matcher: 0 });
        for (index, better) in falling.iter().enumerate() {
            for worse in &falling[index + 1..] {
                assert!(Rank::new(better, late) > Rank::new(worse, early), "{better:?} over {worse:?}");
            }
            assert!(Rank::new(better, early) > Rank::new(better, late), "what is written first is better");
        }
    }

    #[test]
    fn expressions_go_by_the_order_of_writing_alone() {
        let regex = |methods| Matcher { path: PathMatch::regex("a").unwrap(), methods, ..Matcher::default() };
        let first = Rank::new(&regex(MethodMatch::any()), Position { rule: 0, matcher: 1 });
        let second =
            Rank::new(&regex([http::Method::GET].into_iter().collect()), Position { rule: 1, matcher: 0 });
        assert!(first > second);
    }
}
