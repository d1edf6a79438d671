//! What a rule asks of a request.

mod header;
mod method;
mod path;
mod query;
mod value;

use std::fmt;

use crate::Request;

pub use self::header::{HeaderMatch, InvalidHeaderName};
pub use self::method::{InvalidMethod, MethodMatch};
pub(crate) use self::path::Kind as PathKind;
pub use self::path::{InvalidPathMatch, PathMatch};
pub use self::query::QueryMatch;
pub use self::value::{InvalidRegex, ValueMatch};

/// A conjunction: the request must satisfy every part. The default asks nothing and accepts everything.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    /// Where the request goes.
    pub path: PathMatch,
    /// The methods it may have.
    pub methods: MethodMatch,
    /// Headers that it must carry, all of them.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters that it must carry, all of them.
    pub query: Vec<QueryMatch>,
}

impl Matcher {
    /// Whether the request satisfies every part. The host is the site's affair and is not looked at.
    #[must_use]
    pub fn accepts(&self, request: &Request<'_>) -> bool {
        self.path.accepts(request.path) && self.accepts_beyond_path(request)
    }

    /// For a table that found the matcher by its path.
    pub(crate) fn accepts_beyond_path(&self, request: &Request<'_>) -> bool {
        self.methods.accepts(request.method) && self.accepts_beyond_method(request)
    }

    /// For the table that asks which methods would have been accepted.
    pub(crate) fn accepts_beyond_method(&self, request: &Request<'_>) -> bool {
        self.headers.iter().all(|header| header.accepts(request.headers))
            && self.query.iter().all(|parameter| parameter.accepts(request.query))
    }

    /// Whether every request that `other` accepts is certain to be accepted here.
    ///
    /// `false` means "not known": two regular expressions are compared by their text alone.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.path.covers(&other.path)
            && self.methods.covers(&other.methods)
            && self.headers.iter().all(|mine| other.headers.iter().any(|theirs| mine.follows_from(theirs)))
            && self.query.iter().all(|mine| other.query.iter().any(|theirs| mine.follows_from(theirs)))
    }
}

/// As in `/api and below, by POST, with header x-beta: any value`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)?;
        if !self.methods.is_any() {
            write!(f, ", by {}", self.methods)?;
        }
        for header in &self.headers {
            write!(f, ", with header {}: {}", header.name(), header.value())?;
        }
        for parameter in &self.query {
            write!(f, ", with query parameter {}: {}", parameter.name(), parameter.value())?;
        }
        Ok(())
    }
}
