//! For which requests an answer was chosen: what `Vary` names, and what the config names beside it (RFC 9111, 4.1).

use http::header::{ACCEPT_ENCODING, VARY};
use http::{HeaderMap, HeaderName};

/// What an answer says about the choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Vary {
    /// It depends on these headers of the request.
    On(Vec<HeaderName>),
    /// It depends on more than headers: it is for nobody else.
    Any,
}

/// The headers of the request that an answer was chosen for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection(pub(crate) Box<[Said]>);

/// A header, and what it says, if it is there.
pub(crate) type Said = (HeaderName, Option<Box<[u8]>>);

// === impl Vary ===

impl Vary {
    /// Reads all lines of `Vary`, and adds the headers that the config names.
    pub(crate) fn of(headers: &HeaderMap, also: &[HeaderName]) -> Self {
        let mut names = also.to_vec();
        for line in headers.get_all(VARY) {
            for name in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                match HeaderName::from_bytes(name) {
                    _ if name.is_empty() => {}
                    // `*`, or something that no request can have.
                    Err(_) => return Self::Any,
                    Ok(_) if name == b"*" => return Self::Any,
                    Ok(name) => names.push(name),
                }
            }
        }
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self::On(names)
    }
}

// === impl Selection ===

impl Selection {
    /// What a request says in these headers.
    pub(crate) fn of(names: &[HeaderName], request: &HeaderMap) -> Self {
        let own = |name: &HeaderName| HeaderName::from_bytes(name.as_str().as_bytes());
        let said = names.iter().map(|name| (own(name).unwrap_or_else(|_| name.clone()), said(name, request)));
        Self(said.collect())
    }

    /// Whether another request says the same.
    pub(crate) fn matches(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| *value == said(name, request))
    }

    /// How much memory it takes.
    pub(crate) fn size(&self) -> usize {
        let one =
            |(name, value): &Said| 64 + name.as_str().len() + value.as_ref().map_or(0, |value| value.len());
        self.0.iter().map(one).sum()
    }
}

/// The lines of one header as one list, without the space that means nothing (RFC 9111, 4.1). Codings have no case.
fn said(name: &HeaderName, request: &HeaderMap) -> Option<Box<[u8]>> {
    let mut list = Vec::new();
    for line in request.get_all(name) {
        for part in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            list.extend_from_slice(part);
            list.push(b',');
        }
    }
    if *name == ACCEPT_ENCODING {
        list.make_ascii_lowercase();
    }
    (!list.is_empty()).then(|| list.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_answer_is_for_requests_that_say_the_same() {
        let asked = head(&[("accept-encoding", "gzip, BR"), ("x-tenant", "a")]);
        type Lines<'a> = &'a [(&'static str, &'static str)];
        let rows: [(Lines<'_>, bool, &str); 7] = [
            (&[("accept-encoding", "gzip, BR"), ("x-tenant", "a")], true, "the same"),
            (&[("accept-encoding", "gzip,br"), ("x-tenant", "a")], true, "spaces and case of codings"),
            (&[("accept-encoding", "gzip"), ("accept-encoding", "br"), ("x-tenant", "a")], true, "two lines"),
            (
                &[("accept-encoding", "br, gzip"), ("x-tenant", "a")],
                false,
                "another order may mean another choice",
            ),
            (&[("accept-encoding", "gzip, br"), ("x-tenant", "A")], false, "case of anything else"),
            (&[("accept-encoding", "gzip, br")], false, "one is missing"),
            (
                &[("accept-encoding", "gzip, br"), ("x-tenant", "a"), ("cookie", "b")],
                true,
                "one that is not asked about",
            ),
        ];
        let Vary::On(names) =
            Vary::of(&head(&[("vary", "Accept-Encoding")]), &[HeaderName::from_static("x-tenant")])
        else {
            panic!("two names");
        };
        let selection = Selection::of(&names, &asked);
        for (lines, expected, row) in rows {
            let mut other = HeaderMap::new();
            for (name, value) in lines {
                other.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            assert_eq!(selection.matches(&other), expected, "{row}");
        }
    }

    #[test]
    fn what_depends_on_everything_is_for_nobody_else() {
        for vary in ["*", "accept, *", "a b"] {
            assert_eq!(Vary::of(&head(&[("vary", vary)]), &[]), Vary::Any, "{vary}");
        }
        assert_eq!(Vary::of(&head(&[("vary", " , ")]), &[]), Vary::On(Vec::new()));
    }
}
