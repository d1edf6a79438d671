//! Why a request goes where it goes, for an operator who expected something else.

use crate::{Matcher, Position, Request, RouteTable};
use http::{HeaderName, Method};
use std::fmt;

/// What every rule of the selected site says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Index of the site, as given to [`RouteTable::new`].
    pub site: usize,
    /// One step for each matcher, in falling rank: the first that accepts is the one that wins.
    pub steps: Vec<Step>,
}

/// What one matcher says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which matcher it is.
    pub position: Position,
    /// What it says.
    pub verdict: Verdict,
}

/// Whether a matcher accepts, and whether that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It accepts the request, and is the best that does.
    Wins,
    /// It accepts the request, which goes to a better-ranked rule.
    Outranked,
    /// It does not accept the request.
    Refuses(WhyNot),
}

/// The first condition that a request does not meet, in the order path, method, headers, query.
///
/// `takes` is the condition in words; `found` is what the request has in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// The path.
    Path {
        /// The path of the request.
        found: String,
        /// The condition in words.
        takes: String,
    },
    /// The method.
    Method {
        /// The method of the request.
        found: Method,
        /// The condition in words.
        takes: String,
    },
    /// A header.
    Header {
        /// Its name.
        name: HeaderName,
        /// Its values, joined by commas; `None` when it is absent.
        found: Option<String>,
        /// The condition in words.
        takes: String,
    },
    /// A query parameter.
    Query {
        /// Its name.
        name: String,
        /// Its first value; `None` when it is absent.
        found: Option<String>,
        /// The condition in words.
        takes: String,
    },
}

// === impl RouteTable ===

impl<T> RouteTable<T> {
    /// What every rule of the selected site says to the request; `None` when no site takes the host.
    ///
    /// The step that [wins](Verdict::Wins) is the one that [`find`](Self::find) finds.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> Option<Explanation> {
        let (index, site) = self.site_of(request.host)?;
        let mut decided = false;
        let step = |position| {
            let verdict = match site.matcher(position).why_not(request) {
                Some(reason) => Verdict::Refuses(reason),
                None if decided => Verdict::Outranked,
                None => {
                    decided = true;
                    Verdict::Wins
                }
            };
            Step { position, verdict }
        };
        let steps = site.ranked().into_iter().map(|(_, position)| position).map(step).collect();
        Some(Explanation { site: index, steps })
    }
}

// === impl Matcher ===

impl Matcher {
    /// The first reason not to accept the request; `None` when it is accepted.
    #[must_use]
    pub fn why_not(&self, request: &Request<'_>) -> Option<WhyNot> {
        if !self.path.accepts(request.path) {
            return Some(WhyNot::Path { found: request.path.to_owned(), takes: self.path.to_string() });
        }
        if !self.methods.accepts(request.method) {
            return Some(WhyNot::Method { found: request.method.clone(), takes: self.methods.to_string() });
        }
        let header = self.headers.iter().find(|header| !header.accepts(request.headers)).map(|header| {
            let lines = request.headers.get_all(header.name()).iter();
            let values: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
            WhyNot::Header {
                name: header.name().clone(),
                found: (!values.is_empty()).then(|| values.join(", ")),
                takes: header.value().to_string(),
            }
        });
        header.or_else(|| {
            let parameter = self.query.iter().find(|parameter| !parameter.accepts(request.query))?;
            let value = parameter.value_in(request.query);
            Some(WhyNot::Query {
                name: parameter.name().to_owned(),
                found: value.map(|value| String::from_utf8_lossy(&value).into_owned()),
                takes: parameter.value().to_string(),
            })
        })
    }
}

// === impl WhyNot ===

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { found, takes } => write!(f, "path is {found}, the route takes {takes}"),
            Self::Method { found, takes } => write!(f, "method is {found}, the route takes {takes}"),
            Self::Header { name, found, takes } => value(f, "header", name.as_str(), found.as_deref(), takes),
            Self::Query { name, found, takes } => value(f, "query parameter", name, found.as_deref(), takes),
        }
    }
}

fn value(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    name: &str,
    found: Option<&str>,
    takes: &str,
) -> fmt::Result {
    match found {
        Some(found) => write!(f, "{what} {name} is {found:?}, the route takes {takes}"),
        None => write!(f, "{what} {name} is absent, the route takes {takes}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{matcher, table, with_request};

    #[test]
    fn the_first_reason_in_words() {
        for (written, request, expected) in [
            ("=/a", "GET /b", "path is /b, the route takes /a exactly"),
            ("/a", "GET /ab", "path is /ab, the route takes /a and below"),
            ("/", "GET /", "accepted"),
            ("~^/v[0-9]", "GET /b", "path is /b, the route takes paths that match `^/v[0-9]`"),
            ("=/a POST @x", "GET /a", "method is GET, the route takes POST"),
            ("PUT,POST", "GET /a", "method is GET, the route takes PUT, POST"),
            ("@x ?q", "GET /a", "header x is absent, the route takes any value"),
            ("@x=1", "GET /a x: 2; x: 3", "header x is \"2, 3\", the route takes \"1\""),
            ("@y @x=1", "GET /a y: 1", "header x is absent, the route takes \"1\""),
            ("?q~^1", "GET /a?q=a+b", "query parameter q is \"a b\", the route takes values that match `^1`"),
            ("?q", "GET /a?p", "query parameter q is absent, the route takes any value"),
            ("?q", "GET /a?q", "accepted"),
        ] {
            let reason = with_request(request, |request| matcher(written).why_not(request));
            let words = reason.map_or_else(|| "accepted".to_owned(), |reason| reason.to_string());
            assert_eq!(words, expected, "{written}: {request}");
        }
    }

    #[test]
    fn steps_stand_in_rank_order() {
        let table = table(&[("any", ""), ("api", "/api | =/api/x POST"), ("deep", "/api/x")]);
        let explanation = with_request("GET /api/x", |request| table.explain(request)).unwrap();
        let steps: Vec<_> = explanation
            .steps
            .iter()
            .map(|step| (step.position.rule, step.position.matcher, step.verdict.clone()))
            .collect();
        let not_post = WhyNot::Method { found: Method::GET, takes: "POST".to_owned() };
        assert_eq!(
            steps,
            [
                (1, 1, Verdict::Refuses(not_post)),
                (2, 0, Verdict::Wins),
                (1, 0, Verdict::Outranked),
                (0, 0, Verdict::Outranked),
            ]
        );
    }

    #[test]
    fn without_a_site_there_is_nothing_to_explain() {
        let table = RouteTable::<()>::new([]).unwrap();
        assert_eq!(with_request("GET /", |request| table.explain(request)), None);
    }
}
